"""Wavelet coefficients of a group of slices as high-throughput JPEG 2000 (ISO/IEC 15444-15), through OpenJPH."""

from __future__ import annotations

import struct

import numpy as np

from ..errors import MedCompressError
from .packages import openjph

_SIZ = struct.Struct(">HHHH8IH")
"""The markers SOC and SIZ up to the components (ISO/IEC 15444-1, Annex A.5.1)."""

_END_OF_CODESTREAM = b"\xff\xd9"
_FINEST, _COARSEST = 1.25e-5, 1 / 64
"""Quantization steps as parts of the range of int32: the binding takes less than 1e-5 for its own default, and with
coarse ones errors could leave the range, where nothing clips them."""

_LARGEST = 1 << 30
_LEAST_COLUMNS = 2
"""The binding takes a single column for a single component."""


class Htj2kPlanes:
    """OpenJPH for `codecs.volumetric`: one quantization step for all subbands."""

    kind = 1

    def version(self) -> str:
        return openjph().htj2k_version().replace("openjph", "OpenJPH")

    def unit(self, step: float, largest: float) -> float:
        """What one unit of the integer coefficients stands for; step and largest coefficient in samples' units."""
        return max(largest / _LARGEST, step / (_COARSEST * 2**32))

    def precision(self, bits: int, reversible: bool) -> int:
        """Of the codestream, for coefficients that need so many bits, with sign: that of a type of the binding."""
        return 16 if reversible and bits <= 16 else 32

    def encode(self, planes: np.ndarray, bits: int, step: float | None) -> bytes:
        """A codestream of int32 planes [component, row, column] of this precision; exact without a step."""
        encode = openjph().htj2k_encode
        if planes.shape[2] < _LEAST_COLUMNS:
            planes = planes.repeat(_LEAST_COLUMNS, axis=2)
        planes = planes[0] if len(planes) == 1 else planes
        if step is None:
            return encode(planes.astype(f"i{bits // 8}", copy=False), reversible=True, planar=True)
        return encode(planes, max(_FINEST, step / 2**32), reversible=False, planar=True)

    def decode(self, codestream: bytes, shape: tuple[int, int, int], bits: int) -> np.ndarray:
        """The int32 planes of a codestream; raises MedCompressError where it holds something else."""
        columns = max(_LEAST_COLUMNS, shape[2])
        _expect(codestream, (*shape[:2], columns), bits)
        try:
            planes = openjph().htj2k_decode(codestream, planar=True)
        except (RuntimeError, ValueError) as error:
            raise MedCompressError(f"an HTJ2K codestream is damaged ({error}): restore the file from a copy") from None
        return planes.reshape(*shape[:2], columns)[..., : shape[2]].astype(np.int32, copy=False)


def _expect(codestream: bytes, shape: tuple[int, int, int], bits: int) -> None:
    """Refuse a header that promises other than the caller expects, before anything of that size is allocated."""
    count, rows, columns = shape
    extent = (columns, rows, 0, 0, columns, rows, 0, 0)
    wanted = (0xFF4F, 0xFF51, *extent, count)
    component = bytes((0x7F + bits, 1, 1))
    end = _SIZ.size + 3 * count
    found: tuple[int, ...] = ()
    if len(codestream) > end:
        start, marker, _length, _profile, *fields = _SIZ.unpack_from(codestream)
        found = (start, marker, *fields)
    whole = codestream[-2:] == _END_OF_CODESTREAM and codestream[_SIZ.size : end] == component * count
    if found != wanted or not whole:
        raise MedCompressError("an HTJ2K codestream has another header than it should: restore the file from a copy")
