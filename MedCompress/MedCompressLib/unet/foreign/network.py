"""A network of another maker behind the interface of our own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import MedCompressError
from ..card import ModelCard
from ..model import Model

OWN_AXES = "SPL"
"""Towards what our axes [k, j, i] run in canonical orientation."""
_AXIS = {"S": 0, "I": 0, "P": 1, "A": 1, "L": 2, "R": 2}


def axis_order(axes: str) -> list[int]:
    """Per axis of the network the axis of ours, for "RAS" [2, 1, 0]; raises MedCompressError for other than axes."""
    order = [_AXIS.get(letter, -1) for letter in axes]
    if sorted(order) != [0, 1, 2]:
        raise MedCompressError(f'axes must be three letters such as "SPL" or "RAS", not {axes!r:.50}: correct the card')
    return order


class ForeignNetwork(nn.Module):
    """inner: the network, or what is called for it; singly: one window at a time, as exported graphs want it."""

    def __init__(self, inner: Callable[[Tensor], Any], card: ModelCard, axes: str | None = None, singly: bool = False):
        super().__init__()
        description = dict(card.network)
        description.pop("architecture")
        axes = description.pop("axes", axes or OWN_AXES)
        self.divisor = _divisor(description.pop("divisor", None), card)
        if description:
            raise MedCompressError(
                f"the card's network has the unknown field {sorted(description)[0]!r:.100}: "
                "it may have architecture, divisor and axes"
            )
        if card.dimension == 2 and axes != OWN_AXES:
            raise MedCompressError("axes are for networks in 3 dimensions: leave them out of the card")
        self.inner, self.outputs, self.singly = inner, card.outputs, singly
        order = axis_order(axes)
        self.order = None if axes == OWN_AXES else [0, 1, *(2 + axis for axis in order)]
        self.back = None if axes == OWN_AXES else [0, 1, *(2 + order.index(axis) for axis in range(3))]
        self.flipped = [2 + axis for axis, letter in enumerate(axes) if letter not in OWN_AXES]
        self.training = False

    def train(self, mode: bool = True) -> ForeignNetwork:
        if mode:
            raise MedCompressError("a model of another maker cannot be trained on: train a network of MedCompress")
        return self

    def forward(self, x: Tensor) -> Tensor:
        if self.order is None:
            return self._run(x)
        turned = x.permute(self.order).flip(self.flipped).contiguous()
        return self._run(turned).flip(self.flipped).permute(self.back)

    def _run(self, x: Tensor) -> Tensor:
        if self.singly and len(x) > 1:
            return torch.cat([self._run(x[number : number + 1]) for number in range(len(x))])
        try:
            result = self.inner(x)
        except torch.cuda.OutOfMemoryError:
            raise
        except (RuntimeError, ValueError, AssertionError) as error:
            reason = " ".join(str(error).split())[-200:]
            raise MedCompressError(
                f"the model cannot take an input of {list(x.shape)} ({reason}): correct channels, patch and divisor in "
                "its card"
            ) from None
        while isinstance(result, (list, tuple)) and result:
            result = result[0]
        wanted = [len(x), self.outputs, *x.shape[2:]]
        if not isinstance(result, Tensor) or list(result.shape) != wanted:
            given = list(result.shape) if isinstance(result, Tensor) else type(result).__name__
            raise MedCompressError(f"the model gives {given} where its card promises {wanted}: correct the card")
        return result


def foreign_model(inner: nn.Module, card: ModelCard, axes: str | None = None, singly: bool = False) -> Model:
    return Model(ForeignNetwork(inner, card, axes, singly), card)


def _divisor(value: Any, card: ModelCard) -> tuple[int, ...]:
    if value is None:
        return card.patch
    if (
        not isinstance(value, list)
        or len(value) != card.dimension
        or not all(isinstance(item, int) and not isinstance(item, bool) and 1 <= item <= 4096 for item in value)
    ):
        raise MedCompressError(f"divisor must be {card.dimension} whole numbers, not {value!r:.100}: correct the card")
    return tuple(value)
