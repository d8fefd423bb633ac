"""HEVC (ITU-T H.265), a group of slices as the pictures of a video of 12-bit gray, through x265.

A chunk is a header of 24 bytes, the places of padding, low bits or a residual, and a byte stream of Annex B. With a
quality the samples are scaled to use all of 12 bits, so finely that the scale is continuous between x265's whole QPs.
Where x265's finest QP is too coarse, what it leaves is quantized and compressed beside the pictures. What needs more
than 12 bits to be exact is split: the high bits go into the pictures, the low bits beside them. Nothing is clipped.
"""

from __future__ import annotations

import math
import struct
import zlib

import numpy as np

from ..errors import MedCompressError
from .interface import Capabilities, Exact, Knob, SampleFormat, Scale, Setting
from .padding import Range, fill_padding, find_range, pack_mask, unpack_mask
from .residual import pack_residual, unpack_residual
from .sample_sign import from_unsigned, to_unsigned
from .x265 import COARSEST_QP, HIGHEST_SAMPLE, decode_pictures, encode_pictures, x265_version

_HEADER = struct.Struct("<BxHHHdII")
_PADDED, _REFINED = 1, 2
_BITS = 12
_PYRAMID = "keyint=-1:bframes=3:b-pyramid=1:rdoq-level=2:pbratio=1.1:ipratio=1.2"
"""Slices differ more than pictures of a film, and noise is most of the bits. Measured against pyramids of 8 and x265's
usual ratios of QPs: 0.3 dB more on CT and 1.5 dB on MR, and 1 dB by rate-distortion optimized quantization."""

_CAPABILITIES = Capabilities(
    settings=(Exact, Knob),
    max_bits=16,
    slices=32,
    extension="hevc",
    scale=Scale("QP", -21.0, 75.0, slope=15.0, bend=0.45),
)


class Hevc:
    """A dense lossy codec: pictures in pyramids of 4, one intra picture a group; see `codecs.interface.Codec`."""

    name = "hevc"
    capabilities = _CAPABILITIES
    label = "pyramids of 4"
    structure = _PYRAMID + ":tu-inter-depth=2:tu-intra-depth=2"
    finest_qp = 0
    step_at_qp_0 = 11.3
    """Beyond x265's finest QP its residual is quantized, by a step that makes about the error of that QP at QP 0."""

    def version(self) -> str:
        return f"{x265_version()}, {self.label}"

    def encode(self, group: np.ndarray, sample_format: SampleFormat, setting: Setting) -> bytes:
        samples = to_unsigned(np.ascontiguousarray(group), sample_format)
        limits = find_range(samples)
        flags, mask = 0, b""
        if limits.padding is not None:
            samples, places = fill_padding(samples, limits)
            flags, mask = _PADDED, pack_mask(places)
        scale, qp, step = self._scale_and_qp(limits, setting)
        levels = np.rint(np.arange(limits.highest - limits.lowest + 1) / scale).astype(np.uint16)
        coded = levels[samples - samples.dtype.type(limits.lowest)]
        low, pictures = b"", b""
        if shift := max(0, int(levels[-1]).bit_length() - _BITS):
            low = zlib.compress((coded & ((1 << shift) - 1)).astype(np.uint8).tobytes())
            coded >>= shift
        if levels[-1]:
            pictures = encode_pictures(coded, self.structure, qp)
        if step:
            values = _values(limits.lowest, limits.highest, scale)
            missing = samples.astype(np.int32) - np.take(values, decode_pictures(pictures, group.shape), mode="clip")
            low = pack_residual(missing, step)
            flags |= _REFINED if low else 0
        header = _HEADER.pack(
            flags, limits.lowest, limits.highest, limits.padding or 0, scale, len(mask), len(low)
        )
        return header + mask + low + pictures

    def _scale_and_qp(self, limits: Range, setting: Setting) -> tuple[float, int | None, float]:
        """Sample units of one step of the coded pictures, x265's QP (None: code them exactly), step of the residual.

        The residual's step is 0 where there is none. It falls from one that finds nothing to do, without a jump.
        """
        if isinstance(setting, Exact):
            return 1.0, None, 0.0
        finest = max(1, limits.highest - limits.lowest) / HIGHEST_SAMPLE
        beyond = self.finest_qp + 6 * math.log2(finest) - setting.value
        if beyond > 0 and limits.highest > limits.lowest:
            easing = 2 ** max(0.0, 1 - beyond / 6)
            return finest, self.finest_qp, max(1.0, easing * self.step_at_qp_0 * 2 ** (setting.value / 6))
        qp = max(self.finest_qp, min(COARSEST_QP, math.floor(setting.value - 6 * math.log2(finest))))
        return 2 ** ((setting.value - qp) / 6), qp, 0.0

    def decode(self, chunk: bytes, shape: tuple[int, int, int], sample_format: SampleFormat) -> np.ndarray:
        if len(chunk) < _HEADER.size:
            raise _damaged()
        flags, lowest, highest, padding, scale, mask_size, low_size = _HEADER.unpack_from(chunk)
        start = _HEADER.size + mask_size + low_size
        if not (1 <= scale * 65536 < 2**33 and lowest <= highest < 1 << sample_format.bits > padding):
            raise _damaged()
        most = round((highest - lowest) / scale)
        if most >= 1 << 16 or start > len(chunk):
            raise _damaged()
        shift = max(0, most.bit_length() - _BITS)
        coded = decode_pictures(chunk[start:], shape) if most else np.zeros(shape, np.uint16)
        low = chunk[_HEADER.size + mask_size : start]
        if shift and flags & _REFINED:
            raise _damaged()
        if shift:
            coded <<= shift
            coded |= _low_bits(low, shape)
        samples = np.take(_values(lowest, highest, scale, shift), coded, mode="clip")
        if flags & _REFINED:
            samples = (samples + unpack_residual(low, shape)).clip(lowest, highest)
        samples = samples.astype(f"u{np.dtype(sample_format.dtype).itemsize}")
        if flags & _PADDED:
            places = unpack_mask(chunk[_HEADER.size : _HEADER.size + mask_size], shape)
            np.putmask(samples, places, padding)
        return from_unsigned(samples, sample_format)


class HevcSlow(Hevc):
    """All of x265's search for the best partition: up to 0.6 dB more, five times as long."""

    label = "exhaustive"
    structure = _PYRAMID + ":tu-inter-depth=3:tu-intra-depth=3:rect=1:amp=1:rd=6"


class HevcIntra(Hevc):
    """Every slice by itself."""

    label = "intra"
    structure = "keyint=1:bframes=0:ipratio=1"


class HevcCunha(Hevc):
    """Random access as Cunha et al. (2023): intra period 8, group of pictures 8, everything else as x265 has it."""

    label = "intra period 8, GOP 8"
    structure = "keyint=8:min-keyint=8:bframes=7:b-pyramid=1:open-gop=1"
    finest_qp = 3
    """Intra pictures get three less, and x265 takes none below 0."""


def _values(lowest: int, highest: int, scale: float, shift: int = 0) -> np.ndarray:
    """The sample that each coded value stands for, int32."""
    return np.minimum(np.rint(np.arange(1 << _BITS + shift) * scale) + lowest, highest).astype(np.int32)


def _low_bits(content: bytes, shape: tuple[int, int, int]) -> np.ndarray:
    size = math.prod(shape)
    try:
        octets = zlib.decompressobj().decompress(content, size + 1)
    except zlib.error:
        raise _damaged() from None
    if len(octets) != size:
        raise _damaged()
    return np.frombuffer(octets, np.uint8).reshape(shape)


def _damaged() -> MedCompressError:
    return MedCompressError("an HEVC chunk is damaged: restore the file from a copy")
