"""The segments of a segmentation, or the labels of a label map, to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import slicer
from MedCompressLib.comparison import Segmentation
from MedCompressLib.errors import MedCompressError

from .segmentations import labelNames
from .volumes import isLabelMap, isUsable

_known: dict[tuple, tuple[int, ...]] = {}
"""Labels of the last label map, by its ID and time."""


@dataclass(frozen=True)
class SegmentChoice:
    """key: segment ID, or label value as text."""

    key: str
    name: str
    visible: bool


def segmentChoices(node) -> list[SegmentChoice]:
    """What a segmentation or label map node offers; all labels of a label map count as visible."""
    if node is None:
        return []
    if isLabelMap(node):
        if not isUsable(node):
            return []
        names = labelNames(node)
        values = _labelsOf(node)
        return [SegmentChoice(str(value), names.get(value, str(value)), True) for value in values]
    segmentation, display = node.GetSegmentation(), node.GetDisplayNode()
    ids = [segmentation.GetNthSegmentID(number) for number in range(segmentation.GetNumberOfSegments())]
    return [SegmentChoice(key, segmentation.GetSegment(key).GetName() or key, _isVisible(display, key)) for key in ids]


def _labelsOf(node) -> tuple[int, ...]:
    """Asked for at each change of the panel, so that the last answers are kept."""
    key = node.GetID(), node.GetImageData().GetMTime()
    if key not in _known or node.GetScene() is None:
        values = np.unique(slicer.util.arrayFromVolume(node))
        _known.clear()
        _known[key] = tuple(int(value) for value in values if value)
    return _known[key]


def _isVisible(display, segmentID: str) -> bool:
    return display is None or bool(display.GetSegmentVisibility(segmentID))


def chosenValues(node, found: Segmentation, wanted: Sequence | None) -> list[list[int]]:
    """Label values to take from each layer of `found`, which was read from the node.

    wanted: keys, names or labels; None: all that are visible. Raises MedCompressError for those that are not there.
    """
    choices = segmentChoices(node)
    if wanted is None:
        chosen = [choice for choice in choices if choice.visible]
    else:
        wanted = [wanted] if isinstance(wanted, str | int) else wanted
        chosen = [_find(node, choices, str(one)) for one in wanted]
    if not chosen:
        raise MedCompressError(f"no segment of '{node.GetName()}' is chosen: check at least one, or show it")
    if isLabelMap(node):
        return [[int(choice.key) for choice in chosen]]
    pairs = list(zip(choices, found.segments, strict=True))
    return [
        [segment.value for choice, segment in pairs if choice in chosen and segment.layer == layer]
        for layer in range(len(found.layers))
    ]


def _find(node, choices: list[SegmentChoice], wanted: str) -> SegmentChoice:
    for choice in choices:
        if wanted == choice.key:
            return choice
    for choice in choices:
        if wanted == choice.name:
            return choice
    known = ", ".join(choice.name for choice in choices) or "none"
    raise MedCompressError(f"'{node.GetName()}' has no segment '{wanted}': choose among {known}")
