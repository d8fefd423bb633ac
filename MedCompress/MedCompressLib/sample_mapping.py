"""Samples of any scalar type as integers of at most 16 bit, and back."""

import math
from collections import abc
from dataclasses import asdict, dataclass

import numpy as np

from .errors import MedCompressError
from .sample_table import decode_table, from_ranks, to_ranks
from .volume import SCALAR_TYPES

HIGHEST_CODE = 65535
_KINDS = ("direct", "offset", "linear", "table", "raw")
_LARGE_SCALE = 2.0**1000


@dataclass(frozen=True)
class Mapping:
    """How samples become codes.

    kind: "direct": code = sample; "offset": code = sample - offset; "linear": code = round((sample - offset) / scale);
        "table": code = rank of the sample among the distinct values of the volume, which the mapping carries;
        "raw": the samples themselves, for a general-purpose codec, bit for bit with NaN payloads.
    scalar_type: numpy name of the type of the samples.
    bits, signed: the smallest integer precision that holds all codes, 1 to 16 ("raw": the bits of the scalar type).
    coded_type: numpy name of the type of the codes.
    offset: int for integer samples, float otherwise. scale: 1.0 but for "linear".
    error_bound: |sample - inverse(forward(sample))| never exceeds it, floating point included; 0.0 when exact.
    nan: what NaN and infinite samples became before mapping, or None when there are none to replace.
    table: the distinct values as `sample_table.encode_table` writes them; empty but for "table".
    """

    kind: str
    scalar_type: str
    bits: int
    signed: bool
    coded_type: str
    offset: int | float = 0
    scale: float = 1.0
    error_bound: float = 0.0
    nan: float | None = None
    table: str = ""

    @property
    def exact(self) -> bool:
        """Whether inverse(forward(samples)) is bit for bit the samples."""
        return self.error_bound == 0 and self.nan is None

    def as_dict(self) -> dict[str, object]:
        """Values for JSON, exact to the last bit."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: abc.Mapping[str, object]) -> "Mapping":
        """The inverse of as_dict. Raises MedCompressError when a value is missing or impossible."""
        try:
            mapping = cls(**values)
            valid = mapping._is_valid()
        except (TypeError, ValueError, OverflowError) as error:
            raise MedCompressError(f"sample mapping is malformed ({error}); the file is damaged or too new") from None
        if not valid:
            raise MedCompressError(f"sample mapping {dict(values)} is impossible; the file is damaged or too new")
        return mapping

    def _is_valid(self) -> bool:
        if self.kind not in _KINDS or self.scalar_type not in SCALAR_TYPES:
            return False
        samples, codes = np.dtype(self.scalar_type), np.dtype(self.coded_type)
        fits = {
            "raw": codes == samples,
            "direct": codes.name in ("int8", "uint8", "int16", "uint16"),
        }.get(self.kind, codes.name in ("uint8", "uint16"))
        numbers = (self.offset, self.scale, self.error_bound, self.nan or 0.0)
        if self.kind == "table":
            fits = fits and (len(decode_table(self.table, self.scalar_type)) - 1).bit_length() <= self.bits
        return (
            fits
            and (self.kind == "table") == bool(self.table)
            and type(self.bits) is int
            and 1 <= self.bits <= 8 * codes.itemsize
            and self.signed is (codes.kind != "u")
            and all(type(number) in (int, float) and math.isfinite(number) for number in numbers)
            and self.scale > 0
            and self.error_bound >= 0
            and (samples.kind == "f" or _within(samples, self.offset))
        )

    def forward(self, samples: np.ndarray) -> np.ndarray:
        """Codes (coded_type) of a slab of samples (scalar_type, any shape); "raw" returns the slab itself.

        Raises MedCompressError when the samples are not what the statistics promised: nothing ever wraps.
        """
        if samples.dtype != np.dtype(self.scalar_type):
            raise MedCompressError(
                f"samples are {samples.dtype.name}, the mapping is for {self.scalar_type}; choose a mapping anew"
            )
        if self.kind == "raw" or samples.size == 0:
            return samples.astype(self.coded_type, copy=False)
        if self.kind == "table":
            return to_ranks(samples, decode_table(self.table, self.scalar_type), self.coded_type)
        if self.nan is not None:
            samples = np.where(np.isfinite(samples), samples, samples.dtype.type(self.nan))
        self._require_measured(samples.min(), samples.max())
        if self.kind == "linear":
            return _quotient(samples, self.offset, self.scale).astype(self.coded_type)
        if self.offset:
            samples = samples - samples.dtype.type(self.offset)
        return samples.astype(self.coded_type, copy=False)

    def inverse(self, codes: np.ndarray) -> np.ndarray:
        """Samples (scalar_type) of codes as a codec gives them back (any integer or float type, any shape).

        Codes that lossy coding moved are rounded and clipped to the range of the codes and of the scalar type.
        """
        dtype = np.dtype(self.scalar_type)
        if self.kind == "raw":
            if codes.dtype != dtype:
                raise MedCompressError(f"decoded samples are {codes.dtype.name}, not {dtype.name}; the file is damaged")
            return codes
        if self.kind == "table":
            return from_ranks(codes, decode_table(self.table, self.scalar_type))
        if codes.dtype.kind == "f":
            codes = np.rint(codes)
        lowest, highest = self._code_range()
        if codes.dtype != np.dtype(self.coded_type):
            codes = np.clip(codes, *_representable(codes.dtype, lowest, highest)).astype(self.coded_type)
        if dtype.kind == "f":
            return self._inverse_float(codes, dtype)
        return self._inverse_integer(codes, dtype)

    def _inverse_float(self, codes: np.ndarray, dtype: np.dtype) -> np.ndarray:
        if self.kind == "direct":
            return codes.astype(dtype)
        part = 0.25 if self.scale >= _LARGE_SCALE else 1.0
        values = codes.astype(np.float64)
        values *= self.scale * part
        values += self.offset * part
        limit = float(np.finfo(dtype).max)
        np.clip(values, -limit * part, limit * part, out=values)
        values /= part
        return values.astype(dtype, copy=False)

    def _inverse_integer(self, codes: np.ndarray, dtype: np.dtype) -> np.ndarray:
        bounds = np.iinfo(dtype)
        if self.kind == "direct":
            if np.can_cast(codes.dtype, dtype):
                return codes.astype(dtype)
            low, high = _representable(codes.dtype, int(bounds.min), int(bounds.max))
            return np.clip(codes, low, high).astype(dtype)
        if self.kind == "linear":
            steps = codes.astype(np.float64)
            steps *= self.scale
            np.rint(steps, out=steps)
            np.minimum(steps, math.nextafter(2.0**64, 0), out=steps)
            steps = steps.astype(np.uint64)
        else:
            steps = codes.astype(np.uint64)
        np.minimum(steps, np.uint64(int(bounds.max) - self.offset), out=steps)
        steps += np.uint64(self.offset % 2**64)
        return steps.astype(dtype)

    def _code_range(self) -> tuple[int, int]:
        info = np.iinfo(self.coded_type)
        return int(info.min), int(info.max)

    def _require_measured(self, lowest: np.generic, highest: np.generic) -> None:
        low, high = self._code_range()
        if self.kind == "linear":
            measured = (
                lowest.item() >= self.offset and _quotient(np.array([highest]), self.offset, self.scale)[0] <= high
            )
        else:
            measured = low <= lowest.item() - self.offset and highest.item() - self.offset <= high
        if not measured:
            raise MedCompressError(
                f"samples from {lowest} to {highest} are outside the measured range; measure the whole volume first"
            )


def _quotient(samples: np.ndarray, offset: int | float, scale: float) -> np.ndarray:
    """round((samples - offset) / scale) as float64; integers subtract exactly, floats without overflow."""
    if samples.dtype.kind in "iu":
        codes = samples.astype(np.uint64)
        codes -= np.uint64(offset % 2**64)
        codes = codes.astype(np.float64)
    else:
        part = 0.25 if scale >= _LARGE_SCALE else 1.0
        codes = samples.astype(np.float64)
        codes *= part
        codes -= offset * part
        scale *= part
    codes /= scale
    return np.rint(codes, out=codes)


def _representable(dtype: np.dtype, lowest: int, highest: int) -> tuple[int, int]:
    if dtype.kind == "f":
        return lowest, highest
    info = np.iinfo(dtype)
    return max(lowest, int(info.min)), min(highest, int(info.max))


def _within(dtype: np.dtype, value: object) -> bool:
    info = np.iinfo(dtype)
    return isinstance(value, int) and int(info.min) <= value <= int(info.max)
