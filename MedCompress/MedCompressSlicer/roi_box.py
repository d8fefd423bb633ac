"""A markups ROI to begin with."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from .volumes import asVolumeNode


def newBox(volumeNode):
    """New markups ROI in the middle of a volume, along its axes, half as long as it is, under its transform."""
    volumeNode = asVolumeNode(volumeNode)
    toRas = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(toRas)
    matrix, counts = slicer.util.arrayFromVTKMatrix(toRas), np.array(volumeNode.GetImageData().GetDimensions())
    center = matrix @ [*(counts - 1) / 2, 1.0]
    matrix[:3, :3] /= volumeNode.GetSpacing()
    matrix[:3, 3] = center[:3]
    name = slicer.mrmlScene.GenerateUniqueName(_("{name} box").format(name=volumeNode.GetName()))
    box = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", name)
    box.CreateDefaultDisplayNodes()
    box.SetSize(*(counts * volumeNode.GetSpacing() / 2))
    box.SetAndObserveObjectToNodeMatrix(slicer.util.vtkMatrixFromArray(matrix))
    box.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
    return box
