"""The 2D network of DLAD (Luu et al. 2021, section II.A and Fig. 2), that of Christ et al. 2017 (arXiv:1702.05970).

Fully convolutional, 19 layers in five levels: two 3x3 convolutions per level down and up again, and the 1x1
convolution to the outputs; the four up-convolutions, each with a rectifier in Christ's net, are not counted there.
64 to 1024 feature maps as Christ's. His convolutions have no padding; zeros here keep maps at the slice's size.
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
    return PlainUNet(2, in_channels, out_channels, feature_maps(features, levels), rectified_up=True)
