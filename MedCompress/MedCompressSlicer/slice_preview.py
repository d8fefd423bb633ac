"""The current slice as it would come back, laid over the original in the slice views while a slider moves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import slicer
from MedCompressLib.preview import Preview, Trial
from MedCompressLib.targets import Target
from MedCompressLib.volume import Geometry, Volume

from .views import compositeNodes, currentSlice
from .volumes import asVolumeNode, copyDisplay, fillNode, volumeFromNode


def sliceGeometry(geometry: Geometry, k: int) -> Geometry:
    """Geometry of the single slice k of a volume."""
    axis = np.array([row[2] for row in geometry.direction])
    return replace(geometry, origin=tuple(np.array(geometry.origin) + k * geometry.spacing[2] * axis))


class SlicePreview:
    """Owns one volume node that shows a trial of one slice; it is never saved with the scene."""

    def __init__(self):
        self._preview: Preview | None = None
        self._key = None
        self._node = None
        self._covered: dict[str, tuple[str | None, float]] = {}

    @property
    def node(self):
        """The volume node with the trial, None while nothing is shown."""
        return self._node

    def update(self, volumeNode, codec: str, target: Target, k: int | None = None) -> tuple[Trial, int]:
        """Try the target on slice k (the one in the slice view unless given); returns the trial and k."""
        volumeNode = asVolumeNode(volumeNode)
        volume = self._measured(volumeNode, codec)
        k = currentSlice(volumeNode) if k is None else k
        trial = self._preview.try_target(target, [k])
        self._show(volumeNode, Volume(trial.array, sliceGeometry(volume.geometry, k)))
        return trial, k

    def remove(self) -> None:
        """Take the trial out of the views and the scene; the views show what they showed before."""
        for composite in compositeNodes():
            if composite.GetID() in self._covered:
                volumeID, opacity = self._covered[composite.GetID()]
                composite.SetForegroundVolumeID(volumeID)
                composite.SetForegroundOpacity(opacity)
        self._covered = {}
        if self._node is not None and self._node.GetScene() is not None:
            self._node.GetScene().RemoveNode(self._node)
        self._node = self._preview = self._key = None

    def _measured(self, volumeNode, codec: str) -> Volume:
        key = (volumeNode.GetID(), volumeNode.GetImageData().GetMTime(), codec)
        volume = volumeFromNode(volumeNode)
        if key != self._key:
            self._preview, self._key = Preview(volume, codec), key
        return volume

    def _show(self, volumeNode, volume: Volume) -> None:
        if self._node is None or self._node.GetScene() is None:
            name = slicer.mrmlScene.GenerateUniqueName(f"{volumeNode.GetName()} preview")
            self._node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
            self._node.SetSaveWithScene(False)
            self._node.SetHideFromEditors(True)
            fillNode(self._node, volume)
            self._node.CreateDefaultDisplayNodes()
            self._node.GetDisplayNode().SetSaveWithScene(False)
        else:
            fillNode(self._node, volume)
        self._node.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
        copyDisplay(volumeNode, self._node)
        for composite in compositeNodes():
            if composite.GetForegroundVolumeID() != self._node.GetID():
                self._covered[composite.GetID()] = (composite.GetForegroundVolumeID(), composite.GetForegroundOpacity())
                composite.SetForegroundVolumeID(self._node.GetID())
                composite.SetForegroundOpacity(1.0)
