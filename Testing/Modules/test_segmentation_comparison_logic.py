"""Segmentation nodes to the library's segmentations: names, terminology, overlaps, transforms, closed surfaces."""

import numpy as np
import pytest
from segmentation_scenes import GRID, addLabels, addSegmentation, balls, colorLegends  # noqa: F401


@pytest.fixture
def logic():
    from Harness import loadModule

    return loadModule("SegmentationComparison").widget.logic


def rowsOf(table):
    from MedCompressSlicer.comparison_table import rowsOfTable

    return {row.segment: row for row in rowsOfTable(table)}


def transformed(node, change):
    """Put a node under a linear transform."""
    import slicer
    import vtk

    transform, matrix = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode"), vtk.vtkTransform()
    change(matrix)
    transform.SetMatrixTransformToParent(matrix.GetMatrix())
    node.SetAndObserveTransformNodeID(transform.GetID())
    return transform


def move(matrix):
    matrix.RotateWXYZ(25, 1, 2, 3)
    matrix.Translate(7, -8, 9)


@pytest.mark.parametrize("kind", [addLabels, addSegmentation])
def test_parent_transforms_count_and_nodes_stay_as_they_are(logic, kind):
    import slicer

    labels = balls()
    reference, test = kind(labels, "truth"), kind(np.roll(labels, 2, axis=2), "test")
    plain = rowsOf(logic.compare(reference, test))
    transform = transformed(reference, move)
    assert next(iter(rowsOf(logic.compare(reference, test)).values())).dice < 0.5, "only one of them has moved"
    test.SetAndObserveTransformNodeID(transform.GetID())
    both = rowsOf(logic.compare(reference, test))
    matrix, flip = slicer.util.arrayFromTransformMatrix(transform), np.array([-1, -1, 1])
    for name, row in plain.items():
        assert both[name].dice == pytest.approx(row.dice) and both[name].hausdorff == pytest.approx(row.hausdorff)
        moved = matrix[:3, :3] @ (flip * row.largest_error_lps) + matrix[:3, 3]
        assert flip * both[name].largest_error_lps == pytest.approx(moved, abs=1e-3), "in world coordinates"
    error = logic.errorMap(logic.compare(reference, test), 0)
    assert error.GetParentTransformNode() is None, "results lie in the world"
    toRas = slicer.util.arrayFromVTKMatrix(transform.GetMatrixTransformToParent())
    origin = toRas @ np.array([*(flip * GRID["origin"]), 1.0])
    if kind is addLabels:
        assert error.GetOrigin() == pytest.approx(origin[:3], abs=1e-4)
    assert reference.GetTransformNodeID() == transform.GetID(), "the node itself is not hardened"


def test_scaling_transform_changes_distances(logic):
    labels = balls()
    reference, test = addSegmentation(labels, "truth"), addSegmentation(np.roll(labels, 2, axis=2), "test")
    before = rowsOf(logic.compare(reference, test))["liver"]
    transform = transformed(reference, lambda matrix: matrix.Scale(2, 2, 2))
    test.SetAndObserveTransformNodeID(transform.GetID())
    after = rowsOf(logic.compare(reference, test, tolerance=2.0))["liver"]
    assert after.hausdorff == pytest.approx(2 * before.hausdorff, rel=1e-5)
    assert after.volume_test_ml == pytest.approx(8 * before.volume_test_ml, rel=1e-5)
    assert (after.dice, after.surface_dice) == pytest.approx((before.dice, before.surface_dice), rel=1e-5)


def test_overlapping_segments_are_whole(logic):
    import slicer

    inner, outer = np.zeros((2, 20, 30, 30), np.uint8)
    outer[4:16, 4:26, 4:26] = 1
    inner[8:12, 10:20, 10:20] = 2
    node = addSegmentation(np.stack([outer, inner]), "layers")
    assert node.GetSegmentation().GetNumberOfLayers() == 2
    copy = addSegmentation(np.stack([outer, inner]), "copy")
    rows, voxel = rowsOf(logic.compare(node, copy)), np.prod(GRID["spacing"]) / 1000
    assert rows["liver"].volume_test_ml == pytest.approx(outer.sum() * voxel, rel=1e-5), "not minus what lies inside"
    assert rows["spleen"].volume_test_ml == pytest.approx((inner > 0).sum() * voxel, rel=1e-5)
    assert [row.dice for row in rows.values()] == [1.0, 1.0]
    overlap = [row.segment for row in rows.values()].index("spleen")
    assert (slicer.util.arrayFromVolume(logic.errorMap(logic.compare(node, copy), overlap)) == (inner > 0)).all()


def test_terminology_matches_what_is_named_otherwise(logic):
    liver = "x~SCT^123037004^Anatomical Structure~SCT^10200004^Liver~^^~x~^^~^^"
    spleen = liver.replace("10200004^Liver", "78961009^Spleen")
    reference = addSegmentation(balls(), "truth")
    test = addSegmentation(balls(), "test", {1: "Leber", 2: "Milz"})
    for node in (reference, test):
        for number, entry in enumerate((liver, spleen)):
            node.GetSegmentation().GetNthSegment(number).SetTag("TerminologyEntry", entry)
    rows = rowsOf(logic.compare(reference, test))
    assert {name: (row.matched_by, row.dice) for name, row in rows.items()} == {
        "liver": ("terminology", 1.0),
        "spleen": ("terminology", 1.0),
    }


def test_pairs_by_hand(logic):
    from MedCompressLib.errors import MedCompressError

    truth = addSegmentation(balls(), "truth")
    addSegmentation(balls(), "test", {1: "A", 2: "B"})
    for number in range(2):
        truth.GetSegmentation().GetNthSegment(number).SetTag("TerminologyEntry", "")
    rows = rowsOf(logic.compare("truth", "test", byHand={"liver": "A", "spleen": "B"}))
    assert [(row.matched_by, row.dice) for row in rows.values()] == [("hand", 1.0)] * 2
    with pytest.raises(MedCompressError, match="no segment 'C'"):
        logic.compare("truth", "test", byHand={"liver": "C"})


@pytest.mark.parametrize("kind", [addLabels, addSegmentation])
def test_nonlinear_transform_is_applied_too(logic, kind):
    """A warp that moves everything by two voxels, against the labels moved by two voxels."""
    import slicer
    import vtk

    labels = balls()
    test, expected = kind(np.roll(labels, 2, axis=1), "warped"), kind(labels, "expected")
    step = np.array([-1, -1, 1]) * np.array(GRID["direction"])[:, 1] * GRID["spacing"][1] * 2
    points, moved = vtk.vtkPoints(), vtk.vtkPoints()
    for corner in np.array(np.meshgrid(*[(-200, 200)] * 3)).reshape(3, -1).T:
        points.InsertNextPoint(corner)
        moved.InsertNextPoint(corner - step)
    warp = vtk.vtkThinPlateSplineTransform()
    warp.SetSourceLandmarks(points)
    warp.SetTargetLandmarks(moved)
    warp.SetBasisToR()
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode")
    transform.SetAndObserveTransformToParent(warp)
    test.SetAndObserveTransformNodeID(transform.GetID())
    rows = rowsOf(logic.compare(expected, test))
    assert len(rows) == 2 and all(row.dice > 0.97 for row in rows.values()), rows
    assert test.GetTransformNodeID() == transform.GetID()


def test_label_map_with_a_color_table_of_its_own_has_names(logic):
    import slicer

    reference = addSegmentation(balls(), "truth")
    labels = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "exported")
    slicer.modules.segmentations.logic().ExportAllSegmentsToLabelmapNode(reference, labels)
    rows = rowsOf(logic.compare(reference, labels))
    assert {name: (row.matched_by, row.dice) for name, row in rows.items()} == {
        "liver": ("name", 1.0),
        "spleen": ("name", 1.0),
    }


def test_closed_surfaces_are_compared_on_the_grid_of_the_reference(logic):
    reference, test = addSegmentation(balls(), "truth"), addSegmentation(balls(), "surfaces")
    segments = test.GetSegmentation()
    segments.SetConversionParameter("Smoothing factor", "0.0")
    assert segments.CreateRepresentation("Closed surface")
    segments.SetSourceRepresentationName("Closed surface")
    segments.RemoveRepresentation("Binary labelmap")
    segments.SetConversionParameter("Reference image geometry", "")
    rows = rowsOf(logic.compare(reference, test))
    assert all(row.matched_by == "name" and row.dice > 0.95 and row.grid == "same grid" for row in rows.values()), rows
    assert not segments.ContainsRepresentation("Binary labelmap"), "the node itself is not converted"


def test_other_grid_is_resampled_and_said(logic):
    fine = np.repeat(balls(), 2, axis=0)
    spacing = (GRID["spacing"][0], GRID["spacing"][1], GRID["spacing"][2] / 2)
    direction, origin = np.array(GRID["direction"]), np.array(GRID["origin"])
    start = origin - direction[:, 2] * spacing[2] / 2
    test = addSegmentation(fine, "fine", spacing=spacing, origin=tuple(start))
    rows = rowsOf(logic.compare(addSegmentation(balls(), "truth"), test))
    assert all(row.grid.startswith("resampled") and row.dice > 0.95 for row in rows.values())


def test_what_cannot_be_compared_is_named(logic):
    import slicer
    from MedCompressLib.errors import MedCompressError
    from scenes import addPhantom

    truth = addSegmentation(balls(), "truth")
    addPhantom()
    for tests, words in (
        ([], "nothing to compare"),
        (truth, "is the reference and a test"),
        ("absent", "no segmentation 'absent'"),
        ("CT", "no segmentation 'CT'"),
        (slicer.util.getNode("CT"), "neither a segmentation nor a label map"),
    ):
        with pytest.raises(MedCompressError, match=words):
            logic.compare("truth", tests)
    with pytest.raises(MedCompressError, match="no table of a comparison"):
        logic.plot(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", "other"))


def test_empty_segmentations(logic):
    import slicer

    truth = addSegmentation(balls(), "truth")
    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "empty")
    rows = rowsOf(logic.compare(truth, empty))
    assert [(row.matched_by, row.dice) for row in rows.values()] == [("none", 0.0)] * 2
    empty.GetSegmentation().AddEmptySegment("liver", "liver")
    rows = rowsOf(logic.compare(truth, empty))
    assert rows["liver"].matched_by == "name" and rows["liver"].dice == 0.0
    assert rowsOf(logic.compare(empty, truth))["liver"].volume_reference_ml == 0.0
    chart = logic.plot(logic.compare(empty, truth), "hausdorff")
    assert chart.GetNumberOfPlotSeriesNodes() == 1


def test_box_plot_of_many_tests(logic):
    import slicer

    labels = balls()
    truth = addSegmentation(labels, "truth")
    tests = [addSegmentation(np.roll(labels, shift, axis=2), "test") for shift in (1, 1, 2, 2, 12)]
    table = logic.compare(truth, tests)
    from MedCompressSlicer.comparison_table import rowsOfTable

    rows = rowsOfTable(table)
    assert len({row.test for row in rows}) == 5, "tests of one name stay apart"
    values = [row.dice for row in rows if row.segment == "liver"]
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    chart = logic.plot(table)
    series = {chart.GetNthPlotSeriesNode(n).GetName().split(" (")[0]: n for n in range(3)}
    paths = {name: chart.GetNthPlotSeriesNode(n).GetTableNode() for name, n in series.items()}
    boxes = slicer.util.arrayFromTableColumn(paths["Quartiles and whiskers"], "y")[:10]
    assert boxes[2] == pytest.approx(low) and boxes[3] == pytest.approx(high)
    assert slicer.util.arrayFromTableColumn(paths["Median"], "y")[0] == pytest.approx(middle)
    assert boxes.max() == pytest.approx(max(values))
    outliers = slicer.util.arrayFromTableColumn(paths["Outliers"], "y")
    assert min(values) in outliers and boxes.min() > min(values)


def test_signed_distances_against_vtk(logic, colorLegends):  # noqa: F811
    """The same distances and signs as vtkImplicitPolyDataDistance gives on the same two surfaces."""
    import slicer
    import vtk
    from MedCompressLib.comparison import place
    from MedCompressLib.comparison.compare import crops
    from MedCompressLib.comparison.matching import match_segments
    from MedCompressSlicer import distance_surface as surfaces
    from MedCompressSlicer.segmentations import segmentationFromNode
    from vtk.util.numpy_support import vtk_to_numpy

    labels = balls()
    reference, test = addSegmentation(labels, "truth"), addSegmentation(np.roll(labels, 2, axis=2), "test")
    ours = segmentationFromNode(reference)
    placed = place(segmentationFromNode(test, ours), ours)
    match = match_segments(ours, placed.segmentation)[0]
    mask, other, _start = crops(placed.__class__(ours), placed, match, (1, 1, 1))
    exact = surfaces._contour(other, ours.geometry.spacing)
    implicit = vtk.vtkImplicitPolyDataDistance()
    implicit.SetInput(surfaces._contour(mask, ours.geometry.spacing))
    expected = np.array([implicit.EvaluateFunction(point) for point in vtk_to_numpy(exact.GetPoints().GetData())])
    surface = surfaces.distanceSurface(ours, placed, match)
    found = vtk_to_numpy(surface.GetPointData().GetArray("SignedDistance"))
    assert np.abs(found) == pytest.approx(np.abs(expected), abs=1e-4)
    assert np.mean(found * expected >= -1e-6) > 0.98, "signs agree but where VTK's depend on a normal at an edge"
    assert (found > 1e-4).sum() > 100 and (found < -1e-4).sum() > 100
    table = logic.compare(reference, test)
    hausdorff = rowsOf(table)["liver"].hausdorff
    assert found.max() <= hausdorff + 0.5 and found.max() == pytest.approx(hausdorff, rel=0.1)
    model = logic.surface(table, 0)
    points = slicer.util.arrayFromModelPoints(model)
    toRas = np.array([[-1], [-1], [1]]) * np.array(GRID["direction"]) * GRID["spacing"]
    middle = toRas @ np.mean(np.argwhere(np.roll(labels, 2, axis=2) == 1)[:, ::-1], axis=0) + (-3, 4, 5)
    assert points.mean(axis=0) == pytest.approx(middle, abs=0.5), "in the world, where the segment is"
