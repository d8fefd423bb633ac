"""The current slice as it would come back, laid over the original in the slice views while a slider moves."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import slicer
from MedCompressLib.preview import Preview, Trial
from MedCompressLib.targets import Target
from MedCompressLib.volume import Geometry, Volume

from .archives import checkTarget
from .views import compositeNodes, currentSlice
from .volumes import asVolumeNode, copyDisplay, fillNode, isLabelMap, volumeFromNode

_COVERED = "MedCompress.CoveredForeground"


def sliceGeometry(geometry: Geometry, k: int) -> Geometry:
    """Geometry of the single slice k of a volume."""
    axis = np.array([row[2] for row in geometry.direction])
    return replace(geometry, origin=tuple(np.array(geometry.origin) + k * geometry.spacing[2] * axis))


@dataclass(frozen=True, eq=False)
class SliceRequest:
    """A trial to be made: a call makes it, from arrays alone, so that any thread may call.

    slices: what is coded together with slice k, which is the one to show. geometry: of the whole volume.
    """

    volumeNode: object
    codec: str
    target: Target
    k: int
    slices: range
    geometry: Geometry
    preview: Preview
    known: Trial | None = None

    def __call__(self) -> Trial:
        return self.known or self.preview.try_target(self.target, self.slices)

    def asksTheSame(self, other: SliceRequest) -> bool:
        """Whether one trial answers both, maybe with another slice of it."""
        return (self.preview, self.target, self.slices) == (other.preview, other.target, other.slices)


class SlicePreview:
    """Owns one volume node that shows a trial of one slice; it is never saved with the scene.

    What the views showed before is kept in the nodes of the views, so that a scene saved during a preview gets it back.
    """

    def __init__(self):
        self._preview: Preview | None = None
        self._key = None
        self._node = None
        self._trial: tuple[SliceRequest, Trial] | None = None

    @property
    def node(self):
        """The volume node with the trial, None while nothing is shown."""
        return self._node if self._node is not None and self._node.GetScene() is not None else None

    def request(self, volumeNode, codec: str, target: Target, k: int | None = None) -> SliceRequest:
        """What has to be tried for slice k (the one in the slice view unless given)."""
        volumeNode = asVolumeNode(volumeNode)
        checkTarget(volumeNode, target)
        volume = self._measured(volumeNode, codec)
        k = currentSlice(volumeNode) if k is None else k
        slices = self._preview.neighbors(k)
        request = SliceRequest(volumeNode, codec, target, k, slices, volume.geometry, self._preview)
        if self._trial is not None and request.asksTheSame(self._trial[0]):
            return replace(request, known=self._trial[1])
        return request

    def show(self, request: SliceRequest, trial: Trial) -> None:
        """Lay slice k of the trial over the volume."""
        self._trial = request, trial
        shown = trial.array[request.k - request.slices[0]][np.newaxis]
        self._show(request.volumeNode, Volume(shown, sliceGeometry(request.geometry, request.k)))

    def update(self, volumeNode, codec: str, target: Target) -> None:
        """Try the target on the slice in the slice view and show it."""
        request = self.request(volumeNode, codec, target)
        self.show(request, request())

    def remove(self) -> None:
        """Take the trial out of the views and the scene; the views show what they showed before."""
        for composite in compositeNodes():
            _uncover(composite, self.node)
        if self.node is not None:
            slicer.mrmlScene.RemoveNode(self._node)
        self._node = self._preview = self._key = self._trial = None

    def coveredViews(self) -> list:
        """The nodes of the views that show the trial."""
        return compositeNodes()

    def _measured(self, volumeNode, codec: str) -> Volume:
        key = (volumeNode.GetID(), volumeNode.GetImageData().GetMTime(), codec)
        volume = volumeFromNode(volumeNode)
        if key != self._key:
            self._preview, self._key = Preview(volume, codec), key
        return volume

    def _show(self, volumeNode, volume: Volume) -> None:
        if self.node is not None and isLabelMap(self._node) is not isLabelMap(volumeNode):
            slicer.mrmlScene.RemoveNode(self._node)
        if self.node is None:
            kind = "vtkMRMLLabelMapVolumeNode" if isLabelMap(volumeNode) else "vtkMRMLScalarVolumeNode"
            self._node = slicer.mrmlScene.CreateNodeByClass(kind)
            self._node.UnRegister(None)
            self._node.SetName(f"{volumeNode.GetName()} preview")
            self._node.SetSaveWithScene(False)
            self._node.SetHideFromEditors(True)
            fillNode(self._node, volume)
            slicer.mrmlScene.AddNode(self._node)
            self._node.CreateDefaultDisplayNodes()
            self._node.GetDisplayNode().SetSaveWithScene(False)
        else:
            fillNode(self._node, volume)
        self._node.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
        copyDisplay(volumeNode, self._node)
        for composite in self.coveredViews():
            _cover(composite, self._node)


def _cover(composite, node) -> None:
    """Show the node as the foreground of a view, and keep what was there."""
    if composite.GetForegroundVolumeID() == node.GetID():
        return
    composite.SetNodeReferenceID(_COVERED, composite.GetForegroundVolumeID())
    composite.SetAttribute(_COVERED, repr(composite.GetForegroundOpacity()))
    composite.SetForegroundVolumeID(node.GetID())
    composite.SetForegroundOpacity(1.0)


def _uncover(composite, node) -> None:
    """Give a view its foreground back, unless the user has chosen another meanwhile."""
    opacity = composite.GetAttribute(_COVERED)
    if opacity is None:
        return
    shown = composite.GetForegroundVolumeID()
    if shown is None or slicer.mrmlScene.GetNodeByID(shown) is None or (node and shown == node.GetID()):
        composite.SetForegroundVolumeID(composite.GetNodeReferenceID(_COVERED))
        composite.SetForegroundOpacity(float(opacity))
    composite.RemoveNodeReferenceIDs(_COVERED)
    composite.RemoveAttribute(_COVERED)
