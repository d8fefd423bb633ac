"""What a lossy codec left of a group of slices, in coarse steps: small whole numbers, packed densely.

Samples are whole numbers, so a step that falls without a jump would still change what is kept in jumps. Therefore it is
an odd number up to some sample of the group, and the next odd number from there.
"""

from __future__ import annotations

import math
import struct
import zlib

import numpy as np

from ..errors import MedCompressError

_HEADER = struct.Struct("<QHH")
"""Number of samples with the finer step, that step, largest number of steps."""

_LARGEST = 0x7FFF
_BYTE = 256


def pack_residual(residual: np.ndarray, step: float) -> bytes:
    """Whole numbers [k, j, i] in steps of `step` on average, at least 1; nothing where none is half a step."""
    finer = max(0, math.floor((step - 1) / 2)) * 2 + 1
    fine = round(residual.size * (1 - (max(1.0, step) - finer) / 2))
    digits = residual.reshape(-1).copy()
    for part, odd in ((digits[:fine], finer), (digits[fine:], finer + 2)):
        part += odd // 2
        part //= odd
    largest = min(_LARGEST, int(np.abs(digits).max()))
    if largest == 0:
        return b""
    digits = (digits.clip(-largest, largest) + largest).astype(np.uint16)
    content = _to_octets(digits, 2 * largest + 1)
    plain = zlib.compressobj(strategy=zlib.Z_HUFFMAN_ONLY)
    packed = min(plain.compress(content) + plain.flush(), zlib.compress(content), key=len)
    return _HEADER.pack(fine, finer, largest) + packed


def unpack_residual(content: bytes, shape: tuple[int, int, int]) -> np.ndarray:
    """What to add to the samples [k, j, i], int32; raises MedCompressError on damage."""
    if len(content) < _HEADER.size:
        raise _damaged()
    fine, finer, largest = _HEADER.unpack_from(content)
    base, count = 2 * largest + 1, math.prod(shape)
    if fine > count or not 0 < largest <= _LARGEST:
        raise _damaged()
    size = 2 * count if base > _BYTE else -(-count // _digits(base))
    unpacker = zlib.decompressobj()
    try:
        octets = unpacker.decompress(content[_HEADER.size :], size + 1)
    except zlib.error:
        raise _damaged() from None
    if len(octets) != size or not unpacker.eof:
        raise _damaged()
    changes = _from_octets(octets, base, count).astype(np.int32) - largest
    changes[:fine] *= finer
    changes[fine:] *= finer + 2
    return changes.reshape(shape)


def _to_octets(digits: np.ndarray, base: int) -> bytes:
    """Numbers below `base`, as many in a byte as it can hold, the first as the lowest digit; or low and high bytes."""
    if base > _BYTE:
        return (digits & 0xFF).astype(np.uint8).tobytes() + (digits >> 8).astype(np.uint8).tobytes()
    count = _digits(base)
    columns = np.append(digits, np.zeros(-digits.size % count, np.uint16)).reshape(-1, count).T
    octets = np.zeros(columns.shape[1], np.uint16)
    for column in columns[::-1]:
        octets *= base
        octets += column
    return octets.astype(np.uint8).tobytes()


def _from_octets(octets: bytes, base: int, count: int) -> np.ndarray:
    rest = np.frombuffer(octets, np.uint8).astype(np.uint16)
    if base > _BYTE:
        return rest[:count] | rest[count:] << 8
    digits = np.empty((len(rest), _digits(base)), np.uint16)
    for column in digits.T:
        column[:] = rest % base
        rest //= base
    return digits.reshape(-1)[:count]


def _digits(base: int) -> int:
    """So many numbers below `base` fit into a byte."""
    return next(count for count in range(5, 0, -1) if base**count <= _BYTE)


def _damaged() -> MedCompressError:
    return MedCompressError("a chunk is damaged in its residual: restore the file from a copy")
