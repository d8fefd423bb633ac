"""Signed samples as unsigned ones and back, for codecs that take only one kind: plus and minus half the range."""

from __future__ import annotations

import numpy as np

from .interface import SampleFormat


def to_unsigned(samples: np.ndarray, sample_format: SampleFormat) -> np.ndarray:
    """Samples from 0 to 2^bits - 1, of the unsigned type of the same width."""
    kind = _type("u", samples)
    if not sample_format.signed:
        return samples.astype(kind, copy=False)
    return samples.view(kind) + kind.type(_half(sample_format))


def from_unsigned(samples: np.ndarray, sample_format: SampleFormat) -> np.ndarray:
    """Inverse of `to_unsigned`."""
    if not sample_format.signed:
        return samples.astype(sample_format.dtype, copy=False)
    return (samples - samples.dtype.type(_half(sample_format))).view(sample_format.dtype)


def to_signed(samples: np.ndarray, sample_format: SampleFormat) -> np.ndarray:
    """Samples from -2^(bits-1) to 2^(bits-1) - 1, of the signed type of the same width."""
    if sample_format.signed:
        return samples
    return (samples - samples.dtype.type(_half(sample_format))).view(_type("i", samples))


def from_signed(samples: np.ndarray, sample_format: SampleFormat) -> np.ndarray:
    """Inverse of `to_signed`; what lossy coding moved out of the range is clipped to it."""
    half = _half(sample_format)
    if sample_format.bits < 8 * samples.dtype.itemsize:
        samples = np.clip(samples, -half, half - 1)
    if sample_format.signed:
        return samples
    unsigned = samples.view(_type("u", samples))
    return unsigned + unsigned.dtype.type(half)


def _half(sample_format: SampleFormat) -> int:
    return 1 << (sample_format.bits - 1)


def _type(kind: str, samples: np.ndarray) -> np.dtype:
    return np.dtype(f"{kind}{samples.dtype.itemsize}")
