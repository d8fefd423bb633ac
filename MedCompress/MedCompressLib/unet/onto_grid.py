"""Logits from a network's grid onto the volume's own, linearly and block by block, so that no whole copy exists."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..volume import Geometry
from .packages import require
from .windows import BLOCK_VOXELS

if TYPE_CHECKING:
    import torch

Block = tuple[int, "torch.Tensor"]


@dataclass(frozen=True)
class Grid:
    """shape: voxels along k, j, i; geometry: where they lie."""

    shape: tuple[int, int, int]
    geometry: Geometry


def onto_grid(blocks: Iterator[Block], source: Grid, target: Grid) -> Iterator[Block]:
    """Blocks (first slice, logits [K, n, j, i]) on the grid `target` from those on `source`, in order.

    Both grids have the same axes; positions beyond the source's outermost voxels take the value of these. A block is
    valid until the next one is asked for.
    """
    if source.shape == target.shape and source.geometry.is_close(target.geometry, 1e-6):
        yield from blocks
        return
    along_k, along_j, along_i = (_Axis.between(source, target, axis) for axis in range(3))
    torch = require("torch")
    kept, base, done = None, 0, 0
    for first, block in blocks:
        stack = block if kept is None else torch.cat([kept, block], dim=1)
        base = first if kept is None else base
        last = first + block.shape[1] - 1
        ready = int(np.searchsorted(along_k.upper, last, side="right"))
        most = max(1, BLOCK_VOXELS // (block.shape[0] * target.shape[1] * target.shape[2]))
        while done < ready:
            stop = min(ready, done + most)
            yield done, along_i.take(along_j.take(along_k.part(done, stop, base).take(stack, 1), 2), 3)
            done = stop
        needed = min(int(along_k.lower[done]), last + 1) if done < target.shape[0] else last + 1
        kept, base = stack[:, needed - base :].clone(), needed


@dataclass(frozen=True)
class _Axis:
    """For each target index the source's voxels below and above it, and the share of the upper one."""

    lower: np.ndarray
    upper: np.ndarray
    share: np.ndarray

    @classmethod
    def between(cls, source: Grid, target: Grid, axis: int) -> _Axis:
        """axis: 0 for k, 1 for j, 2 for i."""
        old, new, letter = source.geometry, target.geometry, 2 - axis
        shift = np.linalg.solve(np.array(old.direction), np.subtract(new.origin, old.origin))[letter]
        position = (shift + np.arange(target.shape[axis]) * new.spacing[letter]) / old.spacing[letter]
        position = np.clip(np.round(position, 6), 0, source.shape[axis] - 1)
        lower = np.floor(position).astype(np.int64)
        share = (position - lower).astype(np.float32)
        return cls(lower, lower + (share > 0), share)

    def part(self, start: int, stop: int, base: int) -> _Axis:
        return _Axis(self.lower[start:stop] - base, self.upper[start:stop] - base, self.share[start:stop])

    def take(self, values: torch.Tensor, dim: int) -> torch.Tensor:
        torch = require("torch")
        indices = [torch.from_numpy(index).to(values.device) for index in (self.lower, self.upper)]
        if not self.share.any():
            count = values.shape[dim]
            whole = len(self.lower) == count and np.array_equal(self.lower, np.arange(count))
            return values if whole else values.index_select(dim, indices[0])
        share = torch.from_numpy(self.share).to(values.device).reshape([-1 if axis == dim else 1 for axis in range(4)])
        below = values.index_select(dim, indices[0])
        return below.add_((values.index_select(dim, indices[1]) - below).mul_(share))
