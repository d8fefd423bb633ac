"""High-throughput JPEG 2000 (ISO/IEC 15444-15, ITU-T T.814), one codestream a slice, through OpenJPH.

Exact coding uses the reversible 5/3 wavelet, lossy coding the irreversible 9/7 with one quantization step for the
whole volume, which gives equal slope of rate and distortion everywhere. Samples are coded as signed ones, unsigned ones
after half their range is subtracted. Nothing clips what OpenJPH decodes: lossy coding takes a type with two bits more
than the samples need, so that errors cannot wrap around.
"""

from __future__ import annotations

import struct

import numpy as np

from ..errors import MedCompressError
from .interface import Capabilities, Exact, Knob, SampleFormat, Scale, Setting
from .packages import openjph
from .sample_sign import from_signed, to_signed

_SIZ = struct.Struct(">HHHH8IH3B")
"""The markers SOC and SIZ up to the first component (ISO/IEC 15444-1, Annex A.5.1)."""

_END_OF_CODESTREAM = b"\xff\xd9"
_MOST_BITS_OF_16 = 14
_SHIFT = 14
_FINEST_STEP = 1.25e-5
"""Of the range of the coded type; OpenJPH's binding takes less for its own default."""


class Htj2k:
    """Fast, at a little less quality than JPEG 2000 at equal size; see `codecs.interface.Codec`."""

    name = "htj2k"
    capabilities = Capabilities(
        settings=(Exact, Knob),
        max_bits=16,
        slices=1,
        extension="jhc",
        scale=Scale("quantization step", 1.0, 16384.0, logarithmic=True),
    )

    def version(self) -> str:
        return openjph().htj2k_version().replace("openjph", "OpenJPH")

    def encode(self, group: np.ndarray, sample_format: SampleFormat, setting: Setting) -> bytes:
        plane = np.ascontiguousarray(to_signed(group[0], sample_format))
        if isinstance(setting, Exact):
            return openjph().htj2k_encode(plane, reversible=True)
        if sample_format.bits > _MOST_BITS_OF_16:
            plane, step = plane.astype(np.int32) << _SHIFT, setting.value * 2.0 ** (_SHIFT - 32)
        else:
            plane, step = plane.astype(np.int16), setting.value * 2.0**-16
        return openjph().htj2k_encode(plane, min(1.0, max(_FINEST_STEP, step)), reversible=False)

    def decode(self, chunk: bytes, shape: tuple[int, int, int], sample_format: SampleFormat) -> np.ndarray:
        kind = np.dtype(f"i{np.dtype(sample_format.dtype).itemsize}")
        plane = np.zeros(shape[1:], _coded_type(chunk, shape, kind))
        try:
            openjph().htj2k_decode(chunk, out=plane)
        except (RuntimeError, ValueError) as error:
            raise MedCompressError(f"an HTJ2K slice is damaged ({error}): restore the file from a copy") from None
        if plane.dtype.itemsize == 4:
            plane = (plane + (1 << (_SHIFT - 1))) >> _SHIFT
        if plane.dtype != kind:
            limits = np.iinfo(kind)
            plane = np.clip(plane, limits.min, limits.max).astype(kind)
        return from_signed(plane, sample_format)[np.newaxis]


def _coded_type(chunk: bytes, shape: tuple[int, int, int], kind: np.dtype) -> np.dtype:
    """The type that a codestream of one signed slice of this shape holds.

    Refuses a header that promises other than the caller expects, before anything of that size is allocated.
    """
    rows, columns = shape[1:]
    extent = (columns, rows, 0, 0, columns, rows, 0, 0)
    if len(chunk) > _SIZ.size and chunk[-2:] == _END_OF_CODESTREAM:
        start, marker, _length, _profile, *fields, precision, dx, dy = _SIZ.unpack_from(chunk)
        size = (precision - 0x80 + 1) // 8
        if (start, marker, *fields, dx, dy) == (0xFF4F, 0xFF51, *extent, 1, 1, 1) and precision % 8 == 7:
            if size in (kind.itemsize, 2, 4) and size >= kind.itemsize:
                return np.dtype(f"i{size}")
    raise MedCompressError("an HTJ2K slice has another header than it should: restore the file from a copy")
