"""One chunk of a region layer: the outline of the region in some slices, then the values inside.

With an error bound e the values are quantized in steps of 2 e + 1 first, so that none moves by more than e.
"""

from __future__ import annotations

import struct

import numpy as np

from ..errors import MedCompressError
from . import outline, packed
from .rans import damaged

NAME = "region"
VERSION = "MedCompress region coder 1"
SLICES = 16
_SIZE = struct.Struct("<I")
_LARGEST = 1 << 16


def encode(codes: np.ndarray, mask: np.ndarray, error: int = 0) -> bytes:
    """codes: integers of at most 16 bit [k, j, i]; mask: bool of that shape; error: largest change allowed, 0 for
    none."""
    shape = outline.encode(mask)
    head = _SIZE.pack(len(shape)) + shape
    box = outline.bounding_box(mask)
    if box is None:
        return head
    inner = tuple(slice(*pair) for pair in box)
    values = (codes[inner].astype(np.int64) + error) // (2 * error + 1)
    return head + packed.encode(values, mask[inner])


def decode(data: bytes, shape: tuple[int, int, int], dtype: str, error: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(mask, codes) [k, j, i]; the codes are of type `dtype`, 0 outside. Raises MedCompressError on damage."""
    if len(data) < _SIZE.size:
        raise damaged()
    (size,) = _SIZE.unpack_from(data)
    end = _SIZE.size + size
    if end > len(data):
        raise damaged()
    mask = outline.decode(data[_SIZE.size : end], shape)
    codes = np.zeros(shape, dtype)
    box = outline.bounding_box(mask)
    if box is None:
        if end != len(data):
            raise damaged()
        return mask, codes
    inner = tuple(slice(*pair) for pair in box)
    limits = np.iinfo(dtype)
    try:
        values = packed.decode(data[end:], mask[inner]).astype(np.int64) * (2 * error + 1)
    except (ValueError, IndexError, OverflowError, FloatingPointError):
        raise damaged() from None
    if error == 0 and (values.min() < limits.min or values.max() > limits.max):
        raise damaged()
    codes[inner] = np.where(mask[inner], np.clip(values, limits.min, limits.max), 0)
    return mask, codes


def check_error(error: int) -> int:
    """The error bound, if it is a whole number from 0 to 65536; else MedCompressError."""
    if not (isinstance(error, int) and 0 <= error <= _LARGEST):
        raise MedCompressError(f"the largest error {error} of a region is no whole number up to {_LARGEST}: give one")
    return error
