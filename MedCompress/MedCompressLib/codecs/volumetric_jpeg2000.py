"""Wavelet coefficients of a group of slices as JPEG 2000 Part 1 (ISO/IEC 15444-1), through OpenJPEG."""

from __future__ import annotations

import numpy as np

from .interface import Budget, Distortion, Setting
from .openjpeg import openjpeg
from .openjpeg_planes import LEAST_PRECISION, decode_planes, encode_planes

_ROUNDING_SHARE = 0.02
"""Squared unit over mean squared error: rounding and the finest quantization then make 0.3 % of the error, 0.015 dB."""

_UNCOUNTED = 14
"""Bytes of the markers SOT and SOD, which OpenJPEG leaves out when it keeps to a budget."""

_USUAL_BITS, _MOST_BITS = 15, 20


class Jpeg2000Planes:
    """OpenJPEG for `codecs.volumetric`: budgets and distortions by its own rate control."""

    kind = 0

    def version(self) -> str:
        return f"OpenJPEG {openjpeg().version()}"

    def unit(self, setting: Setting, bound: float, mse: float | None) -> float:
        """Size of one step of the integer coefficients in samples' units.

        bound: of the coefficients' size. mse: about the error that a budget will lead to, None where not known.
        """
        if isinstance(setting, Distortion):
            mse = setting.mse
        if mse is None:
            return bound / (1 << _USUAL_BITS)
        return max(bound / (1 << _MOST_BITS), (_ROUNDING_SHARE * mse) ** 0.5)

    def precision(self, bits: int, reversible: bool) -> int:
        """Of the codestream, for coefficients that need so many bits, with sign."""
        return max(bits, LEAST_PRECISION)

    def encode(self, planes: np.ndarray, bits: int, unit: float, setting: Setting) -> bytes:
        """A codestream of int32 planes [component, row, column] of this precision."""
        if isinstance(setting, Distortion):
            setting = Distortion(setting.mse / unit**2)
        if isinstance(setting, Budget):
            setting = Budget(max(1, setting.size - _UNCOUNTED))
        return encode_planes(planes, bits, True, setting)

    def decode(self, codestream: bytes, shape: tuple[int, int, int], bits: int) -> np.ndarray:
        """The int32 planes of a codestream; raises MedCompressError where it holds something else."""
        return decode_planes(codestream, shape, bits, True)
