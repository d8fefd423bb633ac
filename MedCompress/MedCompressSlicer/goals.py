"""What can be asked of an archive, and which of it a codec can do for a volume."""

from __future__ import annotations

import enum

import numpy as np
import qt
import slicer
from MedCompressLib.codecs import get_codec
from slicer.i18n import tr as _

from .codec_choices import codecLabel
from .volumes import isLabelMap, isUsable, modalityOf

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


def offerGoals(combo, volumeNode, codec: str) -> None:
    """Let only those goals be chosen that can be met; the others say in their tooltips why not."""
    reasons = [refusal(goal, volumeNode, codec) for goal in Goal]
    for index, reason in enumerate(reasons):
        combo.setItemData(index, _DISABLED if reason else _ENABLED, _FLAGS_ROLE)
        combo.setItemData(index, reason, qt.Qt.ToolTipRole)
    combo.enabled = not all(reasons[1:])
    combo.toolTip = _("What is asked of the archive") if combo.enabled else reasons[1]


def limitMaxError(spinBox, volumeNode) -> None:
    """Whole numbers for integers, and the unit of the volume where it is known."""
    spinBox.suffix = " HU" if volumeNode is not None and modalityOf(volumeNode) == "CT" else ""
    whole = isUsable(volumeNode) and np.issubdtype(slicer.util.arrayFromVolume(volumeNode).dtype, np.integer)
    spinBox.decimals = 0 if whole else 6
    spinBox.minimum = 1 if whole else 1e-6


def limitQuality(spinBox, label, codec: str) -> float | None:
    """Set range and name of the codec's own scale; returns a good value to begin with, None where there is no scale."""
    scale = get_codec(codec).capabilities.scale
    if scale is None:
        return None
    spinBox.minimum, spinBox.maximum = sorted((scale.finest, scale.coarsest))
    spinBox.toolTip = _("{name}, from {finest:g} (finest) to {coarsest:g} (coarsest)").format(
        name=scale.name, finest=scale.finest, coarsest=scale.coarsest
    )
    label.text = scale.name.split(",")[0] + ":"
    label.toolTip = spinBox.toolTip
    return round(scale.at(0.4), 1)


def showGoal(ui, goal: Goal) -> None:
    """Show the value of this goal and hide those of the others."""
    for one, value, label in (
        (Goal.RATIO, ui.ratioSlider, ui.ratioLabel),
        (Goal.PSNR, ui.psnrSlider, ui.psnrLabel),
        (Goal.MAX_ERROR, ui.maxErrorSpinBox, ui.maxErrorLabel),
        (Goal.QUALITY, ui.qualitySpinBox, ui.qualityLabel),
    ):
        value.visible = label.visible = goal is one
