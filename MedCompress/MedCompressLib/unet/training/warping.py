"""Random rotation, scaling and elastic deformation of a batch in one resampling."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, pi, sin

import torch
import torch.nn.functional as F
from torch import Tensor

from .config import AugmentationOptions

_ANISOTROPIC = 3.0


def warp(
    images: Tensor,
    labels: Tensor,
    patch: Sequence[int],
    spacing: Sequence[float],
    options: AugmentationOptions,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """The middle `patch` of images [N, C, ...] and labels [N, ...], each sample rotated, scaled and deformed at random.

    The sizes differ from the patch's by even numbers, so that their middles coincide.
    Images are interpolated linearly and 0 outside, labels take the nearest voxel. Samples that nothing happens to
    are cropped, not resampled.
    """
    results = []
    for image, label in zip(images, labels, strict=True):
        matrix = _matrix(patch, spacing, options, generator)
        bend = _bend(patch, spacing, options, generator)
        if matrix is None and bend is None:
            results.append((crop(image, patch), crop(label, patch)))
        else:
            results.append(_resample(image, label, patch, matrix, bend))
    return torch.stack([image for image, _ in results]), torch.stack([label for _, label in results])


def crop(array: Tensor, patch: Sequence[int]) -> Tensor:
    """The middle of the last axes."""
    first = array.ndim - len(patch)
    for axis, size in enumerate(patch, first):
        array = array.narrow(axis, (array.shape[axis] - size) // 2, size)
    return array


def _chance(generator: torch.Generator, probability: float) -> bool:
    return float(torch.rand(1, generator=generator)) < probability


def _matrix(patch, spacing, options: AugmentationOptions, generator: torch.Generator) -> Tensor | None:
    """Voxel offsets from the patch's middle in the result -> in the source, array order; None for no change."""
    rotate = _chance(generator, options.rotation_probability)
    scale = _chance(generator, options.scaling_probability)
    if not rotate and not scale:
        return None
    axes = len(patch)
    matrix = torch.eye(axes)
    if rotate:
        planes = [(axes - 2, axes - 1)]
        if axes == 3 and min(patch) > 1 and max(spacing) < _ANISOTROPIC * min(spacing):
            planes += [(0, 1), (0, 2)]
        for first, second in planes:
            angle = (2 * float(torch.rand(1, generator=generator)) - 1) * options.rotation_degrees * pi / 180
            turn = torch.eye(axes)
            turn[first, first] = turn[second, second] = cos(angle)
            turn[first, second], turn[second, first] = -sin(angle), sin(angle)
            matrix = turn @ matrix
    if scale:
        low, high = options.scaling_range
        matrix = matrix / (low + (high - low) * float(torch.rand(1, generator=generator)))
    steps = torch.tensor(spacing)
    return matrix * steps[None, :] / steps[:, None]


def _bend(patch, spacing, options: AugmentationOptions, generator: torch.Generator) -> Tensor | None:
    """Smooth random displacement in voxels, [axes, *patch]; None for no change."""
    if not _chance(generator, options.elastic_probability):
        return None
    nodes = [min(5, size) for size in patch]
    coarse = torch.randn((1, len(patch), *nodes), generator=generator) * options.elastic_mm
    mode = "trilinear" if len(patch) == 3 else "bilinear"
    fine = F.interpolate(coarse, tuple(patch), mode=mode, align_corners=True)[0]
    return fine / torch.tensor(spacing).reshape(-1, *[1] * len(patch))


def _resample(image: Tensor, label: Tensor, patch, matrix: Tensor | None, bend: Tensor | None) -> tuple[Tensor, Tensor]:
    device, axes = image.device, len(patch)
    steps = [torch.arange(size, dtype=torch.float32, device=device) - (size - 1) / 2 for size in patch]
    offsets = torch.stack(torch.meshgrid(*steps, indexing="ij"), -1)
    if matrix is not None:
        offsets = offsets @ matrix.to(device).T
    if bend is not None:
        offsets = offsets + bend.to(device).movedim(0, -1)
    halves = torch.tensor([size / 2 for size in image.shape[-axes:]], device=device)
    grid = (offsets / halves).flip(-1)[None]
    warped = F.grid_sample(image[None], grid, mode="bilinear", padding_mode="zeros", align_corners=False)[0]
    moved = F.grid_sample(label[None, None].float(), grid, mode="nearest", padding_mode="zeros", align_corners=False)
    return warped, moved[0, 0].to(label.dtype)
