"""Fills a region smoothly from what surrounds it, so that an image codec spends next to nothing on it."""

from __future__ import annotations

import numpy as np


def smooth_fill(codes: np.ndarray, region: np.ndarray) -> np.ndarray:
    """codes [k, j, i] with the voxels of the region (bool) replaced, slice by slice, by averages of those around.

    Push-pull: averages of the known voxels over ever larger squares, taken where the smaller ones hold none (Gortler et
    al. 1996, SIGGRAPH, section 3.4). A slice that lies in the region altogether becomes the mean of its codes.
    """
    filled = codes.copy()
    for k in np.flatnonzero(region.any(axis=(1, 2))):
        hidden = region[k]
        if hidden.all():
            filled[k] = np.rint(codes[k].mean())
            continue
        estimate = _pull(np.where(hidden, 0, codes[k]).astype(np.float32), (~hidden).astype(np.float32))
        filled[k][hidden] = np.rint(estimate[hidden])
    return filled


def _pull(total: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Weighted means where there is weight, else what the coarser level says."""
    means = total / np.maximum(weight, 1e-6)
    if (weight > 0).all() or max(weight.shape) == 1:
        return means
    coarse = _pull(_halved(np.where(weight > 0, means * np.minimum(weight, 1), 0)), _halved(np.minimum(weight, 1)))
    wide = _doubled(coarse)[: weight.shape[0], : weight.shape[1]]
    return np.where(weight > 0, means, wide)


def _halved(plane: np.ndarray) -> np.ndarray:
    rows, columns = plane.shape
    plane = np.pad(plane, ((0, rows % 2), (0, columns % 2)))
    return (plane[::2, ::2] + plane[1::2, ::2] + plane[::2, 1::2] + plane[1::2, 1::2]) / 4


def _doubled(plane: np.ndarray) -> np.ndarray:
    """Twice as large, bilinear: weights 3/4 and 1/4 of the nearest two."""
    for axis in (0, 1):
        before = np.concatenate([plane.take([0], axis), plane.take(range(plane.shape[axis] - 1), axis)], axis)
        after = np.concatenate([plane.take(range(1, plane.shape[axis]), axis), plane.take([-1], axis)], axis)
        pair = np.stack([0.75 * plane + 0.25 * before, 0.75 * plane + 0.25 * after], axis + 1)
        shape = list(plane.shape)
        shape[axis] *= 2
        plane = pair.reshape(shape)
    return plane
