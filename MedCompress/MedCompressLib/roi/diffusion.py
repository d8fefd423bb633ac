"""Guided anisotropic diffusion: smooths an image except at edges and where a probability map says so.

Luu et al. 2021, eqs. 1 and 2: dI/dt = div(C grad I), C = (1 - p) exp(-|grad I| / K). K = 0.4 cannot be meant in HU
(noise alone is 30 times that): the paper builds on ITK, whose conductance parameter is relative to the root
mean square g of the gradient magnitude, taken anew in each iteration. So it is here: K stands for K g.

Fluxes live on the faces between voxels, so the mean is kept where p = 0; on a face (1 - p) is the smaller of the two
voxels', so nothing flows into or out of a voxel with p = 1. No flux crosses the border.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ..errors import MedCompressError
from ..jobs import Progress, silent, thread_count

if TYPE_CHECKING:
    import torch

ITERATIONS, CONDUCTANCE = 15, 0.4
TIME_STEP = 0.125
"""ITK's default in 2D; divided by two in 3D, as ITK asks for stability."""
_SLAB_VOXELS = 1 << 20


def diffuse(
    image: np.ndarray,
    probability: np.ndarray,
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
    iterations: int = ITERATIONS,
    conductance: float = CONDUCTANCE,
    in_plane: bool = False,
    device: str = "cpu",
    threads: int | None = None,
    progress: Progress = silent,
) -> np.ndarray:
    """The diffused image, float32 [k, j, i]; `image` itself, bit for bit in float32, where the probability is 1.

    probability: 0 to 1, [k, j, i]. spacing: mm along i, j, k; differences are per spacing relative to the smallest.
    in_plane: nothing flows between slices. device: "cpu" or "cuda". Raises MedCompressError without torch or a GPU.
    """
    torch = _torch(device)
    if image.shape != probability.shape:
        raise MedCompressError("the probability map has another size than the image: resample it onto the image")
    if not (iterations >= 1 and conductance > 0):
        raise MedCompressError("diffusion needs at least one iteration and a positive conductance: correct them")
    at_once = thread_count(threads) if device == "cpu" else 1
    with ThreadPoolExecutor(at_once, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return _diffuse(torch, pool, image, probability, spacing, iterations, conductance, in_plane, device, progress)


def _torch(device: str):
    try:
        import torch
    except ImportError:
        raise MedCompressError("diffusion needs PyTorch, which is not installed: pip install torch") from None
    if device != "cpu" and not torch.cuda.is_available():
        raise MedCompressError(f"there is no device {device} here: use the device cpu")
    return torch


def _diffuse(
    torch, pool, image, probability, spacing, iterations, conductance, in_plane, device, progress
) -> np.ndarray:
    source = torch.from_numpy(np.ascontiguousarray(image, np.float32)).to(device)
    free = 1 - torch.from_numpy(np.ascontiguousarray(probability, np.float32)).to(device).clamp(0, 1)
    steps = [min(spacing) / step for step in reversed(spacing)]
    axes = [axis for axis in ((1, 2) if in_plane else (0, 1, 2)) if image.shape[axis] > 1]
    time_step = TIME_STEP / (2 if 0 in axes else 1)
    current, following = source.clone(), torch.empty_like(source)
    slab = len(source) if device != "cpu" else max(1, _SLAB_VOXELS // source[0].numel())
    parts = [(start, min(start + slab, len(source))) for start in range(0, len(source), slab)]
    for iteration in range(iterations):
        squares = pool.map(partial(_squares, torch, current, axes, steps), parts)
        scale = conductance * math.sqrt(sum(squares) / image.size)
        if scale == 0:
            break
        step = partial(_step, torch, current, following, free, axes, steps, 1 / scale, time_step)
        for _ in pool.map(step, parts):
            pass
        current, following = following, current
        progress((iteration + 1) / iterations, f"Diffusing: iteration {iteration + 1} of {iterations}")
    return current.cpu().numpy()


def _step(torch, current, following, free, axes, steps, sharpness, time_step, part: tuple[int, int]) -> None:
    """One iteration for a part of the slices, from `current` into `following`."""
    start, stop = part
    low, high = max(0, start - 1), min(len(current), stop + 1)
    with torch.inference_mode():
        change = _change(torch, current[low:high], free[low:high], axes, steps, sharpness)
        torch.add(current[start:stop], change[start - low : stop - low], alpha=time_step, out=following[start:stop])


def _squares(torch, image: torch.Tensor, axes: list[int], steps: list[float], part: tuple[int, int]) -> float:
    """Sum over a part of the slices of the squared gradient magnitude from central differences."""
    start, stop = part
    low, high = max(0, start - 1), min(len(image), stop + 1)
    total = 0.0
    for axis in axes:
        central = _central(torch, image[low:high], axis, steps[axis])[start - low : stop - low]
        total += float(central.square_().sum(dtype=torch.float64))
    return total


def _central(torch, image: torch.Tensor, axis: int, step: float) -> torch.Tensor:
    """Central differences; at the border half the one-sided ones, as a mirrored voxel gives."""
    count = image.shape[axis]
    result = torch.empty_like(image)
    if count > 2:
        after, before = image.narrow(axis, 2, count - 2), image.narrow(axis, 0, count - 2)
        torch.sub(after, before, out=result.narrow(axis, 1, count - 2))
    last = count - 1
    result.narrow(axis, 0, 1).copy_(image.narrow(axis, min(1, last), 1) - image.narrow(axis, 0, 1))
    result.narrow(axis, last, 1).copy_(image.narrow(axis, last, 1) - image.narrow(axis, max(0, last - 1), 1))
    return result.mul_(0.5 * step)


def _change(torch, image: torch.Tensor, free: torch.Tensor, axes: list[int], steps: list[float], sharpness: float):
    """div(C grad I) of some slices; wrong in the outermost one where the volume goes on."""
    central = {axis: _central(torch, image, axis, steps[axis]) for axis in axes}
    change = torch.zeros_like(image)
    for axis in axes:
        count = image.shape[axis] - 1
        if count < 1:
            continue
        low = (axis, 0, count)
        high = (axis, 1, count)
        flow = (image.narrow(*high) - image.narrow(*low)).mul_(steps[axis])
        squared = flow.square()
        for other in axes:
            if other != axis:
                across = (central[other].narrow(*low) + central[other].narrow(*high)).mul_(0.5)
                squared.addcmul_(across, across)
        flow.mul_(squared.sqrt_().mul_(-sharpness).exp_())
        flow.mul_(torch.minimum(free.narrow(*low), free.narrow(*high))).mul_(steps[axis])
        change.narrow(*low).add_(flow)
        change.narrow(*high).sub_(flow)
    return change
