"""The 2D U-Net of Srivastava 2024 (section 3.3, Fig. 3): Ronneberger's, 64 to 1024 feature maps over four poolings.

Two 3x3 convolutions with rectifiers per block, max pooling by 2, skipped connections; trained there on slices of
128x128 with binary cross-entropy, so its card says "sigmoid". Zero padding keeps masks at the slice's size.
"""

from __future__ import annotations

from typing import Any

from . import checks
from .plain import PlainUNet, feature_maps

PARAMETERS = ("features", "levels")


def build(
    architecture: str, in_channels: int, out_channels: int, dimension: int, *, features: Any = 64, levels: Any = 5
) -> PlainUNet:
    """features: feature maps at the first level; levels: poolings + 1."""
    checks.only_dimension(architecture, dimension, 2)
    checks.channels(in_channels, out_channels)
    return PlainUNet(2, in_channels, out_channels, feature_maps(features, levels))
