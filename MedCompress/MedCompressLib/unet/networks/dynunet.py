"""nnU-Net's plain or residual U-Net with kernels and strides per axis and level (Isensee et al. 2021), by MONAI."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..packages import require
from . import checks
from .channels_last import keep_channels_last

require("monai.networks.nets")

from monai.networks.nets import DynUNet  # noqa: E402

PARAMETERS = ("features", "kernels", "strides", "residual", "deep_supervision")


class DynamicUNet(DynUNet):
    """MONAI's DynUNet with deep supervision as a list of logits at decreasing resolution.

    Instance normalization with trained scale and shift, leaky ReLU of slope 0.01; weights have MONAI's names.
    """

    def __init__(self, *, features, kernels, strides, residual, deep_supervision, in_channels, out_channels):
        super().__init__(
            spatial_dims=len(strides[0]),
            in_channels=in_channels,
            out_channels=out_channels,
            kernel_size=kernels,
            strides=strides,
            upsample_kernel_size=strides[1:],
            filters=features,
            res_block=residual,
            deep_supervision=deep_supervision > 0,
            deep_supr_num=max(1, deep_supervision),
        )
        self.divisor = checks.product(strides, len(strides[0]))
        keep_channels_last(self)

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        full = self.output_block(self.skip_layers(x))
        if not self.deep_supervision:
            return full
        lower = list(self.heads)
        # The graph of the last batch must not stay alive in the module, nor hinder a deep copy.
        self.heads[:] = [torch.empty(0)] * len(self.heads)
        return [full, *lower] if self.training else full


def build(
    architecture: str,
    in_channels: int,
    out_channels: int,
    dimension: int,
    *,
    features: Any = (32, 64, 128, 256),
    kernels: Any = None,
    strides: Any = None,
    residual: Any = False,
    deep_supervision: Any = 0,
) -> DynamicUNet:
    """features: feature maps per level, 3 levels or more; kernels, strides: [k, j, i] ([j, i]) per level, the first
    stride being 1; deep_supervision: the number of lower resolutions that give logits of their own in training.
    """
    checks.channels(in_channels, out_channels)
    features = checks.per_level(features, "features", 1, checks.MAX_CHANNELS)
    levels = len(features)
    if levels < 3:
        raise checks.wrong(f"dynunet needs 3 levels or more, not {levels}")
    kernels = [[3] * dimension] * levels if kernels is None else kernels
    strides = [[1] * dimension] + [[2] * dimension] * (levels - 1) if strides is None else strides
    kernels = checks.per_level_and_axis(kernels, "kernels", 1, 9, levels, dimension)
    strides = checks.per_level_and_axis(strides, "strides", 1, 4, levels, dimension)
    if any(size % 2 == 0 for level in kernels for size in level):
        raise checks.wrong("kernels must be odd")
    if max(strides[0]) > 1:
        raise checks.wrong("the first stride must be 1 along each axis")
    return DynamicUNet(
        features=features,
        kernels=kernels,
        strides=strides,
        residual=checks.truth(residual, "residual"),
        deep_supervision=checks.whole(deep_supervision, "deep_supervision", 0, levels - 2),
        in_channels=in_channels,
        out_channels=out_channels,
    )
