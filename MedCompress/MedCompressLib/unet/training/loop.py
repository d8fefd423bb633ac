"""A training from its configuration to the model file, with checkpoints, curves and an end that can be early."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ...errors import Cancelled, MedCompressError
from ...jobs import Progress, silent
from ..card import ModelCard
from ..cases import Case, find_cases
from ..devices import choose_device, describe_device
from ..model import Model
from ..model_file import load_model, save_model
from .blueprint import label_sources, make_card
from .checkpoint import load_network, network_tensors, read_checkpoint, save_checkpoint
from .config import TrainingConfig
from .curves import Epoch, fraction, write_curves
from .distributed import Processes, processes
from .folds import split
from .preparation import Prepared, Variants, prepare_case, remove_others
from .trainer import Trainer
from .validation import means, score_file, score_prepared

CHECKPOINT, BEST, CARD, CURVES = "checkpoint.safetensors", "best.safetensors", "card.json", "curves.csv"


def train(
    config: TrainingConfig,
    output: str | os.PathLike,
    *,
    cases: Sequence[Case] | None = None,
    variants: Variants | None = None,
    restart: bool = False,
    progress: Progress = silent,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> Path:
    """Train as `config` says; returns the model file OUTPUT/NAME.mcmodel.

    output: folder of this training, made where missing: checkpoint.safetensors, best.safetensors, card.json,
        curves.csv, prepared/ and at last the model. A training that was stopped there goes on from its last whole
        epoch, unless `restart`.
    cases: found in config.data.folder unless given. variants(path, codec, ratio): the image at `path` after
        compression, for config.compress. on_epoch: called after each epoch, in the first process.

    Under torchrun each process calls this alike; the first one writes. Raises MedCompressError with the remedy;
    Cancelled when `progress` was cancelled, after which the training can go on later.
    """
    folder = Path(output)
    device = choose_device(config.device)
    with processes(device) as group:
        if device == "cuda" and group.size > 1:
            device = f"cuda:{group.local}"
            torch.cuda.set_device(device)
        if cases is None:
            if not config.data.folder:
                raise MedCompressError("the configuration names no data: give --data FOLDER or data.folder")
            cases = find_cases(config.data.folder)
        return _Run(config, folder, list(cases), variants, device, group, progress, on_epoch).run(restart)


class _Run:
    def __init__(
        self,
        config: TrainingConfig,
        folder: Path,
        cases: list[Case],
        variants: Variants | None,
        device: str,
        group: Processes,
        progress: Progress,
        on_epoch: Callable[[Epoch], None],
    ):
        if config.compress.ratios and variants is None:
            raise MedCompressError(
                "compressed copies need a codec: use the command medcompress train, or give variants"
            )
        self._start: Model | None = load_model(config.finetune.model) if config.finetune.model else None
        if self._start is not None:
            config = config.with_flips_of(self._start.card)
        self._config, self._folder, self._device, self._group = config, folder, device, group
        self._variants, self._progress, self._on_epoch = variants, progress, on_epoch
        self._training, self._held = split(cases, config.data, config.seed)
        self._history: list[Epoch] = []
        self._best: float | None = None
        self._best_epoch = 0

    def run(self, restart: bool) -> Path:
        if self._group.first:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / "prepared").mkdir(exist_ok=True)
            for left in (path for path in self._folder.rglob(".*.partial") if path.is_file()):
                left.unlink(missing_ok=True)
            if restart:
                for name in (CHECKPOINT, BEST, CARD, CURVES):
                    (self._folder / name).unlink(missing_ok=True)
        self._group.wait()
        card = self._card()
        sources = label_sources(self._config, card)
        prepared = self._prepare(card, sources)
        count = len(self._training)
        trainer = Trainer(self._config, card, prepared[:count], self._device, self._group)
        self._resume_or_start(trainer)
        if self._group.size == 1:  # other machines may have prepared the cases under other names
            remove_others(self._folder / "prepared", prepared)
        try:
            self._epochs(trainer, prepared[count:])
            return self._finish(trainer, card, sources)
        except Cancelled:
            done = f"{len(self._history)} of {self._config.training.epochs} epochs"
            raise Cancelled(f"cancelled after {done}: the same training started again goes on from there") from None
        except torch.cuda.OutOfMemoryError:
            raise MedCompressError(
                "the GPU's memory does not suffice: lower training.batch, network.features or network.patch"
            ) from None

    def _epochs(self, trainer: Trainer, held: Sequence[Prepared]) -> None:
        began = time.monotonic() - (self._history[-1].seconds if self._history else 0.0)
        for epoch in range(len(self._history), self._config.training.epochs):
            if self._stopped_early():
                break
            self._epoch(trainer, epoch, held, began)

    def _card(self) -> ModelCard:
        """Planned once by the first process; then what all processes and later starts read."""
        path = self._folder / CARD
        if self._group.first and not path.exists():
            card = make_card(self._config, self._training, self._start, self._progress.part(0.0, 0.01))
            _write(path, card.to_json())
        self._group.wait()
        return ModelCard.from_json(path.read_bytes())

    def _prepare(self, card: ModelCard, sources: Sequence[Sequence[int]]) -> list[Prepared]:
        """Each process prepares its share, then all read all; copies are made of training cases alone."""
        compress = self._config.compress
        folder = self._folder / "prepared"

        def prepare(number: int, case: Case) -> Prepared:
            ratios = compress.ratios if number < len(self._training) else ()
            return prepare_case(case, card, sources, folder, compress.codec, ratios, self._variants)

        cases = [*self._training, *self._held]
        for number in range(self._group.rank, len(cases), self._group.size):
            self._progress(0.01 + 0.01 * number / len(cases), f"Preparing {cases[number].name}")
            prepare(number, cases[number])
        self._group.wait()
        return [prepare(number, case) for number, case in enumerate(cases)]

    def _fingerprint(self) -> dict[str, Any]:
        """What must be equal for a training to go on; where the data lie, and what does not change it, may differ."""
        known = json.loads(json.dumps(self._config.as_dict()))
        for name in ("device", "weights"):
            known.pop(name)
        known["data"].pop("folder")
        if not known["data"]["size"]:  # which trainings that were begun before there was one do not mention
            known["data"].pop("size")
        known["cases"] = [[case.name for case in cases] for cases in (self._training, self._held)]
        known["processes"] = self._group.size
        return known

    def _resume_or_start(self, trainer: Trainer) -> None:
        path = self._folder / CHECKPOINT
        if not path.exists():
            if self._start is not None:
                trainer.start_from(self._start.network.state_dict())
            return
        tensors, state = read_checkpoint(path)
        theirs, ours = state["configuration"], self._fingerprint()
        changed = sorted(name for name in {*theirs, *ours} if theirs.get(name) != ours.get(name))
        if changed:
            raise MedCompressError(
                f"{self._folder} holds a training with another {changed[0]}: give another folder, or --restart"
            )
        trainer.restore(tensors, state["trainer"])
        self._history = [Epoch(**row) for row in state["history"]]
        self._best, self._best_epoch = state["best"], state["best_epoch"]

    def _epoch(self, trainer: Trainer, epoch: int, held: Sequence[Prepared], began: float) -> None:
        run = self._config.training
        inner = self._progress.part(fraction(epoch, run.epochs), fraction(epoch + 1, run.epochs))

        def step_done(step: int, steps: int) -> None:
            inner(0.9 * step / steps, f"Epoch {epoch + 1} of {run.epochs}, step {step} of {steps}")

        loss, rate = trainer.train_epoch(epoch, step_done)
        due = (epoch + 1) % run.validate_every == 0 or epoch + 1 == run.epochs
        mean, by_label = self._validate(trainer, held) if held and due else (None, {})
        row = Epoch(epoch + 1, run.epochs, loss, rate, time.monotonic() - began, mean, by_label)
        self._history.append(row)
        better = mean is not None and (self._best is None or mean > self._best)
        if better:
            self._best, self._best_epoch = mean, epoch + 1
        if self._group.first:
            if better:
                save_checkpoint(self._folder / BEST, network_tensors(trainer.averaged, "average"), {"epoch": epoch + 1})
            self._save(trainer)
            write_curves(self._folder / CURVES, self._history, [label.name for label in trainer.card.labels])
            self._on_epoch(row)
        self._group.wait()

    def _validate(self, trainer: Trainer, held: Sequence[Prepared]) -> tuple[float | None, dict[str, float]]:
        mine = range(self._group.rank, len(held), self._group.size)
        scores = [score_prepared(trainer.averaged, trainer.card, held[number], self._device) for number in mine]
        everyone = [row for rows in self._group.gather(scores) for row in rows]
        return means(everyone, [label.name for label in trainer.card.labels])

    def _save(self, trainer: Trainer) -> None:
        tensors, state = trainer.state()
        everything = {
            "configuration": self._fingerprint(),
            "trainer": state,
            "history": [row.as_dict() for row in self._history],
            "best": self._best,
            "best_epoch": self._best_epoch,
        }
        save_checkpoint(self._folder / CHECKPOINT, tensors, everything)

    def _stopped_early(self) -> bool:
        patience = self._config.training.patience
        return bool(patience and self._history and self._history[-1].epoch - self._best_epoch >= patience > 0
                    and self._best is not None)  # fmt: skip

    def _finish(self, trainer: Trainer, card: ModelCard, sources: Sequence[Sequence[int]]) -> Path:
        """Validation on the held-back cases' own grids, and the model file."""
        path = self._folder / f"{self._config.name}.mcmodel"
        if self._config.training.patience and self._best is not None:
            load_network(trainer.averaged, "average", read_checkpoint(self._folder / BEST)[0])
        half = self._config.weights == "float16"
        if half:
            trainer.averaged.half().float()
        model = Model(trainer.averaged.eval(), card)
        scores = []
        for number in range(self._group.rank, len(self._held), self._group.size):
            case = self._held[number]
            self._progress(0.98 + 0.02 * number / len(self._held), f"Validating on {case.name}")
            scores.append(score_file(model, case, sources, self._device))
        everyone = [row for rows in self._group.gather(scores) for row in rows]
        mean, by_label = means(everyone, [label.name for label in card.labels]) if everyone else (None, {})
        if self._group.first:
            metrics = (
                {"validation": {"cases": len(self._held), "dice": by_label, "mean_dice": mean}} if everyone else {}
            )
            finished = replace(card, training=self._about(trainer), metrics=metrics)
            save_model(path, trainer.averaged, finished, half)
        self._group.wait()
        return path

    def _about(self, trainer: Trainer) -> dict[str, Any]:
        """What people want to know of the training; names of files and folders stay at home."""
        config = self._config.as_dict()
        config["data"].pop("folder")
        config["finetune"]["model"] = Path(config["finetune"]["model"]).name
        last = self._history[-1] if self._history else None
        steps = trainer.sampler.steps_per_epoch()
        return {
            "cases": len(self._training),
            "epochs": last.epoch if last else 0,
            "best_epoch": self._best_epoch,
            "steps_per_epoch": steps,
            "seconds": round(last.seconds, 1) if last else 0.0,
            "patches_per_second": round(self._throughput(steps), 2),
            "device": str(describe_device(self._device)),
            "precision": trainer.precision,
            "processes": self._group.size,
            "seed": self._config.seed,
            "versions": _versions(),
            "configuration": config,
        }

    def _throughput(self, steps: int) -> float:
        """Patches per second over all processes, validation included."""
        if not self._history or not self._history[-1].seconds:
            return 0.0
        patches = steps * self._config.training.batch * self._group.size * self._history[-1].epoch
        return patches / self._history[-1].seconds


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    from ... import __version__

    found = {"medcompress": __version__}
    for package in ("torch", "monai", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _write(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.write_bytes(content)
    os.replace(partial, path)
