"""Curves of a training in the scene: a table with a row for each epoch, and a chart of loss and validation Dice."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from .tables import makeTable

_COLORS = (0.12, 0.47, 0.71), (0.84, 0.37, 0.0)


def titles() -> tuple[str, str, str]:
    """Titles of the columns: epoch, loss, Dice."""
    return _("Epoch"), _("Training loss"), _("Validation Dice")


def savedCurves(path: Path) -> list[dict]:
    """Epochs of a training that was stopped, from its curves.csv; none where there is no such file."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            return [
                {
                    "epoch": int(row["epoch"]),
                    "loss": float(row["loss"]),
                    "validation_dice": float(row["validation_dice"]) if row["validation_dice"] else None,
                }
                for row in csv.DictReader(file)
            ]
    except (OSError, KeyError, ValueError, TypeError):
        return []


class TrainingCurves:
    """Table and chart of one training; both are made at its first epoch and filled as epochs come."""

    def __init__(self, name: str):
        self._name, self._epochs = name, {}
        self.table = self.chart = None

    def add(self, *epochs: dict) -> None:
        """epochs: objects with epoch, loss and validation_dice, as the command `train` prints them."""
        self._epochs.update({int(row["epoch"]): row for row in epochs})
        if not self._epochs:
            return
        rows = [self._epochs[number] for number in sorted(self._epochs)]
        epoch, loss, dice = titles()
        columns = {
            epoch: [float(row["epoch"]) for row in rows],
            loss: [_number(row.get("loss")) for row in rows],
            dice: [_number(row.get("validation_dice")) for row in rows],
        }
        if self.table is None or self.table.GetScene() is None:
            self.table = makeTable(_("{name}: curves").format(name=self._name), columns)
        else:
            makeTable("", columns, self.table)
        if self.chart is None or self.chart.GetScene() is None:
            self.chart = self._makeChart()
        self._fit(rows)

    def _makeChart(self):
        scene, name = slicer.mrmlScene, _("{name}: training").format(name=self._name)
        chart = scene.AddNewNodeByClass("vtkMRMLPlotChartNode", scene.GenerateUniqueName(name))
        epoch, *others = titles()
        for title, color in zip(others, _COLORS, strict=True):
            series = scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", title)
            series.SetAndObserveTableNodeID(self.table.GetID())
            series.SetXColumnName(epoch)
            series.SetYColumnName(title)
            series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
            series.SetMarkerStyle(slicer.vtkMRMLPlotSeriesNode.MarkerStyleCircle)
            series.SetColor(*color)
            chart.AddAndObservePlotSeriesNodeID(series.GetID())
        chart.SetTitle(name)
        chart.SetXAxisTitle(epoch)
        chart.SetYAxisTitle(_("Loss, Dice"))
        return chart

    def _fit(self, rows: list[dict]) -> None:
        """Dice is between 0 and 1; the axis holds that and every loss."""
        losses = [value for row in rows if math.isfinite(value := _number(row.get("loss")))]
        self.chart.SetYAxisRangeAuto(False)
        self.chart.SetYAxisRange(min([0.0, *losses]), 1.05 * max([1.0, *losses]))


def describeEpoch(row: dict) -> str:
    """One line about the last epoch and the time that is left."""
    text = _("Epoch {epoch} of {epochs}: loss {loss:.4f}").format(
        epoch=row["epoch"], epochs=row["epochs"], loss=_number(row.get("loss"))
    )
    if row.get("validation_dice") is not None:
        labels = ", ".join(f"{name} {value:.3f}" for name, value in row.get("dice", {}).items() if value is not None)
        text += _(", validation Dice {dice:.4f}").format(dice=row["validation_dice"])
        text += f" ({labels})" if labels else ""
    if row.get("seconds_left") is not None:
        text += _(", about {time} left").format(time=_duration(row["seconds_left"]))
    return text


def _duration(seconds: float) -> str:
    if seconds < 120:
        return _("{number:.0f} s").format(number=seconds)
    if seconds < 7200:
        return _("{number:.0f} min").format(number=seconds / 60)
    return _("{number:.1f} h").format(number=seconds / 3600)


def _number(value) -> float:
    return math.nan if value is None else float(value)
