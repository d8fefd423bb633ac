"""The order in which the voxels of a region are coded: a coarse lattice first, then what lies between.

Every voxel but the first few is surrounded by known ones when its turn comes, and all voxels of a pass are coded at
once. Even slices come first, then the odd ones between them. Cf. hierarchical interpolation (HINT): Roos et al. 1988,
IEEE Trans. Med. Imaging 7(4), 328-336.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

_COARSEST = 16
MARGIN = 24
"""Voxels around a padded slice within which all neighbors lie."""

Offset = tuple[int, int, int]


@dataclass(frozen=True)
class Pass:
    """Voxels (k, j, i) with k % 2 == phase, j % step == row and i % step == column; `kind` numbers what is alike."""

    kind: int
    phase: int
    step: int
    row: int
    column: int
    neighbors: tuple[Offset, ...]


def _plane(step: int, kind: int) -> tuple[Offset, ...]:
    h = step // 2
    cross = ((0, 0, -h), (0, 0, h), (0, -h, 0), (0, h, 0))
    diagonal = ((0, -h, -h), (0, -h, h), (0, h, -h), (0, h, h))
    far = 3 * h
    knights = tuple((0, a * x, b * y) for x, y in ((h, far), (far, h)) for a in (-1, 1) for b in (-1, 1))
    jumps = tuple((0, a * x, b * y) for x, y in ((h, step), (step, h)) for a in (-1, 1) for b in (-1, 1))
    if kind == 0:
        return diagonal + knights
    if kind == 1:
        return cross + jumps
    return cross + diagonal + ((0, 0, -step), (0, 0, step), (0, -step, 0), (0, step, 0))


_ABOVE = tuple((k, j, i) for k in (-1, 1) for j, i in ((0, 0), (0, -1), (0, 1), (-1, 0), (1, 0)))
_DIAGONALS_ABOVE = tuple((k, j, i) for k in (-1, 1) for j in (-1, 1) for i in (-1, 1))
KINDS = 14


def passes() -> Iterator[Pass]:
    """All passes in their order."""
    for phase in (0, 1):
        above = _ABOVE + _DIAGONALS_ABOVE if phase else ()
        yield Pass(7 * phase, phase, _COARSEST, 0, 0, above)
        step = _COARSEST
        while step > 1:
            h = step // 2
            for kind, (row, column) in enumerate(((h, h), (0, h), (h, 0))):
                number = 7 * phase + 1 + kind + 3 * (step == 2)
                yield Pass(number, phase, step, row, column, _plane(step, kind) + above)
            step = h


def padded(shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Shape [k, j, i] of a padded array."""
    return shape[0] + 2, shape[1] + 2 * MARGIN, shape[2] + 2 * MARGIN


def interior(array: np.ndarray) -> np.ndarray:
    """The part of a padded array that is not padding."""
    return array[1:-1, MARGIN:-MARGIN, MARGIN:-MARGIN]


def places(mask: np.ndarray, part: Pass) -> np.ndarray:
    """Indices into the flattened padded array of the masked voxels [k, j, i] of a pass, in C order."""
    _, rows, columns = padded(mask.shape)
    k, j, i = np.nonzero(mask[part.phase :: 2, part.row :: part.step, part.column :: part.step])
    k = 2 * k + part.phase + 1
    j = j * part.step + part.row + MARGIN
    i = i * part.step + part.column + MARGIN
    return (k * rows + j) * columns + i


def offsets(shape: tuple[int, int, int], part: Pass) -> np.ndarray:
    """What to add to an index into the flattened padded array for each neighbor."""
    _, rows, columns = padded(shape)
    return np.array([(k * rows + j) * columns + i for k, j, i in part.neighbors], np.int64)
