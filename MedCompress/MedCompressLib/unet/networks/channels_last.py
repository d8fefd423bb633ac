"""Channels last, the layout in which CPUs convolve fastest, from a network's input through to its output.

oneDNN's convolutions need no copies in it, and their gradients of the weights took half the time on a CPU with AVX2.
PyTorch's instance normalization alone copies each sample to and fro there; the one here does not.
"""

from __future__ import annotations

from math import gcd, prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

_ROWS = 256
"""Values that are added up one after the other; sums in float32 stay exact to some 1e-7 of the mean value."""


def keep_channels_last(network: nn.Module) -> nn.Module:
    """The same network, which from now on computes channels last in float32 on CPUs; elsewhere nothing changes.

    Weights, their names and their layout stay as they are, results differ by rounding.
    """
    for module in network.modules():
        kind = _KINDS.get(type(module))
        if kind is not None and module.affine and not module.track_running_stats:
            module.__class__ = kind
    network.register_forward_pre_hook(_enter)
    return network


def _enter(_network: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    x, *others = inputs
    if x.device.type != "cpu" or x.dtype != torch.float32 or torch.is_autocast_enabled("cpu"):
        return inputs
    # Of one channel, contiguous() would leave strides that do not say so.
    return torch.empty_like(x, memory_format=_layout(x)).copy_(x), *others


def _layout(x: Tensor) -> torch.memory_format:
    return torch.channels_last_3d if x.ndim == 5 else torch.channels_last


class _ChannelsLast:
    """Mixed into an instance normalization with scale and shift that takes its statistics from the sample."""

    def forward(self, x: Tensor) -> Tensor:
        own = x.device.type == "cpu" and x.dtype == self.weight.dtype and not x.is_contiguous()
        if own and x.is_contiguous(memory_format=_layout(x)):
            return _Normalize.apply(x, self.weight, self.bias, self.eps)
        return super().forward(x)


class InstanceNorm2d(_ChannelsLast, nn.InstanceNorm2d):
    pass


class InstanceNorm3d(_ChannelsLast, nn.InstanceNorm3d):
    pass


_KINDS = {nn.InstanceNorm2d: InstanceNorm2d, nn.InstanceNorm3d: InstanceNorm3d}


class _Normalize(torch.autograd.Function):
    """Instance normalization of x [N, C, (k,) j, i] channels last: the batch normalization of each sample."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, epsilon: float) -> Tensor:
        result, unused = torch.empty_like(x), x.new_empty(0)
        moments = [_moments(sample) for sample in x]
        for sample, normalized, (mean, variance) in zip(x.split(1), result.split(1), moments, strict=True):
            torch.native_batch_norm(
                sample, weight, bias, mean, variance, False, 0.0, epsilon, out=(normalized, unused, unused)
            )
        means, variances = (torch.stack(values) for values in zip(*moments, strict=True))
        ctx.save_for_backward(x, weight, means, (variances + epsilon).rsqrt_())
        ctx.epsilon = epsilon
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, means, inverse_deviations = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=_layout(x))
        of_x, of_weight, of_bias = torch.empty_like(x), torch.empty_like(means), torch.empty_like(means)
        for n in range(len(x)):
            torch.ops.aten.native_batch_norm_backward(
                gradient[n : n + 1], x[n : n + 1], weight, None, None, means[n], inverse_deviations[n],
                True, ctx.epsilon, [True] * 3, out0=of_x[n : n + 1], out1=of_weight[n], out2=of_bias[n],
            )  # fmt: skip
        return of_x, of_weight.sum(0), of_bias.sum(0), None


def _moments(sample: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance per channel of [C, (k,) j, i], channels last, from those of groups of up to _ROWS voxels."""
    channels = len(sample)
    rows = gcd(prod(sample.shape[1:]), _ROWS)
    means, variances = torch.batch_norm_update_stats(sample.movedim(0, -1).reshape(rows, -1), None, None, 0.0)
    between, mean = torch.var_mean(means.view(-1, channels), 0, correction=0)
    return mean, variances.view(-1, channels).mean(0) + between
