"""The current slice as it would come back with a region of interest: a few slices go through the method itself."""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from MedCompressLib.codecs import get_codec
from MedCompressLib.compression import decompress
from MedCompressLib.preview import Trial
from MedCompressLib.quality import choose_peak
from MedCompressLib.roi import compress_roi
from MedCompressLib.targets import Target
from MedCompressLib.volume import Geometry, Volume

from .archives import checkTarget
from .roi_parameters import RoiMethod
from .roi_region import RoiRegion
from .side_by_side import SideBySide
from .slice_preview import SlicePreview
from .views import currentSlice
from .volumes import asVolumeNode

_NEIGHBORS = 8
"""Slices that go through together: enough for a codec that predicts between slices, and soon done."""


@dataclass(frozen=True, eq=False)
class RoiSliceRequest:
    """A trial to be made: a call makes it, from arrays alone, so that any thread may call.

    slices: what goes through the method, with slice k, which is the one to show. geometry: of the whole volume.
    """

    volumeNode: object
    codec: str
    target: Target
    method: RoiMethod
    region: RoiRegion
    k: int
    slices: range
    known: Trial | None = None

    @property
    def geometry(self) -> Geometry:
        return self.region.volume.geometry

    def __call__(self) -> Trial:
        if self.known is not None:
            return self.known
        volume, part = self.region.volume, slice(self.slices[0], self.slices[-1] + 1)
        samples, mask = np.ascontiguousarray(volume.array[part]), self.region.mask.array[part]
        guidance = self.region.guidance[part] if self.method is RoiMethod.DIFFUSION else None
        if not mask.any():
            mask = _oneVoxel(mask.shape)
        slab = Volume(samples, volume.geometry, volume.modality)
        peak = choose_peak(volume.modality, volume.array)
        with tempfile.TemporaryDirectory(prefix="medcompress-") as folder:
            path = Path(folder) / "slices.mcz"
            report = compress_roi(
                slab,
                path,
                mask,
                self.method.value,
                self.codec,
                self.target,
                probability=guidance,
                peak=peak.value,
                figures=False,
            )
            restored = decompress(path).array
        quality = report.manifest.layers[-1].quality["outside"]
        psnr = math.inf if not quality["mse"] else 10 * math.log10(peak.value**2 / quality["mse"])
        return Trial(restored, report.ratio, psnr, quality["max_error"], peak)

    def asksTheSame(self, other: RoiSliceRequest) -> bool:
        """Whether one trial answers both, maybe with another slice of it."""
        mine, theirs = ((r.region, r.method, r.codec, r.target, r.slices) for r in (self, other))
        return mine == theirs


def _oneVoxel(shape: tuple[int, ...]) -> np.ndarray:
    """No method works without a region: slices beside it get one of a single voxel in a corner."""
    mask = np.zeros(shape, bool)
    mask[0, 0, 0] = True
    return mask


class RoiSlicePreview(SlicePreview):
    """As `SlicePreview`, with a region of interest; next to the original where the views allow it."""

    def __init__(self):
        super().__init__()
        self.views = SideBySide()

    def request(self, volumeNode, codec: str, target: Target, method: RoiMethod, region: RoiRegion) -> RoiSliceRequest:
        """What has to be tried for the slice in the slice view."""
        volumeNode = asVolumeNode(volumeNode)
        checkTarget(volumeNode, target)
        self.views.begin()
        self.views.follow()
        k, count = currentSlice(volumeNode), len(region.volume.array)
        together = min(_NEIGHBORS, get_codec(codec).capabilities.slices or 1)
        if method is RoiMethod.DIFFUSION:
            together = _NEIGHBORS
        first = min(k // together * together, max(0, count - together))
        slices = range(first, min(count, first + together))
        request = RoiSliceRequest(volumeNode, codec, target, method, region, k, slices)
        if self._trial is not None and request.asksTheSame(self._trial[0]):
            return replace(request, known=self._trial[1])
        return request

    def coveredViews(self) -> list:
        return self.views.previewViews()

    def remove(self) -> None:
        super().remove()
        self.views.end()
