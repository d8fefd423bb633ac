"""Names, terminology and layers are read as Slicer writes them, and segments find their counterparts."""

import numpy as np
import pytest
import SimpleITK
from MedCompressLib.comparison import (
    Segment,
    Segmentation,
    compare,
    match_segments,
    read_names,
    read_segmentation,
    segmentation_from_labels,
)
from MedCompressLib.errors import MedCompressError
from MedCompressLib.volume import Volume, write_volume

TISSUE = "Segmentation category and type - 3D Slicer General Anatomy list~SCT^85756007^Tissue~SCT^85756007^Tissue"
LIVER = (
    "Segmentation category and type - DICOM master list~SCT^123037004^Anatomical Structure~SCT^10200004^Liver"
    "~^^~Anatomic codes - DICOM master list~^^~^^"
)


def write_seg_nrrd(path, layers, segments, old_style=False):
    """A .seg.nrrd with the header fields of Slicer: several layers are components of a voxel."""
    arrays = [np.asarray(layer, np.uint8) for layer in layers]
    several = len(arrays) > 1
    image = SimpleITK.GetImageFromArray(np.stack(arrays, -1) if several else arrays[0], isVector=several)
    image.SetSpacing((0.5, 0.75, 2.0))
    image.SetMetaData("Segmentation_MasterRepresentation", "Binary labelmap")
    for number, (name, value, layer, terminology) in enumerate(segments):
        fields = {"ID": f"Segment_{number}", "Name": name, "Tags": f"Segmentation.Status:inprogress|{terminology}|"}
        if not old_style:
            fields |= {"LabelValue": str(value), "Layer": str(layer)}
        for field, text in fields.items():
            image.SetMetaData(f"Segment{number}_{field}", text)
    SimpleITK.WriteImage(image, str(path), useCompression=True)


@pytest.fixture
def masks():
    liver, tumor = np.zeros((2, 6, 7, 8), np.uint8)
    liver[1:5, 1:5, 1:5] = 1
    tumor[2:4, 2:4, 2:6] = 1
    return liver, tumor


def test_overlapping_segments_in_layers(masks, tmp_path):
    liver, tumor = masks
    segments = [("liver", 1, 0, f"TerminologyEntry:{LIVER}"), ("tumor", 3, 1, ""), ("none", 2, 1, "")]
    write_seg_nrrd(tmp_path / "a.seg.nrrd", [liver, tumor * 3], segments)
    found = read_segmentation(tmp_path / "a.seg.nrrd")
    assert [(s.name, s.value, s.layer) for s in found.segments] == [segment[:3] for segment in segments]
    assert found.segments[0].terminology == "SCT^123037004~SCT^10200004~~~" and found.geometry.spacing == (0.5, 0.75, 2)
    np.testing.assert_array_equal(found.mask(found.segments[0]), liver == 1)
    np.testing.assert_array_equal(found.mask(found.segments[1]), tumor == 1)
    rows = compare(found, [found])
    assert [row.dice for row in rows[:2]] == [1, 1] and np.isnan(rows[2].dice)
    assert rows[1].volume_reference_ml == pytest.approx(tumor.sum() * 0.75 / 1000)


def test_old_files_have_one_component_a_segment(masks, tmp_path):
    write_seg_nrrd(tmp_path / "a.seg.nrrd", masks, [("liver", 0, 0, ""), ("tumor", 0, 0, "")], old_style=True)
    found = read_segmentation(tmp_path / "a.seg.nrrd")
    for segment, mask in zip(found.segments, masks, strict=True):
        np.testing.assert_array_equal(found.mask(segment), mask == 1)


def test_one_layer_beside_a_label_map_without_names(masks, tmp_path):
    labels = masks[0] + masks[1]
    write_seg_nrrd(tmp_path / "a.seg.nrrd", [labels], [("tumor", 2, 0, ""), ("liver", 1, 0, "")])
    write_volume(Volume(labels, read_segmentation(tmp_path / "a.seg.nrrd").geometry), tmp_path / "b.nii.gz")
    rows = compare(read_segmentation(tmp_path / "a.seg.nrrd"), [read_segmentation(tmp_path / "b.nii.gz")])
    assert [(row.segment, row.matched_by, row.dice) for row in rows] == [("tumor", "value", 1), ("liver", "value", 1)]
    assert {row.grid for row in rows} == {"same grid"}


def test_damaged_files_say_so(masks, tmp_path):
    path = tmp_path / "a.seg.nrrd"
    write_seg_nrrd(path, masks, [("liver", 1, 0, ""), ("tumor", 1, 1, "")])
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    with pytest.raises(MedCompressError, match="damaged or cut off"):
        read_segmentation(path)
    path.write_bytes(whole.replace(b"Segment1_Layer:=1", b"Segment1_Layer:=7"))
    with pytest.raises(MedCompressError, match="layer 7"):
        read_segmentation(path)
    path.write_bytes(whole.replace(b"Segment1_Layer:=1", b"Segment1_Layer:=x"))
    with pytest.raises(MedCompressError, match="not a number"):
        read_segmentation(path)


def segmentation(*segments):
    return Segmentation((np.zeros((2, 2, 2), np.uint8),), segments)


def test_matching_by_hand_name_terminology_value():
    reference = segmentation(
        Segment("Liver", 1), Segment("left kidney", 2), Segment("x", 3, terminology="SCT^1"), Segment("gland", 4)
    )
    test = segmentation(
        Segment("Drüse", 9),
        Segment("Left_Kidney", 8),
        Segment("y", 7, terminology="SCT^1"),
        Segment("Liver", 6),
        Segment("extra", 4),
    )
    found = match_segments(reference, test, {"gland": "Drüse"})
    assert [(m.name, m.test.name if m.test else None, m.by) for m in found] == [
        ("Liver", "Liver", "name"),
        ("left kidney", "Left_Kidney", "name"),
        ("x", "y", "terminology"),
        ("gland", "Drüse", "hand"),
        ("extra", "extra", "none"),
    ]
    with pytest.raises(MedCompressError, match="has no segment 'spleen'"):
        match_segments(reference, test, {"spleen": "Liver"})


def test_a_code_that_two_segments_share_matches_nothing():
    both = segmentation(Segment("a", 1, terminology=TISSUE), Segment("b", 2, terminology=TISSUE))
    other = segmentation(Segment("c", 1, terminology=TISSUE))
    assert [m.by for m in match_segments(both, other)] == ["none", "none", "none"]


@pytest.mark.parametrize(
    "name, text",
    [
        ("a.json", '{"1": "liver", "2": "cyst"}'),
        ("b.json", '{"labels": {"background": 0, "liver": 1, "cyst": 2}}'),
        ("c.json", '{"name": "Task", "labels": {"0": "background", "1": "liver", "2": "cyst"}}'),
        ("d.csv", "value,name\n1,liver\n2, cyst\n"),
        ("e.csv", "\ufeffLabel Value,R,Segment\n0,0,air\n1,5,liver\n2,7,cyst\n"),
    ],
)
def test_tables_of_names(tmp_path, name, text):
    (tmp_path / name).write_text(text, "utf-8")
    assert read_names(tmp_path / name) == {1: "liver", 2: "cyst"}
    labels = segmentation_from_labels(Volume(np.ones((1, 1, 2), np.uint8)), read_names(tmp_path / name))
    assert [(s.name, s.value) for s in labels.segments] == [("liver", 1), ("cyst", 2)]


@pytest.mark.parametrize("text", ["", "{", "a,b\n1,2\n", '{"liver": {"color": 1}}', "value,name\none,liver\n"])
def test_what_is_no_table_of_names(tmp_path, text):
    (tmp_path / "n.csv").write_text(text)
    with pytest.raises(MedCompressError, match="not a table of label names"):
        read_names(tmp_path / "n.csv")
