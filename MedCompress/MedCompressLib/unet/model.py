"""A model that can segment: a network and what its card says of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .card import ModelCard

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Model:
    """network: float [N, C, (k,) j, i] -> logits [N, K, (k,) j, i], in eval mode; `network.divisor` is what each
    spatial size must be a multiple of.
    """

    network: torch.nn.Module
    card: ModelCard
