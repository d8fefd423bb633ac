"""Probability tables for prediction errors, from two small numbers each, the same on every machine.

A table is a discretized Pearson VII (Student's t) distribution: density (1 + x^2 / (m s^2))^-m, near Gaussian for large
m and heavy-tailed for small m. Only +, *, / of IEEE 754 and whole numbers are used, so that reader and writer agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .rans import SCALE

SHAPES = 5
"""m = 1, 2, 4, 8, 16."""
SCALES = 64
"""s = 1/8, then four steps an octave."""
_STEPS = (1.0, 1.189207115002721, 1.4142135623730951, 1.6817928305074292)
_REACH = 7
_WIDEST = 400
_FINE = float(1 << 34)
ESCAPE_BITS = 9
"""Errors that no table holds are sent as two numbers of so many bits: enough for the codes of 16-bit samples."""


def scale_value(index: int) -> float:
    return 0.125 * (1 << index // 4) * _STEPS[index % 4]


@dataclass(frozen=True)
class Table:
    """starts [symbols + 1]: cumulative frequencies up to SCALE. Symbol r + (error >> shift) stands for an error whose
    low `shift` bits follow; the last symbol says that the error itself follows."""

    reach: int
    shift: int
    starts: np.ndarray

    @property
    def escape(self) -> int:
        return 2 * self.reach + 1


@lru_cache(maxsize=SHAPES * SCALES)
def table(shape: int, scale: int) -> Table:
    """The table of m = 2^shape and s = scale_value(scale)."""
    width = scale_value(scale)
    shift = 0
    while _REACH * width > _WIDEST << shift:
        shift += 1
    reach = max(2, int(_REACH * width / (1 << shift)) + 1)
    x = np.arange(-reach, reach + 1, dtype=np.float64) + (0.5 if shift else 0.0)
    x *= float(1 << shift) / width
    density = 1.0 / (1.0 + x * x / float(1 << shape))
    for _ in range(shape):
        density = density * density
    weights = np.floor(density * _FINE).astype(np.int64)
    weights = np.append(weights, int(weights.sum()) >> 12)
    frequency = 1 + weights * (SCALE - len(weights)) // int(weights.sum())
    frequency[reach] += SCALE - int(frequency.sum())
    return Table(reach, shift, np.concatenate([[0], np.cumsum(frequency)]))


def fit(errors: np.ndarray) -> tuple[int, int]:
    """(shape, scale) of the table that codes these errors in the fewest bits."""
    values, counts = np.unique(errors, return_counts=True)
    spread = np.sqrt((values.astype(np.float64) ** 2 * counts).sum() / counts.sum())
    middle = max(0, round(4 * np.log2(max(spread, 0.125) * 8)))
    candidates = [
        (shape, scale)
        for shape in range(SHAPES)
        for scale in range(max(0, middle - 4 * (5 - shape)), min(SCALES, middle + 3))
    ]
    return min(candidates, key=lambda pair: _cost(table(*pair), values, counts))


def _cost(chosen: Table, values: np.ndarray, counts: np.ndarray) -> float:
    symbols, escaped = symbols_of(values, chosen)
    frequency = np.diff(chosen.starts)[symbols]
    bits = SCALE.bit_length() - 1 - np.log2(frequency)
    bits += np.where(escaped, 2 * ESCAPE_BITS, chosen.shift)
    return float((bits * counts).sum())


def symbols_of(errors: np.ndarray, chosen: Table) -> tuple[np.ndarray, np.ndarray]:
    """The symbol of each error, and whether it is the escape."""
    symbols = (errors >> chosen.shift) + chosen.reach
    escaped = (symbols < 0) | (symbols >= chosen.escape)
    return np.where(escaped, chosen.escape, symbols), escaped
