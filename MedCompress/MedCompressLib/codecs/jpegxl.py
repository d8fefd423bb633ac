"""JPEG XL (ISO/IEC 18181-1), one bare codestream a slice, lossless modular mode, through libjxl.

Its lossy modes shape the error for the eye and in brightness steps of a display, which means nothing for Hounsfield
units: they are not offered. Signed samples are coded as unsigned ones, shifted by half their range.
"""

from __future__ import annotations

import numpy as np

from ..errors import MedCompressError
from .interface import Capabilities, Exact, SampleFormat, Setting
from .packages import imagecodecs
from .sample_sign import from_unsigned, to_unsigned


class JpegXl:
    """The smallest lossless files, slowly made; see `codecs.interface.Codec`."""

    name = "jpegxl"
    capabilities = Capabilities(settings=(Exact,), max_bits=16, slices=1, extension="jxl")
    _effort = 7

    def version(self) -> str:
        return f"{imagecodecs('jpegxl').jpegxl_version()}, effort {self._effort}"

    def encode(self, group: np.ndarray, sample_format: SampleFormat, setting: Setting) -> bytes:
        plane = np.ascontiguousarray(to_unsigned(group[0], sample_format))
        return imagecodecs("jpegxl").jpegxl_encode(
            plane,
            effort=self._effort,
            lossless=True,
            usecontainer=False,
            bitspersample=max(8 * plane.dtype.itemsize - 7, sample_format.bits),
            numthreads=1,
        )

    def decode(self, chunk: bytes, shape: tuple[int, int, int], sample_format: SampleFormat) -> np.ndarray:
        plane = np.empty(shape[1:], f"u{np.dtype(sample_format.dtype).itemsize}")
        try:
            imagecodecs("jpegxl").jpegxl_decode(chunk, numthreads=1, out=plane)
        except (RuntimeError, ValueError) as error:
            raise MedCompressError(f"a JPEG XL slice is damaged ({error}): restore the file from a copy") from None
        return from_unsigned(plane, sample_format)[np.newaxis]


class JpegXlFast(JpegXl):
    """Effort 3: ten times as fast, some percent larger."""

    _effort = 3
