"""The U-Net of Ronneberger et al. (MICCAI 2015) with zero padding, in 2D and 3D: what the papers' networks share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from . import checks


def convolution(dimension: int, inputs: int, outputs: int, size: int) -> nn.Module:
    """A convolution with zero padding that keeps the size; He's initialization, for a rectifier after it."""
    kind = nn.Conv3d if dimension == 3 else nn.Conv2d
    return initialized(kind(inputs, outputs, size, padding=size // 2))


def up_convolution(dimension: int, inputs: int, outputs: int) -> nn.Module:
    """A 2x2(x2) up-convolution (transposed, stride 2)."""
    kind = nn.ConvTranspose3d if dimension == 3 else nn.ConvTranspose2d
    return initialized(kind(inputs, outputs, 2, stride=2))


def initialized(layer: nn.Module) -> nn.Module:
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)
    return layer


def double_convolution(dimension: int, inputs: int, outputs: int) -> nn.Sequential:
    """Twice a 3x3(x3) convolution and a rectifier."""
    return nn.Sequential(
        convolution(dimension, inputs, outputs, 3),
        nn.ReLU(inplace=True),
        convolution(dimension, outputs, outputs, 3),
        nn.ReLU(inplace=True),
    )


class PlainUNet(nn.Module):
    """Contracting path, expanding path with skipped connections, 1x1(x1) convolution to the outputs.

    features: feature maps per level. rectified_up: whether a rectifier follows each up-convolution.
    """

    def __init__(
        self,
        dimension: int,
        in_channels: int,
        out_channels: int,
        features: Sequence[int],
        rectified_up: bool = False,
    ):
        super().__init__()
        inputs = [in_channels, *features[:-1]]
        self.down = nn.ModuleList(
            double_convolution(dimension, before, after) for before, after in zip(inputs, features, strict=True)
        )
        self.pool = nn.MaxPool3d(2) if dimension == 3 else nn.MaxPool2d(2)
        self.expand = ExpandingPath(dimension, features, rectified_up)
        self.output = convolution(dimension, features[0], out_channels, 1)
        self.divisor = (1 << (len(features) - 1),) * dimension

    def forward(self, x: Tensor) -> Tensor:
        levels: list[Tensor] = []
        for number, block in enumerate(self.down):
            x = block(x if number == 0 else self.pool(x))
            levels.append(x)
        return self.output(self.expand(levels))


class ExpandingPath(nn.Module):
    """From the feature maps of all levels, finest first, to feature maps at the finest level."""

    def __init__(self, dimension: int, features: Sequence[int], rectified_up: bool = False):
        super().__init__()
        pairs = list(zip(features[:-1], features[1:], strict=True))
        self.up = nn.ModuleList(up_convolution(dimension, coarse, fine) for fine, coarse in pairs)
        self.blocks = nn.ModuleList(double_convolution(dimension, 2 * fine, fine) for fine, _ in pairs)
        self.after_up = nn.ReLU(inplace=True) if rectified_up else nn.Identity()

    def forward(self, levels: list[Tensor]) -> Tensor:
        x = levels[-1]
        for level in reversed(range(len(self.up))):
            x = self.blocks[level](torch.cat([levels[level], self.after_up(self.up[level](x))], dim=1))
        return x


def feature_maps(features: Any, levels: Any) -> list[int]:
    """`features` at the first level, doubled per level; raises MedCompressError for absurd numbers."""
    features = checks.whole(features, "features", 1, 1024)
    levels = checks.whole(levels, "levels", 1, checks.MAX_LEVELS)
    maps = [features << level for level in range(levels)]
    checks.whole(maps[-1], "the number of feature maps at the last level", 1, 8 * checks.MAX_CHANNELS)
    return maps
