"""What the tests of ROI Compression put into the scene, and clicks."""

import numpy as np
import slicer
from Harness import typeText, waitFor
from scenes import OBLIQUE, addVolume
from segmentation_scenes import addSegmentation
from vtk.util.numpy_support import vtk_to_numpy

GRID = {"spacing": (1.5, 1.0, 2.0), "origin": (3.0, -4.0, 5.0), "direction": OBLIQUE}
SHAPE = (10, 40, 48)
NAMES = {1: "tumor", 2: "vessel"}


def ball(center=(5, 20, 22), radius=4) -> np.ndarray:
    grid = np.indices(SHAPE)
    return sum((axis - c) ** 2 for axis, c in zip(grid, center, strict=True)) <= radius**2


def vessel() -> np.ndarray:
    return ball((4, 30, 38), 2)


def addCt(name="CT"):
    from MedCompressLib.phantom import abdominal_ct

    return addVolume(abdominal_ct(SHAPE)[0], name, **GRID)


def addOrgans(name="organs"):
    node = addSegmentation((ball() * 1 + vessel() * 2).astype(np.uint8), name, NAMES, **GRID)
    node.CreateDefaultDisplayNodes()
    return node


def finish(panel):
    waitFor(lambda: not panel.widget.jobs.running, 300)


def regionSays(panel, mask) -> None:
    """Wait until the panel says how large the region is."""
    waitFor(lambda: panel.widget.ui.regionLabel.text.startswith(f"{int(mask.sum()):,} voxels"))


def quickly(panel, path) -> None:
    """Choose a codec and a file."""
    panel.widget._parameterNode.codec = "jpeg2000"
    panel.widget._parameterNode.psnr = 40.0
    typeText(panel.widget.ui.outputPathEdit, path)


def outlineNode():
    nodes = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    return next((node for node in nodes if node.GetHideFromEditors()), None)


def outlined() -> np.ndarray:
    """Mask [k, j, i] that is outlined in the slice views."""
    image = outlineNode().GetSegmentation().GetNthSegment(0).GetRepresentation("Binary labelmap")
    first, counts = image.GetExtent()[::2], image.GetDimensions()
    values = vtk_to_numpy(image.GetPointData().GetScalars())
    mask = np.zeros(SHAPE, bool)
    box = tuple(slice(start, start + count) for start, count in zip(first[::-1], counts[::-1], strict=True))
    mask[box] = values.reshape(counts[::-1]) != 0
    return mask
