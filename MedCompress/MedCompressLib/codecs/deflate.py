"""General-purpose coding of any scalar type: differences along i, bytes sorted by significance, then DEFLATE.

The differences are taken between bit patterns as unsigned integers modulo 2^n, so every value comes back bit for bit,
NaN payloads and negative zeros included. DEFLATE in the zlib format: RFC 1950 and RFC 1951.
"""

from __future__ import annotations

import math
import zlib

import numpy as np

from ..errors import MedCompressError
from .interface import Capabilities, Exact, SampleFormat, Setting

_LEVEL = 6
_LARGEST_EXPANSION = 1032
"""DEFLATE spends at least 2 bits on 258 bytes."""


class Deflate:
    """Exact coding of what image codecs cannot hold; see `codecs.interface.Codec`."""

    name = "deflate"
    capabilities = Capabilities(settings=(Exact,), max_bits=0, slices=None, extension="zz")

    def version(self) -> str:
        return f"zlib {zlib.ZLIB_RUNTIME_VERSION}"

    def encode(self, group: np.ndarray, sample_format: SampleFormat, setting: Setting) -> bytes:
        patterns = np.ascontiguousarray(group, dtype=_little(sample_format)).view(_unsigned(sample_format))
        differences = patterns.copy()
        differences[..., 1:] -= patterns[..., :-1]
        octets = differences.reshape(-1, 1).view(np.uint8)
        return zlib.compress(np.ascontiguousarray(octets.T), _LEVEL)

    def decode(self, chunk: bytes, shape: tuple[int, int, int], sample_format: SampleFormat) -> np.ndarray:
        item = np.dtype(sample_format.dtype).itemsize
        size = math.prod(shape) * item
        content = _inflate(chunk, size) if size <= _LARGEST_EXPANSION * len(chunk) else b""
        if len(content) != size:
            raise MedCompressError("a deflate chunk has the wrong length: the file is damaged, restore it from a copy")
        octets = np.frombuffer(content, np.uint8).reshape(item, -1).T
        differences = np.ascontiguousarray(octets).view(_unsigned(sample_format)).reshape(shape)
        patterns = np.cumsum(differences, axis=-1, dtype=differences.dtype)
        return patterns.view(_little(sample_format)).astype(sample_format.dtype, copy=False)


def _inflate(chunk: bytes, size: int) -> bytes:
    """The content of a zlib stream if it is `size` bytes long, else other bytes; never more than one byte above it."""
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(chunk, size + 1)
    except zlib.error as error:
        raise MedCompressError(f"a deflate chunk is damaged ({error}): restore the file from a copy") from None
    return content if unpacker.eof and not unpacker.unused_data else b""


def _little(sample_format: SampleFormat) -> np.dtype:
    return np.dtype(sample_format.dtype).newbyteorder("<")


def _unsigned(sample_format: SampleFormat) -> np.dtype:
    return np.dtype(f"<u{np.dtype(sample_format.dtype).itemsize}")
