"""A folder of DICOM slices, one file after another."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import MedCompressError
from ..volume_dicom import dicom_slices, narrow_type, read_pixels, volume_name


class DicomSource:
    """The volume that `volume.read_volume` finds in a folder, with the same checks; see its docstring.

    Where GDCM may have widened the samples all of them are read once, to find the type that holds them.
    """

    def __init__(self, folder: Path, series: str | None = None):
        self._slices, self.geometry, dtype = dicom_slices(folder, series)
        first = self._slices[0]
        slices = first.size[2] if len(self._slices) == 1 else len(self._slices)
        self.shape = (slices, first.size[1], first.size[0])
        self.modality, self.name = first.modality, volume_name(first)
        self.scalar_type = dtype.name
        if dtype == np.int32:
            extremes = [(int(pixels.min()), int(pixels.max())) for pixels in map(read_pixels, self._slices)]
            lowest, highest = zip(*extremes, strict=True)
            self.scalar_type = narrow_type(min(lowest), max(highest)).name

    def read(self, start: int, stop: int) -> np.ndarray:
        if len(self._slices) == 1:
            return read_pixels(self._slices[0])[start:stop].astype(self.scalar_type, copy=False)
        slab = np.empty((stop - start, *self.shape[1:]), self.scalar_type)
        for k, item in enumerate(self._slices[start:stop]):
            pixels = read_pixels(item)
            if pixels.shape[1:] != self.shape[1:]:
                raise MedCompressError(f"{item.path} was changed while it was read: start again when it is complete")
            slab[k] = pixels[0]
        return slab

    def close(self) -> None:
        pass
