"""JPEG 2000 Part 1 (ISO/IEC 15444-1, ITU-T T.800), one codestream a slice, through glymur's binding of OpenJPEG.

Exact coding uses the reversible 5/3 wavelet, lossy coding the irreversible 9/7 (Annex F). Signed and unsigned samples
of 1 to 16 bit are declared as they are in the codestream's SIZ marker (Annex A.5.1), so any decoder reads them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .interface import Budget, Capabilities, Distortion, Exact, Knob, SampleFormat, Scale, Setting
from .openjpeg import openjpeg
from .openjpeg_planes import LEAST_PRECISION, decode_planes, encode_planes


class Jpeg2000:
    """The codec of DICOM and of the literature; see `codecs.interface.Codec`."""

    name = "jpeg2000"
    capabilities = Capabilities(
        settings=(Exact, Budget, Distortion, Knob),
        max_bits=16,
        slices=1,
        extension="j2k",
        scale=Scale("PSNR of a slice in dB, with the peak of its precision", 120.0, 10.0),
    )

    def version(self) -> str:
        return f"OpenJPEG {openjpeg().version()}"

    def encode(self, group: np.ndarray, sample_format: SampleFormat, setting: Setting) -> bytes:
        bits = _precision(sample_format)
        if isinstance(setting, Knob):
            setting = Distortion(((1 << bits) - 1) ** 2 / 10 ** (setting.value / 10))
        return encode_planes(group, bits, sample_format.signed, setting)

    def decode(self, chunk: bytes, shape: tuple[int, int, int], sample_format: SampleFormat) -> np.ndarray:
        planes = decode_planes(chunk, (1, *shape[1:]), _precision(sample_format), sample_format.signed)
        return planes.astype(sample_format.dtype)


class Jpeg2000Budget(Jpeg2000):
    """One budget for all slices: equal quality, and so equal slope of rate and distortion, instead of equal bytes."""

    capabilities = replace(
        Jpeg2000.capabilities,
        settings=(Exact, Knob),
        scale=replace(Jpeg2000.capabilities.scale, slope=15.0, bend=0.45),
    )

    def version(self) -> str:
        return f"{super().version()}, one budget"


def _precision(sample_format: SampleFormat) -> int:
    return max(sample_format.bits, LEAST_PRECISION)
