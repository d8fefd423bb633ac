"""Distances between surfaces are what other implementations and the definitions themselves say they are."""

import numpy as np
import pytest
import SimpleITK
from comparison_cases import REAL, around, changed, image_of, real_labels, real_pairs, surface_by_scipy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from MedCompressLib.comparison import overlap, surface_measures
from MedCompressLib.comparison.nearest import margin, nearest_distances
from MedCompressLib.comparison.surface_elements import element_areas
from MedCompressLib.errors import MedCompressError
from scipy.spatial.distance import cdist

pytestmark = pytest.mark.filterwarnings("ignore:.*ndimage.*:DeprecationWarning")
TOLERANCE_MM = 1e-3


def deepmind(reference: np.ndarray, test: np.ndarray, spacing: tuple[float, ...], tolerance: float) -> dict:
    surface_distance = pytest.importorskip("surface_distance")
    found = surface_distance.compute_surface_distances(reference, test, spacing)
    return {
        "hausdorff": surface_distance.compute_robust_hausdorff(found, 100),
        "hausdorff_95": surface_distance.compute_robust_hausdorff(found, 95),
        "surface_dice": surface_distance.compute_surface_dice_at_tolerance(found, tolerance),
    }


@pytest.fixture(scope="module", params=list(REAL))
def pairs(request, data_folder):
    return real_pairs(data_folder, request.param)


def test_surface_elements_equal_deepmind(pairs):
    for reference, test, spacing in pairs:
        ours = surface_measures(reference, test, spacing, 1.0)
        for name, value in deepmind(reference, test, spacing[::-1], 1.0).items():
            assert getattr(ours, name) == pytest.approx(value, abs=TOLERANCE_MM), name


def test_border_voxels_equal_a_distance_transform(pairs):
    for reference, test, spacing in pairs:
        ours = surface_measures(reference, test, spacing)
        for name, value in surface_by_scipy(reference, test, spacing[::-1]).items():
            assert getattr(ours, name) == pytest.approx(value, abs=TOLERANCE_MM), name


def test_all_voxels_and_overlap_equal_simpleitk(pairs):
    for reference, test, spacing in pairs:
        images = [image_of(mask, spacing) for mask in (reference, test)]
        hausdorff, measures = SimpleITK.HausdorffDistanceImageFilter(), SimpleITK.LabelOverlapMeasuresImageFilter()
        hausdorff.Execute(*images)
        measures.Execute(*reversed(images))
        ours, counts = surface_measures(reference, test, spacing), overlap(reference, test)
        assert ours.average_hausdorff == pytest.approx(hausdorff.GetAverageHausdorffDistance(), abs=TOLERANCE_MM)
        assert ours.hausdorff_voxels == pytest.approx(hausdorff.GetHausdorffDistance(), abs=TOLERANCE_MM)
        assert counts.dice == pytest.approx(measures.GetDiceCoefficient())
        assert counts.jaccard == pytest.approx(measures.GetJaccardCoefficient())
        assert 1 - counts.recall == pytest.approx(measures.GetFalseNegativeError())
        assert 1 - counts.precision == pytest.approx(measures.GetFalseDiscoveryRate())


def test_one_slice_has_a_contour(data_folder):
    labels, values = real_labels(data_folder, "liver, thick slices")
    reference = around(labels.array, values[0])
    reference, test = reference[9], changed(reference)[9]
    ours = surface_measures(reference[None], test[None], labels.geometry.spacing, 1.0)
    for name, value in deepmind(reference, test, labels.geometry.spacing[1::-1], 1.0).items():
        assert getattr(ours, name) == pytest.approx(value, abs=TOLERANCE_MM), name
    for name, value in surface_by_scipy(reference, test, labels.geometry.spacing[1::-1]).items():
        assert getattr(ours, name) == pytest.approx(value, abs=TOLERANCE_MM), name


def test_areas_of_known_bodies():
    areas = element_areas((3.0, 2.0, 0.5))
    assert areas[0] == areas[255] == 0 and (areas[1:255] > 0).all()
    assert areas[0b00001111] == pytest.approx(2.0 * 0.5)
    assert areas[0b00000001] == pytest.approx(np.linalg.norm(np.cross([1.5, 0, -0.25], [0, 1.0, -0.25])) / 2)


masks = arrays(bool, st.tuples(*[st.integers(1, 6)] * 3), elements=st.booleans())
spacings = st.tuples(*[st.sampled_from((0.3, 0.9765625, 1.0, 2.5, 7.0))] * 3)


@settings(max_examples=60, deadline=None)
@given(masks, st.data(), spacings)
def test_definitions_spelled_out(reference, data, spacing):
    test = data.draw(arrays(bool, reference.shape, elements=st.booleans()))
    ours = surface_measures(reference, test, spacing)
    back = surface_measures(test, reference, spacing)
    same = [name for name in vars(ours) if name != "largest_error"]
    assert all(np.isclose(getattr(ours, n), getattr(back, n), equal_nan=True) for n in same)
    if not reference.any() or not test.any():
        assert all(np.isnan(getattr(ours, name)) for name in same if name != "surface_dice")
        assert np.isnan(ours.surface_dice) if not reference.any() and not test.any() else ours.surface_dice == 0
        return
    points = [np.argwhere(mask) * spacing[::-1] for mask in (reference, test)]
    distances = cdist(*points)
    assert ours.average_hausdorff == pytest.approx((distances.min(0).mean() + distances.min(1).mean()) / 2)
    assert ours.hausdorff_voxels == pytest.approx(max(distances.min(0).max(), distances.min(1).max()))
    assert (ours.largest_error is None) == (ours.hausdorff == 0)
    assert 0 <= ours.hausdorff_95 <= ours.hausdorff and 0 <= ours.surface_dice <= 1
    if (reference == test).all():
        assert ours.hausdorff == ours.smbd == ours.average_hausdorff == 0 and ours.surface_dice == 1


@pytest.mark.parametrize("searching, marked", [(3, 3), (40, 200), (4000, 2)], ids=["few", "tree", "transform"])
def test_far_voxels(searching, marked):
    spacing, shape, random = (1.5, 0.7, 0.9), (70, 60, 60), np.random.default_rng(5)
    field = np.zeros(shape, bool)
    field[tuple(random.integers(12, 18, (3, marked)))] = True
    pad = margin(spacing, False)
    at = np.stack([random.integers(40, n - p, searching) for n, p in zip(shape, pad, strict=True)])
    found = nearest_distances(np.ravel_multi_index(at, shape), field, spacing)
    expected = cdist(at.T * spacing, np.argwhere(field) * spacing).min(1)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_largest_error_is_where_it_is():
    reference = np.zeros((20, 20, 20), bool)
    reference[5:10, 5:10, 5:10] = True
    test = reference.copy()
    test[7, 7, 16] = True
    found = surface_measures(reference, test, (1.0, 1.0, 2.0))
    assert found.hausdorff == pytest.approx(7.0)
    assert np.abs(np.array(found.largest_error) - (7, 7, 16)).max() <= 0.5


def test_what_cannot_be_measured_is_said():
    mask = np.ones((2, 2, 2), bool)
    with pytest.raises(MedCompressError, match="equal shape"):
        surface_measures(mask, mask[:1], (1, 1, 1))
    with pytest.raises(MedCompressError, match="tolerance"):
        surface_measures(mask, mask, (1, 1, 1), -1)
