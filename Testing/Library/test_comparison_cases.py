"""Every corner case has a defined row, and the command says the same as the library."""

import csv
import json
import math

import numpy as np
import pytest
from comparison_cases import around, changed, real_labels
from MedCompressLib.__main__ import main
from MedCompressLib.comparison import compare, error_map, mean_over_segments, place, segmentation_from_labels
from MedCompressLib.comparison.matching import match_segments
from MedCompressLib.errors import MedCompressError
from MedCompressLib.jobs import Progress
from MedCompressLib.quality import weighted_total_variation
from MedCompressLib.volume import Geometry, Volume, write_volume

KEYS = (
    "reference test segment dice jaccard jaccard_per_slice hausdorff hausdorff_95 average_hausdorff smbd surface_dice"
    " volume_reference_ml volume_test_ml"
).split()
DISTANCES = "hausdorff hausdorff_95 average_hausdorff smbd hausdorff_voxels centroid_distance".split()


def segmentation(array, geometry=None, names=None, name="labels"):
    return segmentation_from_labels(Volume(np.asarray(array), geometry or Geometry(), name=name), names)


def only_row(reference, test, **options):
    rows = compare(segmentation(reference), [segmentation(test)], **options)
    assert len(rows) == 1
    return rows[0]


def box(shape, *slices, value=1, dtype=np.uint8):
    array = np.zeros(shape, dtype)
    array[slices] = value
    return array


def test_identical_real_labels(data_folder):
    labels, _ = real_labels(data_folder, "liver, thick slices")
    whole = segmentation_from_labels(labels)
    rows = compare(whole, [whole])
    assert len(rows) == 31 and {row.matched_by for row in rows} == {"name"}
    for row in rows:
        assert row.dice == row.jaccard == row.jaccard_per_slice == row.surface_dice == row.precision == row.recall == 1
        assert all(getattr(row, name) == 0 for name in DISTANCES) and row.largest_error_lps is None
        voxels = int(np.count_nonzero(labels.array == row.label_reference))
        assert row.volume_test_ml == pytest.approx(voxels * math.prod(labels.geometry.spacing) / 1000)


def test_known_shift_in_anisotropic_voxels():
    geometry = Geometry((0.5, 2.0, 3.0))
    reference = box((20, 20, 30), slice(2, 8), slice(2, 8), slice(2, 8))
    test = box((20, 20, 30), slice(2, 8), slice(2, 8), slice(6, 12))
    row = compare(segmentation(reference, geometry), [segmentation(test, geometry)])[0]
    assert row.hausdorff == row.hausdorff_95 == row.hausdorff_boundary == row.centroid_distance == pytest.approx(2.0)
    assert row.dice == pytest.approx(2 / 6) and [row.jaccard, row.jaccard_per_slice] == pytest.approx([0.2, 0.2])
    assert row.volume_difference_ml == 0 and row.volume_reference_ml == pytest.approx(216 * 3 / 1000)


def test_one_empty_and_both_empty():
    reference, empty = box((6, 6, 6), slice(2, 4), slice(2, 4), slice(2, 4)), np.zeros((6, 6, 6), np.uint8)
    missed, invented = only_row(reference, empty), only_row(empty, reference)
    for row in (missed, invented):
        assert row.dice == row.jaccard == row.jaccard_per_slice == row.surface_dice == 0
        assert all(math.isnan(getattr(row, name)) for name in DISTANCES)
        assert row.matched_by == "none"
    assert missed.recall == 0 and math.isnan(missed.precision) and missed.label_test is None
    assert invented.precision == 0 and math.isnan(invented.recall) and invented.label_reference is None
    named = segmentation(empty, names={7: "cyst"})
    row = compare(named, [named])[0]
    assert row.segment == "cyst" and row.volume_reference_ml == row.volume_test_ml == 0
    assert all(math.isnan(getattr(row, name)) for name in ("dice", "jaccard", "surface_dice", *DISTANCES))
    assert compare(segmentation(empty), [segmentation(empty)]) == []


def test_single_voxels_and_the_border():
    row = only_row(box((5, 5, 9), 0, 0, 0), box((5, 5, 9), 0, 0, 8))
    assert row.hausdorff == row.average_hausdorff == row.smbd == row.centroid_distance == 8
    assert row.dice == row.surface_dice == 0
    full = np.ones((5, 5, 9), np.uint8)
    inner = box((5, 5, 9), slice(1, 4), slice(1, 4), slice(1, 8))
    row = only_row(full, inner)
    assert row.hausdorff == pytest.approx(math.sqrt(3)) and row.precision == 1


def test_single_slice_is_a_contour():
    reference = box((1, 20, 20), 0, slice(4, 12), slice(4, 12))
    row = only_row(reference, box((1, 20, 20), 0, slice(4, 12), slice(5, 13)), tolerance=0.5)
    stack = [np.repeat(array, 30, 0) for array in (reference, box((1, 20, 20), 0, slice(4, 12), slice(5, 13)))]
    assert row.hausdorff == 1 and row.dice == pytest.approx(7 / 8)
    assert 0 < row.surface_dice < only_row(*stack, tolerance=0.5).surface_dice < 1


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int32", "int64", "uint64", "float32", "float64"])
def test_label_maps_of_any_type(dtype):
    value = 100 if dtype == "int8" else 65535
    reference = box((4, 5, 6), 1, slice(1, 4), slice(1, 4), value=value, dtype=dtype)
    row = only_row(reference, box((4, 5, 6), 1, slice(1, 4), slice(1, 4), value=value, dtype=np.uint16))
    assert row.dice == 1 and row.label_reference == value and row.segment == str(value)


@pytest.mark.parametrize(
    "value, message", [(-1, "0 to 65535"), (65536, "0 to 65535"), (1.5, "fractional"), (math.nan, "0 to 65535")]
)
def test_what_is_no_label_map_is_refused(value, message):
    with pytest.raises(MedCompressError, match=message):
        segmentation(box((2, 2, 2), 0, 0, 0, value=value, dtype=np.float64))


def test_jaccard_per_slice_leaves_empty_slices_out():
    reference, test = np.zeros((2, 10, 4, 4), np.uint8)
    reference[2, :2], test[2, :1] = 1, 1
    reference[3, :2] = 1
    test[4, :2] = 1
    assert only_row(reference, test).jaccard_per_slice == pytest.approx((0.5 + 0 + 0) / 3)


def test_mean_over_segments_leaves_undefined_out():
    reference = box((8, 8, 8), slice(1, 3)) + box((8, 8, 8), slice(4, 6), value=2)
    test = np.where(reference == 2, 0, reference)
    rows = compare(segmentation(reference), [segmentation(test, name="t")])
    assert mean_over_segments(rows)["t"]["dice"] == 0.5 and mean_over_segments(rows)["t"]["hausdorff"] == 0


def test_texture_around_segments(data_folder):
    from MedCompressLib.volume import read_volume

    labels, _ = real_labels(data_folder, "brain tumor")
    image = read_volume(data_folder / "brats/brats_2013_pat0001_1_flair.nii.gz")
    smooth = Volume((image.array // 2).astype(image.array.dtype), image.geometry)
    whole = segmentation_from_labels(labels)
    row = compare(whole, [whole], images=(image, smooth))[0]
    expected = weighted_total_variation(image.array, labels.array == row.label_reference)
    assert row.wtv_reference == pytest.approx(expected)
    assert -60 < row.wtv_change_percent < -40
    with pytest.raises(MedCompressError, match="not on the grid"):
        compare(whole, [whole], images=(image, Volume(image.array[1:], image.geometry)))


def test_error_map_counts_are_those_of_the_row(data_folder):
    labels, values = real_labels(data_folder, "hippocampus")
    mask = around(labels.array, values[0])
    reference, test = segmentation(mask.view(np.uint8)), segmentation(changed(mask).view(np.uint8))
    errors = error_map(reference, test, match_segments(reference, test)[0], place(test, reference))
    counts, row = np.bincount(errors.ravel(), minlength=4), compare(reference, [test])[0]
    assert row.dice == pytest.approx(2 * counts[1] / (2 * counts[1] + counts[2] + counts[3]))
    assert row.precision == pytest.approx(counts[1] / (counts[1] + counts[2]))


def test_cancel_stops_the_comparison():
    reference = box((8, 8, 8), slice(1, 3))
    progress = Progress()
    progress.cancel()
    with pytest.raises(Exception, match="cancelled"):
        compare(segmentation(reference), [segmentation(reference)], progress=progress)


@pytest.fixture
def files(tmp_path):
    reference = box((8, 9, 10), slice(1, 4), slice(2, 5), slice(2, 5)) + box((8, 9, 10), 6, 6, 6, value=2)
    test = box((8, 9, 10), slice(1, 4), slice(2, 5), slice(3, 6))
    paths = []
    for name, array in (("ref.nrrd", reference), ("a.nii.gz", test), ("b.mha", reference.astype(np.float32))):
        write_volume(Volume(array, Geometry((1, 1, 2))), tmp_path / name)
        paths.append(str(tmp_path / name))
    return paths


def test_command_gives_rows(files, tmp_path, capsys):
    (tmp_path / "names.json").write_text('{"labels": {"background": 0, "liver": 1, "cyst": 2}}')
    options = ["--json", "--csv", str(tmp_path / "o.csv"), "--labels", str(tmp_path / "names.json")]
    assert main(["compare", *files, *options]) == 0
    rows = json.loads(capsys.readouterr().out, parse_constant=lambda text: pytest.fail(f"{text} is not JSON"))
    assert [(row["test"], row["segment"]) for row in rows] == [
        (path, segment) for path in files[1:] for segment in ("liver", "cyst")
    ]
    assert all(set(KEYS) <= set(row) and row["reference"] == files[0] for row in rows)
    assert rows[0]["hausdorff"] == 1 and rows[1]["hausdorff"] is None and rows[2]["dice"] == rows[3]["dice"] == 1
    with open(tmp_path / "o.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert [float(row["dice"]) for row in table] == [row["dice"] for row in rows]
    assert table[1]["hausdorff"] == "" and list(table[0]) == list(rows[0])
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_command_takes_pairs_for_each_test(files, tmp_path, capsys):
    (tmp_path / "m.json").write_text('[{"1": "1"}, {"1": "2", "2": "1"}]')
    assert main(["compare", *files, "--json", "--matches", str(tmp_path / "m.json")]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["segment"], row["segment_test"], row["matched_by"]) for row in rows] == [
        ("1", "1", "hand"), ("2", "", "none"), ("1", "2", "hand"), ("2", "1", "hand")
    ]  # fmt: skip
    assert [row["label_test"] for row in rows] == [1, None, 2, 1] and rows[2]["dice"] == 0


def test_command_prints_a_table_with_named_tests(files, capsys):
    assert main(["compare", *files]) == 0
    text = capsys.readouterr().out
    assert "surface Dice at 1 mm" in text and "mean" in text
    assert "paired t-test, two-sided, n = 2" in text and "Wilcoxon signed-rank test, two-sided, n = 2" in text


@pytest.mark.parametrize(
    "extra, cause",
    [
        (["--tolerance", "-1"], "tolerance"),
        (["--match", "liver"], "no '='"),
        (["--match", "liver=Leber"], "no segment 'liver'"),
        (["--matches", "missing.json"], "cannot be read"),
        (["--labels", "missing.json"], "cannot be read"),
        (["--images", "a.nrrd"], "does not exist"),
        (["--csv", "no/such/folder/o.csv"], "was not written"),
    ],
)
def test_command_says_what_is_wrong_in_one_line(files, extra, cause, capsys):
    assert main(["compare", *files, *extra]) == 2
    error = capsys.readouterr().err
    assert cause in error and error.count("\n") == 1
