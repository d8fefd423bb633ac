"""A 2D U-Net on the wavelet coefficients of a slice, the outlook of El Khoury et al. 2021 (section 5).

The wavelet transform of JPEG 2000 takes the place of the input: the subbands of level l enter the contracting path
at resolution 1 / 2^l. So a slice whose JPEG 2000 file has arrived, or is decoded, at a reduced resolution only can be
segmented from what there is: the same weights, with the finer subbands left out. In training the network returns the
full logits and those of the reduced resolutions, each from the reduced slice alone, as deep supervision does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from . import checks, lifting
from .plain import convolution, double_convolution, feature_maps, up_convolution

PARAMETERS = ("features", "levels", "wavelet", "reduced")


class WaveletUNet(nn.Module):
    """features: feature maps at resolutions 1/2, 1/4 ...; reduced: reduced resolutions that have logits of their own.

    Submodules of level n work at resolution 1 / 2^(n+1); heads[r] gives logits at resolution 1 / 2^r.
    """

    def __init__(self, in_channels: int, out_channels: int, features: Sequence[int], wavelet: str, reduced: int):
        super().__init__()
        self.wavelet, self.levels, self.features = wavelet, len(features), list(features)
        pooled = [0, *features[:-1]]
        bands = [3 * in_channels] * (self.levels - 1) + [4 * in_channels]
        self.down = nn.ModuleList(
            double_convolution(2, before + band, after)
            for before, band, after in zip(pooled, bands, features, strict=True)
        )
        self.pool = nn.MaxPool2d(2)
        pairs = list(zip(features[:-1], features[1:], strict=True))
        self.up = nn.ModuleList(up_convolution(2, coarse, fine) for fine, coarse in pairs)
        self.blocks = nn.ModuleList(double_convolution(2, 2 * fine, fine) for fine, _ in pairs)
        self.heads = nn.ModuleList(_head(maps, out_channels) for maps in features[: reduced + 1])
        self.divisor = (1 << self.levels,) * 2

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        """x: [N, C, j, i] -> logits [N, K, j, i]; while training [full, half, quarter ...], see the class."""
        low, details = lifting.decompose(x, self.levels, self.wavelet)
        if self.training and len(self.heads) > 1:
            return [self.from_subbands(low, details[skipped:], skipped) for skipped in range(len(self.heads))]
        return self.from_subbands(low, details)

    def from_reduced(self, image: Tensor, skipped: int) -> Tensor:
        """image: [N, C, j, i] at resolution 1 / 2^skipped, as a JPEG 2000 decoder gives it, sizes multiples of
        2^(levels - skipped) -> logits [N, K, j, i] of the same size.
        """
        low, details = lifting.decompose(image, self.levels - skipped, self.wavelet)
        return self.from_subbands(low, details, skipped)

    def from_subbands(self, low: Tensor, details: list[Tensor], skipped: int = 0) -> Tensor:
        """low: lowest subband; details: of the levels after the `skipped` finest ones, finest first, in the order of
        lifting.decompose -> logits at resolution 1 / 2^skipped.
        """
        paths: list[Tensor] = []
        for level in range(skipped, self.levels):
            bands = [details[level - skipped]] + ([low] if level == self.levels - 1 else [])
            if level > skipped:
                bands.append(self.pool(paths[-1]))
            elif level > 0:
                # What the finer subbands would have given is not there.
                bands.append(bands[0].new_zeros((len(low), self.features[level - 1], *bands[0].shape[2:])))
            paths.append(self.down[level](torch.cat(bands, dim=1)))
        x = paths[-1]
        for level in reversed(range(skipped, self.levels - 1)):
            x = self.blocks[level](torch.cat([paths[level - skipped], self.up[level](x)], dim=1))
        return self.heads[skipped](x)


def _head(features: int, out_channels: int) -> nn.Sequential:
    """To twice the resolution and the outputs."""
    half = max(1, features // 2)
    return nn.Sequential(
        up_convolution(2, features, half),
        nn.ReLU(inplace=True),
        convolution(2, half, half, 3),
        nn.ReLU(inplace=True),
        convolution(2, half, out_channels, 1),
    )


def build(
    architecture: str,
    in_channels: int,
    out_channels: int,
    dimension: int,
    *,
    features: Any = 64,
    levels: Any = 4,
    wavelet: Any = "9/7",
    reduced: Any = 2,
) -> WaveletUNet:
    """features: feature maps at half the resolution, doubled per level; levels: of the wavelet transform; wavelet:
    "9/7" or "5/3"; reduced: reduced resolutions that can be segmented on their own, 0 to levels - 1.
    """
    checks.only_dimension(architecture, dimension, 2)
    checks.channels(in_channels, out_channels)
    maps = feature_maps(features, levels)
    if not isinstance(wavelet, str) or wavelet not in lifting.WAVELETS:
        raise checks.wrong(f'wavelet must be "9/7" or "5/3", not {wavelet!r:.100}')
    reduced = checks.whole(reduced, "reduced", 0, len(maps) - 1)
    return WaveletUNet(in_channels, out_channels, maps, wavelet, reduced)
