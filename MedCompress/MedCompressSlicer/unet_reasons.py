"""Why a button of U-Net Segmentation cannot be pressed; empty where it can."""

from __future__ import annotations

from slicer.i18n import tr as _

from .unet_models import channelsOf
from .unet_pairs import chosenPairs
from .unet_parameters import CaseSource

_SELECTORS = 4


def againstSegmenting(parameters) -> str:
    if not parameters.chosenModel():
        return _("Choose the file or folder of a model first")
    count = len(channelsOf(parameters.chosenModel()))
    if count > _SELECTORS:
        return _("The model takes {count} volumes: use the command medcompress").format(count=count)
    if not all(parameters.volumes()[:count]):
        return _("Choose a volume first") if count == 1 else _("Choose a volume for each channel first")
    return ""


def againstChecking(parameters) -> str:
    if parameters.source is CaseSource.FOLDER:
        return "" if parameters.folder else _("Choose the folder of the cases first")
    pairs = chosenPairs(parameters.parameterNode)
    return "" if pairs else _("Tick at least one segmentation, and choose its volume")


def againstTraining(parameters) -> str:
    output = "" if parameters.outputPath else _("Choose the file of the model to make first")
    return againstChecking(parameters) or output


def againstTuning(parameters) -> str:
    if not parameters.chosenStart():
        return _("Choose the model to start from first")
    output = "" if parameters.tunedPath else _("Choose the file of the model to make first")
    return againstChecking(parameters) or output
