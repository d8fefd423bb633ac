"""Dice of a network on held-back cases: quickly on the prepared grid, and at the end on the cases' own files."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from ...volume import read_volume
from ..card import ModelCard
from ..cases import Case, label_values
from ..inference import segment
from ..model import Model
from ..windows import WindowSettings, default_batch, sliding_window
from .preparation import Prepared

Step = Callable[[float, str], None]
Scores = list[list[float | None]]
"""Per case the Dice of each label; None where neither has the label."""


def dice(found: np.ndarray, truth: np.ndarray, channels: int) -> list[float | None]:
    """Dice of the labels 1 ... channels of two label maps of equal shape; None where both lack it."""
    scores: list[float | None] = []
    for channel in range(1, channels + 1):
        a, b = found == channel, truth == channel
        total = int(a.sum()) + int(b.sum())
        scores.append(2 * int((a & b).sum()) / total if total else None)
    return scores


def means(scores: Scores, names: Sequence[str]) -> tuple[float | None, dict[str, float]]:
    """(mean over the labels of the means over the cases, the latter by name); labels that never occur are left out."""
    by_label = {}
    for name, column in zip(names, zip(*scores, strict=True), strict=True):
        known = [score for score in column if score is not None]
        if known:
            by_label[name] = sum(known) / len(known)
    return (sum(by_label.values()) / len(by_label) if by_label else None), by_label


def score_prepared(network: torch.nn.Module, card: ModelCard, case: Prepared, device: str) -> list[float | None]:
    """Dice of each label on the grid that the network sees, by windows that overlap by a quarter."""
    divisor = network.divisor if card.dimension == 3 else (1, *network.divisor)
    patch = card.patch if card.dimension == 3 else (1, *card.patch)
    patch = tuple(-(-size // step) * step for size, step in zip(patch, divisor, strict=True))
    settings = WindowSettings(patch, card.dimension, 0.25, default_batch(patch, device), device=device)
    samples = torch.from_numpy(np.array(case.image()))
    found = np.zeros(case.shape, np.uint16)
    for first, logits in sliding_window(samples, network, card.outputs, settings):
        if card.activation == "softmax":
            channel = logits.argmax(0)
        else:
            best, which = logits.max(0)
            channel = torch.where(best > 0, which + 1, 0)
        found[first : first + logits.shape[1]] = channel.cpu().numpy()
    return dice(found, case.labels(), len(card.labels))


def score_file(model: Model, case: Case, sources: Sequence[Sequence[int]], device: str) -> list[float | None]:
    """Dice of each label on the case's own grid, by the segmentation that users get."""
    images = [read_volume(path) for path in case.images]
    found = segment(images, model, device=device).labels.array
    values = label_values(read_volume(case.label), case.name)
    truth = np.zeros(values.shape, np.uint16)
    numbered = np.zeros(values.shape, np.uint16)
    for channel, (label, items) in enumerate(zip(model.card.labels, sources, strict=True), 1):
        truth[np.isin(values, items)] = channel
        numbered[found == label.value] = channel
    return dice(numbered, truth, len(sources))
