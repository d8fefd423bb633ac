"""Volume node to `Volume` and back: RAS to LPS, and nothing else changes."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from MedCompressLib.errors import MedCompressError
from MedCompressLib.volume import Geometry, Volume

MODALITY_ATTRIBUTE = "DICOM.Modality"
_FLIP = np.array([-1.0, -1.0, 1.0])


def asVolumeNode(node):
    """The node itself, or the volume node with this ID or name; raises MedCompressError where there is none."""
    if isinstance(node, str):
        found = slicer.mrmlScene.GetNodeByID(node) or slicer.mrmlScene.GetFirstNodeByName(node)
        if found is None:
            raise MedCompressError(f"there is no volume '{node}' in the scene: load it or choose another")
        node = found
    if node is None or not node.IsA("vtkMRMLScalarVolumeNode") or node.IsA("vtkMRMLVectorVolumeNode"):
        raise MedCompressError("this is no scalar volume: choose one, or one component of a color or vector volume")
    if node.GetImageData() is None or 0 in node.GetImageData().GetDimensions():
        raise MedCompressError(f"the volume '{node.GetName()}' is empty: load its image data first")
    return node


def geometryFromNode(node) -> Geometry:
    """Geometry (LPS, mm) of a volume node; a parent transform is no part of it."""
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASDirectionMatrix(matrix)
    directions = np.array([[matrix.GetElement(row, column) for column in range(3)] for row in range(3)])
    return Geometry(
        node.GetSpacing(),
        tuple(_FLIP * node.GetOrigin()),
        tuple(tuple(row) for row in _FLIP[:, np.newaxis] * directions),
    )


def volumeFromNode(node) -> Volume:
    """`Volume` that shares the node's samples; raises MedCompressError for what is no scalar volume."""
    node = asVolumeNode(node)
    return Volume(slicer.util.arrayFromVolume(node), geometryFromNode(node), modalityOf(node), node.GetName() or "")


def modalityOf(node) -> str | None:
    """DICOM modality of a volume node, from the node or from its series in the subject hierarchy; None if unknown."""
    if node.GetAttribute(MODALITY_ATTRIBUTE):
        return node.GetAttribute(MODALITY_ATTRIBUTE)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item = hierarchy.GetItemByDataNode(node) if hierarchy else 0
    return (hierarchy.GetItemAttribute(item, MODALITY_ATTRIBUTE) or None) if item else None


def nodeFromVolume(volume: Volume, name: str, like=None):
    """New scalar volume node with the samples and geometry of `volume`.

    like: a volume node whose parent transform, window, level and color the new node takes over.
    """
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", slicer.mrmlScene.GenerateUniqueName(name))
    try:
        fillNode(node, volume)
    except BaseException:
        slicer.mrmlScene.RemoveNode(node)
        raise
    if volume.modality:
        node.SetAttribute(MODALITY_ATTRIBUTE, volume.modality)
    node.CreateDefaultDisplayNodes()
    if like is not None:
        node.SetAndObserveTransformNodeID(like.GetTransformNodeID())
        copyDisplay(like, node)
    return node


def fillNode(node, volume: Volume) -> None:
    """Replace samples and geometry of a volume node; raises MedCompressError where MRML cannot hold the geometry."""
    slicer.util.updateVolumeFromArray(node, volume.array)
    geometry = volume.geometry
    matrix = vtk.vtkMatrix4x4()
    for row in range(3):
        for column in range(3):
            matrix.SetElement(row, column, _FLIP[row] * geometry.direction[row][column])
    node.SetIJKToRASDirectionMatrix(matrix)
    node.SetSpacing(geometry.spacing)
    node.SetOrigin(tuple(_FLIP * geometry.origin))
    geometryFromNode(node).assert_close(geometry, 1e-9)


def copyDisplay(source, target) -> None:
    """Window, level and color of one volume node for another."""
    old, new = source.GetDisplayNode(), target.GetDisplayNode()
    if old is None or new is None:
        return
    new.SetAutoWindowLevel(False)
    new.SetWindowLevel(old.GetWindow(), old.GetLevel())
    if old.GetColorNodeID():
        new.SetAndObserveColorNodeID(old.GetColorNodeID())


def differenceNode(reference, test, name: str):
    """New volume node: test minus reference, signed, in the reference's units.

    Raises MedCompressError unless both have the same shape and geometry.
    """
    first, second = volumeFromNode(reference), volumeFromNode(test)
    first.geometry.assert_close(second.geometry)
    if first.array.shape != second.array.shape:
        raise MedCompressError(
            f"'{reference.GetName()}' has shape {first.array.shape}, '{test.GetName()}' {second.array.shape}: "
            "compare a volume with its own restored copy"
        )
    wide = np.float32 if first.array.dtype.itemsize < 4 or first.array.dtype == np.float32 else np.float64
    difference = np.subtract(second.array, first.array, dtype=wide)
    if first.array.dtype.kind in "iu" and first.array.dtype.itemsize <= 2:
        difference = difference.astype(np.int32 if np.abs(difference).max() > 32767 else np.int16)
    node = nodeFromVolume(Volume(difference, first.geometry), name)
    node.SetAndObserveTransformNodeID(reference.GetTransformNodeID())
    widest = float(np.nanmax(np.abs(difference), initial=0)) or 1.0
    node.GetDisplayNode().SetAutoWindowLevel(False)
    node.GetDisplayNode().SetWindowLevel(2 * widest, 0)
    return node
