"""The region of interest as an outline in the slice views, kept up to date while the panel is open."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import qt
import slicer
import vtk
from MedCompressLib.errors import MedCompressError
from MedCompressLib.regions.outline import bounding_box
from slicer.i18n import tr as _
from vtk.util.numpy_support import numpy_to_vtk

from .roi_region import RoiRegion
from .roi_results import regionText

_COLOR = 1.0, 0.85, 0.1
_SEGMENT = "MedCompressRegion"
_INTERVAL_MS = 100


class RoiOutline:
    """Owns one segmentation node, hidden and never saved, that outlines a mask on the grid of a volume node."""

    def __init__(self):
        self._node = None

    @property
    def node(self):
        """The segmentation node, None while nothing is shown."""
        return self._node if self._node is not None and self._node.GetScene() is not None else None

    def show(self, volumeNode, mask: np.ndarray) -> None:
        """Outline a mask, bool [k, j, i]."""
        if self.node is None:
            self._node = self._newNode()
        segmentation = self._node.GetSegmentation()
        segmentation.RemoveAllSegments()
        segment = slicer.vtkSegment()
        segment.SetName(_("Region of interest"))
        segment.SetColor(*_COLOR)
        segment.AddRepresentation("Binary labelmap", _image(volumeNode, mask))
        self._node.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
        segmentation.AddSegment(segment, _SEGMENT)

    def remove(self) -> None:
        if self.node is not None:
            slicer.mrmlScene.RemoveNode(self._node)
        self._node = None

    def _newNode(self):
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLSegmentationNode")
        node.UnRegister(None)
        node.SetName(_("Region of interest"))
        node.SetHideFromEditors(True)
        node.SetSaveWithScene(False)
        slicer.mrmlScene.AddNode(node)
        node.CreateDefaultDisplayNodes()
        display = node.GetDisplayNode()
        display.SetSaveWithScene(False)
        display.SetVisibility3D(False)
        display.SetVisibility2DFill(False)
        display.SetSliceIntersectionThickness(2)
        return node


def _image(volumeNode, mask: np.ndarray):
    """The mask as an oriented image that reaches as far as it must."""
    box = bounding_box(mask)
    part = np.ascontiguousarray(mask[tuple(slice(*pair) for pair in box)], np.uint8)
    image, toRas = slicer.vtkOrientedImageData(), vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(toRas)
    image.SetImageToWorldMatrix(toRas)
    image.SetExtent([limit for start, stop in reversed(box) for limit in (start, stop - 1)])
    image.GetPointData().SetScalars(numpy_to_vtk(part.ravel(), deep=True))
    return image


class RoiWatcher:
    """Outlines what `wanted()` gives, (volume node, region, visible) or None, from `start` until `stop`, and says how
    large the region is.

    key() tells by its value whether that has changed: it is asked ten times a second, since a region depends on nodes,
    segments and transforms that no single event tells of. Margins are computed in the background. changed() is called
    when the key has changed.
    """

    def __init__(
        self,
        outline: RoiOutline,
        label,
        key: Callable[[], Hashable],
        wanted: Callable[[], tuple | None],
        changed: Callable[[], None],
    ):
        self._outline, self._label, self._wanted, self._keyOf, self._changed = outline, label, wanted, key, changed
        self._pool = ThreadPoolExecutor(1, "region")
        self._key: Hashable = None
        self._asked: tuple | None = None
        self._future: Future | None = None
        self._timer = qt.QTimer()
        self._timer.setInterval(_INTERVAL_MS)
        self._timer.connect("timeout()", self.update)

    def start(self) -> None:
        if not self._timer.isActive():
            self._timer.start()
            self.update()

    def stop(self) -> None:
        """Take the outline away; what is still being computed is thrown away when it is done."""
        self._timer.stop()
        self._outline.remove()
        self._key = self._asked = self._future = None
        self._label.text = ""

    def close(self) -> None:
        self.stop()
        self._pool.shutdown(wait=False)

    def update(self) -> None:
        """Look for changes, and show what is ready."""
        key = self._keyOf()
        if key != self._key and (self._future is None or self._future.done()):
            self._key, self._future = key, None
            self._begin()
            self._changed()
        elif self._future is not None and not self._future.done():
            self._label.text = _("Computing the region ...")
        if self._future is not None and self._future.done():
            future, self._future = self._future, None
            self._show(future)

    def _begin(self) -> None:
        try:
            self._asked = self._wanted()
        except MedCompressError as error:
            self._refuse(error)
            return
        if self._asked is None:
            self._outline.remove()
            self._label.text = ""
        else:
            region: RoiRegion = self._asked[1]
            self._future = self._pool.submit(lambda: region.mask)

    def _show(self, future: Future) -> None:
        try:
            mask = future.result()
        except MedCompressError as error:
            self._refuse(error)
            return
        volumeNode, region, visible = self._asked
        if visible and volumeNode.GetScene() is not None:
            self._outline.show(volumeNode, mask.array)
        else:
            self._outline.remove()
        self._label.text = regionText(region.volume, mask.voxels, mask.notes)

    def _refuse(self, error: MedCompressError) -> None:
        self._outline.remove()
        self._label.text = str(error)
