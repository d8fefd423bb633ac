"""Volume node to `Volume` and back: RAS to LPS, and nothing else changes."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from MedCompressLib.errors import MedCompressError
from MedCompressLib.volume import Geometry, Volume
from vtk.util.numpy_support import get_numpy_array_type, get_vtk_array_type, vtk_to_numpy

MODALITY_ATTRIBUTE = "DICOM.Modality"
LABEL_MAP_MODALITY = "SEG"
"""DICOM's modality of segmentations; what a label map volume is in an archive."""
_FLIP = np.array([-1.0, -1.0, 1.0])


def asVolumeNode(node):
    """The node itself, or the volume node with this ID or name; raises MedCompressError where there is none."""
    if isinstance(node, str):
        scene, name = slicer.mrmlScene, node
        node = scene.GetNodeByID(name) or scene.GetFirstNode(name, "vtkMRMLScalarVolumeNode")
        if node is None:
            raise MedCompressError(f"there is no volume '{name}' in the scene: load it or choose another")
    if node is None or not node.IsA("vtkMRMLScalarVolumeNode"):
        raise MedCompressError("this is no scalar volume: choose one")
    image = node.GetImageData()
    if image is None or 0 in image.GetDimensions() or image.GetPointData().GetScalars() is None:
        raise MedCompressError(f"the volume '{node.GetName()}' is empty: load its image data first")
    if image.GetNumberOfScalarComponents() != 1 or image.GetScalarType() == vtk.VTK_BIT:
        raise MedCompressError(
            f"'{node.GetName()}' has more than one number a voxel, or single bits: choose a scalar volume,"
            " or extract the components of this one (module Vector to Scalar Volume)"
        )
    return node


def isUsable(node) -> bool:
    """Whether the node is a scalar volume with samples."""
    try:
        return asVolumeNode(node) is not None
    except MedCompressError:
        return False


def firstVolume():
    """The first volume of the scene that can be compressed, None where there is none."""
    nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    return next((node for node in nodes if not node.GetHideFromEditors() and isUsable(node)), None)


def isLabelMap(node) -> bool:
    return bool(node is not None and node.IsA("vtkMRMLLabelMapVolumeNode"))


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
    if isLabelMap(node):
        return LABEL_MAP_MODALITY
    if node.GetAttribute(MODALITY_ATTRIBUTE):
        return node.GetAttribute(MODALITY_ATTRIBUTE)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item = hierarchy.GetItemByDataNode(node) if hierarchy else 0
    return (hierarchy.GetItemAttribute(item, MODALITY_ATTRIBUTE) or None) if item else None


def unitOf(modality: str | None) -> str:
    """What to write behind a number in the units of such a volume: " HU" for CT, else nothing."""
    return " HU" if modality == "CT" else ""


def nodeFromVolume(volume: Volume, name: str, like=None):
    """New volume node with the samples and geometry of `volume`; a label map volume node where its modality is SEG.

    like: a volume node whose parent transform, window, level and color the new node takes over.
    """
    kind = "vtkMRMLLabelMapVolumeNode" if volume.modality == LABEL_MAP_MODALITY else "vtkMRMLScalarVolumeNode"
    node = slicer.mrmlScene.AddNewNodeByClass(kind, slicer.mrmlScene.GenerateUniqueName(name))
    try:
        fillNode(node, volume, like.GetImageData().GetScalarType() if like is not None else None)
        if volume.modality:
            node.SetAttribute(MODALITY_ATTRIBUTE, volume.modality)
        node.CreateDefaultDisplayNodes()
        if like is not None:
            node.SetAndObserveTransformNodeID(like.GetTransformNodeID())
            copyDisplay(like, node)
    except BaseException:
        slicer.mrmlScene.RemoveNode(node)
        raise
    return node


def fillNode(node, volume: Volume, scalarType: int | None = None) -> None:
    """Replace samples and geometry of a volume node; raises MedCompressError where MRML cannot hold the geometry.

    scalarType: VTK's type to use if it holds the samples as they are (char, signed char and long have twins).
    """
    image = vtk.vtkImageData()
    image.SetDimensions(volume.array.shape[::-1])
    image.AllocateScalars(_scalarType(volume.array.dtype, scalarType), 1)
    voxels = vtk_to_numpy(image.GetPointData().GetScalars())
    voxels.reshape(volume.array.shape)[:] = volume.array
    geometry = volume.geometry
    matrix = vtk.vtkMatrix4x4()
    for row in range(3):
        for column in range(3):
            matrix.SetElement(row, column, _FLIP[row] * geometry.direction[row][column])
    with slicer.util.NodeModify(node):
        node.SetIJKToRASDirectionMatrix(matrix)
        node.SetSpacing(geometry.spacing)
        node.SetOrigin(tuple(_FLIP * geometry.origin))
        node.SetAndObserveImageData(image)
    geometryFromNode(node).assert_close(geometry, 1e-12 * max(1.0, *map(abs, geometry.origin)))


def _scalarType(dtype: np.dtype, wanted: int | None = None) -> int:
    """VTK's scalar type for a numpy type. `long` where it has 64 bits: Slicer does not render `long long`."""
    if wanted is not None and np.dtype(get_numpy_array_type(wanted)) == dtype:
        return wanted
    if dtype.kind in "iu" and dtype.itemsize == 8 and vtk.vtkLongArray().GetDataTypeSize() == 8:
        return vtk.VTK_LONG if dtype.kind == "i" else vtk.VTK_UNSIGNED_LONG
    return get_vtk_array_type(dtype)


def copyDisplay(source, target) -> None:
    """Window, level and color of one volume node for another."""
    old, new = source.GetDisplayNode(), target.GetDisplayNode()
    if old is None or new is None:
        return
    if old.IsA("vtkMRMLScalarVolumeDisplayNode") and new.IsA("vtkMRMLScalarVolumeDisplayNode"):
        new.SetAutoWindowLevel(False)
        new.SetWindowLevel(old.GetWindow(), old.GetLevel())
    if old.GetColorNodeID():
        new.SetAndObserveColorNodeID(old.GetColorNodeID())


def differenceNode(reference: Volume, test: Volume, name: str):
    """New volume node: test minus reference, signed, in the reference's units.

    Raises MedCompressError unless both have the same shape and geometry.
    """
    reference.geometry.assert_close(test.geometry)
    if reference.array.shape != test.array.shape:
        raise MedCompressError(
            f"the shapes differ: {reference.array.shape} and {test.array.shape}; "
            "compare a volume with its own restored copy"
        )
    dtype = reference.array.dtype
    wide = np.float32 if dtype.itemsize < 4 or dtype == np.float32 else np.float64
    with np.errstate(invalid="ignore"):
        difference = np.subtract(test.array, reference.array, dtype=wide)
    if dtype.kind in "iu" and dtype.itemsize <= 2:
        difference = difference.astype(np.int32 if np.abs(difference).max() > 32767 else np.int16)
    node = nodeFromVolume(Volume(difference, reference.geometry), name)
    widest = float(np.nanmax(np.abs(difference), initial=0, where=np.isfinite(difference))) or 1.0
    node.GetDisplayNode().SetAutoWindowLevel(False)
    node.GetDisplayNode().SetWindowLevel(2 * widest, 0)
    return node
