"""What the slice views show, through their MRML nodes alone, so that it also works without a main window."""

from __future__ import annotations

import slicer
import vtk

from .volumes import isLabelMap


def compositeNodes() -> list:
    """The nodes that say which volumes the slice views show."""
    return list(slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"))


def showVolumes(background, foreground=None, opacity: float = 0.5) -> None:
    """Show a volume in all slice views, with another over it if one is given; label maps go to the label layer.

    The views are centered on the background where it was not shown before.
    """
    new = False
    for composite in compositeNodes():
        if isLabelMap(background):
            new = new or composite.GetLabelVolumeID() != background.GetID()
            composite.SetLabelVolumeID((foreground or background).GetID())
            continue
        new = new or composite.GetBackgroundVolumeID() != background.GetID()
        composite.SetBackgroundVolumeID(background.GetID())
        composite.SetForegroundVolumeID(foreground.GetID() if foreground else None)
        composite.SetForegroundOpacity(opacity if foreground else 0.0)
    if new:
        slicer.app.applicationLogic().FitSliceToAll()


def currentSlice(volumeNode) -> int:
    """Number k of the slice at the center of the slice view along the slices; the middle one without views."""
    count = volumeNode.GetImageData().GetDimensions()[2]
    worldToIjk = _worldToIjk(volumeNode)
    across = [worldToIjk.GetElement(2, column) for column in range(3)]
    best, number = -1.0, count // 2
    for sliceNode in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
        toWorld = sliceNode.GetSliceToRAS()
        normal = [toWorld.GetElement(row, 2) for row in range(3)]
        alignment = abs(sum(a * b for a, b in zip(across, normal, strict=True)))
        if alignment > best + 1e-6:
            center = [toWorld.GetElement(row, 3) for row in range(3)] + [1.0]
            best, number = alignment, round(worldToIjk.MultiplyPoint(center)[2])
    return min(count - 1, max(0, number))


def _worldToIjk(volumeNode) -> vtk.vtkMatrix4x4:
    matrix = vtk.vtkMatrix4x4()
    volumeNode.GetRASToIJKMatrix(matrix)
    transform = volumeNode.GetParentTransformNode()
    if transform is not None and transform.IsTransformToWorldLinear():
        worldToRas = vtk.vtkMatrix4x4()
        transform.GetMatrixTransformFromWorld(worldToRas)
        vtk.vtkMatrix4x4.Multiply4x4(matrix, worldToRas, matrix)
    return matrix
