"""What can be asked of an archive with a region of interest, by each method."""

from __future__ import annotations

import math

import numpy as np
import slicer
from MedCompressLib.codecs import get_codec
from slicer.i18n import tr as _

from .codec_choices import codecLabel
from .goals import Goal
from .goals import refusal as plainRefusal
from .roi_parameters import RoiMethod, RoiSource
from .volumes import isUsable, modalityOf, unitOf


def refusal(goal: Goal, volumeNode, codec: str, method: RoiMethod) -> str:
    """Why this method cannot meet this goal with the codec; empty where it can."""
    if goal is Goal.MAX_ERROR:
        return _("Around a region no maximum error can be asked for: choose another goal")
    if method is RoiMethod.TWO_QUALITY and goal not in (Goal.PSNR, Goal.QUALITY):
        return _("Two qualities are given by a PSNR or on the codec's own scale: choose one of these goals")
    if goal is Goal.QUALITY and not get_codec(codec).capabilities.lossy:
        return _("{codec} has no lossy mode: choose another codec").format(codec=codecLabel(codec))
    return plainRefusal(goal, volumeNode, codec)


def possibleGoal(goal: Goal, volumeNode, codec: str, method: RoiMethod) -> Goal:
    """The goal itself if it can be met, else the first that can; itself where none can."""
    goals = [one for one in (goal, Goal.PSNR, Goal.LOSSLESS) if not refusal(one, volumeNode, codec, method)]
    return goals[0] if goals else goal


def methodTip(method: RoiMethod) -> str:
    """What the method does, in one line."""
    return {
        RoiMethod.EXACT: _("The region comes back bit for bit; the goal is that of the background (ratio: whole file)"),
        RoiMethod.DIFFUSION: _(
            "What is around the region is smoothed, edges stay (Luu et al.); lossless keeps it exact"
        ),
        RoiMethod.TWO_QUALITY: _(
            "The box around the region at a finer quality (Srivastava et al.); nothing is bit-exact"
        ),
    }[method]


def limitThresholds(ui, parameters) -> None:
    """Let the thresholds span the volume's samples; for another volume begin with the upper half of them."""
    volumeNode = parameters.inputVolume
    if not isUsable(volumeNode):
        return
    low, high = map(float, volumeNode.GetImageData().GetScalarRange())
    step = 1.0 if np.issubdtype(slicer.util.arrayFromVolume(volumeNode).dtype, np.integer) else (high - low) / 1000
    for slider in (ui.lowerSlider, ui.upperSlider):
        slider.decimals = 0 if step == 1 or high == low else max(0, 1 - math.floor(math.log10(step)))
        slider.minimum, slider.maximum = low, max(high, low + step)
        slider.singleStep = step or 1.0
        slider.suffix = unitOf(modalityOf(volumeNode))
    if parameters.limitsOf != volumeNode.GetID():
        parameters.limitsOf = volumeNode.GetID()
        parameters.lower, parameters.upper = float(round((low + high) / 2)) if step == 1 else (low + high) / 2, high


def showSource(ui, source: RoiSource) -> None:
    """Show what this source asks for and hide the rest."""
    widgets = {
        RoiSource.SEGMENTS: (ui.segmentationLabel, ui.segmentationSelector, ui.visibleSegmentsCheckBox, ui.segmentList),
        RoiSource.BOX: (ui.boxLabel, ui.boxSelector, ui.newBoxButton),
        RoiSource.THRESHOLD: (ui.lowerLabel, ui.lowerSlider, ui.upperLabel, ui.upperSlider),
        RoiSource.PROBABILITY: (ui.probabilityLabel, ui.probabilitySelector),
    }
    for one, parts in widgets.items():
        for widget in parts:
            widget.visible = one is source
