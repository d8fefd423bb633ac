"""What all three methods need to know of a volume before they start."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..codecs.interface import SampleFormat
from ..errors import MedCompressError
from ..quality.peak import Peak, choose_peak
from ..sample_mapping import Mapping
from ..samples import choose_mapping, measure
from ..volume import Volume


@dataclass(frozen=True, eq=False)
class RoiPlan:
    """The volume, the mapping of its samples to whole numbers, these numbers [k, j, i], and the peak of the PSNR."""

    volume: Volume
    mapping: Mapping
    codes: np.ndarray
    peak: Peak

    @property
    def sample_format(self) -> SampleFormat:
        return SampleFormat(self.mapping.coded_type, self.mapping.bits)


def make_plan(volume: Volume, peak: float | None) -> RoiPlan:
    """Raises MedCompressError for samples that are no whole numbers spanning at most 65535: a region of them cannot be
    coded exactly."""
    statistics = measure(volume.array)
    if statistics.nonfinite:
        raise MedCompressError(
            f"the volume holds NaN or infinite samples ({statistics.nonfinite}), which cannot be kept with a region: "
            "replace them by a number (on the command line: --nan VALUE), or compress all of it with --lossless and "
            "no region"
        )
    mapping = choose_mapping(volume.scalar_type, statistics, True)
    if mapping.kind not in ("direct", "offset"):
        raise MedCompressError(
            "a region of interest needs samples that are whole numbers spanning at most 65535, and these are not: "
            "round or rescale the volume and save it as int16 or uint16, or compress all of it with --lossless and no "
            "region"
        )
    if peak is not None and not 1e-140 <= peak <= 1e140:
        raise MedCompressError(f"the peak {peak:g} is not a positive number: give the largest signal, as 4096 for CT")
    given = Peak(float(peak), f"{peak:g}, as given") if peak is not None else None
    return RoiPlan(volume, mapping, mapping.forward(volume.array), given or choose_peak(volume.modality, volume.array))
