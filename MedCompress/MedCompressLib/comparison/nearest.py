"""How far it is to the nearest marked voxel: exact, fast where it is near, bounded in memory where it is far."""

import math
from functools import lru_cache

import numpy as np

_OFFSETS = 500
_BLOCK = 1 << 17
_SEARCHES_TO_TRANSFORM = 10
_LARGEST_TRANSFORM = 1 << 26
_SAMPLE = 64


@lru_cache(maxsize=64)
def near_offsets(spacing: tuple[float, float, float], flat: bool) -> tuple[np.ndarray, np.ndarray]:
    """All steps (k, j, i) within a radius that holds about 500 voxels, nearest first, and their lengths in mm.

    spacing: mm along k, j, i; flat: steps within the slice alone.
    """
    if flat:
        radius = math.sqrt(_OFFSETS * spacing[1] * spacing[2] / math.pi)
    else:
        radius = (_OFFSETS * math.prod(spacing) * 0.75 / math.pi) ** (1 / 3)
    reach = [max(1, int(radius / step)) for step in spacing]
    if flat:
        reach[0] = 0
    steps = np.stack(np.meshgrid(*(np.arange(-r, r + 1) for r in reach), indexing="ij"), -1).reshape(-1, 3)
    lengths = np.sqrt(np.square(steps * np.array(spacing)).sum(1))
    order = np.argsort(lengths, kind="stable")[1:]
    order = order[lengths[order] <= radius]
    return steps[order], lengths[order]


def margin(spacing: tuple[float, float, float], flat: bool) -> tuple[int, int, int]:
    """Voxels along k, j, i that arrays given to `nearest_distances` must have around every searching voxel."""
    steps = near_offsets(spacing, flat)[0]
    return tuple(int(reach) for reach in np.abs(steps).max(0, initial=0))


def nearest_distances(
    searching: np.ndarray, marked: np.ndarray, spacing: tuple[float, float, float], flat: bool = False
) -> np.ndarray:
    """Distance in mm from voxels to the nearest marked voxel, float64 in the order of `searching`.

    searching: flat indices into `marked` of voxels that are not marked and have `margin` around them.
    marked: booleans [k, j, i], contiguous, at least one true.

    Every voxel tries its neighbors from the nearest on, so the first that is marked is the nearest. Those that find
    none within the radius ask a k-d tree of the marked voxels in their neighborhood or, where they are much of the
    array, a distance transform of all of it.
    """
    distances = np.full(searching.size, np.inf)
    steps, lengths = near_offsets(spacing, flat)
    jumps = steps @ np.array([marked.shape[1] * marked.shape[2], marked.shape[2], 1])
    groups = np.split(jumps, np.flatnonzero(np.diff(lengths) > 1e-9) + 1)
    starts = np.cumsum([0, *(len(group) for group in groups[:-1])])
    field = marked.reshape(-1)
    for start in range(0, searching.size, _BLOCK):
        voxels = searching[start : start + _BLOCK]
        slots = np.arange(start, start + voxels.size)
        for length, group in zip(lengths[starts], groups, strict=True):
            found = field.take(voxels + group[0], mode="clip")
            for jump in group[1:]:
                found |= field.take(voxels + jump, mode="clip")
            if found.any():
                distances[slots[found]] = length
                voxels, slots = voxels[~found], slots[~found]
                if not voxels.size:
                    break
    far = np.flatnonzero(np.isinf(distances))
    if far.size:
        distances[far] = _far_distances(searching[far], marked, spacing)
    return distances


def _far_distances(searching: np.ndarray, marked: np.ndarray, spacing: tuple[float, float, float]) -> np.ndarray:
    if searching.size * _SEARCHES_TO_TRANSFORM > marked.size and marked.size <= _LARGEST_TRANSFORM:
        from scipy.ndimage import distance_transform_edt

        return distance_transform_edt(~marked, sampling=spacing).reshape(-1)[searching]
    from scipy.spatial import cKDTree

    def points(indices: np.ndarray, first: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        return (np.stack(np.unravel_index(indices, shape), 1) + first) * np.array(spacing)

    def distances(indices: np.ndarray, first: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        tree = cKDTree(points(indices, first, shape), balanced_tree=False, compact_nodes=False, leafsize=32)
        return tree.query(wanted)[0]

    corner = np.zeros(3, int)
    wanted = points(searching, corner, marked.shape)
    bound = distances(np.flatnonzero(marked)[::_SAMPLE], corner, marked.shape).max()
    first = np.maximum(np.floor((wanted.min(0) - bound) / spacing), 0).astype(int)
    last = np.ceil((wanted.max(0) + bound) / spacing).astype(int) + 1
    near = marked[tuple(slice(a, b) for a, b in zip(first, last, strict=True))]
    return distances(np.flatnonzero(near), first, near.shape)
