"""What a press of Start does: cases checked, a configuration written, the command `train`, curves as epochs come."""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import slicer
from MedCompressLib.errors import MedCompressError
from slicer.i18n import tr as _

from .unet_config import modelPath, toml
from .unet_curves import TrainingCurves, savedCurves
from .unet_problems import CaseSteps, summarize

_CHECKPOINT, _CURVES, _PLAN = "checkpoint.safetensors", "curves.csv", "card.json"


class TrainingPlace:
    """Where a training is written: the model file, and a folder beside it that keeps what it needs to go on."""

    def __init__(self, path):
        self.model = modelPath(path)
        self.name = self.model.stem
        self.folder = self.model.with_name(f"{self.name}.training")

    @property
    def stopped(self) -> bool:
        """Whether a training was begun here."""
        return (self.folder / _CHECKPOINT).exists()

    def epochs(self) -> list[dict]:
        """The epochs that it has behind it. A stop can fall between checkpoint and curves, which lack one then until
        the next epoch writes all of them.
        """
        return savedCurves(self.folder / _CURVES) if self.stopped else []

    def clean(self) -> None:
        """Remove what a process that was killed had half written, and a plan that nothing was trained by."""
        for path in self.folder.rglob(".*.partial"):
            with suppress(OSError):
                path.unlink()
        if not self.stopped:
            (self.folder / _PLAN).unlink(missing_ok=True)
        with suppress(OSError):
            (self.folder / "prepared").rmdir()
            self.folder.rmdir()

    def deliver(self, model) -> Path:
        """Move the finished model to its place."""
        os.replace(model, self.model)
        return self.model


class TrainingSteps(CaseSteps):
    """One press: check the cases, train on them. model: path of the finished model, None until then.

    document: the configuration. restart: forget a training that was stopped. onEpoch(epoch, steps): called after each.
    """

    def __init__(
        self,
        cases: Path | Sequence[tuple],
        document: dict,
        place: TrainingPlace,
        onChecked: Callable[[dict], None],
        onEpoch: Callable[[dict, TrainingSteps], None],
        *,
        device: str = "auto",
        restart: bool = False,
        meanings: Sequence = (),
    ):
        super().__init__(cases, onChecked, meanings, document)
        self._place, self._device = place, device
        self._restart = restart or not place.stopped
        self._epoch = onEpoch
        self.curves = TrainingCurves(place.name)
        self.model: Path | None = None
        self.summary = ""

    def begin(self) -> None:
        self._document["name"] = self._place.name
        toml(self._document)
        self.check(self.onChecked, _("Step 1 of 2:"))

    def onChecked(self, result: dict) -> None:
        self._checked(result)
        if any(row["fatal"] for row in result["problems"]):
            self.fail(_("The training was not started: {summary}").format(summary=summarize(result)))
            return
        try:
            self._train()
        except (MedCompressError, OSError) as error:
            self.fail(str(error))

    def _train(self) -> None:
        place, configuration = self._place, self.folder / "config.toml"
        place.folder.mkdir(exist_ok=True)
        self._document["name"] = place.name
        if self.labels:
            self._document["labels"] = self.labels
            self.caseFolder = keptCases(self.caseFolder, place.folder / "cases")
        configuration.write_text(toml(self._document), "utf-8")
        arguments = ["train", str(configuration), "--data", str(self.caseFolder), "--output", str(place.folder)]
        arguments += ["--device", self._device, *["--restart"] * self._restart]
        if not self._restart:
            self._draw(*place.epochs())
        self.run(arguments, self._onTrained, step=_("Step 2 of 2:"), report=self._onEpoch)

    def _onEpoch(self, epoch: dict) -> None:
        self._draw(*self._place.epochs(), epoch)
        self._epoch(epoch, self)

    def _draw(self, *epochs: dict) -> None:
        new = self.curves.chart is None and bool(epochs)
        if new:
            slicer.mrmlScene.SaveStateForUndo()
        self.curves.add(*epochs)
        if new and slicer.app.layoutManager() is not None:
            slicer.modules.plots.logic().ShowChartInLayout(self.curves.chart)

    def _onTrained(self, result: dict) -> None:
        try:
            self.model = self._place.deliver(result["model"])
        except OSError as error:
            self.fail(_("{file} was not written ({reason}): it is in {folder}").format(
                file=self._place.model, reason=error.strerror, folder=self._place.folder
            ))  # fmt: skip
            return
        self.summary = describeTraining(self.model, result)
        self.end(_("Wrote {file}").format(file=self.model))

    def discard(self) -> None:
        self._place.clean()
        super().discard()

    def failure(self, message: str) -> str:
        if self.jobs.wasCancelled:
            epochs = self._place.epochs()
            done = len(epochs)
            if done:
                if self.curves.chart is not None:
                    self._draw(*epochs)  # the last one may have been cut off before it was reported
                return _("Stopped after epoch {number}; Start goes on from there").format(number=done)
            return _("Cancelled, no epoch was finished")
        if "--restart" in message:
            return _(
                "The settings or cases differ from those of the training that was stopped: press Start again and begin"
                " anew, or give the model another name"
            )
        return message.replace("data.folds", _("the number of which one is held back"))


def describeTraining(model: Path, result: dict) -> str:
    """One line about a finished training; result: as the command `train` prints it."""
    about, validation = result["training"], result["metrics"].get("validation")
    text = _("{file}: {epochs} epochs on {cases} cases in {minutes:.1f} min").format(
        file=model.name, epochs=about["epochs"], cases=about["cases"], minutes=about["seconds"] / 60
    )
    if validation and validation["mean_dice"] is not None:
        dice = ", ".join(f"{name} {value:.4f}" for name, value in validation["dice"].items() if value is not None)
        text += _("; validation Dice {mean:.4f} ({labels})").format(mean=validation["mean_dice"], labels=dice)
    return text


def keptCases(source: Path, target: Path) -> Path:
    """Let `target` hold the files of `source`; those that are equal are left alone, so that they count as unchanged."""
    wanted = {path.relative_to(source) for path in source.rglob("*") if path.is_file()}
    for path in [path for path in target.rglob("*") if path.is_file() and path.relative_to(target) not in wanted]:
        path.unlink()
    for name in wanted:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        if not ((target / name).exists() and filecmp.cmp(source / name, target / name, shallow=False)):
            shutil.move(source / name, target / name)
    return target
