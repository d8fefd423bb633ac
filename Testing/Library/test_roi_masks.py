"""Masks: from labels, thresholds, boxes and probabilities, on the volume's grid."""

import json

import numpy as np
import pytest
from archives import OBLIQUE, textured
from MedCompressLib.errors import MedCompressError
from MedCompressLib.roi import (
    Mask,
    from_box,
    from_labels,
    from_markups,
    from_otsu,
    from_probability,
    from_threshold,
    guidance,
    with_margin,
)
from MedCompressLib.volume import Geometry, Volume


def volume(shape=(6, 20, 24), geometry=OBLIQUE) -> Volume:
    return Volume(textured(shape), geometry, "CT")


def test_labels_on_the_same_grid_are_taken_as_they_are():
    image = volume()
    labels = np.zeros(image.array.shape, np.uint8)
    labels[1:3, 4:9], labels[4, 2:5] = 5, 6
    label_map = Volume(labels, OBLIQUE)
    assert np.array_equal(from_labels(label_map, [5, 6], image).array, labels != 0)
    assert np.array_equal(from_labels(label_map, [6], image).array, labels == 6)
    assert from_labels(label_map, None, image).notes == ()
    with pytest.raises(MedCompressError, match="holds 5, 6"):
        from_labels(label_map, [7], image)


def test_another_grid_is_resampled_and_said():
    image = volume()
    fine = Geometry(tuple(s / 2 for s in OBLIQUE.spacing), OBLIQUE.origin, OBLIQUE.direction)
    coarse = np.zeros(image.array.shape, bool)
    coarse[2:5, 6:15, 3:20] = True
    labels = np.zeros((12, 40, 48), np.uint8)
    labels[4:9, 12:29, 6:39] = 3
    mask = from_labels(Volume(labels, fine), [3], image)
    assert np.array_equal(mask.array, coarse)
    assert "nearest voxel" in mask.notes[0]


def test_oblique_box_holds_exactly_the_voxels_within():
    image = volume((9, 15, 17))
    direction, spacing = np.array(OBLIQUE.direction), np.array(OBLIQUE.spacing)
    turn = np.radians(30)
    axes = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    center = np.array(OBLIQUE.origin) + direction @ (spacing * (8, 7, 4))
    size = np.array([6.0, 5.0, 11.0])
    mask = from_box(image, center, size, axes).array
    for k, j, i in np.ndindex(mask.shape):
        lps = np.array(OBLIQUE.origin) + direction @ (spacing * (i, j, k))
        assert mask[k, j, i] == (np.abs(axes.T @ (lps - center)) <= size / 2 + 1e-9).all()


ROI = {
    "type": "ROI",
    "coordinateSystem": "RAS",
    "roiType": "Box",
    "center": [10.0, 20.0, -30.0],
    "orientation": [0.8660254037844386, -0.4698463103929541, 0.1710100716628343, 0.4999999999999999,
                    0.8137976813493737, -0.2961981327260238, 0.0, 0.34202014332566866, 0.9396926207859083],
    "size": [40.0, 30.0, 20.0],
    "insideOut": False,
}  # fmt: skip
"""As Slicer 5.12 saves a turned ROI; there its corner (20, 15, 10) is at (21.98291414, 39.24498389, -15.47277164)."""


def test_box_of_slicer_markups(tmp_path):
    path = tmp_path / "R.mrk.json"

    def save(*markups):
        path.write_text(json.dumps({"@schema": "markups-schema-v1.0.4.json#", "markups": markups}))

    corner, center = np.array([-21.98291414, -39.24498389, -15.47277164]), np.array([-10.0, -20.0, -30.0])
    ends = center + (corner - center) * np.array([[0.98], [1.02]])
    probe = [Volume(np.zeros((1, 1, 1), np.int16), Geometry((1.0, 1.0, 1.0), tuple(end))) for end in ends]
    flip = np.array([[-1.0], [-1.0], [1.0]])
    turned = (np.array(ROI["orientation"]).reshape(3, 3) * flip).ravel().tolist()
    lps = {**ROI, "coordinateSystem": "LPS", "center": center.tolist(), "orientation": turned}
    for box in (ROI, lps, {**ROI, "coordinateSystem": 0}):
        save(box)
        assert from_markups(path, probe[0]).voxels == 1
        with pytest.raises(MedCompressError, match="empty"):
            from_markups(path, probe[1])
    coarse = Volume(np.zeros((30, 30, 30), np.int16), Geometry((2.0, 2.0, 2.0), (-39.0, -49.0, -59.0)))
    assert from_markups(path, coarse).voxels * 8 == pytest.approx(40 * 30 * 20, rel=0.02)
    for wrong in ({"insideOut": True}, {"size": [1, 2]}, {"type": "Line"}, {"coordinateSystem": "XYZ"}):
        save({**ROI, **wrong})
        with pytest.raises(MedCompressError, match="ROI"):
            from_markups(path, coarse)
    for count in (0, 2):
        save(*[ROI] * count)
        with pytest.raises(MedCompressError, match="ROI"):
            from_markups(path, coarse)
    path.write_text("no JSON")
    for missing in (path, tmp_path / "none.mrk.json"):
        with pytest.raises(MedCompressError):
            from_markups(missing, coarse)


def test_margin_is_in_millimeters():
    image = volume((9, 21, 23), Geometry((0.5, 1.0, 2.0)))
    seed = np.zeros(image.array.shape, bool)
    seed[4, 10, 11] = True
    grown = with_margin(Mask(seed), 2.0, image.geometry).array
    k, j, i = np.indices(seed.shape)
    distance = np.sqrt(((i - 11) * 0.5) ** 2 + (j - 10) ** 2 + ((k - 4) * 2.0) ** 2)
    assert np.array_equal(grown, distance <= 2.0 + 1e-9)
    assert with_margin(Mask(seed), 0, image.geometry).voxels == 1
    with pytest.raises(MedCompressError, match="margin"):
        with_margin(Mask(seed), -1, image.geometry)


def test_thresholds():
    image = volume()
    assert np.array_equal(from_threshold(image, 10, 200).array, (image.array >= 10) & (image.array <= 200))
    two = np.where(np.indices(image.array.shape)[2] < 12, 0, 1000) + textured(image.array.shape) // 20
    assert np.array_equal(from_otsu(Volume(two.astype(np.int16))).array, np.indices(two.shape)[2] >= 12)
    for wrong in (lambda: from_threshold(image, 5000), lambda: from_threshold(image), lambda: Mask(two < -5000)):
        with pytest.raises(MedCompressError):
            wrong()


def test_probability_is_dilated_by_the_disc_and_thresholded():
    """Against a grey dilation written from its definition."""
    probability = np.zeros((2, 30, 40), np.float32)
    probability[0, 12, 20], probability[0, 3, 5], probability[1, 29, 0] = 0.8, 0.6, 0.9
    for disc in (7, 8, 30):
        offsets = np.arange(disc) - disc // 2 + 0.5 * (1 - disc % 2)
        expected = np.zeros_like(probability)
        for k, j, i in zip(*np.nonzero(probability), strict=True):
            for dj in offsets:
                for di in offsets:
                    y, x = int(j + np.floor(dj)), int(i + np.floor(di))
                    if dj * dj + di * di <= (disc / 2) ** 2 and 0 <= y < 30 and 0 <= x < 40:
                        expected[k, y, x] = max(expected[k, y, x], probability[k, j, i])
        expected[expected > 0.75] = 1
        found = guidance(probability, 0.75, disc)
        assert np.array_equal(found, expected) and (0 < found).any() and (found < 1).any()
    image = Volume(np.zeros(probability.shape, np.int16))
    assert from_probability(Volume(probability), image).array[0, 12, 20]
    below = Volume(probability[:1], Geometry((1.0, 1.0, 3.0)))
    moved = from_probability(below, Volume(image.array, Geometry((1.0, 1.0, 1.0))))
    assert np.array_equal(moved.array[0], moved.array[1]) and moved.array[1, 12, 20] and "nearest" in moved.notes[0]


def test_masks_that_cannot_be_meant_are_refused_and_parts_that_miss_are_said():
    image = volume()
    labels = np.zeros(image.array.shape, np.uint8)
    labels[1:3, 4:12] = 5
    assert "label 6, 9" in from_labels(Volume(labels, OBLIQUE), [9, 5, 6], image).notes[0]
    step = np.array(OBLIQUE.direction)[:, 1] * OBLIQUE.spacing[1]
    moved = Geometry(OBLIQUE.spacing, tuple(OBLIQUE.origin - 6 * step), OBLIQUE.direction)
    mask = from_labels(Volume(labels, moved), [5], image)
    assert "25.0% of it lies outside" in mask.notes[0] and mask.voxels == 0.75 * (labels == 5).sum()
    far = Geometry(OBLIQUE.spacing, tuple(OBLIQUE.origin + 99 * step), OBLIQUE.direction)
    with pytest.raises(MedCompressError, match="same scan"):
        from_labels(Volume(labels, far), [5], image)
    for wrong, words in ((255.0, "from 0 to 1"), (np.nan, "without NaN"), (0.5, "above 0.75")):
        with pytest.raises(MedCompressError, match=words):
            from_probability(Volume(np.where(labels, wrong, 0).astype(np.float32), OBLIQUE), image)
