"""Training cases of the scene: pairs of a volume and its segmentation, kept as node references and written as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import slicer
import vtk
from MedCompressLib.errors import MedCompressError
from MedCompressLib.volume import Volume, write_volume
from vtk.util.numpy_support import vtk_to_numpy

from .checkable_nodes import referenced
from .comparison_steps import uniqueNames
from .volumes import LABEL_MAP_MODALITY, asVolumeNode, geometryFromNode, volumeFromNode

_SEGMENTATIONS, _VOLUMES = "MedCompress.TrainingSegmentation", "MedCompress.TrainingVolume"


def chosenPairs(parameterNode) -> list[tuple]:
    """(volume node, segmentation node) that the user ticked and that are still in the scene."""
    find = slicer.mrmlScene.GetNodeByID
    ids = zip(referenced(parameterNode, _VOLUMES), referenced(parameterNode, _SEGMENTATIONS), strict=True)
    pairs = [(find(volume or ""), find(segmentation or "")) for volume, segmentation in ids]
    return [pair for pair in pairs if None not in pair]


def setPairs(parameterNode, pairs: Sequence[tuple]) -> None:
    """Keep these (volume node, segmentation node) with the parameters."""
    with slicer.util.NodeModify(parameterNode):
        for role, number in ((_VOLUMES, 0), (_SEGMENTATIONS, 1)):
            parameterNode.RemoveNodeReferenceIDs(role)
            for pair in pairs:
                parameterNode.AddNodeReferenceID(role, pair[number].GetID())


def suggestedVolume(segmentation):
    """The volume that a segmentation was drawn on, None where it does not say."""
    return segmentation.GetNodeReference(segmentation.GetReferenceImageGeometryReferenceRole())


def exportPairs(pairs: Sequence[tuple], folder: Path, meanings: Sequence = ()) -> list[dict]:
    """Write pairs into `folder` as images/NAME.nrrd and labels/NAME.nrrd, segments on the grid of their volume.

    Segments of equal names are one label; a later one wins where segments overlap. meanings: the labels of a model
    (with value and name) to which the names must belong; new ones are numbered from 1.

    Returns the labels as the table [[labels]] of a configuration takes them. Raises MedCompressError.
    """
    if not pairs:
        raise MedCompressError("no case is chosen: tick segmentations in the list, and choose the volume of each")
    labels = {meaning.name: {"value": meaning.value, "name": meaning.name} for meaning in meanings}
    fixed = bool(labels)
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name, (volume, segmentation) in zip(_fileNames(pairs), pairs, strict=True):
        source = volumeFromNode(asVolumeNode(volume))
        values = _labelMap(volume, segmentation, labels, fixed)
        write_volume(source, folder / "images" / f"{name}.nrrd", compressed=False)
        write_volume(Volume(values, geometryFromNode(volume), LABEL_MAP_MODALITY), folder / "labels" / f"{name}.nrrd")
    return list(labels.values())


def _fileNames(pairs: Sequence[tuple]) -> list[str]:
    names = uniqueNames([volume for volume, _segmentation in pairs])
    cleaned = ["".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name) for name in names]
    return [f"{number:03d}_{name}" for number, name in enumerate(cleaned, 1)]


def _labelMap(volume, node, labels: dict[str, dict], fixed: bool) -> np.ndarray:
    """Label map [k, j, i] of a segmentation on the grid of a volume; names that are new get the next value."""
    segmentation, ids, values = node.GetSegmentation(), vtk.vtkStringArray(), vtk.vtkIntArray()
    if not segmentation.GetNumberOfSegments() or not segmentation.ContainsRepresentation("Binary labelmap"):
        raise MedCompressError(
            f"'{node.GetName()}' has no segments as label map: draw some, or create the representation"
            " Binary labelmap in the module Segmentations"
        )
    for number in range(segmentation.GetNumberOfSegments()):
        segment = segmentation.GetNthSegment(number)
        name = segment.GetName()
        if name not in labels:
            if fixed:
                raise MedCompressError(
                    f"'{node.GetName()}' has the segment '{name}', which the model does not have"
                    f" ({', '.join(labels)}): rename or remove it"
                )
            labels[name] = _meaning(segment, len(labels) + 1)
        ids.InsertNextValue(segmentation.GetNthSegmentID(number))
        values.InsertNextValue(labels[name]["value"])
    merged = slicer.vtkOrientedImageData()
    slicer.modules.segmentations.logic().GenerateMergedLabelmapInReferenceGeometry(
        node, volume, ids, segmentation.EXTENT_UNION_OF_EFFECTIVE_SEGMENTS, merged, values
    )
    array = vtk_to_numpy(merged.GetPointData().GetScalars()).reshape(merged.GetDimensions()[::-1])
    return array.astype(np.uint8 if array.max() < 256 else np.uint16)


def _meaning(segment, value: int) -> dict:
    terminology = vtk.reference("")
    segment.GetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), terminology)
    color = [round(part, 4) for part in segment.GetColor()]
    return {"value": value, "name": segment.GetName(), "color": color, "terminology": str(terminology)}
