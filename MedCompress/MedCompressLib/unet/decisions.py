"""From logits to label values and probabilities, block by block."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .packages import require

if TYPE_CHECKING:
    import torch


class Decisions:
    """The label map and the probability map that blocks of logits fill.

    values: label value of each label of the card, in its order. activation: "softmax" (channel 0 is background) or
    "sigmoid" (a channel for each label). wanted: whether to keep a probability; of the label with this index in the
    card, of the foreground where None.
    """

    def __init__(self, values: Sequence[int], activation: str, wanted: bool = False, label: int | None = None):
        self._values = np.array([0, *values], np.uint8 if max(values) < 256 else np.uint16)
        self._softmax = activation == "softmax"
        self._wanted, self._label = wanted, label
        self.labels = np.zeros((0, 0, 0), self._values.dtype)
        self.probability: np.ndarray | None = None

    def fill(self, blocks: Iterable[tuple[int, torch.Tensor]], shape: tuple[int, int, int]) -> None:
        """Take all blocks (first slice, logits [K, n, j, i]) of a volume of `shape`; what was there is forgotten."""
        self.labels = np.zeros(shape, self._values.dtype)
        self.probability = np.zeros(shape, np.float32) if self._wanted else None
        for first, logits in blocks:
            stop = first + logits.shape[1]
            self.labels[first:stop] = self._values[self._channels(logits).cpu().numpy()]
            if self.probability is not None:
                self.probability[first:stop] = self._probabilities(logits).cpu().numpy()

    def _channels(self, logits: torch.Tensor) -> torch.Tensor:
        """Index into the values: 0 is background. Of equal logits the first channel wins."""
        torch = require("torch")
        start = 1 if self._softmax else 0
        best = logits[0].clone() if self._softmax else torch.zeros_like(logits[0])
        index = torch.zeros(best.shape, dtype=torch.int32, device=logits.device)
        for channel in range(start, logits.shape[0]):
            index.masked_fill_(logits[channel] > best, channel + 1 - start)
            torch.maximum(best, logits[channel], out=best)
        return index

    def _probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        if not self._softmax:
            chosen = logits.amax(dim=0) if self._label is None else logits[self._label]
            return chosen.sigmoid()
        shares = logits.softmax(dim=0)
        return (1 - shares[0]).clamp_(0, 1) if self._label is None else shares[self._label + 1]
