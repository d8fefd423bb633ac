"""Masks from one grid to another by the nearest voxel, and a sentence that says so."""

from __future__ import annotations

import numpy as np

from ..volume import Geometry, Volume

_TOLERANCE = 1e-3


def onto_grid(values: np.ndarray, geometry: Geometry, volume: Volume) -> tuple[np.ndarray, tuple[str, ...]]:
    """A mask or map [k, j, i] on the volume's grid, 0 beyond its own; itself where the grids are one. And notes for
    people."""
    shape = volume.array.shape
    if values.shape == shape and geometry.is_close(volume.geometry, _TOLERANCE):
        return values, ()
    note = (
        f"the region was given on another grid ({_size(values.shape)}, spacing {_spacing(geometry)} mm) and resampled "
        f"to the volume's ({_size(shape)}, {_spacing(volume.geometry)} mm) by nearest voxel"
    )
    if values.dtype == bool and values.any():
        within = _nearest(np.broadcast_to(np.True_, shape), volume.geometry, geometry, values.shape)
        beyond = 1 - np.count_nonzero(values & within) / np.count_nonzero(values)
        if beyond >= 0.0005:
            note += f"; {beyond:.1%} of it lies outside the volume"
    return _nearest(values, geometry, volume.geometry, shape), (note,)


def _nearest(values: np.ndarray, source: Geometry, target: Geometry, shape: tuple[int, ...]) -> np.ndarray:
    to_index = np.linalg.inv(np.array(source.direction) * np.array(source.spacing))
    steps = to_index @ (np.array(target.direction) * np.array(target.spacing))
    start = to_index @ (np.array(target.origin) - np.array(source.origin))
    j, i = (np.arange(count, dtype=float) for count in shape[1:])
    limits = tuple(reversed(values.shape))
    result = np.zeros(shape, values.dtype)
    for k in range(shape[0]):
        index = [
            np.rint(start[axis] + steps[axis, 2] * k + (steps[axis, 1] * j)[:, None] + steps[axis, 0] * i).astype(int)
            for axis in range(3)
        ]
        inside = np.logical_and.reduce(
            [(part >= 0) & (part < count) for part, count in zip(index, limits, strict=True)]
        )
        result[k][inside] = values[index[2][inside], index[1][inside], index[0][inside]]
    return result


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(str(count) for count in reversed(shape))


def _spacing(geometry: Geometry) -> str:
    return " x ".join(f"{step:g}" for step in geometry.spacing)
