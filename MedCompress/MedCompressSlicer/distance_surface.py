"""The surface of a segment, colored by its signed distance to another one."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from MedCompressLib.comparison import Placed, Segmentation
from MedCompressLib.comparison.compare import crops
from MedCompressLib.comparison.matching import Match
from MedCompressLib.volume import Geometry
from slicer.i18n import tr as _
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

DISTANCE = "SignedDistance"
"""Name of the point data: mm to the nearest point of the reference's surface, positive outside the reference."""
_COLORS, _STEPS = "Signed distance", 255
_SMOOTHING = 15, 0.1
"""Iterations and pass band of the windowed sinc filter that takes the voxels' steps off the picture."""


def distanceSurface(reference: Segmentation, placed: Placed, match: Match) -> vtk.vtkPolyData:
    """Surface of the test's segment in RAS mm with the point data SignedDistance; empty where the segment is.

    Both surfaces run halfway between voxel centers (flying edges). A point's distance is the exact one to the nearest
    triangle of the reference's surface, NaN where the reference is empty; its sign is that of the voxels beside it.
    Only then is the surface smoothed, for the eye, which moves points by less than a voxel.
    """
    found = crops(Placed(reference), placed, match, (1, 1, 1))
    surface = vtk.vtkPolyData()
    if found is None or not found[1].any():
        return surface
    ours, theirs, start = found
    geometry = reference.geometry
    surface = _contour(theirs, geometry.spacing)
    distances = _signedDistances(surface, ours, geometry.spacing)
    surface = _smooth(surface)
    array = numpy_to_vtk(distances, deep=True)
    array.SetName(DISTANCE)
    surface.GetPointData().SetScalars(array)
    return _toRas(surface, geometry, start)


def _contour(mask: np.ndarray, spacing) -> vtk.vtkPolyData:
    """Triangles between the voxel centers of a mask [k, j, i]; coordinates along i, j, k in mm from its first voxel."""
    image = vtk.vtkImageData()
    image.SetDimensions(mask.shape[::-1])
    image.SetSpacing(spacing)
    image.GetPointData().SetScalars(numpy_to_vtk(mask.astype(np.uint8).ravel(), deep=True))
    contour = vtk.vtkFlyingEdges3D()
    contour.SetInputData(image)
    contour.SetValue(0, 0.5)
    contour.ComputeNormalsOff()
    contour.ComputeGradientsOff()
    contour.ComputeScalarsOff()
    contour.Update()
    return contour.GetOutput()


def _signedDistances(surface: vtk.vtkPolyData, reference: np.ndarray, spacing) -> np.ndarray:
    """Distances of the points in mm, float32. A point lies between two voxels, of which one is in the test."""
    points = vtk_to_numpy(surface.GetPoints().GetData()).astype(float)
    if not reference.any():
        return np.full(len(points), np.nan, np.float32)
    index = np.rint(points / spacing * 2).astype(int)
    low, high = (tuple(side[:, ::-1].T) for side in (index // 2, (index + 1) // 2))
    inside = reference[low]
    distances = np.zeros(len(points), np.float32)
    apart = np.flatnonzero(inside == reference[high])
    locator = vtk.vtkStaticCellLocator()
    locator.SetDataSet(_contour(reference, spacing))
    locator.BuildLocator()
    closest, cell, part, squared = [0.0] * 3, vtk.reference(0), vtk.reference(0), vtk.reference(0.0)
    for number in apart:
        locator.FindClosestPoint(points[number], closest, cell, part, squared)
        distances[number] = float(squared) ** 0.5
    return np.where(inside & (reference[low] == reference[high]), -distances, distances)


def _smooth(surface: vtk.vtkPolyData) -> vtk.vtkPolyData:
    smooth = vtk.vtkWindowedSincPolyDataFilter()
    smooth.SetInputData(surface)
    smooth.SetNumberOfIterations(_SMOOTHING[0])
    smooth.SetPassBand(_SMOOTHING[1])
    smooth.BoundarySmoothingOff()
    smooth.FeatureEdgeSmoothingOff()
    smooth.NonManifoldSmoothingOn()
    smooth.NormalizeCoordinatesOn()
    smooth.Update()
    return smooth.GetOutput()


def _toRas(surface: vtk.vtkPolyData, geometry: Geometry, start) -> vtk.vtkPolyData:
    """From mm along i, j, k to RAS; triangles keep their outer side where the axes are left-handed."""
    flip = np.diag([-1.0, -1.0, 1.0])
    matrix = np.eye(4)
    matrix[:3, :3] = flip @ np.array(geometry.direction)
    first = np.array(start)[::-1] * geometry.spacing
    matrix[:3, 3] = flip @ (np.array(geometry.origin) + np.array(geometry.direction) @ first)
    transform, filtering = vtk.vtkTransform(), vtk.vtkTransformPolyDataFilter()
    transform.SetMatrix(matrix.ravel())
    filtering.SetInputData(surface)
    filtering.SetTransform(transform)
    normals = vtk.vtkPolyDataNormals()
    normals.SetInputConnection(filtering.GetOutputPort())
    normals.SplittingOff()
    if np.linalg.det(matrix[:3, :3]) < 0:
        normals.FlipNormalsOn()
    normals.Update()
    return normals.GetOutput()


def distanceColors():
    """The color table node of signed distances, blue inside over white to red outside, made at the first call."""
    node = slicer.mrmlScene.GetFirstNode(_COLORS, "vtkMRMLColorTableNode")
    if node is not None:
        return node
    node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLColorTableNode")
    node.UnRegister(None)
    node.SetName(_COLORS)
    node.SetTypeToUser()
    node.SetNumberOfColors(_STEPS)
    ends = np.array([[0.02, 0.19, 0.58], [0.95, 0.95, 0.95], [0.7, 0.02, 0.1]])
    for number in range(_STEPS):
        at = 2 * number / (_STEPS - 1)
        side = min(1, int(at))
        color = ends[side] + (at - side) * (ends[side + 1] - ends[side])
        node.SetColor(number, str(number), *map(float, color), 1.0)
    return slicer.mrmlScene.AddNode(node)


def fillSurfaceNode(surface: vtk.vtkPolyData, name: str, node=None):
    """Model node (new, or filled anew) of a distance surface, with its colors and their legend."""
    if node is None:
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", name)
        node.CreateDefaultDisplayNodes()
    node.SetName(name)
    node.SetAndObserveMesh(surface)
    display = node.GetDisplayNode()
    display.SetScalarVisibility(True)
    display.SetActiveScalar(DISTANCE, vtk.vtkAssignAttribute.POINT_DATA)
    display.SetAndObserveColorNodeID(distanceColors().GetID())
    display.SetScalarRangeFlag(display.UseManualScalarRange)
    widest = largestDistance(surface)
    display.SetScalarRange(-widest, widest)
    display.SetBackfaceCulling(False)
    _addLegend(node)
    return node


def largestDistance(surface: vtk.vtkPolyData) -> float:
    """Largest absolute distance in mm, 1 where there is none: half the range of the colors."""
    array = surface.GetPointData().GetArray(DISTANCE)
    distances = np.abs(vtk_to_numpy(array)) if array else np.zeros(0)
    return float(np.nanmax(distances, initial=0.0)) or 1.0


def _addLegend(node) -> None:
    """The color legend of Slicer's module Colors."""
    legend = slicer.vtkSlicerColorLogic.AddDefaultColorLegendDisplayNode(node)
    legend.SetTitleText(_("Distance to\nreference (mm)"))
    legend.SetLabelFormat("%.1f")
    legend.SetNumberOfLabels(5)
    legend.SetVisibility(True)
