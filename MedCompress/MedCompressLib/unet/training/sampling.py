"""Patches for each step: which case, which place, which copy. All of it follows from (seed, epoch, step, rank)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from .preparation import Prepared


@dataclass(frozen=True)
class Sampler:
    """batch: samples per step and process; ranks: processes; steps: per epoch; 0: each case (2D: slice) about once.

    patch: [k, j, i] or [j, i], where the foreground shall lie; size: of what is cut out around it. foreground: share of
    samples centered on a labelled voxel, each label of the case being equally likely; the others lie anywhere.
    copy_probability: share of samples from a case's compressed copies, each copy being equally likely.
    """

    cases: Sequence[Prepared]
    patch: tuple[int, ...]
    size: tuple[int, ...]
    batch: int
    seed: int
    steps: int = 0
    ranks: int = 1
    foreground: float = 0.33
    copy_probability: float = 0.0

    def steps_per_epoch(self) -> int:
        if self.steps:
            return self.steps
        items = sum(case.shape[0] for case in self.cases) if len(self.patch) == 2 else len(self.cases)
        return max(1, ceil(items / (self.batch * self.ranks)))

    def draw(self, epoch: int, step: int, rank: int = 0) -> tuple[np.ndarray, np.ndarray, int]:
        """images [N, C, *size] float32, labels [N, *size] int64, and a seed for what is random after that."""
        random = np.random.default_rng([self.seed, epoch, step, rank])
        numbers = self._numbers(epoch, (step * self.ranks + rank) * self.batch)
        samples = [self._sample(self.cases[number], random) for number in numbers]
        images, labels = zip(*samples, strict=True)
        return np.stack(images), np.stack(labels).astype(np.int64), int(random.integers(2**62))

    def _numbers(self, epoch: int, start: int) -> list[int]:
        """Cases of the samples start ... start + batch of an epoch, from shuffles of all cases put end to end."""
        count = len(self.cases)
        shuffles = {
            lap: np.random.default_rng([self.seed, epoch, 2**31, lap]).permutation(count)
            for lap in range(start // count, (start + self.batch - 1) // count + 1)
        }
        return [int(shuffles[index // count][index % count]) for index in range(start, start + self.batch)]

    def _sample(self, case: Prepared, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        copies = len(case.images) - 1
        copied = random.random() < self.copy_probability and copies > 0
        image = case.image(1 + int(random.integers(copies)) if copied else 0)
        label = case.labels()
        center = self._center(case, random)
        if len(self.patch) == 2:
            slice_k = int(random.integers(case.shape[0])) if center is None else center[0]
            image, label = image[:, slice_k], label[slice_k]
            center = None if center is None else center[1:]
        start = [
            self._start(size, patch, None if center is None else center[axis], random)
            for axis, (size, patch) in enumerate(zip(label.shape, self.patch, strict=True))
        ]
        start = [at - (size - patch) // 2 for at, size, patch in zip(start, self.size, self.patch, strict=True)]
        return cut(image, start, self.size), cut(label, start, self.size)

    def _center(self, case: Prepared, random: np.random.Generator) -> tuple[int, ...] | None:
        if random.random() >= self.foreground or not len(case.locations):
            return None
        channels = np.unique(case.locations[:, 0])
        places = case.locations[case.locations[:, 0] == channels[random.integers(len(channels))], 1]
        return tuple(int(value) for value in np.unravel_index(places[random.integers(len(places))], case.shape))

    def _start(self, size: int, patch: int, center: int | None, random: np.random.Generator) -> int:
        """First voxel of a patch along one axis; a patch larger than the case lies around its middle."""
        if size <= patch:
            return -((patch - size) // 2)
        if center is None:
            return int(random.integers(size - patch + 1))
        return min(max(0, center - patch // 2), size - patch)


def cut(array: np.ndarray, start: Sequence[int], size: Sequence[int]) -> np.ndarray:
    """A copy of `size` voxels from `start` along the last axes; zeros where that lies outside."""
    result = np.zeros((*array.shape[: array.ndim - len(size)], *size), array.dtype)
    source, target = [], []
    for at, length, available in zip(start, size, array.shape[array.ndim - len(size) :], strict=True):
        first, last = max(0, at), min(available, at + length)
        source.append(slice(first, max(first, last)))
        target.append(slice(first - at, first - at + max(0, last - first)))
    result[(..., *target)] = array[(..., *source)]
    return result
