"""Patch, kernels, strides and feature maps from the sizes and spacings of the cases, in the manner of nnU-Net.

Isensee et al., nnU-Net, Nature Methods 18 (2021), supplementary note 2: the rules that depend on the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, prod
from typing import Any

import numpy as np

from ..errors import MedCompressError

SMALLEST = 4
"""No axis is pooled to fewer voxels."""
ANISOTROPIC = 3.0
MAX_LEVELS = 6
MAX_FEATURES = 320


def plan(
    shapes: Sequence[Sequence[int]],
    spacings: Sequence[Sequence[float]],
    *,
    dimension: int = 3,
    features: int = 32,
    max_voxels: int = 2**19,
) -> dict[str, Any]:
    """{"network": description for build_network, "patch": [k, j, i] or [j, i], "spacing": (i, j, k) in mm}.

    shapes: [k, j, i] of each case; spacings: (i, j, k) of each, in mm. `features` feature maps at the first level,
    doubled per level to at most 320; a patch has at most `max_voxels`. A patch is a multiple of the network's
    divisor. In 2D the spacing along k is the cases' median and takes no part.
    """
    _check(shapes, spacings, dimension, features, max_voxels)
    target = target_spacing(shapes, spacings)
    sizes = np.array(shapes, float) * np.array(spacings, float)[:, ::-1] / target[::-1]
    median = np.median(sizes, axis=0)[3 - dimension :]
    axes = target[::-1][3 - dimension :]
    patch, kernels, strides = _fit(median, axes, max_voxels)
    levels = len(strides)
    network = {
        "architecture": "dynunet",
        "features": [min(features << level, max(features, MAX_FEATURES)) for level in range(levels)],
        "kernels": kernels,
        "strides": strides,
        "residual": False,
        "deep_supervision": levels - 2,
    }
    return {"network": network, "patch": patch, "spacing": tuple(round(float(value), 6) for value in target)}


def target_spacing(shapes: Sequence[Sequence[int]], spacings: Sequence[Sequence[float]]) -> np.ndarray:
    """(i, j, k) in mm to which cases are resampled: their median, finer along one axis that is far coarser.

    Where the coarsest axis has more than 3 times the spacing and less than a third of the voxels of the others,
    its 10th percentile is taken, so that most cases need not lose slices.
    """
    spacings = np.array(spacings, float)
    target = np.median(spacings, axis=0)
    size = np.median(np.array(shapes, float)[:, ::-1], axis=0)
    worst = int(np.argmax(target))
    others = [axis for axis in range(3) if axis != worst]
    if target[worst] > ANISOTROPIC * target[others].max() and size[worst] * ANISOTROPIC < size[others].min():
        target[worst] = max(np.percentile(spacings[:, worst], 10), target[others].max())
    return target


def pooling(patch: Sequence[float], spacing: Sequence[float]) -> tuple[list[list[int]], list[list[int]]]:
    """Kernels and strides per level for a patch (same axis order as `spacing`): an axis is pooled while it keeps 4
    voxels and its spacing is below twice the finest one; kernels are 1 along an axis that is still that coarse.
    """
    size, spacing = np.array(patch, float), np.array(spacing, float)
    kernel = np.ones(len(size), int)
    kernels, strides = [], [[1] * len(size)]
    while True:
        large = size / 2 >= SMALLEST
        finest = spacing[large].min() if large.any() else spacing.min()
        kernel = np.where(spacing < 2 * finest, 3, kernel)
        kernels.append([int(value) for value in kernel])
        pooled = large & (spacing < 2 * finest)
        if not pooled.any() or len(strides) == MAX_LEVELS:
            break
        strides.append([2 if value else 1 for value in pooled])
        size, spacing = np.where(pooled, size / 2, size), np.where(pooled, spacing * 2, spacing)
    while len(strides) < 3:
        strides.append([1] * len(size))
        kernels.append(kernels[-1])
    return kernels, strides


Steps = list[list[int]]


def _fit(median: np.ndarray, spacing: np.ndarray, max_voxels: int) -> tuple[list[int], Steps, Steps]:
    """The largest patch of at most max_voxels: starts with the whole median case, cuts the axis that keeps most mm."""
    size = np.maximum(np.round(median), 1)
    while True:
        kernels, strides = pooling(size, spacing)
        divisor = np.prod(strides, axis=0)
        patch = [int(ceil(voxels / step) * step) for voxels, step in zip(size, divisor, strict=True)]
        if prod(patch) <= max_voxels:
            return patch, kernels, strides
        longest = int(np.argmax(np.where(size > 1, np.array(patch) * spacing, -1)))
        size[longest] = max(1, min(patch[longest] - divisor[longest], size[longest]))


def _check(shapes, spacings, dimension, features, max_voxels) -> None:
    if dimension not in (2, 3):
        raise MedCompressError(f"a network has 2 or 3 dimensions, not {dimension}: choose 2 or 3")
    if not shapes or len(shapes) != len(spacings):
        raise MedCompressError("a plan needs the size and the spacing of at least one case: add cases")
    if any(len(shape) != 3 or min(shape) < 1 for shape in shapes):
        raise MedCompressError("a case has no voxels or is no volume: leave it out")
    if any(len(spacing) != 3 or not 0 < min(spacing) <= max(spacing) < float("inf") for spacing in spacings):
        raise MedCompressError("a case's spacing is not above 0 along each axis: correct its header")
    if not 1 <= features <= 1024 or max_voxels < 64:
        raise MedCompressError("a plan needs 1 to 1024 features and 64 voxels or more: change these numbers")
