"""Segmentations for the module tests, and clicks on tables."""

import numpy as np
import pytest
import slicer
from scenes import OBLIQUE, addVolume

NAMES = {1: "liver", 2: "spleen"}
GRID = {"spacing": (1.5, 1.0, 2.0), "origin": (3.0, -4.0, 5.0), "direction": OBLIQUE}


@pytest.fixture
def colorLegends():
    """The class of color legends, which Slicer's module Colors registers at start."""
    slicer.mrmlScene.RegisterNodeClass(slicer.vtkMRMLColorLegendDisplayNode())


def balls(shape=(24, 48, 60)) -> np.ndarray:
    """Label map of two balls, 1 and 2."""
    grid, labels = np.indices(shape), np.zeros(shape, np.uint8)
    for value, center, radius in ((1, (11, 20, 20), 9), (2, (12, 30, 42), 7)):
        labels[sum((axis - c) ** 2 for axis, c in zip(grid, center, strict=True)) <= radius**2] = value
    return labels


def addLabels(labels, name, **grid):
    """Label map volume node."""
    return addVolume(labels, name, modality="SEG", **{**GRID, **grid})


def addSegmentation(labels, name, names=NAMES, **grid):
    """Segmentation node, made by Slicer's own logic from label maps; an axis in front makes overlapping layers."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    for layer in labels if labels.ndim == 4 else [labels]:
        volume = addLabels(layer, "layer", **grid)
        node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
        slicer.modules.segmentations.logic().ImportLabelmapToSegmentationNode(volume, node)
        slicer.mrmlScene.RemoveNode(volume)
    layers = labels if labels.ndim == 4 else [labels]
    values = [int(value) for layer in layers for value in np.unique(layer) if value]
    for number, value in enumerate(values):
        node.GetSegmentation().GetNthSegment(number).SetName(names.get(value, str(value)))
    return node


def clickRow(table, row: int) -> None:
    from PySide6 import QtCore, QtTest

    slicer.app.processEvents()
    index = table.model().index(row, 0)
    table.scrollTo(index)
    place = table.visualRect(index).center()
    assert table.isVisible() and table.viewport().rect.contains(place), "the row cannot be seen"
    QtTest.QTest.mouseClick(table.viewport(), QtCore.Qt.LeftButton, QtCore.Qt.NoModifier, place)
    slicer.app.processEvents()


def clickHeader(table, title: str) -> None:
    """Click the title of a column: as Slicer shows it, or the name of the column, which the stand-in shows."""
    from PySide6 import QtCore, QtTest

    node, header = table.mrmlTableNode(), table.horizontalHeader()
    titles = [node.GetColumnTitle(node.GetColumnName(number)) for number in range(node.GetNumberOfColumns())]
    column = titles.index(title)
    assert not table.isColumnHidden(column)
    table.scrollTo(table.model().index(0, column))
    slicer.app.processEvents()
    place = QtCore.QPoint(header.sectionViewportPosition(column) + header.sectionSize(column) // 2, 5)
    QtTest.QTest.mouseClick(header.viewport(), QtCore.Qt.LeftButton, QtCore.Qt.NoModifier, place)
    slicer.app.processEvents()
