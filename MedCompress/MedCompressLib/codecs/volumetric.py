"""Volumetric coding: a wavelet along the slices, then the transformed slices as components of one codestream.

What JPEG 2000 Part 2 (ISO/IEC 15444-2, Annex J) calls a multiple component wavelet transformation, with the inner
codestream left in Part 1 or Part 15, as their decoders read it. The reversible 5/3 wavelet serves exact coding, the 9/7
lossy coding; its subbands are scaled by their synthesis norms, so that equal errors in any of them weigh the same.
Each group of slices is transformed by itself, with as many levels as a trial on a part of it finds best.
"""

from __future__ import annotations

import math

import numpy as np

from .interface import Capabilities, Exact, Knob, SampleFormat, Scale
from .padding import fill_padding, find_range, pack_mask, unpack_mask
from .sample_sign import from_unsigned, to_unsigned
from .volumetric_header import Header, pack_padded, unpack_padded
from .volumetric_htj2k import Htj2kPlanes
from .volumetric_jpeg2000 import Jpeg2000Planes
from .volumetric_levels import best_levels, sample_rows
from .wavelet import forward_53, inverse_53, matrices_97

_PRODUCT = 1 << 18
"""Multiplications in one product of matrices. Blocks of this size stay in the processor's cache, and OpenBLAS computes
them in the calling thread: groups run in parallel already, and its own threads would wait for each other."""

_SLOPE = 0.15
"""Squared error per bit, in squared quantization steps, that an optimal uniform quantizer trades; 0.115 at high rates
(6.02 dB per bit), somewhat more at low ones."""


class Volumetric:
    """Fast and dense: high-throughput JPEG 2000 beneath. Decodes either kind; see `codecs.interface.Codec`."""

    name = "volumetric"
    coder = Htj2kPlanes()
    capabilities = Capabilities(
        settings=(Exact, Knob),
        max_bits=16,
        slices=32,
        extension="vol",
        scale=Scale("quantization step", 0.5, 16384.0, logarithmic=True),
    )

    def version(self) -> str:
        return self.coder.version()

    def encode(self, group: np.ndarray, sample_format: SampleFormat, setting: Exact | Knob) -> bytes:
        samples = to_unsigned(np.ascontiguousarray(group), sample_format)
        limits = find_range(samples)
        if limits.padding is None:
            return self._encode_best(group, sample_format, setting)
        filled, places = fill_padding(samples, limits)
        image = self._encode_best(from_unsigned(filled, sample_format), sample_format, setting)
        return pack_padded(limits.padding, pack_mask(places), image)

    def _encode_best(self, group: np.ndarray, sample_format: SampleFormat, setting: Exact | Knob) -> bytes:
        """The chunk with as many levels as cost least."""
        sample = sample_rows(group)

        def cost(levels: int) -> float:
            chunk = self._encode(sample, levels, setting)
            if isinstance(setting, Exact):
                return len(chunk)
            decoded = self._decode(chunk, sample.shape, sample_format)
            mse = np.square(decoded.astype(np.float32) - sample).mean(dtype=float)
            return mse + _SLOPE * setting.value**2 * 8 * len(chunk) / sample.size

        return self._encode(group, best_levels(len(group), cost), setting)

    def _encode(self, group: np.ndarray, levels: int, setting: Exact | Knob) -> bytes:
        lowest, highest = int(group.min()), int(group.max())
        reversible, offset, unit = isinstance(setting, Exact), (lowest + highest) // 2, 1.0
        if reversible:
            planes = forward_53(np.subtract(group, offset, dtype=np.int32), levels)
        else:
            analysis, _ = matrices_97(len(group), levels)
            largest = max(1, highest - offset) * float(np.abs(analysis).sum(axis=1).max())
            unit = self.coder.unit(setting.value, largest)
            planes = _forward_97(group, offset, analysis / unit)
        bits = max(int(planes.max()), -1 - int(planes.min())).bit_length() + 1
        bits = self.coder.precision(bits, reversible)
        header = Header(self.coder.kind, levels, reversible, bits, offset, unit)
        step = None if reversible else setting.value / unit
        return header.pack() + self.coder.encode(planes, bits, step)

    def decode(self, chunk: bytes, shape: tuple[int, int, int], sample_format: SampleFormat) -> np.ndarray:
        padded = unpack_padded(chunk, sample_format.bits)
        if padded is None:
            return self._decode(chunk, shape, sample_format)
        padding, mask, image = padded
        places, samples = unpack_mask(mask, shape), self._decode(image, shape, sample_format)
        np.putmask(samples, places, from_unsigned(np.array([padding], f"u{samples.itemsize}"), sample_format))
        return samples

    def _decode(self, chunk: bytes, shape: tuple[int, int, int], sample_format: SampleFormat) -> np.ndarray:
        header = Header.unpack(chunk)
        planes = _CODERS[header.kind].decode(chunk[Header.SIZE :], shape, header.bits)
        half = 1 << (sample_format.bits - 1)
        lowest, highest = (-half, half - 1) if sample_format.signed else (0, 2 * half - 1)
        if header.reversible:
            samples = inverse_53(planes, header.levels)
            samples += header.offset
            return samples.clip(lowest, highest, out=samples).astype(sample_format.dtype)
        _, synthesis = matrices_97(len(planes), header.levels)
        samples = np.empty(shape, sample_format.dtype)
        _inverse_97(planes, header.offset, synthesis * header.unit, (lowest, highest), samples)
        return samples


class VolumetricJpeg2000(Volumetric):
    """A little denser, ten times slower: JPEG 2000 Part 1 beneath."""

    name = "volumetric-jpeg2000"
    coder = Jpeg2000Planes()


_CODERS = {coder.kind: coder for coder in (Jpeg2000Planes(), Htj2kPlanes())}


def _blocks(shape: tuple[int, ...]) -> list[slice]:
    """Ranges of the samples of a slice that are transformed together."""
    size, step = math.prod(shape[1:]), max(1, _PRODUCT // shape[0] ** 2)
    return [slice(start, start + step) for start in range(0, size, step)]


def _forward_97(group: np.ndarray, offset: int, analysis: np.ndarray) -> np.ndarray:
    """Integer coefficients, int32."""
    matrix, source = analysis.astype(np.float32), group.reshape(len(group), -1)
    planes = np.empty(source.shape, np.int32)
    for block in _blocks(group.shape):
        planes[:, block] = np.rint(matrix @ (source[:, block].astype(np.float32) - np.float32(offset)))
    return planes.reshape(group.shape)


def _inverse_97(
    planes: np.ndarray, offset: int, synthesis: np.ndarray, limits: tuple[int, int], samples: np.ndarray
) -> None:
    matrix, source = synthesis.astype(np.float32), planes.reshape(len(planes), -1)
    target = samples.reshape(source.shape)
    for block in _blocks(planes.shape):
        values = np.rint(matrix @ source[:, block].astype(np.float32) + np.float32(offset))
        target[:, block] = values.clip(*limits, out=values)
