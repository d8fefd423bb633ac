"""The 2D and 3D U-Nets of El Khoury et al. 2021 (J. Med. Imaging 8, 041207, section 2.3).

3x3(x3) convolutions with zero padding, max pooling by 2 with the feature maps doubled, 2x2(x2) up-convolutions that
halve them. At each level the 2D net has four times the feature maps of the 3D net, and the 3D net has one more
pooling. The text names no numbers of feature maps: 64 in 2D with four poolings are those of the U-Net it cites
(Ronneberger et al. 2015), hence 16 in 3D with five. It names neither normalization nor dropout: there is none here.
"""

from __future__ import annotations

from typing import Any

from . import checks
from .plain import PlainUNet, feature_maps

PARAMETERS = ("features", "levels")
_DEFAULTS = {"elkhoury2d": (2, 64, 5), "elkhoury3d": (3, 16, 6)}


def build(
    architecture: str, in_channels: int, out_channels: int, dimension: int, *, features: Any = None, levels: Any = None
) -> PlainUNet:
    """features: feature maps at the first level (64 in 2D, 16 in 3D); levels: poolings + 1 (5 in 2D, 6 in 3D)."""
    expected, first, count = _DEFAULTS[architecture]
    checks.only_dimension(architecture, dimension, expected)
    checks.channels(in_channels, out_channels)
    maps = feature_maps(first if features is None else features, count if levels is None else levels)
    return PlainUNet(dimension, in_channels, out_channels, maps)
