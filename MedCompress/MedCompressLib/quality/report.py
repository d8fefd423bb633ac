"""All measures of a pair of images at once, in one pass over the slices."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np

from .checks import checked_mask, checked_pair, checked_peak, float_slice, mask_slice
from .entropy_bits import entropy_of
from .error_sum import ErrorSum, differences
from .multiscale import ms_ssim_scales, slice_similarity
from .peak import Peak, choose_peak
from .slices import map_slices
from .structural_similarity import weighted_average
from .total_variation import weighted_total_variation

Progress = Callable[[float, str], None]


@dataclass(frozen=True, kw_only=True)
class Measures:
    """What was measured over one region."""

    voxels: int
    psnr: float
    """dB; infinite where the region is unchanged."""
    mse: float
    """Squared units of the image."""
    max_error: float
    """Units of the image."""
    ssim: float
    ms_ssim: float
    entropy_reference: float
    """Bits per voxel."""
    entropy_test: float
    """Bits per voxel."""


@dataclass(frozen=True, kw_only=True)
class QualityReport(Measures):
    """The measures over the whole volume, the peak they depend on and, given a mask, the measures on its two sides."""

    peak: float
    peak_reason: str
    ms_ssim_scales: int
    """How many of the five scales the slices are large enough for."""
    inside: Measures | None = None
    outside: Measures | None = None
    """None also where the mask covers everything."""
    total_variation_reference: float | None = None
    """Weighted total variation in the boxes around the mask; None without a mask."""
    total_variation_test: float | None = None

    def as_dict(self) -> dict:
        """Plain values for JSON, nested as the fields are. JSON knows no infinity: an infinite PSNR is None (null)."""
        return _json_ready(asdict(self))


def _json_ready(value):
    if isinstance(value, dict):
        return {key: _json_ready(item) for key, item in value.items()}
    return None if isinstance(value, float) and math.isinf(value) else value


def compare(
    reference: np.ndarray,
    test: np.ndarray,
    *,
    modality: str | None = None,
    peak: float | None = None,
    mask: np.ndarray | None = None,
    progress: Progress | None = None,
) -> QualityReport:
    """Compare two images [k, j, i] by every measure, over the volume and, with a mask, inside and outside of it.

    The peak is the one given, else `choose_peak(modality, reference)`. `progress(fraction, message)` is called in the
    caller's thread; an exception it raises stops the work.
    Raises MedCompressError for shapes that differ, empty images or masks, NaN or infinite values, a peak not above 0.
    """
    reference, test = checked_pair(reference, test)
    mask = checked_mask(mask, reference.shape)
    chosen = choose_peak(modality, reference) if peak is None else Peak(peak, f"{peak:.10g}, as given")
    checked_peak(chosen.value)
    report = progress or (lambda fraction, message: None)
    regions = [None] if mask is None else [None, True, False]

    rows = []
    for row in map_slices(lambda k: _slice_row(reference, test, mask, regions, chosen.value, k), len(reference)):
        rows.append(row)
        report(0.9 * len(rows) / len(reference), f"Compared slice {len(rows)} of {len(reference)}")
    measures = []
    for place, region in enumerate(regions):
        report(0.9 + 0.1 * place / len(regions), "Counting the values for the entropy")
        measures.append(_measures([row[place] for row in rows], reference, test, mask, region, chosen.value))
    whole, inside, outside = [*measures, None, None][:3]
    result = QualityReport(
        **asdict(whole),
        peak=float(chosen.value),
        peak_reason=chosen.reason,
        ms_ssim_scales=ms_ssim_scales(reference.shape),
        inside=inside,
        outside=outside,
        total_variation_reference=None if mask is None else weighted_total_variation(reference, mask),
        total_variation_test=None if mask is None else weighted_total_variation(test, mask),
    )
    report(1.0, "Compared")
    return result


def _slice_row(reference, test, mask, regions, peak, k) -> list[tuple[ErrorSum, tuple[float, float, float]]]:
    """For each region its errors and (SSIM, MS-SSIM, weight) in slice k."""
    x, y = float_slice(reference, k, "reference"), float_slice(test, k, "test")
    inside = mask_slice(mask, k)
    selections = [None if region is None else inside == region for region in regions]
    difference = differences(reference[k], test[k])
    errors = [ErrorSum() for _ in regions]
    for error, selected in zip(errors, selections, strict=True):
        error.add_difference(difference if selected is None else difference[selected])
    del difference
    return list(zip(errors, slice_similarity(x, y, peak, selections), strict=True))


def _measures(rows, reference, test, mask, region, peak) -> Measures | None:
    total = ErrorSum()
    for error, _ in rows:
        total.merge(error)
    if total.count == 0:
        return None

    def values(image):
        return lambda k: image[k].ravel() if region is None else image[k][mask_slice(mask, k) == region]

    return Measures(
        voxels=total.count,
        psnr=total.psnr(peak),
        mse=total.mse,
        max_error=total.max_error,
        ssim=weighted_average((ssim, weight) for _, (ssim, _, weight) in rows),
        ms_ssim=weighted_average((ms_ssim, weight) for _, (_, ms_ssim, weight) in rows),
        entropy_reference=entropy_of(reference, values(reference)),
        entropy_test=entropy_of(test, values(test)),
    )
