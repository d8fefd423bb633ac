"""The wavelets of JPEG 2000 (ISO/IEC 15444-1, Annex F) along the first axis of a stack of slices.

Lifting with whole-sample symmetric extension at both ends, for any number of slices, one included. Subbands come in
the order lowest first: low pass of the last level, then the high passes from the last level to the first.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

MOST_LEVELS = 3
_IRREVERSIBLE_LIFTING = (-1.586134342059924, -0.052980118572961, 0.882911075530934, 0.443506852043971)
"""alpha, beta, gamma, delta of the 9/7 wavelet (Table F.4); odd slices are lifted first."""

Step = Callable[[np.ndarray, np.ndarray], np.ndarray]


def subbands(slices: int, levels: int) -> tuple[list[list[int]], list[int]]:
    """What a transform of so many slices works on.

    Returns the slices that each level splits, level by level, and the slice that each coefficient lies in while
    lifting is done in place. Levels end early where only one slice is left.
    """
    low, high, split = list(range(slices)), [], []
    for _ in range(levels):
        if len(low) < 2:
            break
        split.append(low)
        low, high = low[::2], low[1::2] + high
    return split, low + high


def forward_53(samples: np.ndarray, levels: int) -> np.ndarray:
    """Reversible 5/3 transform of whole numbers [k, ...]; a new int32 array of the same shape."""
    work = samples.astype(np.int32)
    split, order = subbands(len(work), levels)
    for slices in split:
        _lift(work, slices, 1, lambda left, right: -((left + right) >> 1))
        _lift(work, slices, 0, lambda left, right: (left + right + 2) >> 2)
    return work[order] if split else work


def inverse_53(coefficients: np.ndarray, levels: int) -> np.ndarray:
    """Inverse of `forward_53`."""
    split, order = subbands(len(coefficients), levels)
    work = np.empty_like(coefficients, np.int32)
    work[order] = coefficients
    for slices in reversed(split):
        _lift(work, slices, 0, lambda left, right: -((left + right + 2) >> 2))
        _lift(work, slices, 1, lambda left, right: (left + right) >> 1)
    return work


@lru_cache(maxsize=64)
def matrices_97(slices: int, levels: int) -> tuple[np.ndarray, np.ndarray]:
    """The irreversible 9/7 transform of so many slices as float64 matrices: analysis and synthesis, its inverse.

    The columns of the synthesis have unit norm, so that an error of a coefficient makes the same squared error in the
    slices, nearly independent of the errors of others, whatever the subband.
    """
    split, order = subbands(slices, levels)
    analysis, synthesis = np.eye(slices), np.eye(slices)
    for rows in split:
        for index, weight in enumerate(_IRREVERSIBLE_LIFTING):
            _lift(analysis, rows, 1 - index % 2, _weighted(weight))
    for rows in reversed(split):
        for index, weight in reversed(list(enumerate(_IRREVERSIBLE_LIFTING))):
            _lift(synthesis, rows, 1 - index % 2, _weighted(-weight))
    norms = np.linalg.norm(synthesis, axis=0)
    analysis, synthesis = (analysis * norms[:, None])[order], (synthesis / norms)[:, order]
    analysis.flags.writeable = synthesis.flags.writeable = False
    return analysis, synthesis


def _weighted(weight: float) -> Step:
    return lambda left, right: weight * (left + right)


def _lift(work: np.ndarray, slices: list[int], first: int, step: Step) -> None:
    """Add `step` of both neighbors to every second of the slices, in place."""
    for place in range(first, len(slices), 2):
        left = slices[place - 1 if place else 1]
        right = slices[place + 1 if place + 1 < len(slices) else place - 1]
        work[slices[place]] += step(work[left], work[right])
