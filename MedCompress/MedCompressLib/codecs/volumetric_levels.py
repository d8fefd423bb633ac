"""How many levels of a wavelet along the slices are worth while: found by trial on a part of the group."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .wavelet import MOST_LEVELS

_BANDS = 3
_SHARE = 1 / 7
_LEAST_ROWS = 16


def sample_rows(group: np.ndarray) -> np.ndarray:
    """Bands of rows spread over the slices, in all slices [k, j, i]; a seventh of the group, or all of a small one.

    Whole rows hold the share of air that the group has.
    """
    rows = group.shape[1]
    height = max(_LEAST_ROWS, round(rows * _SHARE / _BANDS))
    if _BANDS * height >= rows:
        return group
    starts = [round(rows * (band + 0.5) / _BANDS - height / 2) for band in range(_BANDS)]
    return np.concatenate([group[:, start : start + height] for start in starts], axis=1)


def best_levels(slices: int, cost: Callable[[int], float]) -> int:
    """The number of levels of least cost for a group of so many slices, among the neighbors of the best seen so far.

    More levels gain less and less, so the search goes from two levels uphill and leaves out what lies behind a top.
    """
    most = min(MOST_LEVELS, (slices - 1).bit_length())
    if most == 0:
        return 0
    known: dict[int, float] = {}

    def known_cost(levels: int) -> float:
        if levels not in known:
            known[levels] = cost(levels)
        return known[levels]

    best = min(2, most)
    for step in (1, -1):
        while 0 <= best + step <= most and known_cost(best + step) < known_cost(best):
            best += step
    return best
