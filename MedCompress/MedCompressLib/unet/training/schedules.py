"""Optimizers of the papers, and the learning rate over a training."""

from __future__ import annotations

from collections.abc import Iterable
from math import cos, pi

import torch

from .config import OptimizerOptions


def make_optimizer(
    parameters: Iterable[torch.nn.Parameter], options: OptimizerOptions, rate: float
) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum, Adam or AdamW, as `options.kind` says, with the learning rate `rate`."""
    decay = options.weight_decay
    if options.kind == "sgd":
        momentum = options.momentum
        return torch.optim.SGD(parameters, lr=rate, momentum=momentum, nesterov=momentum > 0, weight_decay=decay)
    if options.kind == "adam":
        return torch.optim.Adam(parameters, lr=rate, weight_decay=decay)
    return torch.optim.AdamW(parameters, lr=rate, weight_decay=decay)


def learning_rate(options: OptimizerOptions, start: float, epoch: float, epochs: int) -> float:
    """The rate at `epoch` (0 at the start, with fractions within an epoch) of `epochs`.

    "polynomial": (1 - epoch / epochs) ** power from `start` down to final_learning_rate (Kurmukov et al. 2024:
    1e-2 to 1e-4, power 0.9); "cosine": half a cosine between the two; "constant". Before that, over `warmup` epochs,
    it grows linearly from a hundredth.
    """
    end = min(start, options.final_learning_rate)
    if epoch < options.warmup:
        return start * max(0.01, epoch / options.warmup)
    share = min(1.0, epoch / epochs)
    if options.schedule == "polynomial":
        return end + (start - end) * (1 - share) ** options.power
    if options.schedule == "cosine":
        return end + (start - end) * (1 + cos(pi * share)) / 2
    return start


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
