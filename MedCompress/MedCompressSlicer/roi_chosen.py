"""The region that the parameters of ROI Compression ask for, and a key that changes when it does."""

from __future__ import annotations

from collections.abc import Hashable

from MedCompressLib.errors import MedCompressError
from slicer.i18n import tr as _

from .roi_parameters import RoiSource
from .roi_region import RoiRegion, boxRegion, otsuRegion, probabilityRegion, segmentRegion, thresholdRegion
from .roi_segments import segmentChoices


def sourceNode(parameters):
    """The node that the region comes from, None where none is chosen or needed."""
    nodes = {
        RoiSource.SEGMENTS: parameters.segmentation,
        RoiSource.BOX: parameters.box,
        RoiSource.PROBABILITY: parameters.probability,
    }
    return nodes.get(parameters.source)


def missing(parameters) -> str:
    """What the user has yet to choose; empty where nothing is missing."""
    if not parameters.inputVolume:
        return _("Choose a volume first")
    words = {
        RoiSource.SEGMENTS: _("Choose a segmentation or label map that holds the region"),
        RoiSource.BOX: _("Choose an ROI box, or create one"),
        RoiSource.PROBABILITY: _("Choose a probability map"),
    }
    return "" if sourceNode(parameters) else words.get(parameters.source, "")


def regionOf(parameters) -> RoiRegion:
    """Raises MedCompressError where it cannot be made of the chosen nodes."""
    if missing(parameters):
        raise MedCompressError(missing(parameters))
    volume, margin = parameters.inputVolume, parameters.margin
    if parameters.source is RoiSource.SEGMENTS:
        chosen, known = parameters.chosenSegments(), {one.key for one in segmentChoices(parameters.segmentation)}
        chosen = None if chosen is None else [key for key in chosen if key in known]
        return segmentRegion(volume, parameters.segmentation, chosen, margin)
    if parameters.source is RoiSource.BOX:
        return boxRegion(volume, parameters.box, margin)
    if parameters.source is RoiSource.THRESHOLD:
        return thresholdRegion(volume, parameters.lower, parameters.upper, margin)
    if parameters.source is RoiSource.OTSU:
        return otsuRegion(volume, margin)
    return probabilityRegion(volume, parameters.probability, margin)


def regionKey(parameters) -> Hashable:
    """Equal as long as `regionOf` would give the same."""
    source, limits = parameters.source, None
    if source is RoiSource.SEGMENTS:
        limits = parameters.visibleSegments, parameters.segments
    elif source is RoiSource.THRESHOLD:
        limits = parameters.lower, parameters.upper
    return source, limits, parameters.margin, _stamp(parameters.inputVolume), _stamp(sourceNode(parameters))


class RegionCache:
    """Keeps the last region, since making it may take a while."""

    def __init__(self):
        self._key, self._region = None, None

    def region(self, parameters) -> RoiRegion:
        key = regionKey(parameters)
        if self._region is None or key != self._key:
            self._region, self._key = regionOf(parameters), key
        return self._region

    def forget(self) -> None:
        self._key = self._region = None


def _stamp(node) -> Hashable:
    """Changes with the node, what it holds, what of it is shown, and where it lies."""
    if node is None:
        return None
    times, transform = [node.GetMTime()], node.GetParentTransformNode()
    if transform is not None:
        times.append(transform.GetTransformToWorldMTime())
    if node.IsA("vtkMRMLVolumeNode"):
        times.append(node.GetImageData().GetMTime() if node.GetImageData() else 0)
    if node.IsA("vtkMRMLSegmentationNode"):
        segmentation, display = node.GetSegmentation(), node.GetDisplayNode()
        times.append(segmentation.GetMTime())
        name = segmentation.GetSourceRepresentationName()
        for number in range(segmentation.GetNumberOfSegments()):
            key = segmentation.GetNthSegmentID(number)
            data = segmentation.GetSegment(key).GetRepresentation(name)
            times += [data.GetMTime() if data else 0, display is None or display.GetSegmentVisibility(key)]
    return node.GetID(), tuple(times)
