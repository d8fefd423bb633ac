"""The region of interest of a volume node: from segments, a box, intensities or probabilities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import slicer
import vtk
from MedCompressLib import roi
from MedCompressLib.comparison import Segmentation
from MedCompressLib.errors import MedCompressError
from MedCompressLib.roi import Mask
from MedCompressLib.volume import Geometry, Volume, write_volume

from .roi_segments import chosenValues
from .segmentations import asSegmentationNode, localSegmentation, segmentationFromNode
from .volumes import LABEL_MAP_MODALITY, asVolumeNode, geometryFromNode, volumeFromNode

_FLIP = np.diag([-1.0, -1.0, 1.0])


@dataclass(frozen=True, eq=False)
class RoiRegion:
    """A region on the grid of `volume`. The scene is read when it is made; the members use arrays alone, in any thread.

    margin: mm, in the volume's own coordinates. find: makes the region without its margin. option: value of --roi,
    where it is no mask. probability: map on the volume's grid that guides a diffusion, if there is one.
    """

    volume: Volume
    margin: float
    find: Callable[[], Mask]
    option: str = ""
    probability: Volume | None = None

    @cached_property
    def core(self) -> Mask:
        """The region without its margin."""
        return self.find()

    @cached_property
    def mask(self) -> Mask:
        """The region with its margin. Raises MedCompressError where it is empty."""
        return roi.with_margin(self.core, self.margin, self.volume.geometry)

    @cached_property
    def guidance(self) -> np.ndarray:
        """What guides a diffusion, float32 [k, j, i]: 1 in the region; a probability map outside, if there is one."""
        soft = np.zeros(self.volume.array.shape, np.float32)
        if self.probability is not None:
            soft = roi.guidance(self.probability.array)
        soft[self.mask.array] = 1
        return soft

    def arguments(self, folder: Path) -> list[str]:
        """Options of `medcompress compress`; writes the file that they name into the folder."""
        option = self.option
        if self.probability is not None:
            path = folder / "probability.nrrd"
            write_volume(self.probability, path, compressed=False)
            option = f"probability:{path}"
        elif not option:
            path = folder / "mask.nrrd"
            labels = Volume(self.core.array.astype(np.uint8), self.volume.geometry, LABEL_MAP_MODALITY)
            write_volume(labels, path)
            option = str(path)
        return [f"--roi={option}", f"--margin={self.margin!r}"]


def segmentRegion(volumeNode, node, segments: Sequence | None = None, margin: float = 0.0) -> RoiRegion:
    """Segments of a segmentation, or labels of a label map: those visible, or those with these IDs, names or labels."""
    volumeNode, node = asVolumeNode(volumeNode), asSegmentationNode(node)
    volume, together = _placed(volumeNode, node)
    empty = np.broadcast_to(np.uint8(0), volume.array.shape)
    read = segmentationFromNode if together else localSegmentation
    found = read(node, Segmentation((empty,), (), volume.geometry))
    values = chosenValues(node, found, segments)
    return RoiRegion(volumeFromNode(volumeNode), margin, partial(_fromLayers, found, values, volume))


def boxRegion(volumeNode, box, margin: float = 0.0) -> RoiRegion:
    """The inside of a markups ROI, as it lies in the views; the outside where it is inside out."""
    volumeNode, box = asVolumeNode(volumeNode), _asNode(box, "vtkMRMLMarkupsROINode", "ROI box")
    volume, together = _placed(volumeNode, box)
    if not box.GetNumberOfDefinedControlPoints():
        raise MedCompressError(f"the ROI box '{box.GetName()}' is not placed yet: place it in a slice view")
    toSpace = slicer.util.arrayFromVTKMatrix(box.GetObjectToWorldMatrix() if together else box.GetObjectToNodeMatrix())
    lengths = np.linalg.norm(toSpace[:3, :3], axis=0)
    size, axes, center = lengths * box.GetSize(), _FLIP @ toSpace[:3, :3] / lengths, _FLIP @ toSpace[:3, 3]
    inside = partial(roi.from_box, volume, center, size, axes)
    outside = box.GetInsideOut()
    return RoiRegion(volumeFromNode(volumeNode), margin, (lambda: Mask(~inside().array)) if outside else inside)


def thresholdRegion(volumeNode, lower: float | None, upper: float | None, margin: float = 0.0) -> RoiRegion:
    """Voxels from `lower` to `upper`, both included; None: no limit."""
    volume = volumeFromNode(volumeNode)
    limits = [None if value is None else float(value) for value in (lower, upper)]
    option = "threshold:" + ":".join("" if value is None else repr(value) for value in limits)
    return RoiRegion(volume, margin, partial(roi.from_threshold, volume, *limits), option)


def otsuRegion(volumeNode, margin: float = 0.0) -> RoiRegion:
    """Voxels above Otsu's threshold."""
    volume = volumeFromNode(volumeNode)
    return RoiRegion(volume, margin, partial(roi.from_otsu, volume), "otsu")


def probabilityRegion(volumeNode, probabilityNode, margin: float = 0.0) -> RoiRegion:
    """A probability map as Luu et al. 2021 use it: dilated by a disc of 30 voxels, above 0.75."""
    volumeNode, probabilityNode = asVolumeNode(volumeNode), asVolumeNode(probabilityNode)
    placed, together = _placed(volumeNode, probabilityNode)
    geometry = worldGeometry(probabilityNode) if together else geometryFromNode(probabilityNode)
    values, notes = roi.onto_grid(volumeFromNode(probabilityNode).array, geometry, placed)
    volume = volumeFromNode(volumeNode)
    probability = Volume(values, volume.geometry)
    return RoiRegion(
        volume, margin, lambda: replace(roi.from_probability(probability, volume), notes=notes), probability=probability
    )


def makeRegion(
    volume, segmentation=None, segments=None, margin=0.0, box=None, lower=None, upper=None, otsu=False, probability=None
) -> RoiRegion:
    """The region of the one source that is given; raises MedCompressError for none or several."""
    makers = {
        "a segmentation": (segmentation is not None, lambda: segmentRegion(volume, segmentation, segments, margin)),
        "an ROI box": (box is not None, lambda: boxRegion(volume, box, margin)),
        "a threshold": (lower is not None or upper is not None, lambda: thresholdRegion(volume, lower, upper, margin)),
        "Otsu's threshold": (otsu, lambda: otsuRegion(volume, margin)),
        "a probability map": (probability is not None, lambda: probabilityRegion(volume, probability, margin)),
    }
    given = [name for name, (isGiven, _make) in makers.items() if isGiven]
    if len(given) != 1:
        raise MedCompressError(
            f"the region comes from {' and '.join(given) or 'nothing'}: give one of {', '.join(makers)}"
        )
    return makers[given[0]][1]()


def worldGeometry(node) -> Geometry:
    """Geometry (LPS, mm) of a volume node in world coordinates; its parent transform is linear, or there is none."""
    geometry, parent = geometryFromNode(node), node.GetParentTransformNode()
    if parent is None:
        return geometry
    matrix = vtk.vtkMatrix4x4()
    parent.GetMatrixTransformToWorld(matrix)
    toWorld = slicer.util.arrayFromVTKMatrix(matrix)
    columns = _FLIP @ toWorld[:3, :3] @ _FLIP @ np.array(geometry.direction) * geometry.spacing
    spacing = np.linalg.norm(columns, axis=0)
    origin = _FLIP @ (toWorld[:3, :3] @ (_FLIP @ geometry.origin) + toWorld[:3, 3])
    return Geometry(tuple(spacing), tuple(origin), tuple(map(tuple, columns / spacing)))


def _placed(volumeNode, node) -> tuple[Volume, bool]:
    """(volume where it is compared with the node, whether that is in world coordinates).

    Where both have the same parent transform none is applied. A linear one of the volume is exact in its geometry.
    """
    volume, parent = volumeFromNode(volumeNode), volumeNode.GetParentTransformNode()
    if parent is node.GetParentTransformNode():
        return volume, False
    if parent is None or parent.IsTransformToWorldLinear():
        return replace(volume, geometry=worldGeometry(volumeNode)), True
    raise MedCompressError(
        f"'{volumeNode.GetName()}' is under a transform that is not linear, '{node.GetName()}' is not under the same"
        " one: put both under it, or harden it in the module Transforms"
    )


def _fromLayers(found: Segmentation, values: list[list[int]], volume: Volume) -> Mask:
    pairs = zip(found.layers, values, strict=True)
    union = np.logical_or.reduce([np.isin(layer, wanted) for layer, wanted in pairs])
    if not union.any():
        raise MedCompressError(f"the chosen segments of '{found.name}' are empty: choose others, or draw them")
    return roi.from_labels(Volume(union.view(np.uint8), found.geometry), None, volume)


def _asNode(node, className: str, words: str):
    if isinstance(node, str):
        name = node
        node = slicer.mrmlScene.GetNodeByID(name) or slicer.mrmlScene.GetFirstNode(name, className)
        if node is None:
            raise MedCompressError(f"there is no {words} '{name}' in the scene: create it or choose another")
    if node is None or not node.IsA(className):
        raise MedCompressError(f"this is no {words}: choose one")
    return node
