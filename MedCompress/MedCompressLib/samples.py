"""Which integers a codec gets for the samples of a volume, chosen from statistics that may be gathered slab by slab."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from .errors import MedCompressError
from .sample_mapping import HIGHEST_CODE, Mapping
from .sample_table import MOST_VALUES, distinct_values, encode_table

__all__ = ["Mapping", "Statistics", "bounded_mapping", "choose_mapping", "measure", "table_mapping"]

_BLOCK = 1 << 20
_ROUNDING = 2.0**-53


@dataclass(frozen=True)
class Statistics:
    """What choose_mapping needs to know of the samples; parts of a volume are joined with `+`.

    minimum, maximum: over the finite samples, exact (int for integer types, float otherwise), None when there are none.
    nonfinite: number of NaN and infinite samples.
    integral: every finite sample is an integer, and none a negative zero (which integers cannot express).
    """

    minimum: int | float | None = None
    maximum: int | float | None = None
    nonfinite: int = 0
    integral: bool = True

    def __add__(self, other: "Statistics") -> "Statistics":
        lowest = [value for value in (self.minimum, other.minimum) if value is not None]
        highest = [value for value in (self.maximum, other.maximum) if value is not None]
        return Statistics(
            min(lowest, default=None),
            max(highest, default=None),
            self.nonfinite + other.nonfinite,
            self.integral and other.integral,
        )


def measure(array: np.ndarray) -> Statistics:
    """Statistics of an array of any shape and of one of volume.SCALAR_TYPES, in a few MB of extra memory."""
    if array.size == 0:
        return Statistics()
    if array.dtype.kind in "iu":
        return Statistics(int(array.min()), int(array.max()))
    rows = np.atleast_1d(array)
    step = max(1, _BLOCK * len(rows) // rows.size)
    total = Statistics()
    for start in range(0, len(rows), step):
        total += _measure_block(rows[start : start + step], total.integral)
    return total


def _measure_block(block: np.ndarray, integral: bool) -> Statistics:
    finite = np.isfinite(block)
    count = int(np.count_nonzero(finite))
    values = block if count == block.size else block[finite]
    if count == 0:
        return Statistics(nonfinite=block.size)
    integral = integral and bool((values == np.trunc(values)).all() and not (np.signbit(values) & (values == 0)).any())
    return Statistics(float(values.min()), float(values.max()), block.size - count, integral)


def choose_mapping(scalar_type: str, statistics: Statistics, lossless: bool, nan: float | None = None) -> Mapping:
    """The mapping with the smallest error that a codec can take; see Mapping for the kinds.

    lossless: nothing may change; what does not fit 16-bit integers goes to the codec as it is ("raw").
    nan: for lossy coding, the value that NaN and infinite samples get; unused where there are none or with lossless.

    Raises MedCompressError for lossy coding of NaN or infinity without `nan`, and for a `nan` outside the scalar type.
    """
    dtype = np.dtype(scalar_type)
    filled = None
    if statistics.nonfinite and lossless:
        return _raw(dtype)
    if statistics.nonfinite:
        filled = _fill_value(dtype, statistics.nonfinite, nan)
        statistics += Statistics(filled, filled, 0, filled.is_integer())
    if statistics.minimum is None:
        return _direct(dtype, 0, 0, None)
    if statistics.integral:
        lowest, highest = int(statistics.minimum), int(statistics.maximum)
        if -32768 <= lowest and highest <= (32767 if lowest < 0 else 65535):
            return _direct(dtype, lowest, highest, filled)
        if highest - lowest <= HIGHEST_CODE:
            offset = lowest if dtype.kind in "iu" else float(lowest)
            bits = max(1, (highest - lowest).bit_length())
            return Mapping("offset", scalar_type, bits, False, _unsigned(bits), offset, nan=filled)
    return _raw(dtype) if lossless else _linear(dtype, statistics.minimum, statistics.maximum, filled)


def bounded_mapping(scalar_type: str, statistics: Statistics, max_error: float, nan: float | None = None) -> Mapping:
    """The mapping to the fewest codes whose inverse is nowhere off by more than `max_error` > 0, in source units.

    Samples of an integer type become multiples of 2 floor(max_error) + 1. Roundings of floating-point types count.
    Raises MedCompressError where that takes more than 65536 codes, or where the type itself is coarser, and for NaN as
    choose_mapping does.
    """
    dtype = np.dtype(scalar_type)
    filled = None
    if statistics.nonfinite:
        filled = _fill_value(dtype, statistics.nonfinite, nan)
        statistics += Statistics(filled, filled, 0, filled.is_integer())
    if statistics.minimum is None:
        return _direct(dtype, 0, 0, None)
    lowest, highest = statistics.minimum, statistics.maximum
    scale, bound = 2.0 * math.floor(max_error) + 1, float(math.floor(max_error))
    if dtype.kind == "f":
        scale = 2 * max_error
        scale = max(0.0, 2 * (max_error - (_bound(dtype, lowest, highest, scale) - max_error) * 1.01))
        bound = _bound(dtype, lowest, highest, scale) if highest > lowest else 0.0
    codes = float(highest - lowest) / scale if scale else math.inf
    if not codes <= HIGHEST_CODE or bound > max_error:
        least = float(highest - lowest) / (2 * HIGHEST_CODE)
        raise MedCompressError(
            f"a maximum error of {max_error:g} is too small for samples from {lowest:g} to {highest:g}: "
            f"ask for more than about {least:.3g}, or for lossless"
        )
    bits = max(1, round(codes).bit_length())
    return Mapping("linear", dtype.name, bits, False, _unsigned(bits), lowest, scale, bound, filled)


def table_mapping(slabs: Iterable[np.ndarray], scalar_type: str, size: int) -> Mapping | None:
    """A mapping to ranks for `size` samples of few distinct values; None where their table would not pay.

    For lossless coding of samples that 16-bit integers cannot hold (`choose_mapping` says "raw"). The slabs, which
    together hold all samples, are looked at one after another, and no further than to the first that has too many.
    """
    values = distinct_values(slabs, scalar_type, min(MOST_VALUES, size // 16))
    if values is None:
        return None
    bits = max(1, (len(values) - 1).bit_length())
    return Mapping("table", scalar_type, bits, False, _unsigned(bits), table=encode_table(values))


def _fill_value(dtype: np.dtype, count: int, nan: float | None) -> float:
    if nan is None:
        raise MedCompressError(
            f"{count} samples are NaN or infinite and lossy coding has no number for them;"
            " give one with --nan VALUE (nan= in Python), or choose --lossless"
        )
    value = float(nan)
    if not (math.isfinite(value) and abs(value) <= float(np.finfo(dtype).max)):
        raise MedCompressError(
            f"{nan} cannot stand for NaN samples of type {dtype.name}; give a finite number in its range"
        )
    return float(dtype.type(value)) + 0.0


def _raw(dtype: np.dtype) -> Mapping:
    return Mapping("raw", dtype.name, 8 * dtype.itemsize, dtype.kind != "u", dtype.name)


def _direct(dtype: np.dtype, lowest: int, highest: int, filled: float | None) -> Mapping:
    if lowest >= 0:
        bits = max(1, highest.bit_length())
        return Mapping("direct", dtype.name, bits, False, _unsigned(bits), nan=filled)
    bits = 1 + max((-lowest - 1).bit_length(), max(0, highest).bit_length())
    return Mapping("direct", dtype.name, bits, True, "int8" if bits <= 8 else "int16", nan=filled)


def _unsigned(bits: int) -> str:
    return "uint8" if bits <= 8 else "uint16"


def _linear(dtype: np.dtype, lowest: int | float, highest: int | float, filled: float | None) -> Mapping:
    scale, codes, bound = 1.0, 0, 0.0
    if highest > lowest:
        scale = _scale(lowest, highest)
        span = float(highest - lowest)
        codes = round(span / scale) if math.isfinite(span) else HIGHEST_CODE
        bound = _bound(dtype, lowest, highest, scale)
    bits = max(1, codes.bit_length())
    return Mapping("linear", dtype.name, bits, False, _unsigned(bits), lowest, scale, bound, filled)


def _scale(lowest: int | float, highest: int | float) -> float:
    """The smallest step with which HIGHEST_CODE steps reach from lowest to highest; nothing overflows."""
    half = 1.0 if math.isfinite(float(highest - lowest)) else 0.5
    span = float(highest - lowest) if half == 1.0 else highest * half - lowest * half
    scale = max(span / HIGHEST_CODE, math.ulp(0.0))
    while scale * HIGHEST_CODE < span:
        scale = math.nextafter(scale, math.inf)
    return scale / half


def _bound(dtype: np.dtype, lowest: int | float, highest: int | float, scale: float) -> float:
    """Half a step, and the roundings of forward (difference, quotient) and inverse (product, sum, the scalar type).

    The sum alone is as large as the samples, all others are no larger than their span.
    """
    steps = scale * (0.5 + 8 * HIGHEST_CODE * _ROUNDING)
    if dtype.kind in "iu":
        return float(math.floor(steps + 0.5 + 1e-6))
    largest = max(abs(lowest), abs(highest))
    precision = 2.0**-24 if dtype.itemsize == 4 else 0.0
    smallest = float(np.finfo(dtype).smallest_subnormal)
    rounding = precision + 2 * _ROUNDING
    return (steps + rounding * largest + rounding * scale) * (1 + 1e-9) + 2 * smallest
