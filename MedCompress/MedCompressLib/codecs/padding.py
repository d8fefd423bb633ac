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
_EVERY = 61
"""One sample in so many shows soon that there is no gap."""


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
    lowest, highest = int(samples.min()), int(samples.max())
    for outer, far in ((lowest, highest), (highest, lowest)):
        inner = _next_value(samples, outer, far)
        if inner not in (None, far) and abs(outer - inner) > _LEAST_GAP * abs(inner - far):
            return Range(min(inner, far), max(inner, far), outer)
    return Range(lowest, highest)


def _next_value(samples: np.ndarray, outer: int, far: int) -> int | None:
    """The value nearest to an extreme one that fills enough of the samples, None where it plainly is no padding."""
    part = samples.reshape(-1)[::_EVERY]
    near = np.abs(part.astype(np.int32) - outer) <= _LEAST_GAP / (1 + _LEAST_GAP) * abs(far - outer)
    if (near & (part != outer)).any():
        return None
    others = samples != outer
    if samples.size - np.count_nonzero(others) < _LEAST_SHARE * samples.size:
        return None
    extreme = np.min if outer < far else np.max
    return int(extreme(samples, where=others, initial=far))


def fill_padding(samples: np.ndarray, limits: Range) -> tuple[np.ndarray, np.ndarray]:
    """Samples with the nearest value of the image where padding was, and where that is."""
    places = samples == limits.padding
    fill = limits.lowest if limits.padding < limits.lowest else limits.highest
    return np.where(places, samples.dtype.type(fill), samples), places


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
        raise MedCompressError(f"a chunk is damaged in its mask ({error}): restore the file from a copy") from None
    if len(octets) != size:
        raise MedCompressError("a chunk is damaged in its mask: restore the file from a copy")
    mask = np.unpackbits(np.frombuffer(octets, np.uint8), count=int(np.prod(shape))).reshape(shape)
    for before, plane in zip(mask, mask[1:], strict=False):
        plane ^= before
    return mask.view(bool)
