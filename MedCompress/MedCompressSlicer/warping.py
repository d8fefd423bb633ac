"""Segmentations under a transform that is not linear: resampled to the nearest voxel, nothing cut off.

Slicer's own hardening looks at two corners of a segmentation and cuts off parts of it where the axes are oblique.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import vtk
from MedCompressLib.comparison import Segmentation
from MedCompressLib.volume import Geometry
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

_FLIP = np.diag([-1.0, -1.0, 1.0])
_SAMPLES = 9
"""Points along each axis that say how far the transform moves the segmentation."""


def warped(segmentation: Segmentation, toWorld: vtk.vtkAbstractTransform) -> Segmentation:
    """The segmentation moved by a transform of RAS mm, on its own grid, which is continued as far as needed."""
    geometry, toRas = segmentation.geometry, np.eye(4)
    toRas[:3, :3] = _FLIP @ np.array(geometry.direction) * geometry.spacing
    toRas[:3, 3] = _FLIP @ geometry.origin
    first, last = _reach(segmentation, toRas, toWorld)
    backwards = vtk.vtkGeneralTransform()
    backwards.PostMultiply()
    backwards.Concatenate(toRas.ravel())
    backwards.Concatenate(toWorld.GetInverse())
    backwards.Concatenate(np.linalg.inv(toRas).ravel())
    origin = np.array(geometry.origin) + np.array(geometry.direction) @ (first * geometry.spacing)
    layers = tuple(_resliced(layer, backwards, first, last) for layer in segmentation.layers)
    return replace(segmentation, layers=layers, geometry=Geometry(geometry.spacing, tuple(origin), geometry.direction))


def _reach(segmentation: Segmentation, toRas: np.ndarray, toWorld) -> tuple[np.ndarray, np.ndarray]:
    """First and last index (i, j, k) that the moved segmentation takes."""
    axes = [np.linspace(-0.5, count - 0.5, _SAMPLES) for count in segmentation.shape[::-1]]
    corners = np.stack([axis.ravel() for axis in np.meshgrid(*axes)] + [np.ones(_SAMPLES**3)])
    moved = [(*toWorld.TransformPoint(point), 1.0) for point in (toRas @ corners)[:3].T]
    index = (np.linalg.inv(toRas) @ np.array(moved).T)[:3]
    return np.floor(index.min(axis=1)).astype(int), np.ceil(index.max(axis=1)).astype(int)


def _resliced(layer: np.ndarray, backwards, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    image, reslice = vtk.vtkImageData(), vtk.vtkImageReslice()
    image.SetDimensions(layer.shape[::-1])
    image.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(layer).ravel(), deep=True))
    reslice.SetInputData(image)
    reslice.SetResliceTransform(backwards)
    reslice.SetInterpolationModeToNearestNeighbor()
    reslice.SetOutputSpacing(1, 1, 1)
    reslice.SetOutputOrigin(*map(float, first))
    count = last - first + 1
    reslice.SetOutputExtent(0, int(count[0]) - 1, 0, int(count[1]) - 1, 0, int(count[2]) - 1)
    reslice.Update()
    return vtk_to_numpy(reslice.GetOutput().GetPointData().GetScalars()).reshape(count[::-1]).copy()
