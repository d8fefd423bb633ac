"""Masks from one grid to another by the nearest voxel, and a sentence that says so."""

from __future__ import annotations

import numpy as np

from ..volume import Geometry, Volume

_TOLERANCE = 1e-3


def onto_grid(mask: np.ndarray, geometry: Geometry, volume: Volume) -> tuple[np.ndarray, tuple[str, ...]]:
    """The mask (bool) [k, j, i] on the volume's grid, and notes for people; untouched where the grids are one."""
    shape = volume.array.shape
    if mask.shape == shape and geometry.is_close(volume.geometry, _TOLERANCE):
        return mask, ()
    note = (
        f"the region was given on another grid ({_size(mask.shape)}, spacing {_spacing(geometry)} mm) and resampled to "
        f"the volume's ({_size(shape)}, {_spacing(volume.geometry)} mm) by nearest voxel"
    )
    return _nearest(mask, geometry, volume.geometry, shape), (note,)


def _nearest(mask: np.ndarray, source: Geometry, target: Geometry, shape: tuple[int, ...]) -> np.ndarray:
    to_index = np.linalg.inv(np.array(source.direction) * np.array(source.spacing))
    steps = to_index @ (np.array(target.direction) * np.array(target.spacing))
    start = to_index @ (np.array(target.origin) - np.array(source.origin))
    j, i = (np.arange(count, dtype=float) for count in shape[1:])
    limits = tuple(reversed(mask.shape))
    result = np.zeros(shape, bool)
    for k in range(shape[0]):
        index = [
            np.rint(start[axis] + steps[axis, 2] * k + (steps[axis, 1] * j)[:, None] + steps[axis, 0] * i).astype(int)
            for axis in range(3)
        ]
        inside = np.logical_and.reduce(
            [(part >= 0) & (part < count) for part, count in zip(index, limits, strict=True)]
        )
        result[k][inside] = mask[index[2][inside], index[1][inside], index[0][inside]]
    return result


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(str(count) for count in reversed(shape))


def _spacing(geometry: Geometry) -> str:
    return " x ".join(f"{step:g}" for step in geometry.spacing)
