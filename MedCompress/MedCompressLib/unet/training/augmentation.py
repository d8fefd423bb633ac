"""Random changes of a batch, on the device that trains: what nnU-Net does (Isensee et al. 2021), in torch.

Images are float [N, C, (k,) j, i] after normalization, labels integer [N, (k,) j, i]. All randomness comes from one
generator on the CPU, so that the same seed gives the same batch on every device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil

import torch
import torch.nn.functional as F
from torch import Tensor

from .config import AugmentationOptions
from .warping import warp

AXES = "ijk"


class Augmentation:
    """Callable (images, labels, seed) -> (images, labels), the latter of the size `patch`.

    The batch that goes in may be larger than `patch`: what lies around it fills the corners of a rotated patch.
    spacing: mm per axis in array order ([k, j, i] or [j, i]); rotations are rotations in mm.
    """

    def __init__(self, options: AugmentationOptions, patch: Sequence[int], spacing: Sequence[float]):
        self.options = options
        self.patch = tuple(patch)
        self.spacing = tuple(spacing)

    def source_size(self) -> tuple[int, ...]:
        """Size of the patches that shall go in."""
        if self.options.rotation_probability or self.options.scaling_probability or self.options.elastic_probability:
            return tuple(size if size == 1 else size + 2 * ceil(0.1 * size) for size in self.patch)
        return self.patch

    def __call__(self, images: Tensor, labels: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        images, labels = warp(images, labels, self.patch, self.spacing, self.options, generator)
        axes = [images.ndim - 1 - AXES.index(axis) for axis in self.options.flips]
        for axis in (axis for axis in axes if axis >= 2):
            chosen = (_uniform(generator, len(images)) < 0.5).tolist()
            images = torch.stack([x.flip(axis - 1) if flip else x for x, flip in zip(images, chosen, strict=True)])
            labels = torch.stack([x.flip(axis - 2) if flip else x for x, flip in zip(labels, chosen, strict=True)])
        for change, probability in self._changes():
            chosen = (_uniform(generator, len(images)) < probability).tolist()
            if any(chosen):
                images = torch.stack(
                    [change(x, generator) if yes else x for x, yes in zip(images, chosen, strict=True)]
                )
        return images.contiguous(), labels.contiguous()

    def _changes(self) -> list[tuple[Callable[[Tensor, torch.Generator], Tensor], float]]:
        options = self.options
        return [
            (_noise, options.noise_probability),
            (_blur, options.blur_probability),
            (_brightness, options.brightness_probability),
            (_contrast, options.contrast_probability),
            (_low_resolution, options.low_resolution_probability),
            (_inverted_gamma, options.gamma_probability / 3),
            (_gamma, options.gamma_probability),
        ]


def _uniform(generator: torch.Generator, count: int = 1, low: float = 0.0, high: float = 1.0) -> Tensor:
    return low + (high - low) * torch.rand(count, generator=generator)


def _number(generator: torch.Generator, low: float, high: float) -> float:
    return float(_uniform(generator, 1, low, high))


def _noise(image: Tensor, generator: torch.Generator) -> Tensor:
    deviation = _number(generator, 0.0, 0.1) ** 0.5
    return image + deviation * torch.randn(image.shape, generator=generator).to(image.device)


def _brightness(image: Tensor, generator: torch.Generator) -> Tensor:
    return image * _number(generator, 0.75, 1.25)


def _contrast(image: Tensor, generator: torch.Generator) -> Tensor:
    factor = _number(generator, 0.75, 1.25)
    mean = image.mean()
    return ((image - mean) * factor + mean).clamp(image.min(), image.max())


def _blur(image: Tensor, generator: torch.Generator) -> Tensor:
    return gaussian(image, _number(generator, 0.5, 1.0))


def gaussian(image: Tensor, sigma: float) -> Tensor:
    """[C, (k,) j, i] smoothed along each axis longer than 1; sigma in voxels, edges repeated."""
    radius = max(1, ceil(3 * sigma))
    steps = torch.arange(-radius, radius + 1, dtype=image.dtype, device=image.device)
    kernel = torch.exp(-0.5 * (steps / sigma) ** 2)
    kernel = kernel / kernel.sum()
    for axis in range(1, image.ndim):
        size = image.shape[axis]
        if size > 1:
            index = torch.arange(-radius, size + radius, device=image.device).clamp(0, size - 1)
            padded = image.index_select(axis, index)
            image = sum(weight * padded.narrow(axis, step, size) for step, weight in enumerate(kernel))
    return image


def _low_resolution(image: Tensor, generator: torch.Generator) -> Tensor:
    zoom = _number(generator, 0.5, 1.0)
    size = image.shape[1:]
    small = [max(1, round(voxels * zoom)) for voxels in size]
    mode = "trilinear" if len(size) == 3 else "bilinear"
    return F.interpolate(F.interpolate(image[None], small, mode="nearest-exact"), size, mode=mode)[0]


def _gamma(image: Tensor, generator: torch.Generator) -> Tensor:
    """Gray values to a power between 0.7 and 1.5 on the scale from minimum to maximum; mean and deviation stay."""
    power = _number(generator, 0.7, 1.5)
    low, high, mean, deviation = image.min(), image.max(), image.mean(), image.std()
    scale = (high - low).clamp_min(1e-7)
    changed = ((image - low) / scale) ** power * scale + low
    return (changed - changed.mean()) / changed.std().clamp_min(1e-7) * deviation + mean


def _inverted_gamma(image: Tensor, generator: torch.Generator) -> Tensor:
    return -_gamma(-image, generator)
