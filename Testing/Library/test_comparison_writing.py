"""Segmentations written for another process come back whole, also in Slicer's own reader's terms."""

import numpy as np
import pytest
from MedCompressLib.comparison import (
    Row,
    Segment,
    Segmentation,
    compare,
    read_segmentation,
    segmentation_from_labels,
    write_segmentation,
)
from MedCompressLib.errors import MedCompressError
from MedCompressLib.volume import Geometry, Volume

OBLIQUE = ((0.8, 0.36, -0.48), (-0.6, 0.48, -0.64), (0.0, 0.8, 0.6))
GEOMETRY = Geometry((0.7, 0.8, 2.5), (-12.5, 30.25, -101.0), OBLIQUE)


def two_layers() -> Segmentation:
    layers = np.zeros((2, 6, 8, 9), np.uint16)
    layers[0, 1:4, 2:6, 2:7], layers[1, 2:5, 1:6, 3:8] = 40000, 7
    codes = "SCT^123037004~SCT^10200004~~SCT^1~"
    segments = Segment("Leber \u00e4, rechts", 40000, 0, codes), Segment("a~b|c", 7, 1), Segment("empty", 2, 1)
    return Segmentation(tuple(layers), segments, GEOMETRY, "two")


def test_names_terminology_layers_and_geometry_come_back(tmp_path):
    written = two_layers()
    write_segmentation(written, tmp_path / "x.seg.nrrd")
    found = read_segmentation(tmp_path / "x.seg.nrrd")
    assert found.segments == written.segments and found.geometry.is_close(GEOMETRY, 1e-9)
    assert all(np.array_equal(a, b) for a, b in zip(found.layers, written.layers, strict=True))


def test_labels_without_names_stay_without(tmp_path):
    written = segmentation_from_labels(Volume(two_layers().layers[0], GEOMETRY))
    write_segmentation(written, tmp_path / "x.nrrd")
    assert read_segmentation(tmp_path / "x.nrrd").segments == written.segments


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(MedCompressError, match="was not written"):
        write_segmentation(two_layers(), tmp_path / "gone" / "x.seg.nrrd")


def test_rows_come_back_from_json():
    import json

    rows = compare(two_layers(), [Segmentation(two_layers().layers[:1], two_layers().segments[:1], GEOMETRY, "one")])
    again = [Row.from_dict(json.loads(json.dumps(row.as_dict()))) for row in rows]
    assert list(map(repr, again)) == list(map(repr, rows)) and any(row.label_test is None for row in rows)
