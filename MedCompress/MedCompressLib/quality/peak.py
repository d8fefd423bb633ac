"""The peak of PSNR and SSIM: without it neither number means anything."""

from dataclasses import dataclass

import numpy as np

from .checks import check_finite, checked_volume

CT_PEAK = 4096.0


@dataclass(frozen=True)
class Peak:
    """The largest signal L that errors are related to, in the image's own units, and why it was chosen."""

    value: float
    reason: str


def data_range(image: np.ndarray) -> float:
    """Largest minus smallest value of an image [k, j, i], in its own units."""
    image = checked_volume(image, "reference")
    lowest, highest = [], []
    for part in image:
        check_finite(part, "reference")
        lowest.append(part.min())
        highest.append(part.max())
    return float(max(highest).item() - min(lowest).item())


def choose_peak(modality: str | None, reference: np.ndarray) -> Peak:
    """4096 for CT, else the data range of the reference [k, j, i].

    The modality is DICOM's (0008,0060), such as "CT" or "MR", in any case; None where unknown.
    A constant image has no data range; its peak is 1, which the reason says.
    Source of both conventions: Kurmukov et al. 2024. For the 16-bit convention of Luu et al. 2021 give 65535 yourself.
    """
    if _is_ct(modality):
        return peak_of_range(modality, 0.0)
    return peak_of_range(modality, data_range(reference))


def peak_of_range(modality: str | None, value: float) -> Peak:
    """As `choose_peak`, for a reference whose largest minus smallest value is known."""
    if _is_ct(modality):
        return Peak(CT_PEAK, "4096, the CT convention")
    name = (modality or "").strip().upper()
    if value == 0:
        return Peak(1.0, "1, because the reference is constant")
    return Peak(value, f"{value:.10g}, data range of the reference ({name or 'modality unknown'})")


def _is_ct(modality: str | None) -> bool:
    return (modality or "").strip().upper() == "CT"
