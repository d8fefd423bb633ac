"""The value that stands for "nothing was measured here" in a group of slices, told apart from the image.

CT scanners fill what lies outside the field of view with a value far from all others, such as -3024 HU. Where it is,
is coded exactly, and the image codec never sees the step.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from ..errors import MedCompressError

_LEAST_SHARE = 1 / 64
_LEAST_GAP = 1 / 8


@dataclass(frozen=True)
class Range:
    """Lowest and highest sample but for the padding, and the padding's value, None where there is none."""

    lowest: int
    highest: int
    padding: int | None = None


def find_range(samples: np.ndarray) -> Range:
    """The range of unsigned samples of at most 16 bit.

    An extreme value is padding when it fills 1/64 of the group and lies 1/8 of the range of all others away from them.
    """
    counts = np.bincount(samples.reshape(-1))
    values = np.flatnonzero(counts)
    lowest, highest = int(values[0]), int(values[-1])
    if len(values) > 2:
        for outer, inner, far in ((0, 1, -1), (-1, -2, 0)):
            gap, rest = abs(int(values[outer]) - int(values[inner])), abs(int(values[inner]) - int(values[far]))
            if counts[values[outer]] >= _LEAST_SHARE * samples.size and gap > _LEAST_GAP * rest:
                bounds = sorted((int(values[inner]), int(values[far])))
                return Range(bounds[0], bounds[1], int(values[outer]))
    return Range(lowest, highest)


def pack_mask(mask: np.ndarray) -> bytes:
    """A mask [k, j, i] as changes from slice to slice, one bit each, compressed."""
    changes = mask.copy()
    changes[1:] ^= mask[:-1]
    return zlib.compress(np.packbits(changes).tobytes(), 9)


def unpack_mask(content: bytes, shape: tuple[int, int, int]) -> np.ndarray:
    """Inverse of `pack_mask`."""
    size = -(-int(np.prod(shape)) // 8)
    unpacker = zlib.decompressobj()
    try:
        octets = unpacker.decompress(content, size + 1)
    except zlib.error as error:
        raise MedCompressError(f"an HEVC chunk is damaged ({error}): restore the file from a copy") from None
    if len(octets) != size:
        raise MedCompressError("an HEVC chunk is damaged in its mask: restore the file from a copy")
    mask = np.unpackbits(np.frombuffer(octets, np.uint8), count=int(np.prod(shape))).reshape(shape)
    for before, plane in zip(mask, mask[1:], strict=False):
        plane ^= before
    return mask.view(bool)
