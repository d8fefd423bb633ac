"""What makes samples easy for general-purpose compressors: differences along i, then bytes sorted by significance.

The differences are taken between bit patterns as unsigned integers modulo 2^n, so every value comes back bit for bit,
NaN payloads and negative zeros included.
"""

from __future__ import annotations

import math

import numpy as np

from ..errors import MedCompressError
from .interface import Capabilities, Exact, SampleFormat, Setting


class GeneralPurpose:
    """Exact coding of any scalar type by a compressor of bytes; see `codecs.interface.Codec`.

    A codec derives from it and gives `name`, `capabilities` (through `any_type`), `version`, `pack` and `unpack`.
    """

    name: str
    largest_expansion: float
    """No stream of the compressor gives more than so many bytes for one; a chunk that promises more is refused."""

    def pack(self, content: bytes) -> bytes:
        raise NotImplementedError

    def unpack(self, chunk: bytes, size: int) -> bytes:
        """The content if it is `size` bytes long, else other bytes; never more than one byte above it."""
        raise NotImplementedError

    def encode(self, group: np.ndarray, sample_format: SampleFormat, setting: Setting) -> bytes:
        patterns = np.ascontiguousarray(group, dtype=_little(sample_format)).view(_unsigned(sample_format))
        differences = patterns.copy()
        differences[..., 1:] -= patterns[..., :-1]
        octets = differences.reshape(-1, 1).view(np.uint8)
        return self.pack(np.ascontiguousarray(octets.T))

    def decode(self, chunk: bytes, shape: tuple[int, int, int], sample_format: SampleFormat) -> np.ndarray:
        item = np.dtype(sample_format.dtype).itemsize
        size = math.prod(shape) * item
        content = self.unpack(chunk, size) if size <= self.largest_expansion * len(chunk) else b""
        if len(content) != size:
            raise MedCompressError(
                f"a {self.name} chunk has the wrong length: the file is damaged, restore it from a copy"
            )
        octets = np.frombuffer(content, np.uint8).reshape(item, -1).T
        differences = np.ascontiguousarray(octets).view(_unsigned(sample_format)).reshape(shape)
        patterns = np.cumsum(differences, axis=-1, dtype=differences.dtype)
        return patterns.view(_little(sample_format)).astype(sample_format.dtype, copy=False)

    def damaged(self, error: Exception) -> MedCompressError:
        return MedCompressError(f"a {self.name} chunk is damaged ({error}): restore the file from a copy")


def any_type(extension: str) -> Capabilities:
    """Capabilities of an exact codec of any scalar type."""
    return Capabilities(settings=(Exact,), max_bits=0, slices=None, extension=extension)


def _little(sample_format: SampleFormat) -> np.dtype:
    return np.dtype(sample_format.dtype).newbyteorder("<")


def _unsigned(sample_format: SampleFormat) -> np.dtype:
    return np.dtype(f"<u{np.dtype(sample_format.dtype).itemsize}")
