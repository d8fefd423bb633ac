"""Wavelet coefficients of a group of slices as JPEG 2000 Part 1 (ISO/IEC 15444-1), through OpenJPEG."""

from __future__ import annotations

import numpy as np

from .interface import Distortion, Exact
from .openjpeg import openjpeg
from .openjpeg_planes import LEAST_PRECISION, decode_planes, encode_planes

_STEPS_IN_UNITS = 24.0
"""Rounding and the finest quantization then make 0.3 % of the squared error, 0.015 dB."""

_MOST_BITS = 20


class Jpeg2000Planes:
    """OpenJPEG for `codecs.volumetric`: all subbands at the mean squared error of one quantization step."""

    kind = 0

    def version(self) -> str:
        return f"OpenJPEG {openjpeg().version()}"

    def unit(self, step: float, largest: float) -> float:
        """What one unit of the integer coefficients stands for; step and largest coefficient in samples' units."""
        return max(largest / (1 << _MOST_BITS), step / _STEPS_IN_UNITS)

    def precision(self, bits: int, reversible: bool) -> int:
        """Of the codestream, for coefficients that need so many bits, with sign."""
        return max(bits, LEAST_PRECISION)

    def encode(self, planes: np.ndarray, bits: int, step: float | None) -> bytes:
        """A codestream of int32 planes [component, row, column] of this precision; exact without a step."""
        return encode_planes(planes, bits, True, Exact() if step is None else Distortion(step**2 / 12))

    def decode(self, codestream: bytes, shape: tuple[int, int, int], bits: int) -> np.ndarray:
        """The int32 planes of a codestream; raises MedCompressError where it holds something else."""
        return decode_planes(codestream, shape, bits, True)
