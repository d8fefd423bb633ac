"""Where a test differs from the reference: error map over the slices, colored surface, slices at the largest error."""

from __future__ import annotations

import slicer
from MedCompressLib.comparison import Row, Segment, Segmentation, error_map, place
from MedCompressLib.comparison.error_map import FALSE_NEGATIVE, FALSE_POSITIVE, TRUE_POSITIVE
from MedCompressLib.comparison.matching import Match
from MedCompressLib.errors import MedCompressError
from MedCompressLib.volume import Volume
from slicer.i18n import tr as _

from .distance_surface import distanceSurface, fillSurfaceNode
from .segmentations import RESULT_ATTRIBUTE
from .views import compositeNodes
from .volumes import LABEL_MAP_MODALITY, fillNode, nodeFromVolume

_COLORS = {
    TRUE_POSITIVE: (0.0, 0.62, 0.45),
    FALSE_POSITIVE: (0.84, 0.37, 0.0),
    FALSE_NEGATIVE: (0.0, 0.45, 0.7),
}
"""Told apart by color-blind people too (Okabe and Ito)."""


def errorColors():
    """The color table node of error maps, made at the first call."""
    name = "Segmentation errors"
    node = slicer.mrmlScene.GetFirstNode(name, "vtkMRMLColorTableNode")
    if node is not None:
        return node
    node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLColorTableNode")
    node.UnRegister(None)
    node.SetName(name)
    node.SetTypeToUser()
    node.SetNumberOfColors(4)
    node.SetColor(0, _("Background"), 0.0, 0.0, 0.0, 0.0)
    for value, text in (
        (TRUE_POSITIVE, _("In both (true positive)")),
        (FALSE_POSITIVE, _("In the test alone (false positive)")),
        (FALSE_NEGATIVE, _("In the reference alone (false negative)")),
    ):
        node.SetColor(value, text, *_COLORS[value], 1.0)
    return slicer.mrmlScene.AddNode(node)


def matchOfRow(row: Row, reference: Segmentation, test: Segmentation) -> Match:
    """The two segments that a row is about."""

    def find(segmentation: Segmentation, value: int | None, name: str) -> Segment | None:
        found = [segment for segment in segmentation.segments if value is not None and segment.value == value]
        named = [segment for segment in found if segment.name == name]
        return next(iter(named or found), None)

    ours = find(reference, row.label_reference, row.segment)
    theirs = find(test, row.label_test, row.segment_test)
    if (ours is None) != (row.label_reference is None) or (theirs is None) != (row.label_test is None):
        raise MedCompressError(f"the segment '{row.segment}' has changed since the comparison: compare again")
    return Match(ours, theirs, row.matched_by)


def errorMapNode(row: Row, reference: Segmentation, test: Segmentation, node=None):
    """Label map node on the reference's grid: 1 in both, 2 in the test alone, 3 in the reference alone."""
    labels = error_map(reference, test, matchOfRow(row, reference, test))
    volume = Volume(labels, reference.geometry, LABEL_MAP_MODALITY)
    name = _("{test}: errors of {segment}").format(test=row.test, segment=row.segment)
    if node is None:
        node = nodeFromVolume(volume, name)
        node.SetAttribute(RESULT_ATTRIBUTE, "error map")
        node.GetDisplayNode().SetAndObserveColorNodeID(errorColors().GetID())
    else:
        node.SetName(name)
        fillNode(node, volume)
    return node


def surfaceNode(row: Row, reference: Segmentation, test: Segmentation, node=None):
    """Model node: surface of the test's segment, colored by signed distance (mm) to the reference's; with a legend."""
    surface = distanceSurface(reference, place(test, reference), matchOfRow(row, reference, test))
    return fillSurfaceNode(surface, _("{test}: distance of {segment}").format(test=row.test, segment=row.segment), node)


def showErrorMap(node, opacity: float = 0.6) -> None:
    """Lay the error map over all slice views."""
    for composite in compositeNodes():
        composite.SetLabelVolumeID(node.GetID())
        composite.SetLabelOpacity(opacity)


def jumpTo(row: Row) -> bool:
    """Center all slice views on the place of the largest error; False where there is none."""
    if row.largest_error_lps is None:
        return False
    left, posterior, superior = row.largest_error_lps
    sliceNode = slicer.vtkMRMLSliceNode
    sliceNode.JumpAllSlices(slicer.mrmlScene, -left, -posterior, superior, sliceNode.CenteredJumpSlice)
    return True
