"""Sliding window: a network sees a volume window by window, and what overlapping windows say is averaged.

Each voxel's logits are the mean over the windows that hold it, weighted by a Gaussian around the window's center of
standard deviation patch / 8 along each axis, at least 0.001 of its peak (Isensee et al., nnU-Net, Nature Methods 18,
2021, methods, "inference"; MONAI's sliding_window_inference computes the same). Windows start every
(1 - overlap) * patch voxels, the last flush with the end of the volume.

Memory does not grow with the number of slices: windows come in the order of the axis k, and a ring of slices holds the
sums that later windows still change. Finished slices leave it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations, product
from math import prod
from typing import TYPE_CHECKING, Any

from ..errors import MedCompressError
from ..jobs import Progress, silent
from .devices import free_memory, half_precision, is_cuda, move_to
from .packages import require

if TYPE_CHECKING:
    import torch

Triple = tuple[int, int, int]
FLOAT32_LIMIT = 2 << 30
"""Largest ring in bytes that holds float32 sums; larger ones hold float16, as nnU-Net always does."""
BLOCK_VOXELS = 2**24
"""Numbers in a block of finished logits."""
_GPU_SHARE = 0.4
_SIGMA, _LEAST = 0.125, 1e-3


def window_starts(size: int, patch: int, overlap: float) -> list[int]:
    """First voxels of the windows along an axis of `size` >= `patch` voxels."""
    step = max(1, int(patch * (1 - overlap)))
    steps = -(-(size - patch) // step)
    return [min(number * step, size - patch) for number in range(steps + 1)]


def gaussian(patch: Sequence[int]) -> torch.Tensor:
    """Weights of a window's voxels, float32, shape `patch`; the peak is 1 for odd sizes."""
    torch = require("torch")

    def curve(size: int) -> torch.Tensor:
        x = torch.arange(size, dtype=torch.float32) - (size - 1) / 2
        return torch.exp(x**2 / (-2 * (_SIGMA * size) ** 2))

    axes = [curve(size) if size > 1 else torch.ones(1) for size in patch]
    weights = reduce(lambda left, right: left.unsqueeze(-1) * right, axes)
    return weights.clamp_(min=max(float(weights.min()), _LEAST))


@dataclass(frozen=True)
class WindowSettings:
    """patch: [k, j, i], 1 along k for a network that takes slices; overlap: share of a window that the next one covers;
    batch: windows at a time; flips: the mean over the flips of each window along these axes, such as "ij", too;
    device: torch's name of one.
    """

    patch: Triple
    dimension: int = 3
    overlap: float = 0.5
    batch: int = 1
    flips: str = ""
    device: str = "cpu"

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < 1:
            raise MedCompressError(f"windows cannot overlap by {self.overlap}: give a share from 0 to 0.95")


def sliding_window(
    samples: torch.Tensor,
    network: Callable[[torch.Tensor], torch.Tensor],
    outputs: int,
    settings: WindowSettings,
    move: Callable[[Any, str], Any] = move_to,
    progress: Progress = silent,
) -> Iterator[tuple[int, torch.Tensor]]:
    """Blocks (first slice, logits [K, n, j, i] float32) of the whole volume in the order of the slices.

    samples: [C, k, j, i] float32 on the CPU; where it is smaller than the patch, the network sees zeros around it.
    network: [N, C, (k,) j, i] -> [N, outputs, (k,) j, i], which the caller put on the device. A block is valid until
    the next one is asked for. Raises MedCompressError when the network's answer has another shape or is not finite.
    """
    torch = require("torch")
    shape = samples.shape[1:]
    before, after = _margins(shape, settings.patch)
    if any(before) or any(after):
        pads = [pad for axis in (2, 1, 0) for pad in (before[axis], after[axis])]
        samples = torch.nn.functional.pad(samples, pads)
    axes = zip(samples.shape[1:], settings.patch, strict=True)
    corners = list(product(*(window_starts(size, patch, settings.overlap) for size, patch in axes)))
    batches = [corners[start : start + settings.batch] for start in range(0, len(corners), settings.batch)]
    height = max(batch[-1][0] + settings.patch[0] - batch[0][0] for batch in batches)
    ring = _Ring((outputs, height, *samples.shape[2:]), settings, move)
    for number, batch in enumerate(batches):
        logits = _answers(samples, network, outputs, batch, settings, move)
        for corner, answer in zip(batch, logits, strict=True):
            ring.add(corner, answer)
        del logits, answer
        seen = min(len(corners), (number + 1) * settings.batch)
        progress(seen / len(corners), f"Window {seen} of {len(corners)}")
        done = batches[number + 1][0][0] if number + 1 < len(batches) else before[0] + shape[0]
        for first, block in ring.take(done):
            skipped = max(0, before[0] - first)
            inner = block[:, skipped:, before[1] : before[1] + shape[1], before[2] : before[2] + shape[2]]
            if inner.shape[1]:
                yield first + skipped - before[0], inner


def default_batch(patch: Sequence[int], device: str) -> int:
    """Windows at a time that keep the processor busy without much memory.

    On CPUs several where they are small: for a single one PyTorch 2.13 leaves small feature maps to slow convolutions.
    """
    voxels = prod(patch)
    return min(64, max(1, 2**21 // voxels) if is_cuda(device) else -(-(2**17) // voxels))


def _margins(shape: Sequence[int], patch: Sequence[int]) -> tuple[list[int], list[int]]:
    missing = [max(0, wanted - size) for size, wanted in zip(shape, patch, strict=True)]
    return [count // 2 for count in missing], [count - count // 2 for count in missing]


def _answers(samples, network, outputs, corners, settings, move) -> torch.Tensor:
    """Logits [N, outputs, k, j, i] float32 of the windows at `corners`."""
    torch = require("torch")
    flat = settings.dimension == 2
    boxes = [[slice(a, a + size) for a, size in zip(corner, settings.patch, strict=True)] for corner in corners]
    windows = [samples[(slice(None), *box)] for box in boxes]
    batch = move(torch.stack([window[:, 0] for window in windows] if flat else windows), settings.device)
    expected = (len(corners), outputs, *batch.shape[2:])

    def ask(x: torch.Tensor) -> torch.Tensor:
        logits = network(x)
        if not isinstance(logits, torch.Tensor) or tuple(logits.shape) != expected:
            found = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
            raise MedCompressError(f"the network gives {found} where its card promises {expected}: correct the card")
        return logits.float()

    with torch.inference_mode(), half_precision(settings.device):
        logits = ask(batch)
        if settings.flips:
            axes = [batch.ndim - 1 - "ijk".index(axis) for axis in settings.flips]
            turns = [turn for count in range(1, len(axes) + 1) for turn in combinations(axes, count)]
            for turn in turns:
                logits = logits + ask(batch.flip(turn)).flip(turn)
            logits = logits / (1 + len(turns))
    return logits.unsqueeze(2) if flat else logits


class _Ring:
    """Weighted sums of logits of the slices that windows still change; slice k lies at k modulo its height."""

    def __init__(self, shape: tuple[int, ...], settings: WindowSettings, move: Callable[[Any, str], Any]):
        torch = require("torch")
        size = prod(shape)
        dtype = torch.float32 if 4 * size <= FLOAT32_LIMIT else torch.float16
        free = free_memory(settings.device)
        self._device = settings.device if free and size * dtype.itemsize < _GPU_SHARE * free else "cpu"
        self._move = move
        self._weights = move(gaussian(settings.patch), self._device)
        self._sums = torch.zeros(shape, dtype=dtype, device=self._device)
        self._total = torch.zeros(shape[1:], device=self._device)
        self._height, self._slice = shape[1], shape[0] * shape[2] * shape[3]
        self._first = 0

    def add(self, corner: Triple, logits: torch.Tensor) -> None:
        """Add a window's logits [K, k, j, i]."""
        logits = self._move(logits, self._device)
        depth, rows, columns = logits.shape[1:]
        plane = slice(corner[1], corner[1] + rows), slice(corner[2], corner[2] + columns)
        for part, place in self._parts(corner[0], depth):
            weights = self._weights[part]
            sums = self._sums[(slice(None), place, *plane)]
            if sums.dtype == logits.dtype:
                sums.addcmul_(logits[:, part], weights)
            else:
                sums.add_(logits[:, part] * weights)
            self._total[(place, *plane)].add_(weights)

    def take(self, stop: int) -> Iterator[tuple[int, torch.Tensor]]:
        """The means of the slices up to `stop`, block by block, which make room for new ones."""
        torch = require("torch")
        most = max(1, BLOCK_VOXELS // self._slice)
        while self._first < stop:
            _part, place = next(self._parts(self._first, min(most, stop - self._first)))
            block = self._sums[:, place].float().div_(self._total[place])
            if not torch.isfinite(block).all():
                raise MedCompressError(
                    "the network gives NaN or infinity: its weights are damaged or the volume's values are far from"
                    " those it was trained on; check both"
                )
            yield self._first, block
            self._sums[:, place].zero_()
            self._total[place].zero_()
            self._first += place.stop - place.start

    def _parts(self, first: int, count: int) -> Iterator[tuple[slice, slice]]:
        """Slices first .. first + count: where they are in a window, and where in the ring (twice where it wraps)."""
        taken = 0
        while taken < count:
            start = (first + taken) % self._height
            length = min(count - taken, self._height - start)
            yield slice(taken, taken + length), slice(start, start + length)
            taken += length
