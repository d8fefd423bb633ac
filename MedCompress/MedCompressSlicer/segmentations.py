"""Segmentation and label map nodes to `Segmentation`, in world coordinates, with names, terminology and overlaps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import slicer
import vtk
from MedCompressLib.comparison import Segment, Segmentation, segmentation_from_labels
from MedCompressLib.comparison.reading import terminology_of
from MedCompressLib.errors import MedCompressError
from MedCompressLib.volume import Geometry
from slicer import vtkMRMLLabelMapVolumeNode, vtkMRMLSegmentationNode
from vtk.util.numpy_support import vtk_to_numpy

from .volumes import asVolumeNode, isLabelMap, volumeFromNode
from .warping import warped

RESULT_ATTRIBUTE = "MedCompress.Result"
"""Marks label maps that a comparison made, so that they are not offered for the next one."""
_BINARY, _REFERENCE_GEOMETRY = "Binary labelmap", "Reference image geometry"
_FLIP = np.diag([-1.0, -1.0, 1.0])


def asSegmentationNode(node):
    """The node itself, or the segmentation or label map with this ID or name; raises MedCompressError for others."""
    if isinstance(node, str):
        scene, name = slicer.mrmlScene, node
        kinds = "vtkMRMLSegmentationNode", "vtkMRMLLabelMapVolumeNode"
        node = scene.GetNodeByID(name) or next(filter(None, (scene.GetFirstNode(name, kind) for kind in kinds)), None)
        if node is None:
            raise MedCompressError(f"there is no segmentation '{name}' in the scene: load it or choose another")
    if not isinstance(node, vtkMRMLSegmentationNode | vtkMRMLLabelMapVolumeNode):
        raise MedCompressError("this is neither a segmentation nor a label map: choose one, or convert the volume")
    return node


def segmentationNodes() -> list:
    """The segmentations and label maps of the scene, but for hidden nodes and results of comparisons."""
    nodes = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    nodes += slicer.util.getNodesByClass("vtkMRMLLabelMapVolumeNode")
    return [node for node in nodes if not (node.GetHideFromEditors() or node.GetAttribute(RESULT_ATTRIBUTE))]


def segmentationFromNode(node, like: Segmentation | None = None) -> Segmentation:
    """`Segmentation` of a segmentation or label map node; parent transforms are applied, to a copy.

    like: where the grid of segments comes from that have none of their own, such as closed surfaces.

    Raises MedCompressError for other nodes, label maps without whole numbers, and segments that cannot be converted.
    """
    node = asSegmentationNode(node)
    found = localSegmentation(node, like, _inWorld)
    parent = node.GetParentTransformNode()
    if parent is None or parent.IsTransformToWorldLinear():
        return found
    transform = vtk.vtkGeneralTransform()
    parent.GetTransformToWorld(transform)
    return warped(found, transform)


def localSegmentation(node, like: Segmentation | None = None, place=lambda node: node) -> Segmentation:
    """As `segmentationFromNode`, but parent transforms are no part of it. place: gives a copy elsewhere."""
    node = asSegmentationNode(node)
    return _fromLabelMap(node, place) if isLabelMap(node) else _fromSegmentation(node, place(node), like)


def _fromLabelMap(node, place) -> Segmentation:
    asVolumeNode(node)
    found = segmentation_from_labels(volumeFromNode(place(node)))
    names = labelNames(node)
    segments = tuple(
        replace(segment, name=names[segment.value], named=True) if names.get(segment.value) else segment
        for segment in found.segments
    )
    return replace(found, segments=segments, name=node.GetName() or "")


def labelNames(node) -> dict[int, str]:
    """Names from a color table of the label map's own; Slicer's tables name colors, not what the labels mean."""
    display = node.GetDisplayNode()
    colors = display.GetColorNode() if display else None
    if colors is None or colors.GetSingletonTag() or not colors.IsA("vtkMRMLColorTableNode"):
        return {}
    names = ((value, colors.GetColorName(value)) for value in range(1, colors.GetNumberOfColors()))
    return {value: name for value, name in names if name and name != colors.GetNoName()}


def _inWorld(node):
    """The node, or a copy outside the scene with its linear parent transform applied."""
    parent = node.GetParentTransformNode()
    if parent is None or not parent.IsTransformToWorldLinear():
        return node
    copy = slicer.mrmlScene.CreateNodeByClass(node.GetClassName())
    copy.UnRegister(None)
    copy.SetName(node.GetName())
    if isLabelMap(node):
        image = vtk.vtkImageData()
        image.DeepCopy(node.GetImageData())
        copy.SetAndObserveImageData(image)
        matrix = vtk.vtkMatrix4x4()
        node.GetIJKToRASMatrix(matrix)
        copy.SetIJKToRASMatrix(matrix)
    else:
        copy.GetSegmentation().DeepCopy(node.GetSegmentation())
    matrix = vtk.vtkMatrix4x4()
    parent.GetMatrixTransformToWorld(matrix)
    copy.ApplyTransformMatrix(matrix)
    return copy


def _fromSegmentation(node, copy, like: Segmentation | None) -> Segmentation:
    if copy.GetSegmentation().GetNumberOfSegments() and not copy.GetSegmentation().ContainsRepresentation(_BINARY):
        copy = _voxelized(copy, like)
    segmentation, name = copy.GetSegmentation(), node.GetName() or ""
    mode = segmentation.EXTENT_UNION_OF_EFFECTIVE_SEGMENTS_AND_REFERENCE_GEOMETRY
    common = segmentation.DetermineCommonLabelmapGeometry(mode, vtk.vtkStringArray())
    grid, layers, segments = slicer.vtkOrientedImageData(), [], []
    if common:
        slicer.vtkSegmentationConverter.DeserializeImageGeometry(common, grid, False)
    for number in range(segmentation.GetNumberOfLayers(_BINARY)):
        ids = segmentation.GetSegmentIDsForLayer(number, _BINARY)
        own = [segmentation.GetSegment(segmentID).GetLabelValue() for segmentID in ids]
        values = own if len(set(own)) == len(own) and max(own) < 2**15 else list(range(1, 1 + len(own)))
        if common:
            layers.append(_layer(copy, ids, values, grid))
        segments += [_segment(segmentation, i, value, number) for i, value in zip(ids, values, strict=True)]
    order = [segmentation.GetNthSegmentID(number) for number in range(segmentation.GetNumberOfSegments())]
    segments = [segment for _id, segment in sorted(segments, key=lambda pair: order.index(pair[0]))]
    if not layers:
        shape = like.shape if like else (1, 1, 1)
        layers = [np.zeros(shape, np.uint8) for _number in range(max(1, segmentation.GetNumberOfLayers(_BINARY)))]
        return Segmentation(tuple(layers), tuple(segments), like.geometry if like else Geometry(), name)
    return Segmentation(tuple(layers), tuple(segments), _geometry(grid), name)


def _voxelized(node, like: Segmentation | None):
    """A copy outside the scene with a binary label map, on the grid of `like` where it has no grid of its own."""
    copy = slicer.mrmlScene.CreateNodeByClass("vtkMRMLSegmentationNode")
    copy.UnRegister(None)
    segmentation = copy.GetSegmentation()
    segmentation.DeepCopy(node.GetSegmentation())
    if like is not None and not segmentation.GetConversionParameter(_REFERENCE_GEOMETRY):
        image, converter = slicer.vtkOrientedImageData(), slicer.vtkSegmentationConverter
        matrix = np.eye(4)
        matrix[:3, :3] = _FLIP @ np.array(like.geometry.direction) * like.geometry.spacing
        matrix[:3, 3] = _FLIP @ like.geometry.origin
        image.SetImageToWorldMatrix(slicer.util.vtkMatrixFromArray(matrix))
        image.SetDimensions(like.shape[::-1])
        segmentation.SetConversionParameter(_REFERENCE_GEOMETRY, converter.SerializeImageGeometry(image))
    if not segmentation.CreateRepresentation(_BINARY):
        raise MedCompressError(
            f"'{node.GetName()}' could not be converted to a label map: do it in the module Segmentations"
        )
    return copy


def _layer(node, segmentIDs, values, grid) -> np.ndarray:
    """Label map [k, j, i] of segments that do not overlap; their own layer where it already lies on the grid."""
    layer = node.GetSegmentation().GetSegment(segmentIDs[0]).GetRepresentation(_BINARY)
    own = [node.GetSegmentation().GetSegment(segmentID).GetLabelValue() for segmentID in segmentIDs]
    if own == list(values) and layer is not None and _isOnGrid(layer, grid):
        return _pasted(layer, grid, max(values))
    ids, labels, merged = vtk.vtkStringArray(), vtk.vtkIntArray(), slicer.vtkOrientedImageData()
    for segmentID, value in zip(segmentIDs, values, strict=True):
        ids.InsertNextValue(segmentID)
        labels.InsertNextValue(value)
    if not node.GenerateMergedLabelmapForAllSegments(merged, 0, grid, ids, labels):
        raise MedCompressError(f"the segments of '{node.GetName()}' could not be read: save and reload it")
    return _voxels(merged).astype(_labelType(max(values)))


def _isOnGrid(layer, grid) -> bool:
    matrices = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    layer.GetImageToWorldMatrix(matrices[0])
    grid.GetImageToWorldMatrix(matrices[1])
    inner, outer = np.array(layer.GetExtent()).reshape(3, 2), np.array(grid.GetExtent()).reshape(3, 2)
    inside = (inner[:, 0] >= outer[:, 0]).all() and (inner[:, 1] <= outer[:, 1]).all()
    return bool(inside) and np.allclose(*map(slicer.util.arrayFromVTKMatrix, matrices), rtol=0, atol=1e-9)


def _pasted(layer, grid, largest: int) -> np.ndarray:
    result = np.zeros(grid.GetDimensions()[::-1], _labelType(largest))
    if 0 not in layer.GetDimensions():
        start = np.subtract(layer.GetExtent()[::2], grid.GetExtent()[::2])[::-1]
        box = tuple(slice(a, a + n) for a, n in zip(start, layer.GetDimensions()[::-1], strict=True))
        result[box] = _voxels(layer)
    return result


def _voxels(image) -> np.ndarray:
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1])


def _labelType(largest: int) -> type:
    return np.uint8 if largest < 256 else np.uint16


def _segment(segmentation, segmentID: str, value: int, layer: int) -> tuple[str, Segment]:
    segment, entry = segmentation.GetSegment(segmentID), vtk.reference("")
    segment.GetTag("TerminologyEntry", entry)
    terminology = terminology_of(f"TerminologyEntry:{entry}")
    return segmentID, Segment(segment.GetName() or segmentID, value, layer, terminology)


def _geometry(grid) -> Geometry:
    """Geometry (LPS) of an oriented image; its first voxel is that of its extent."""
    matrix = vtk.vtkMatrix4x4()
    grid.GetImageToWorldMatrix(matrix)
    toRas, first = slicer.util.arrayFromVTKMatrix(matrix), grid.GetExtent()[::2]
    spacing = np.linalg.norm(toRas[:3, :3], axis=0)
    origin = _FLIP @ (toRas @ [*first, 1.0])[:3]
    return Geometry(tuple(spacing), tuple(origin), tuple(map(tuple, _FLIP @ toRas[:3, :3] / spacing)))
