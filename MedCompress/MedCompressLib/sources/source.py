"""What every source of samples offers, and a volume in memory as one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..volume import Geometry, Volume

SLAB_BYTES = 4 << 20


class Source(Protocol):
    """A scalar volume that is read slab by slab.

    shape: (slices k, rows j, columns i). scalar_type: one of volume.SCALAR_TYPES. modality, name: as in a Volume.
    """

    shape: tuple[int, int, int]
    scalar_type: str
    geometry: Geometry
    modality: str | None
    name: str

    def read(self, start: int, stop: int) -> np.ndarray:
        """Slices start <= k < stop as [k, j, i] in native byte order, the same each time; may be called by threads.

        Raises MedCompressError when the samples cannot be read.
        """

    def close(self) -> None:
        """Let go of files; nothing can be read afterwards."""


def slice_bytes(source: Source) -> int:
    """Bytes of the samples of one slice."""
    return math.prod(source.shape[1:]) * np.dtype(source.scalar_type).itemsize


def slabs(source: Source) -> Iterator[np.ndarray]:
    """All samples in order, in slabs of a few MB."""
    step = max(1, SLAB_BYTES // slice_bytes(source))
    for start in range(0, source.shape[0], step):
        yield source.read(start, min(start + step, source.shape[0]))


@dataclass
class VolumeSource:
    """A volume in memory."""

    volume: Volume

    def __post_init__(self) -> None:
        self.shape = self.volume.array.shape
        self.scalar_type = self.volume.scalar_type
        self.geometry = self.volume.geometry
        self.modality = self.volume.modality
        self.name = self.volume.name

    def read(self, start: int, stop: int) -> np.ndarray:
        return self.volume.array[start:stop]

    def close(self) -> None:
        pass
