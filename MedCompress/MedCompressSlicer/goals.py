"""What can be asked of an archive, and which of it a codec can do for a volume."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable

import numpy as np
import qt
import slicer
from MedCompressLib.codecs import get_codec
from slicer.i18n import tr as _

from .codec_choices import codecLabel
from .volumes import isLabelMap, isUsable, modalityOf, unitOf

_FLAGS_ROLE = qt.Qt.UserRole - 1
"""Where a combo box keeps whether an entry can be chosen."""

_ENABLED, _DISABLED = 33, 0


class Goal(enum.Enum):
    """What the user asks for."""

    LOSSLESS = "lossless"
    RATIO = "ratio"
    PSNR = "psnr"
    MAX_ERROR = "max_error"
    QUALITY = "quality"

    def label(self) -> str:
        return {
            Goal.LOSSLESS: _("Lossless"),
            Goal.RATIO: _("Compression ratio"),
            Goal.PSNR: _("Quality (PSNR)"),
            Goal.MAX_ERROR: _("Maximum error"),
            Goal.QUALITY: _("Codec's own scale"),
        }[self]


def refusal(goal: Goal, volumeNode, codec: str) -> str:
    """Why the codec cannot meet this goal for this volume; empty where it can."""
    capabilities = get_codec(codec).capabilities
    if goal is Goal.LOSSLESS:
        return ""
    if isLabelMap(volumeNode):
        return _("Label maps are lossless only, since other numbers are other labels")
    if goal in (Goal.RATIO, Goal.PSNR) and not capabilities.lossy:
        return _("{codec} has no lossy mode: choose another codec").format(codec=codecLabel(codec))
    if goal is Goal.QUALITY and capabilities.scale is None:
        return _("{codec} has no scale of quality: choose another goal").format(codec=codecLabel(codec))
    return ""


def offerGoals(combo, refused: Callable[[Goal], str]) -> None:
    """Let only those goals be chosen that are not refused; the others say in their tooltips why not."""
    reasons = [refused(goal) for goal in Goal]
    for index, reason in enumerate(reasons):
        combo.setItemData(index, _DISABLED if reason else _ENABLED, _FLAGS_ROLE)
        combo.setItemData(index, reason, qt.Qt.ToolTipRole)
    possible = reasons.count("")
    combo.enabled = possible > 1
    combo.toolTip = _("What is asked of the archive") if possible > 1 else next(filter(None, reasons))


def limitMaxError(slider, volumeNode) -> None:
    """Up to 5 % of the range of the volume: whole numbers for integers; with the unit where it is known."""
    if not isUsable(volumeNode):
        return
    low, high = volumeNode.GetImageData().GetScalarRange()
    most = (high - low) / 20 if 0 < high - low < math.inf else 1.0
    if np.issubdtype(slicer.util.arrayFromVolume(volumeNode).dtype, np.integer):
        limits = 0, 1.0, float(max(10, round(most)))
    else:
        limits = max(0, 4 - math.floor(math.log10(most))), most / 1000, most
    slider.suffix = unitOf(modalityOf(volumeNode))
    slider.decimals, slider.minimum, slider.maximum = limits
    slider.singleStep = limits[1]


def limitQuality(slider, label, parameters) -> None:
    """Set range and name of the codec's own scale; begin there with a good value, since a number means nothing on
    another codec's scale."""
    scale = get_codec(parameters.codec).capabilities.scale
    if scale is None:
        return
    slider.decimals = 1
    slider.minimum, slider.maximum = sorted((scale.finest, scale.coarsest))
    slider.toolTip = _("{name}, from {finest:g} (finest) to {coarsest:g} (coarsest)").format(
        name=scale.name, finest=scale.finest, coarsest=scale.coarsest
    )
    label.text = scale.name[0].upper() + scale.name[1:].split(",")[0] + ":"
    label.toolTip = slider.toolTip
    if parameters.scaleOf != parameters.codec:
        parameters.scaleOf = parameters.codec
        parameters.quality = round(scale.at(0.4), 1)


def showGoal(ui, goal: Goal) -> None:
    """Show the value of this goal and hide those of the others that the panel has."""
    names = {Goal.RATIO: "ratio", Goal.PSNR: "psnr", Goal.MAX_ERROR: "maxError", Goal.QUALITY: "quality"}
    for one, name in names.items():
        for widget in (getattr(ui, f"{name}Slider", None), getattr(ui, f"{name}Label", None)):
            if widget is not None:
                widget.visible = goal is one
