"""Zeroth-order entropy, after Shannon 1948, Bell Syst. Tech. J. 27(3), 379-423, section 6."""

from collections.abc import Callable

import numpy as np

from .checks import check_finite, checked_mask, checked_volume

LARGEST_TABLE = 1 << 22


def entropy(image: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Bits per voxel of an image [k, j, i]: -sum p log2 p over its distinct values, without binning; 0 if constant.

    Over all voxels or those inside the mask (nonzero). Integers are counted in a table; floats, and integers that span
    more than 4 million values, by sorting, which takes one copy of the voxels.
    """
    image = checked_volume(image, "measured")
    mask = checked_mask(mask, image.shape)
    return entropy_of(image, lambda k: image[k].ravel() if mask is None else image[k][mask[k] != 0])


def entropy_of(image: np.ndarray, select: Callable[[int], np.ndarray]) -> float:
    """Bits per voxel of the values that `select` takes from each slice k of the image; 0 if it takes none."""
    if image.dtype.kind in "biu":
        lowest, highest = int(min(part.min() for part in image)), int(max(part.max() for part in image))
        if highest - lowest < LARGEST_TABLE:
            return _bits(_tabled(len(image), select, lowest, highest))
    return _bits(_run_lengths(_sorted_values(len(image), select)))


def _bits(counts: np.ndarray) -> float:
    counts = counts[counts > 0].astype(np.float64)
    total = counts.sum()
    return max(0.0, float(np.log2(total) - (counts @ np.log2(counts)) / total)) if total else 0.0


def _tabled(slices: int, select: Callable[[int], np.ndarray], lowest: int, highest: int) -> np.ndarray:
    table = np.zeros(highest - lowest + 1, np.int64)
    for k in range(slices):
        values = select(k)
        if values.size == 0:
            continue
        start = values.min()
        positions = values - start if values.dtype.kind == "u" else values.astype(np.int64) - int(start)
        counts = np.bincount(positions.astype(np.intp, copy=False))
        table[int(start) - lowest :][: counts.size] += counts
    return table


def _sorted_values(slices: int, select: Callable[[int], np.ndarray]) -> np.ndarray:
    values = np.concatenate([select(k) for k in range(slices)])
    check_finite(values, "measured")
    values.sort()
    return values


def _run_lengths(values: np.ndarray, step: int = 1 << 20) -> np.ndarray:
    ends = [
        np.flatnonzero(values[at + 1 : at + step + 1] != values[at : at + step][: values.size - 1 - at]) + at + 1
        for at in range(0, values.size - 1, step)
    ]
    return np.diff(np.concatenate([[0], *ends, [values.size]]))
