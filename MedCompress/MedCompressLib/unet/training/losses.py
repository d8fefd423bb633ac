"""Losses of the papers, on logits [N, K, ...] and target [N, ...] of channel numbers (0 is background).

With "softmax" the K channels are background and labels; with "sigmoid" (`binary_cross_entropy`) each label has one
channel and background none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ...errors import MedCompressError

Loss = Callable[[Tensor, Tensor], Tensor]
KINDS = ("dice+cross-entropy", "dice", "cross-entropy", "binary cross-entropy")
_SMALL = 1e-5


def one_hot(target: Tensor, channels: int) -> Tensor:
    """[N, ...] of channel numbers -> [N, channels, ...] float."""
    shape = (target.shape[0], channels, *target.shape[1:])
    return torch.zeros(shape, device=target.device).scatter_(1, target.unsqueeze(1), 1.0)


def soft_dice(probability: Tensor, truth: Tensor, over_batch: bool) -> Tensor:
    """Soft Dice 2 sum(p t) / sum(p + t) (El Khoury et al. 2021, eq. 2) of each channel.

    probability, truth: [N, K, ...]. over_batch: sums run over the whole batch, the result is [K]; else it is [N, K].
    Of a channel that is empty in both it is 1.
    """
    axes = [*([0] if over_batch else []), *range(2, probability.ndim)]
    both = (probability * truth).sum(axes)
    return (2 * both + _SMALL) / (probability.sum(axes) + truth.sum(axes) + _SMALL)


def weighted_dice(logits: Tensor, target: Tensor, weights: Sequence[float] | None = None) -> Tensor:
    """Minus the weighted sum of the labels' soft Dice without background (El Khoury et al. 2021, eq. 6).

    weights: one per label (bladder 1, rectum 3 there), all 1 unless given.
    """
    dice = soft_dice(logits.softmax(1), one_hot(target, logits.shape[1]), over_batch=False)[:, 1:].mean(0)
    return -(dice if weights is None else dice * dice.new_tensor(weights)).sum()


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """El Khoury et al. 2021, eq. 7, as mean over the pixels."""
    return F.cross_entropy(logits, target)


def binary_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Of each label's logits, mean over labels and pixels (Srivastava 2024)."""
    truth = one_hot(target, logits.shape[1] + 1)[:, 1:]
    return F.binary_cross_entropy_with_logits(logits, truth)


def dice_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy minus the mean soft Dice of the labels over the whole batch (Kurmukov et al. 2024, nnU-Net)."""
    dice = soft_dice(logits.softmax(1), one_hot(target, logits.shape[1]), over_batch=True)
    return F.cross_entropy(logits, target) - dice[1:].mean()


def make_loss(kind: str, weights: Sequence[float] = ()) -> Loss:
    """The loss named `kind`, one of KINDS; `weights` per label belong to "dice" alone.

    Raises MedCompressError for another kind, or for weights where they mean nothing.
    """
    if weights and kind != "dice":
        raise MedCompressError(f'the loss {kind!r} takes no weights: leave them out, or choose the loss "dice"')
    if kind == "dice":
        return lambda logits, target: weighted_dice(logits, target, weights or None)
    losses = dict(zip(KINDS, (dice_cross_entropy, None, cross_entropy, binary_cross_entropy), strict=True))
    if kind not in losses:
        raise MedCompressError(f"there is no loss {kind!r}: choose one of {', '.join(KINDS)}")
    return losses[kind]


def deep(loss: Loss, outputs: Tensor | list[Tensor], target: Tensor) -> Tensor:
    """`loss` of each resolution with weights 1, 1/2, 1/4 ... that add up to 1; target is thinned to each size."""
    if isinstance(outputs, Tensor):
        return loss(outputs.float(), target)
    weights = [0.5**level for level in range(len(outputs))]
    total = 0.0
    for weight, logits in zip(weights, outputs, strict=True):
        size = logits.shape[2:]
        thinned = target
        if target.shape[1:] != size:
            thinned = F.interpolate(target.unsqueeze(1).float(), size, mode="nearest").squeeze(1).long()
        total = total + weight / sum(weights) * loss(logits.float(), thinned)
    return total
