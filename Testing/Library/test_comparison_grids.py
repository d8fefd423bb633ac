"""Segmentations on other grids: placed where only the extent differs, resampled where not, refused when strict."""

import numpy as np
import pytest
import SimpleITK
from comparison_cases import around, changed, real_labels
from MedCompressLib.__main__ import main
from MedCompressLib.comparison import compare, place, segmentation_from_labels
from MedCompressLib.comparison.surface_elements import border_voxels
from MedCompressLib.errors import MedCompressError
from MedCompressLib.volume import Geometry, Volume, write_volume
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation


def oblique(angles=(20, -35, 50)) -> tuple:
    return tuple(map(tuple, Rotation.from_euler("xyz", angles, degrees=True).as_matrix()))


def image_of(volume: Volume) -> SimpleITK.Image:
    image = SimpleITK.GetImageFromArray(volume.array)
    image.SetSpacing(volume.geometry.spacing)
    image.SetOrigin(volume.geometry.origin)
    image.SetDirection(np.ravel(volume.geometry.direction).tolist())
    return image


def physical(mask: np.ndarray, geometry: Geometry) -> np.ndarray:
    ijk = np.argwhere(border_voxels(np.pad(mask, 1)))[:, ::-1] - 1
    return np.array(geometry.origin) + (ijk * geometry.spacing) @ np.array(geometry.direction).T


def compare_one(reference: Volume, test: Volume, **options):
    return compare(segmentation_from_labels(reference), [segmentation_from_labels(test)], **options)[0]


@pytest.fixture(scope="module")
def hippocampus(data_folder) -> tuple[np.ndarray, np.ndarray]:
    labels, values = real_labels(data_folder, "hippocampus")
    mask = around(labels.array, values[0])
    return mask, changed(mask)


def test_oblique_anisotropic_distances_are_those_of_points_in_the_patient(hippocampus):
    geometry = Geometry((0.8, 1.3, 2.7), (-31.5, 210.0, 4.25), oblique())
    row = compare_one(*(Volume(mask.astype(np.int16), geometry) for mask in hippocampus))
    points = [physical(mask, geometry) for mask in hippocampus]
    there, back = cKDTree(points[1]).query(points[0])[0], cKDTree(points[0]).query(points[1])[0]
    assert row.hausdorff_boundary == pytest.approx(max(there.max(), back.max()), abs=1e-6)
    assert row.smbd == pytest.approx((there.mean() + back.mean()) / 2, abs=1e-6)
    farthest = points[0][there.argmax()] if there.max() > back.max() else points[1][back.argmax()]
    assert np.linalg.norm(np.array(row.largest_error_lps) - farthest) < np.linalg.norm(geometry.spacing) * 2


@pytest.mark.parametrize("name", ["abdomen and pelvis", "liver, thick slices"])
def test_volumes_centroids_and_slices_are_those_of_simpleitk(name, data_folder):
    labels, values = real_labels(data_folder, name)
    geometry = Geometry(labels.geometry.spacing, (-31.5, 210.0, 4.25), oblique())
    for mask in (around(labels.array, value) for value in values):
        masks = [np.ascontiguousarray(m, np.uint8) for m in (mask, changed(mask))]
        row = compare_one(*(Volume(m, geometry) for m in masks))
        sizes, centers = [], []
        for m in masks:
            shape = SimpleITK.LabelShapeStatisticsImageFilter()
            shape.Execute(image_of(Volume(m, geometry)))
            sizes.append(shape.GetPhysicalSize(1) / 1000)
            centers.append(np.array(shape.GetCentroid(1)))
        assert (row.volume_reference_ml, row.volume_test_ml) == pytest.approx(sizes)
        assert row.volume_difference_ml == pytest.approx(sizes[1] - sizes[0])
        assert row.centroid_distance == pytest.approx(np.linalg.norm(centers[1] - centers[0]), abs=1e-6)
        found = []
        for ours, theirs in zip(*masks, strict=True):
            if ours.any() or theirs.any():
                overlap = SimpleITK.LabelOverlapMeasuresImageFilter()
                overlap.Execute(*map(SimpleITK.GetImageFromArray, (ours, theirs)))
                found.append(overlap.GetJaccardCoefficient())
        assert row.jaccard_per_slice == pytest.approx(np.mean(found))


@pytest.mark.parametrize("direction", [np.eye(3).tolist(), oblique()], ids=["straight", "oblique"])
def test_cropped_and_shifted_extents_change_nothing(hippocampus, direction):
    reference, test = (mask.astype(np.uint8) for mask in hippocampus)
    geometry = Geometry((0.8, 1.3, 2.7), (5.0, 6.0, 7.0), direction)
    k, j, i = (slice(np.flatnonzero(test.any(axes))[0], None) for axes in ((1, 2), (0, 2), (0, 1)))
    start = np.array(geometry.origin) + np.array(direction) @ (np.array(geometry.spacing) * (i.start, j.start, k.start))
    start = np.float32(start).astype(float)
    cropped = Volume(np.ascontiguousarray(test[k, j, i]), Geometry(geometry.spacing, tuple(start), direction))
    whole, part = (
        compare_one(Volume(reference, geometry), Volume(test, geometry)),
        compare_one(Volume(reference, geometry), cropped),
    )
    assert part.grid == "same grid, other extent" and whole.grid == "same grid"
    for name in ("dice", "jaccard_per_slice", "hausdorff", "smbd", "average_hausdorff", "volume_test_ml"):
        assert getattr(part, name) == getattr(whole, name)
    with pytest.raises(MedCompressError, match="strict"):
        compare_one(Volume(reference, geometry), cropped, strict=True)


def test_extents_that_do_not_touch():
    voxel = np.ones((1, 1, 1), np.uint8)
    row = compare_one(Volume(voxel), Volume(voxel, Geometry(origin=(3.0, 4.0, 0.0))))
    assert row.dice == 0 and row.hausdorff == row.centroid_distance == 5 and row.volume_test_ml == 0.001


def test_other_grids_are_resampled_as_simpleitk_does(hippocampus):
    reference = Volume(hippocampus[0].astype(np.uint8), Geometry((0.9, 1.1, 1.6), (1.0, 2.0, 3.0), oblique()))
    test = Volume(hippocampus[1].astype(np.uint8), Geometry((1.0, 0.7, 1.2), (2.5, 1.0, 1.0), oblique((22, -33, 48))))
    placed = place(segmentation_from_labels(test), segmentation_from_labels(reference))
    size = [n + 40 for n in reversed(reference.array.shape)]
    grid = SimpleITK.Image(size, SimpleITK.sitkUInt8)
    grid.CopyInformation(image_of(Volume(np.zeros(size[::-1], np.uint8), reference.geometry)))
    inside = image_of(reference).TransformIndexToPhysicalPoint([-20, -20, -20])
    grid.SetOrigin(inside)
    nearest = SimpleITK.Resample(image_of(test), grid, SimpleITK.Transform(), SimpleITK.sitkNearestNeighbor)
    segment = placed.segmentation.segments[0]
    ours = placed.crop(segment, np.full(3, -20), np.array(size[::-1]) - 20)
    np.testing.assert_array_equal(ours, SimpleITK.GetArrayFromImage(nearest) == 1)
    row = compare_one(reference, test)
    assert row.grid == "resampled to the nearest voxel" and row.volume_test_ml > 0


def test_flipped_axes_are_the_same_voxels(hippocampus):
    reference, test = (mask.astype(np.uint8) for mask in hippocampus)
    geometry = Geometry((1.0, 1.5, 2.0), (10.0, 20.0, 30.0))
    last = np.array(test.shape[::-1]) - 1
    flipped = Volume(
        np.ascontiguousarray(test[:, ::-1, ::-1]),
        Geometry(
            geometry.spacing,
            (10.0 + last[0], 20.0 + 1.5 * last[1], 30.0),
            ((-1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, 1.0)),
        ),
    )
    ours, straight = (
        compare_one(Volume(reference, geometry), flipped),
        compare_one(Volume(reference, geometry), Volume(test, geometry)),
    )
    assert ours.dice == straight.dice and ours.hausdorff == straight.hausdorff
    assert ours.volume_test_ml == straight.volume_test_ml


def test_an_empty_test_on_another_grid():
    reference = Volume(np.ones((3, 3, 3), np.uint8))
    row = compare_one(reference, Volume(np.zeros((2, 2, 2), np.uint8), Geometry((3.3, 3.3, 3.3))))
    assert row.dice == 0 and row.volume_test_ml == 0


def test_sheared_axes():
    sheared = Geometry(direction=((1.0, 0.0, np.sin(0.3)), (0.0, 1.0, 0.0), (0.0, 0.0, np.cos(0.3))))
    labels = np.ones((3, 3, 3), np.uint8)
    with pytest.raises(MedCompressError, match="right angles"):
        compare_one(Volume(labels, sheared), Volume(labels, sheared))
    assert compare_one(Volume(labels), Volume(labels, sheared)).grid == "resampled to the nearest voxel"


def test_command_says_that_it_resampled_and_strict_refuses(tmp_path, capsys):
    labels = np.zeros((6, 6, 6), np.uint8)
    labels[2:4, 2:4, 2:4] = 1
    write_volume(Volume(labels), tmp_path / "r.nrrd")
    write_volume(Volume(labels, Geometry((1.1, 1.0, 1.0))), tmp_path / "t.nrrd")
    arguments = ["compare", str(tmp_path / "r.nrrd"), str(tmp_path / "t.nrrd")]
    assert main(arguments) == 0
    shown = capsys.readouterr()
    assert "resampled to the nearest voxel" in shown.out and "resampled to the nearest voxel" in shown.err
    assert main([*arguments, "--strict"]) == 2
    error = capsys.readouterr().err
    assert "does not have the grid" in error and error.count("\n") == 1
