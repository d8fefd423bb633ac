"""The distinct values of a volume in order, so that few values of a wide or fractional type become small integers.

Scanners and converters often store floats that are multiples of a slope: thousands of voxels, a few hundred values.
Values are told apart and sorted by their bit patterns (IEEE 754-2019, section 5.10, totalOrder), so negative zero and
NaN payloads survive.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from .errors import MedCompressError

MOST_VALUES = 65536


def distinct_values(
    slabs: Iterable[np.ndarray], scalar_type: str | np.dtype, most: int = MOST_VALUES
) -> np.ndarray | None:
    """The distinct values of slabs of one type, sorted; None as soon as there are more than `most`."""
    dtype = np.dtype(scalar_type)
    found = np.empty(0, _key_type(dtype))
    for slab in slabs:
        found = np.union1d(found, _keys(slab))
        if len(found) > most:
            return None
    return _values(found, dtype)


def encode_table(values: np.ndarray) -> str:
    """Sorted distinct values as text: little-endian samples, zlib (RFC 1950), base64 (RFC 4648)."""
    return base64.b64encode(zlib.compress(values.astype(values.dtype.newbyteorder("<")).tobytes(), 9)).decode()


@lru_cache(maxsize=8)
def decode_table(text: str, scalar_type: str) -> np.ndarray:
    """Inverse of `encode_table`; raises MedCompressError for text that no writer makes."""
    dtype = np.dtype(scalar_type)
    try:
        unpacker = zlib.decompressobj()
        content = unpacker.decompress(base64.b64decode(text, validate=True), MOST_VALUES * dtype.itemsize)
        values = np.frombuffer(content, dtype.newbyteorder("<")).astype(dtype)
        keys = _keys(values)
        valid = unpacker.eof and len(values) and bool((keys[1:] > keys[:-1]).all())
    except (ValueError, zlib.error):
        valid = False
    if not valid:
        raise MedCompressError("the table of sample values is malformed; the file is damaged or too new")
    return values


def to_ranks(samples: np.ndarray, values: np.ndarray, coded_type: str) -> np.ndarray:
    """Rank of every sample in the table; raises MedCompressError for a sample that is not in it."""
    keys, wanted = _keys(values), _keys(samples)
    ranks = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    if (keys[ranks] != wanted).any():
        raise MedCompressError("a sample is not in the table of values; measure the whole volume first")
    return ranks.astype(coded_type)


def from_ranks(ranks: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Samples of ranks; raises MedCompressError for a rank beyond the table."""
    if ranks.size and int(ranks.max()) >= len(values):
        raise MedCompressError("a decoded sample is beyond the table of values; the file is damaged")
    return values[ranks]


def _key_type(dtype: np.dtype) -> np.dtype:
    return np.dtype(f"u{dtype.itemsize}")


def _keys(values: np.ndarray) -> np.ndarray:
    """Unsigned integers that sort as the values do, one for each bit pattern."""
    patterns = np.ascontiguousarray(values).view(_key_type(values.dtype))
    if values.dtype.kind == "u":
        return patterns
    sign = patterns.dtype.type(1 << (8 * values.dtype.itemsize - 1))
    if values.dtype.kind == "i":
        return patterns ^ sign
    return np.where(patterns & sign, ~patterns, patterns | sign)


def _values(keys: np.ndarray, dtype: np.dtype) -> np.ndarray:
    sign = keys.dtype.type(1 << (8 * dtype.itemsize - 1))
    if dtype.kind == "i":
        keys = keys ^ sign
    elif dtype.kind == "f":
        keys = np.where(keys & sign, keys ^ sign, ~keys)
    return keys.view(dtype)
