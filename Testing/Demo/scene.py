"""The Slicer scene: volumes, differences and segmentations in one .mrb, written by Slicer's own MRML."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import slicer
import vtk
from measure import Result, difference, file_stem
from MedCompressLib.errors import MedCompressError
from MedCompressLib.volume import Volume
from pictures import window
from segmentation import Outcome
from vtk.util.numpy_support import numpy_to_vtk

GRAY, DIVERGING = "vtkMRMLColorTableNodeGrey", "vtkMRMLColorTableNodeFileDivergingBlueRed.txt"


def write_scene(path: Path, volume: Volume, results: Sequence[Result], outcome: Outcome | None = None) -> None:
    """Write the bundle; lossless results are the original and get no volume of their own.

    outcome: adds the volume with the liver exact, and the segmentations before and after.

    Raises MedCompressError when MRML cannot write it.
    """
    scene = slicer.vtkMRMLScene()
    low, high = window(volume)
    original = add_volume(scene, volume, "original", low, high, GRAY)
    strongest = original
    for result in results:
        if result.lossless:
            continue
        name = file_stem(result.target)
        strongest = add_volume(scene, result.restored, f"{name} restored", low, high, GRAY)
        change = difference(volume, result)
        limit = max(float(np.percentile(np.abs(change.array), 99.5)), 1e-6)
        add_volume(scene, change, f"{name} difference", -limit, limit, DIVERGING)
    if outcome:
        add_volume(scene, outcome.restored, "liver exact restored", low, high, GRAY)
        for file in outcome.files:
            add_segmentation(scene, file, f"segmentation {file.name.split('.')[0]} compression")
    for view in ("Red", "Yellow", "Green"):
        composite = slicer.vtkMRMLSliceCompositeNode()
        composite.SetName(view)
        composite.SetLayoutName(view)
        composite.SetSingletonTag(view)
        composite.SetBackgroundVolumeID(original.GetID())
        composite.SetForegroundVolumeID(strongest.GetID())
        composite.SetForegroundOpacity(0)
        composite.SetLinkedControl(1)
        scene.AddNode(composite)
    if not scene.WriteToMRB(str(path.resolve()), None):
        raise MedCompressError(f"could not write {path}; check that its folder is writable and the disk has space")


def add_segmentation(scene, file: Path, name: str):
    """A segmentation node read from a .seg.nrrd, shown as outlines in the slice views."""
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.AddDefaultStorageNode()
    storage = node.GetStorageNode()
    storage.SetFileName(str(file.resolve()))
    if not storage.ReadData(node):
        raise MedCompressError(f"{file} could not be read back; check that the disk has space")
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().SetVisibility2DFill(False)
    return node


def add_volume(scene, volume: Volume, name: str, low: float, high: float, colors: str):
    """A scalar volume node with display and storage nodes; LPS becomes RAS, voxels keep their order."""
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    image = vtk.vtkImageData()
    image.SetDimensions(*reversed(volume.array.shape))
    image.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(volume.array).ravel(), deep=True))
    node.SetAndObserveImageData(image)
    node.SetSpacing(volume.geometry.spacing)
    to_ras = np.array([-1, -1, 1])
    node.SetOrigin((to_ras * volume.geometry.origin).tolist())
    node.SetIJKToRASDirections((to_ras[:, None] * volume.geometry.direction).tolist())
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.AutoWindowLevelOff()
    display.SetWindowLevelMinMax(low, high)
    display.SetAndObserveColorNodeID(colors)
    node.AddDefaultStorageNode()
    node.GetStorageNode().SetForceRightHandedIJKCoordinateSystem(False)
    return node
