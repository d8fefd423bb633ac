"""What a user sees of a comparison: table, plot, error map and colored surface, drawn off screen, pixel by pixel."""

import os
from pathlib import Path

import numpy as np
import pytest
from Harness import choose, click, grab, loadModule, waitFor
from offscreen import SliceView, ThreeDView, chartImage, savePicture
from scenes import OBLIQUE, addVolume
from segmentation_scenes import GRID, addSegmentation, balls, clickRow, colorLegends  # noqa: F401

GREEN, ORANGE, BLUE = (0.0, 0.62, 0.45), (0.84, 0.37, 0.0), (0.0, 0.45, 0.7)


@pytest.fixture
def pictures(tmp_path) -> Path:
    """Where pictures go: MEDCOMPRESS_PICTURES, else a temporary folder."""
    folder = Path(os.environ.get("MEDCOMPRESS_PICTURES") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def panel(colorLegends):  # noqa: F811
    import slicer

    labels = balls()
    image = addVolume(((labels > 0) * 120 + 40).astype(np.int16), "CT", modality="CT", **GRID)
    gray = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLColorTableNode", "Gray")
    gray.SetTypeToGrey()
    image.GetDisplayNode().SetAndObserveColorNodeID(gray.GetID())
    addSegmentation(labels, "truth")
    addSegmentation(np.roll(labels, 3, axis=2), "shifted")
    return loadModule("SegmentationComparison")


def compareByClick(panel):
    click(panel.widget.ui.compareButton)
    waitFor(lambda: not panel.widget.jobs.running)


def near(pixels, color, tolerance=60) -> np.ndarray:
    return np.abs(pixels.astype(int) - np.multiply(color, 255)).max(axis=-1) < tolerance


@pytest.fixture
def red(panel):
    import slicer

    opened = SliceView()
    opened.composite.SetBackgroundVolumeID(slicer.util.getNode("CT").GetID())
    opened.node.RotateToVolumePlane(slicer.util.getNode("CT"))
    yield opened
    opened.close()


def test_error_map_is_drawn_over_the_slice(panel, red, pictures):
    import slicer

    compareByClick(panel)
    clickRow(panel.widget.ui.resultTable, 0)
    savePicture(red.image(), pictures / "error_map.png")
    red.composite.SetLabelOpacity(1.0)
    counts = [int(near(red.image(), color, 10).sum()) for color in (GREEN, ORANGE, BLUE)]
    errors = slicer.util.arrayFromVolume(panel.widget._parameterNode.errorMap)
    assert min(counts) > 50, "all three are seen"
    assert counts[1] == pytest.approx(counts[2], rel=0.2), "a shift adds as much as it takes"
    assert counts[0] / counts[1] == pytest.approx((errors == 1).sum() / (errors == 2).sum(), rel=0.5)


@pytest.fixture
def view(panel):
    opened = ThreeDView()
    yield opened
    opened.close()


def test_surface_is_red_outside_and_blue_inside_with_a_legend(panel, view, pictures):
    import slicer

    compareByClick(panel)
    clickRow(panel.widget.ui.resultTable, 0)
    model = panel.widget._parameterNode.surface
    low, high = model.GetDisplayNode().GetScalarRange()
    distances = slicer.util.arrayFromModelPointData(model, "SignedDistance")
    assert -low == high == pytest.approx(np.abs(distances).max())
    shift = np.multiply((-1, -1, 1), np.array(OBLIQUE)[:, 0])
    outside, inside = view.image(shift), view.image(-shift)
    savePicture(np.hstack([outside, inside]), pictures / "surface.png")
    for pixels, ahead, behind in ((outside, 0, 2), (inside, 2, 0)):
        width = pixels.shape[1] * 3 // 4
        difference = pixels[..., ahead].astype(int) - pixels[..., behind]
        assert (difference[:, :width] > 60).sum() > 2000, "where the test was moved to it lies outside, in red"
        assert (difference[:, :width] < -60).sum() < 100
        assert (difference[:, width:] > 60).sum() > 200 and (difference[:, width:] < -60).sum() > 200, "the legend"
    model.GetDisplayNode().SetVisibility(False)
    assert (view.image(shift) == 255).all(), "the legend goes with the surface"


def test_plots_are_drawn(panel, pictures):
    import slicer

    compareByClick(panel)
    bars = chartImage(panel.widget._parameterNode.chart)
    savePicture(bars, pictures / "bars.png")
    table = slicer.util.arrayFromTableColumn(panel.widget._parameterNode.table, "dice")
    blue = near(bars, (0.12, 0.47, 0.71), 80)
    heights = np.sort([run for run in np.unique(blue.sum(axis=0)) if run > 30])
    assert heights[0] / heights[-1] == pytest.approx(table.min() / table.max(), abs=0.1), "bars as high as the values"
    labels = balls()
    for number in range(2, 7):
        addSegmentation(np.roll(labels, number, axis=1), f"test {number}")
    choose(panel.widget.ui.measureComboBox, "Hausdorff (mm)")
    compareByClick(panel)
    boxes = chartImage(panel.widget._parameterNode.chart)
    savePicture(boxes, pictures / "boxes.png")
    assert near(boxes, (0.12, 0.47, 0.71), 80).sum() > 200, "boxes"


def inkIn(table, row: int, column: int) -> int:
    """Dark pixels on the bright ground of a cell, or bright ones on the dark ground of a selected row."""
    from PySide6 import QtGui

    image = table.viewport().grab(table.visualRect(table.model().index(row, column))).toImage()
    image = image.convertToFormat(QtGui.QImage.Format.Format_Grayscale8)
    pixels = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    pixels = pixels[3:-3, 3 : image.width() - 3].astype(int)
    return int((np.abs(pixels - np.median(pixels)) > 60).sum())


def test_panel_is_drawn(panel, pictures):
    compareByClick(panel)
    panel.window.resize(620, 900)
    grab(panel.window, pictures / "panel.png")
    table = panel.widget.ui.resultTable
    written = [[inkIn(table, row, column) for column in range(4)] for row in range(2)]
    assert np.min(written) > 15, "text in every cell"
    shown = [table.model().headerData(n, __import__("qt").Qt.Horizontal) for n in range(4)]
    assert shown == ["test", "segment", "dice", "jaccard"] and table.model().rowCount() == 2
    assert [table.isColumnHidden(n) for n in (0, 15, 16)] == [False, False, True]
    assert panel.widget.ui.resultSection.isVisible() and table.visualRect(table.model().index(0, 2)).width() > 20
