"""What a press of Segment does: volumes to files, the command `segment`, and its results into the scene."""

from __future__ import annotations

from collections.abc import Sequence

import slicer
from MedCompressLib.errors import MedCompressError
from MedCompressLib.jobs import Progress, silent
from MedCompressLib.unet.card import Label
from MedCompressLib.volume import Volume, read_volume, write_volume
from slicer.i18n import tr as _

from .steps import Steps
from .unet_results import segmentationFromLabels
from .views import showVolumes
from .volumes import asVolumeNode, nodeFromVolume, volumeFromNode

PROBABILITY = "MedCompress.Probability"
"""Role in which a segmentation refers to its probability volume."""


class SegmentSteps(Steps):
    """One press: its volumes as they are now. segmentation, probability: the nodes made; notes: what to know."""

    def __init__(self, volumes: Sequence, model: str, device="auto", flips=False, keepLargest=False, probability=False):
        super().__init__()
        self._volumes = [asVolumeNode(node) for node in volumes]
        self._model, self._options = str(model), ["--device", device]
        self._options += ["--flips"] * flips + ["--keep-largest"] * keepLargest
        self._wanted = probability
        self.segmentation = self.probability = None
        self.device, self.notes = "", []

    def begin(self) -> None:
        arguments = ["segment"]
        for number, node in enumerate(self._volumes):
            path = self.folder / f"{number}.nrrd"
            write_volume(volumeFromNode(node), path, compressed=False)
            arguments.append(str(path))
        self._labels, self._map = self.folder / "labels.nrrd", self.folder / "probability.nrrd"
        arguments += [str(self._labels), "--model", self._model, *self._options]
        if self._wanted:
            arguments += ["--probability", str(self._map)]
        self.run(arguments, self._onSegmented)

    def _onSegmented(self, result: dict) -> None:
        self._result = result
        self.device, self.notes = result["device"], list(result["notes"])
        self.finish()

    def addNodes(self) -> None:
        if self._volumes[0].GetScene() is None:
            raise MedCompressError(f"'{self._volumes[0].GetName()}' was removed while it was segmented: segment again")
        meanings = [
            Label(row["value"], row["name"], tuple(row["color"]), row["terminology"]) for row in self._result["labels"]
        ]
        probability = read_volume(self._map) if self._wanted else None
        self.segmentation, self.probability = addResults(
            self._volumes[0], self._result["model"], read_volume(self._labels), meanings, probability, self.keep
        )

    @property
    def summary(self) -> str:
        """Volumes of the segments, the device, and the notes."""
        found = ", ".join(
            _("{name} {volume:.4g} ml").format(name=row["name"], volume=row["milliliters"])
            for row in self._result["labels"]
        )
        lines = [_("{segments} ({device}, {seconds:.1f} s)").format(
            segments=found, device=self.device, seconds=self._result["seconds"]
        )]  # fmt: skip
        return "\n".join([*lines, *self.notes])


def segmentNodes(volumes: Sequence, model: str, progress: Progress = silent, *, probability=False, **options) -> tuple:
    """Segment in this process; returns segmentation node and probability volume node, None where it is not wanted."""
    from MedCompressLib.unet.inference import segment
    from MedCompressLib.unet.model_file import load_model

    nodes = [asVolumeNode(node) for node in volumes]
    loaded = load_model(model)
    found = segment(
        [volumeFromNode(node) for node in nodes], loaded, want_probability=probability, progress=progress, **options
    )
    slicer.mrmlScene.SaveStateForUndo()
    return addResults(nodes[0], loaded.card.name, found.labels, loaded.card.labels, found.probability)


def addResults(
    volumeNode, model: str, labels: Volume, meanings: Sequence[Label], probability: Volume | None, keep=lambda one: one
) -> tuple:
    """(segmentation node, probability volume node or None), shown over the volume in the slice views."""
    name = _("{volume} {model}").format(volume=volumeNode.GetName(), model=model)
    segmentation = keep(segmentationFromLabels(labels, meanings, volumeNode, name))
    map_ = None
    if probability is not None:
        map_ = keep(nodeFromVolume(probability, _("{name} probability").format(name=name)))
        map_.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
        map_.GetDisplayNode().SetAutoWindowLevel(False)
        map_.GetDisplayNode().SetWindowLevelMinMax(0.0, 1.0)
        segmentation.SetNodeReferenceID(PROBABILITY, map_.GetID())
    showVolumes(volumeNode)
    return segmentation, map_


def showSurface(segmentation, visible: bool) -> None:
    """Show the segments in 3D, as closed surfaces made at the first call, or hide them there."""
    if visible:
        segmentation.CreateClosedSurfaceRepresentation()
    display = segmentation.GetDisplayNode()
    if display is not None:
        display.SetVisibility3D(visible)
