"""The panel of SegmentationComparison, by real clicks, and its results against the library."""

import csv
import math

import numpy as np
import pytest
from children import pausing
from Harness import answer, choose, click, grab, loadModule, messages, waitFor
from segmentation_scenes import addLabels, addSegmentation, balls, clickHeader, clickRow, colorLegends  # noqa: F401
from test_segmentation_comparison_pictures import pictures  # noqa: F401


@pytest.fixture
def scene(colorLegends):  # noqa: F811
    """A reference and two tests with two segments each: balls, moved by one voxel and by three along i."""
    reference = balls()
    addSegmentation(reference, "truth")
    addSegmentation(np.roll(reference, 1, axis=2), "near")
    addSegmentation(np.roll(reference, 3, axis=2), "far")
    return reference


@pytest.fixture
def panel(scene):
    return loadModule("SegmentationComparison")


def compareByClick(panel):
    click(panel.widget.ui.compareButton)
    waitFor(lambda: not panel.widget.jobs.running)


def tableRows(panel):
    from MedCompressSlicer.comparison_table import rowsOfTable

    return rowsOfTable(panel.widget._parameterNode.table)


def shownSegments(ui) -> list[str]:
    """Test and segment of each row, as the user reads them."""
    model = ui.resultTable.model()
    return [f"{model.index(row, 0).data()} {model.index(row, 1).data()}" for row in range(model.rowCount())]


def test_one_click_gives_all_results_equal_to_the_library(panel, scene):
    import slicer
    from MedCompressLib.comparison import compare, segmentation_from_labels
    from MedCompressLib.comparison.rows import MEASURES
    from MedCompressLib.volume import Geometry, Volume
    from scenes import OBLIQUE

    ui = panel.widget.ui
    assert ui.testList.count == 2 and ui.referenceSelector.currentNode().GetName() == "truth"
    compareByClick(panel)
    geometry = Geometry((1.5, 1.0, 2.0), (3.0, -4.0, 5.0), OBLIQUE)
    maps = [np.roll(scene, shift, axis=2) for shift in (0, 1, 3)]
    names = {1: "liver", 2: "spleen"}
    library = [segmentation_from_labels(Volume(labels, geometry), names) for labels in maps]
    expected = compare(library[0], library[1:])
    found = tableRows(panel)
    assert [(row.test, row.segment) for row in found] == [
        ("near", "liver"), ("near", "spleen"), ("far", "liver"), ("far", "spleen")
    ]  # fmt: skip
    for row, other in zip(found, expected, strict=True):
        for measure in MEASURES:
            assert getattr(row, measure) == pytest.approx(getattr(other, measure), rel=1e-5, abs=1e-5, nan_ok=True), (
                measure
            )
        assert row.reference == "truth"
    assert found[2].hausdorff == pytest.approx(4.5, abs=0.01), "three voxels of 1.5 mm"
    parameters = panel.widget._parameterNode
    assert "near, far against truth" in ui.summaryLabel.text and "Done in" in ui.statusLabel.text
    errors = slicer.util.arrayFromVolume(parameters.errorMap)
    assert errors.shape == scene.shape, "on the grid of the reference"
    chosen = [index.row() for index in ui.resultTable.selectedIndexes()]
    assert set(chosen) == {int(np.argmax([row.hausdorff for row in found]))}, "the largest error is shown at once"
    assert parameters.surface.GetPolyData().GetNumberOfPoints() and parameters.chart.GetNumberOfPlotSeriesNodes() == 3


def test_click_on_a_row_shows_its_errors_and_jumps_there(panel, scene):
    import slicer
    from scenes import addSliceView, removeSliceViews

    red, composite = addSliceView()
    try:
        compareByClick(panel)
        ui, row = panel.widget.ui, tableRows(panel)[1]
        clickRow(ui.resultTable, 1)
        center = [red.GetSliceToRAS().GetElement(axis, 3) for axis in range(3)]
        left, posterior, superior = row.largest_error_lps
        assert center == pytest.approx([-left, -posterior, superior], abs=1e-4)
        node = panel.widget._parameterNode.errorMap
        assert composite.GetLabelVolumeID() == node.GetID()
        ours, theirs = scene == 2, np.roll(scene, 1, axis=2) == 2
        assert np.array_equal(slicer.util.arrayFromVolume(node), ours * 3 - (ours & theirs) * 2 + (theirs & ~ours) * 2)
        assert np.count_nonzero(ours & theirs) * 2 / (ours.sum() + theirs.sum()) == pytest.approx(row.dice, abs=1e-6)
        clickRow(ui.resultTable, 2)
        assert panel.widget._parameterNode.errorMap is node, "the same node is filled anew"
        assert node.GetName() == "far: errors of liver"
    finally:
        removeSliceViews()


def test_titles_sort_numbers_as_numbers_and_undefined_last(panel, scene):
    import slicer

    addSegmentation(scene * (scene == 1), "half")
    compareByClick(panel)
    ui = panel.widget.ui
    clickHeader(ui.resultTable, "Hausdorff (mm)")
    values = [row.hausdorff for row in tableRows(panel)]
    assert len(values) == 6
    assert values[:-1] == sorted(values[:-1]) and math.isnan(values[-1]) and shownSegments(ui)[-1] == "half spleen"
    clickHeader(ui.resultTable, "Hausdorff (mm)")
    values = [row.hausdorff for row in tableRows(panel)]
    assert values[:-1] == sorted(values[:-1], reverse=True) and math.isnan(values[-1])
    assert shownSegments(ui)[0].startswith("far")
    clickRow(ui.resultTable, 5)
    errors = slicer.util.arrayFromVolume(panel.widget._parameterNode.errorMap)
    assert set(np.unique(errors)) == {0, 3}, "what the test lacks is a false negative all over"
    assert panel.widget._parameterNode.surface.GetPolyData().GetNumberOfPoints() == 0


def test_unchecked_tests_are_left_out_and_stay_so(panel):
    import qt

    ui = panel.widget.ui
    ui.testList.item(0).setCheckState(qt.Qt.Unchecked)
    compareByClick(panel)
    assert {row.test for row in tableRows(panel)} == {"far"}
    panel.reload()
    ui = panel.widget.ui
    assert [ui.testList.item(n).checkState() == qt.Qt.Checked for n in range(2)] == [False, True]
    assert ui.resultSection.enabled and shownSegments(ui) == ["far liver", "far spleen"], "results are in the scene"
    ui.testList.item(1).setCheckState(qt.Qt.Unchecked)
    assert not ui.compareButton.enabled and "Check at least one" in ui.compareButton.toolTip
    choose(ui.referenceSelector, "far")
    assert ui.compareButton.enabled, "the old reference is a test now"


def test_export_is_what_the_command_writes(panel, scene, tmp_path):
    from MedCompressLib.comparison.rows import COLUMNS

    compareByClick(panel)
    answer(str(tmp_path / "out"))
    click(panel.widget.ui.exportButton)
    with open(tmp_path / "out.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert tuple(lines[0]) == COLUMNS and [line["test"] for line in lines] == ["near", "near", "far", "far"]
    for line, row in zip(lines, tableRows(panel), strict=True):
        assert float(line["dice"]) == row.dice and float(line["hausdorff_95"]) == row.hausdorff_95
        assert [float(x) for x in line["largest_error_lps"].split()] == list(row.largest_error_lps)
    answer("")
    click(panel.widget.ui.exportButton)
    answer(str(tmp_path / "missing" / "out.csv"))
    click(panel.widget.ui.exportButton)
    assert "not written" in panel.widget.ui.statusLabel.text


def test_cancel_and_new_tests_in_the_scene(panel, tmp_path):
    from pathlib import Path

    import slicer

    noise = np.random.default_rng(1).integers(0, 40, (60, 120, 120)).astype(np.uint8)
    addLabels(noise, "noise A")
    addLabels(np.roll(noise, 1, 0), "noise B")
    ui = panel.widget.ui
    assert ui.testList.count == 4, "segmentations that come later are offered too"
    choose(ui.referenceSelector, "noise A")
    panel.widget.jobs._makeJob = pausing("compare", 0)
    click(ui.compareButton)
    assert not ui.compareButton.enabled and "running" in ui.compareButton.toolTip
    click(ui.cancelButton)
    assert ui.statusLabel.text == "Cancelled" and panel.widget._parameterNode.table is None
    assert ui.compareButton.enabled and not list(Path(slicer.app.temporaryPath).glob("medcompress-*"))
    assert not [text for level, text in messages if level == "ERROR"]


def test_test_that_left_the_scene_is_named(panel):
    import slicer

    compareByClick(panel)
    slicer.mrmlScene.RemoveNode(slicer.util.getNode("near"))
    clickRow(panel.widget.ui.resultTable, 0)
    assert "'near' is no longer in the scene" in panel.widget.ui.statusLabel.text


def test_scene_with_results_is_saved_and_read_back(panel, tmp_path):
    import slicer

    compareByClick(panel)
    before = tableRows(panel)
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(False)
    assert not panel.widget.ui.resultSection.enabled
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    after = tableRows(panel)
    assert [row.as_dict() for row in after] == [row.as_dict() for row in before]
    clickRow(panel.widget.ui.resultTable, 0)
    assert panel.widget._parameterNode.errorMap.GetName() == "near: errors of liver"


def test_measure_of_the_plot(panel):
    import slicer

    compareByClick(panel)
    choose(panel.widget.ui.measureComboBox, "Hausdorff 95% (mm)")
    charts = slicer.util.getNodesByClass("vtkMRMLPlotChartNode")
    assert [chart.GetYAxisTitle() for chart in charts] == ["Hausdorff 95% (mm)"], "the old one is gone"
    bars, deviations, points = (charts[0].GetNthPlotSeriesNode(number).GetTableNode() for number in range(3))
    rows = tableRows(panel)
    values = [[row.hausdorff_95 for row in rows if row.segment == name] for name in ("liver", "spleen")]
    means = slicer.util.arrayFromTableColumn(bars, "Mean Hausdorff 95% (mm)")
    assert means == pytest.approx(np.mean(values, axis=1))
    ends = slicer.util.arrayFromTableColumn(deviations, "y")
    assert np.nanmax(ends[:7]) - np.nanmin(ends[:7]) == pytest.approx(2 * np.std(values[0], ddof=1))
    assert slicer.util.arrayFromTableColumn(points, "y").tolist() == values[0] + values[1]


def test_segments_of_other_names_are_matched_by_hand(panel, scene, pictures):  # noqa: F811
    import slicer

    ui = panel.widget.ui
    assert not ui.matchTable.isVisible()
    addSegmentation(np.roll(scene, 1, axis=2), "German", {1: "Leber", 2: "Milz"})
    addSegmentation(np.roll(scene, 2, axis=2), "French", {1: "foie", 2: "Leber"})
    for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
        for number in range(2):
            node.GetSegmentation().GetNthSegment(number).SetTag("TerminologyEntry", "")
    compareByClick(panel)
    assert ui.matchTable.isVisible()
    combos = panel.widget._matches.comboBoxes
    assert set(combos) == {(s, t) for s in ("liver", "spleen") for t in ("German", "French")}, "what is open"
    for segment, test, name in (
        ("liver", "German", "Leber"),
        ("spleen", "German", "Milz"),
        ("liver", "French", "foie"),
        ("spleen", "French", "Leber"),
    ):
        choose(combos[segment, test], name)
    assert "Press Compare" in ui.statusLabel.text
    compareByClick(panel)
    found = {(row.test, row.segment): row for row in tableRows(panel)}
    assert len(found) == 8, "nobody is left alone"
    expected = {"near": ("name", 1), "far": ("name", 3), "German": ("hand", 1), "French": ("hand", 2)}
    for (test, segment), row in found.items():
        how, shift = expected[test]
        assert row.matched_by == how
        assert row.hausdorff == pytest.approx(found["near", segment].hausdorff * shift, rel=0.2)
    assert found["French", "spleen"].segment_test == "Leber"
    grab(panel.window, pictures / "matches.png")
    order = list(found)
    clickRow(ui.resultTable, order.index(("French", "spleen")))
    errors = slicer.util.arrayFromVolume(panel.widget._parameterNode.errorMap)
    assert np.array_equal(np.isin(errors, (1, 3)), scene == 2)
    panel.reload()
    ui, combos = panel.widget.ui, panel.widget._matches.comboBoxes
    waitFor(ui.matchTable.isVisible)
    assert combos["spleen", "French"].currentText == "Leber", "kept with the scene"
    choose(combos["spleen", "French"], "(by name)")
    choose(combos["liver", "French"], "(by name)")
    compareByClick(panel)
    assert [r.matched_by for r in tableRows(panel) if r.test == "French"] == ["none"] * 4


def test_self_test(colorLegends):  # noqa: F811
    import sys

    loadModule("SegmentationComparison")
    sys.modules["SegmentationComparison"].SegmentationComparisonTest().runTest()
    assert not [text for level, text in messages if level == "ERROR"]
