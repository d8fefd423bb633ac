"""JPEG-LS (ISO/IEC 14495-1, ITU-T T.87), one image a slice, through CharLS; near-lossless with a bound on each error.

Signed samples are coded as unsigned ones, shifted by half their range.
"""

from __future__ import annotations

import struct

import numpy as np

from ..errors import MedCompressError
from .interface import Capabilities, Exact, Near, SampleFormat, Setting
from .packages import imagecodecs
from .sample_sign import from_unsigned, to_unsigned

_START = struct.Struct(">HHHBHHB")
"""The markers SOI and SOF55 up to the number of components."""

_BARE_START = b"\xff\xd8\xff\xf7"
"""CharLS puts a SPIFF header of 44 bytes before it, which says nothing more."""

_LARGEST_NEAR = 255


class JpegLs:
    """Exact or nearly so, and fast in both directions; see `codecs.interface.Codec`."""

    name = "jpegls"
    capabilities = Capabilities(settings=(Exact, Near), max_bits=16, slices=1, extension="jls")

    def version(self) -> str:
        return imagecodecs("jpegls").jpegls_version().replace("charls", "CharLS")

    def encode(self, group: np.ndarray, sample_format: SampleFormat, setting: Setting) -> bytes:
        plane = np.ascontiguousarray(to_unsigned(group[0], sample_format))
        largest = min(_LARGEST_NEAR, (1 << 8 * plane.dtype.itemsize) // 2 - 1)
        near = min(largest, setting.error) if isinstance(setting, Near) else 0
        chunk = imagecodecs("jpegls").jpegls_encode(plane, near)
        return chunk[max(0, chunk.find(_BARE_START)) :]

    def decode(self, chunk: bytes, shape: tuple[int, int, int], sample_format: SampleFormat) -> np.ndarray:
        plane = np.empty(shape[1:], f"u{np.dtype(sample_format.dtype).itemsize}")
        _expect(chunk, plane)
        try:
            imagecodecs("jpegls").jpegls_decode(chunk, out=plane)
        except (RuntimeError, ValueError) as error:
            raise MedCompressError(f"a JPEG-LS slice is damaged ({error}): restore the file from a copy") from None
        if sample_format.bits < 8 * plane.dtype.itemsize:
            np.minimum(plane, (1 << sample_format.bits) - 1, out=plane)
        return from_unsigned(plane, sample_format)[np.newaxis]


def _expect(chunk: bytes, plane: np.ndarray) -> None:
    """Refuse a header that promises other than the caller expects, before anything of that size is allocated."""
    wanted = (0xFFD8, 0xFFF7, 8 * plane.dtype.itemsize, *plane.shape, 1)
    found: tuple[int, ...] = ()
    if len(chunk) > _START.size:
        start, marker, _length, *fields = _START.unpack_from(chunk)
        found = (start, marker, *fields)
    if found != wanted:
        raise MedCompressError("a JPEG-LS slice has another header than it should: restore the file from a copy")
