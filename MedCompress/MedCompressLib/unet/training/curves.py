"""Curves of a training: one row per epoch, as CSV beside the checkpoint and as objects for who listens."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


def fraction(done: float, epochs: int) -> float:
    """Share of a whole training after so many epochs: before them cases are prepared, after them the model is tried."""
    return 0.02 + 0.96 * done / epochs


@dataclass(frozen=True)
class Epoch:
    """epoch: from 1; epochs: planned; loss: mean over the steps; seconds: of training until here, over all starts.

    dice: mean validation Dice of each label by name; validation_dice: their mean, None where it was not measured.
    """

    epoch: int
    epochs: int
    loss: float
    learning_rate: float
    seconds: float
    validation_dice: float | None = None
    dice: dict[str, float] = field(default_factory=dict)

    @property
    def seconds_left(self) -> float:
        return self.seconds / self.epoch * (self.epochs - self.epoch)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def message(self) -> str:
        dice = "" if self.validation_dice is None else f", validation Dice {self.validation_dice:.4f}"
        return f"Epoch {self.epoch} of {self.epochs}: loss {self.loss:.4f}{dice}"

    def progress_line(self) -> dict[str, Any]:
        """One line of JSON for a panel: jobs.Job reads fraction and message, curves read the rest."""
        return {
            "fraction": round(fraction(self.epoch, self.epochs), 4),
            "message": self.message(),
            "seconds_left": round(self.seconds_left, 1),
            **self.as_dict(),
        }


def write_curves(path: Path, history: Sequence[Epoch], labels: Sequence[str]) -> None:
    """All epochs so far; empty cells where validation was not measured."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["epoch", "seconds", "learning_rate", "loss", "validation_dice", *labels])
    for row in history:
        dice = ["" if row.dice.get(name) is None else f"{row.dice[name]:.5f}" for name in labels]
        mean = "" if row.validation_dice is None else f"{row.validation_dice:.5f}"
        writer.writerow([row.epoch, f"{row.seconds:.1f}", f"{row.learning_rate:.6g}", f"{row.loss:.5f}", mean, *dice])
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.write_text(text.getvalue(), "utf-8")
    os.replace(partial, path)
