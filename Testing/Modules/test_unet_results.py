"""A network's labels in the scene and in Slicer's files: names, colors, terminology, voxels, geometry."""

import numpy as np
import pytest
import slicer
import vtk
from MedCompressLib.comparison import read_segmentation
from MedCompressLib.errors import MedCompressError
from MedCompressLib.unet.card import Label
from MedCompressLib.unet.output import write_labels
from MedCompressLib.volume import Geometry, Volume, write_volume
from MedCompressSlicer.segmentations import segmentationFromNode
from MedCompressSlicer.unet_results import segmentationFromLabels
from scenes import addVolume
from segmentation_scenes import GRID, balls

LIVER, SPLEEN = (
    "Segmentation category and type - 3D Slicer General Anatomy list~SCT^123037004^Anatomical Structure"
    f"~SCT^{code}~^^~Anatomic codes - DICOM master list~^^~^^"
    for code in ("10200004^Liver", "78961009^Spleen")
)
MEANINGS = (
    Label(2, "Milz \u00e4", (0.125, 0.5, 1.0), SPLEEN),
    Label(1, "liver", (1.0, 0.25, 0.0), LIVER),
    Label(9, "absent", (0.0, 1.0, 0.0)),
)


def labelMap(array=None) -> Volume:
    return Volume(balls() if array is None else array, Geometry(**GRID), "SEG")


def readBySlicer(path):
    """The node and its storage node, which read it."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    storage = slicer.vtkMRMLSegmentationStorageNode()
    storage.SetFileName(str(path))
    assert storage.ReadData(node)
    return node, storage


def assertShown(node, array):
    """One layer with what the labels mean; voxels read as a user exports them."""
    segmentation = node.GetSegmentation()
    assert segmentation.GetNumberOfLayers() == 1 and segmentation.GetNumberOfSegments() == 3
    for number, meaning in enumerate(MEANINGS):
        segment, entry = segmentation.GetNthSegment(number), vtk.reference("")
        assert (segment.GetName(), segment.GetLabelValue()) == (meaning.name, meaning.value)
        assert np.allclose(segment.GetColor(), meaning.color)
        if meaning.terminology:
            assert segment.GetTag("TerminologyEntry", entry) and str(entry) == meaning.terminology
    found = segmentationFromNode(node)
    assert found.geometry.is_close(Geometry(**GRID), 1e-9)
    assert np.array_equal(found.layers[0], array)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_seg_nrrd_is_what_slicer_reads(tmp_path, dtype):
    write_labels(labelMap(balls().astype(dtype)), MEANINGS, tmp_path / "a.seg.nrrd")
    node, _storage = readBySlicer(tmp_path / "a.seg.nrrd")
    assertShown(node, balls())


def test_what_slicer_writes_again_is_the_same(tmp_path):
    write_labels(labelMap(), MEANINGS, tmp_path / "a.seg.nrrd")
    node, storage = readBySlicer(tmp_path / "a.seg.nrrd")
    storage.SetFileName(str(tmp_path / "b.seg.nrrd"))
    assert storage.WriteData(node)
    ours, slicers = (read_segmentation(tmp_path / f"{name}.seg.nrrd") for name in "ab")
    assert np.array_equal(ours.layers[0], slicers.layers[0]) and ours.segments[:2] == slicers.segments[:2]
    assert [(s.name, s.value) for s in ours.segments] == [(s.name, s.value) for s in slicers.segments]


@pytest.mark.parametrize("asFile", [False, True])
def test_labels_become_one_segmentation_beside_the_volume(tmp_path, asFile):
    volume = addVolume(np.zeros((24, 48, 60), np.int16), "CT", **GRID)
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    volume.SetAndObserveTransformNodeID(transform.GetID())
    labels = labelMap()
    if asFile:
        write_volume(labels, tmp_path / "labels.nrrd")
        labels = tmp_path / "labels.nrrd"
    node = segmentationFromLabels(labels, MEANINGS, volume, "Segmented")
    assertShown(node, balls())
    assert node.GetTransformNodeID() == transform.GetID() and node.GetDisplayNode() is not None
    image = node.GetSegmentation().GetNthSegment(0).GetRepresentation("Binary labelmap")
    assert image.GetExtent() == (11, 49, 11, 37, 2, 20)
    again = segmentationFromLabels(labelMap(balls() * 0), MEANINGS[:1], volume, "other", node=node)
    assert again is node and node.GetSegmentation().GetNumberOfSegments() == 1
    assert not segmentationFromNode(node).layers[0].any()


def test_labels_of_another_grid_are_refused_and_leave_no_node():
    volume = addVolume(np.zeros((24, 48, 60), np.int16), "CT", **GRID)
    for wrong in (labelMap(balls()[1:]), Volume(balls(), Geometry(), "SEG")):
        with pytest.raises(MedCompressError):
            segmentationFromLabels(wrong, MEANINGS, volume, "Segmented")
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0
