"""The outline of a region: which voxels of some slices belong to it, as few bytes.

The bounding box, then its voxels as bits with k fastest (neighboring slices are alike), compressed with LZMA2.
"""

from __future__ import annotations

import lzma
import struct

import numpy as np

from .rans import damaged

_BOX = struct.Struct("<6I")
_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": 1 << 22, "lc": 0, "pb": 0}]
_EXPANSION = 8192
"""LZMA2 does not expand more than this."""


def encode(mask: np.ndarray) -> bytes:
    """Bytes of a mask (bool) [k, j, i]; none for an empty one."""
    box = bounding_box(mask)
    if box is None:
        return b""
    inner = mask[tuple(slice(*pair) for pair in box)]
    head = _BOX.pack(*(bound for pair in box for bound in pair))
    if inner.all():
        return head
    bits = np.packbits(inner.transpose(1, 2, 0)).tobytes()
    return head + lzma.compress(bits, lzma.FORMAT_RAW, filters=_FILTERS)


def decode(data: bytes, shape: tuple[int, int, int]) -> np.ndarray:
    """The mask (bool) of this shape; raises MedCompressError on damage."""
    if not data:
        return np.zeros(shape, bool)
    if len(data) < _BOX.size:
        raise damaged()
    bounds = _BOX.unpack_from(data)
    box = tuple(slice(*bounds[axis : axis + 2]) for axis in (0, 2, 4))
    if any(not 0 <= part.start < part.stop <= count for part, count in zip(box, shape, strict=True)):
        raise damaged()
    inner = tuple(part.stop - part.start for part in box)
    mask = np.zeros(shape, bool)
    mask[box] = _inflate(data[_BOX.size :], inner) if len(data) > _BOX.size else True
    return mask


def _inflate(data: bytes, shape: tuple[int, int, int]) -> np.ndarray:
    count = shape[0] * shape[1] * shape[2]
    size = -(-count // 8)
    if size > _EXPANSION * len(data):
        raise damaged()
    try:
        inflate = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_FILTERS)
        bits = inflate.decompress(data, size + 1)
    except lzma.LZMAError:
        raise damaged() from None
    if len(bits) != size or not inflate.eof or inflate.unused_data:
        raise damaged()
    flat = np.unpackbits(np.frombuffer(bits, np.uint8), count=count)
    return flat.reshape(shape[1], shape[2], shape[0]).transpose(2, 0, 1).astype(bool)


def bounding_box(mask: np.ndarray) -> tuple[tuple[int, int], ...] | None:
    """(first, end) along k, j and i of the true voxels; None where there are none."""
    box = []
    for axis in range(3):
        line = np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis})))
        if not line.size:
            return None
        box.append((int(line[0]), int(line[-1]) + 1))
    return tuple(box)
