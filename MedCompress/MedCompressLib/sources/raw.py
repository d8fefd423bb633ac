"""Samples that lie uncompressed in one file, slice after slice: raw NRRD and MetaImage, NIfTI, plain TIFF."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import MedCompressError
from ..volume import Geometry


@dataclass
class RawSource:
    """shape [k, j, i] samples of `dtype` (any byte order) from byte `offset` of the file at `path`.

    The file is read and not mapped, so that resident memory stays what is in use. Raises MedCompressError when the file
    is shorter than it should be.
    """

    path: Path
    offset: int
    dtype: np.dtype
    shape: tuple[int, int, int]
    geometry: Geometry
    modality: str | None = None
    name: str = ""

    def __post_init__(self) -> None:
        self.scalar_type = self.dtype.name
        needed, size = self.offset + math.prod(self.shape) * self.dtype.itemsize, self.path.stat().st_size
        if size < needed:
            raise MedCompressError(
                f"{self.path} is cut off: {needed} bytes are promised, the file has {size}; copy or export it again"
            )

    def read(self, start: int, stop: int) -> np.ndarray:
        plane = math.prod(self.shape[1:])
        count, offset = (stop - start) * plane, self.offset + start * plane * self.dtype.itemsize
        try:
            samples = np.fromfile(self.path, self.dtype, count, offset=offset)
        except OSError as error:
            raise MedCompressError(f"{self.path} cannot be read ({error.strerror or error}): check the file") from None
        if len(samples) != count:
            raise MedCompressError(f"{self.path} became shorter while it was read: start again when it is complete")
        return samples.astype(self.dtype.newbyteorder("="), copy=False).reshape(stop - start, *self.shape[1:])

    def close(self) -> None:
        pass
