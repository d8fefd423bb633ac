"""The orientation in which every network sees every volume: axes i, j, k towards left, posterior, superior (LPS).

Files keep the patient's axes in any order and direction, a network learns one. Both training and inference reorder the
axes by the nearest permutation and flips, without resampling: an oblique volume stays oblique, by less than 55 degrees.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import numpy as np

from ..volume import Geometry, Volume

Back = Callable[[np.ndarray], np.ndarray]


def to_canonical(volume: Volume, dimension: int = 3) -> tuple[Volume, Back]:
    """The volume with its axes as near to LPS as permutation and flips bring them, and the way back.

    dimension: 2 keeps the slices as they were acquired (the axis k stays k) and orders only the two axes within them,
        for networks that work slice by slice; 3 orders all three.

    The second value takes an array on the canonical grid, [..., k, j, i] with any axes before, and returns it on the
    volume's own grid. Both arrays are views: nothing is copied. A label map of equal geometry turns the same way.
    """
    direction = np.array(volume.geometry.direction)
    towards = _slice_axes(direction) if dimension == 2 else (0, 1, 2)
    order = _order(direction, towards, keep_slices=dimension == 2)
    flipped = [bool(direction[towards[axis], order[axis]] < 0) for axis in range(3)]
    forward = [2 - order[2 - axis] for axis in range(3)]
    backward = [int(position) for position in np.argsort(forward)]
    flips = tuple(slice(None, None, -1 if flip else 1) for flip in reversed(flipped))
    array = volume.array.transpose(forward)[flips]

    def back(canonical: np.ndarray) -> np.ndarray:
        leading = canonical.ndim - 3
        turned = canonical[(..., *flips)]
        return turned.transpose([*range(leading), *(leading + axis for axis in backward)])

    return Volume(array, _geometry(volume, order, flipped), volume.modality, volume.name), back


def _slice_axes(direction: np.ndarray) -> tuple[int, int, int]:
    """Which of L, P, S (0, 1, 2) the canonical axes i, j, k point along where k stays the axis of the slices."""
    across = int(np.abs(direction[:, 2]).argmax())
    first, second = (axis for axis in range(3) if axis != across)
    return first, second, across


def _order(direction: np.ndarray, towards: tuple[int, ...], keep_slices: bool) -> tuple[int, ...]:
    """order[a] is the volume's axis (0 is i) that becomes the canonical axis a, which points `towards[a]`."""
    choices = [(0, 1, 2), (1, 0, 2)] if keep_slices else list(permutations(range(3)))
    return max(choices, key=lambda order: sum(abs(direction[towards[axis], order[axis]]) for axis in range(3)))


def _geometry(volume: Volume, order: tuple[int, ...], flipped: list[bool]) -> Geometry:
    old = volume.geometry
    direction, origin = np.array(old.direction), np.array(old.origin)
    shape = volume.array.shape[::-1]
    columns = []
    for axis, flip in zip(order, flipped, strict=True):
        column = direction[:, axis]
        if flip:
            origin = origin + column * old.spacing[axis] * (shape[axis] - 1)
        columns.append(0.0 - column if flip else column)
    rows = tuple(tuple(float(value) for value in row) for row in np.array(columns).T)
    return Geometry(tuple(old.spacing[axis] for axis in order), tuple(float(value) for value in origin), rows)
