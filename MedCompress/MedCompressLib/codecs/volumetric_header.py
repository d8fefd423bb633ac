"""The header of a volumetric chunk."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from ..errors import MedCompressError
from .wavelet import MOST_LEVELS

_FORMAT = struct.Struct("<6Bid")
_VERSION = 1
_PADDED = struct.Struct("<BBHI")
_PADDED_VERSION = 2
_MOST_BITS = 32


@dataclass(frozen=True)
class Header:
    """samples = inverse wavelet of (planes * unit) + offset.

    kind: of the codestream, 0 for JPEG 2000 Part 1, 1 for Part 15. bits: that the planes' integers need, with sign.
    """

    kind: int
    levels: int
    reversible: bool
    bits: int
    offset: int
    unit: float

    SIZE = _FORMAT.size

    def pack(self) -> bytes:
        flags = (_VERSION, self.kind, self.levels, int(self.reversible), self.bits, 0)
        return _FORMAT.pack(*flags, self.offset, self.unit)

    @classmethod
    def unpack(cls, chunk: bytes) -> Header:
        """Raises MedCompressError where a field is out of its range."""
        if len(chunk) > _FORMAT.size:
            version, kind, levels, reversible, bits, reserved, offset, unit = _FORMAT.unpack_from(chunk)
            header = cls(kind, levels, bool(reversible), bits, offset, unit)
            if (version, reserved) == (_VERSION, 0) and reversible <= 1 and header._valid():
                return header
        raise MedCompressError("a volumetric chunk has a header out of range: restore the file from a copy")

    def _valid(self) -> bool:
        unit_right = self.unit == 1 if self.reversible else 2.0**-40 <= self.unit <= 2.0**40
        inside = self.kind <= 1 and self.levels <= MOST_LEVELS and 1 <= self.bits <= _MOST_BITS
        return inside and unit_right and -(1 << 15) <= self.offset < 1 << 16


def pack_padded(padding: int, mask: bytes, image: bytes) -> bytes:
    """A chunk of version 2: the value of padding, as an unsigned sample, where it is, and the chunk of the image."""
    return _PADDED.pack(_PADDED_VERSION, 0, padding, len(mask)) + mask + image


def unpack_padded(chunk: bytes, bits: int) -> tuple[int, bytes, bytes] | None:
    """Padding, mask and chunk of the image, None for a chunk of another version."""
    if len(chunk) <= _PADDED.size or chunk[0] != _PADDED_VERSION:
        return None
    _, reserved, padding, size = _PADDED.unpack_from(chunk)
    if reserved or padding >= 1 << bits or _PADDED.size + size > len(chunk):
        raise MedCompressError("a volumetric chunk has a header out of range: restore the file from a copy")
    return padding, chunk[_PADDED.size : _PADDED.size + size], chunk[_PADDED.size + size :]
