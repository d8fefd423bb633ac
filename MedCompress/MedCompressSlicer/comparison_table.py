"""The rows of a comparison as a table node, which knows what was compared, and back."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import slicer
import vtk
from MedCompressLib.comparison import Row
from MedCompressLib.comparison.rows import COLUMNS, MEASURES
from MedCompressLib.errors import MedCompressError
from slicer.i18n import tr as _

from .tables import makeTable

_REFERENCE, _TEST, _TESTS = "MedCompress.Reference", "MedCompress.Test", "MedCompress.Tests"
_LABELS = "label_reference", "label_test"
_PLACE = "largest_error_lps"
_DIGITS = 6
SHOWN = (
    "test",
    "segment",
    "dice",
    "jaccard",
    "surface_dice",
    "hausdorff",
    "hausdorff_95",
    "average_hausdorff",
    "smbd",
    "precision",
    "recall",
    "volume_reference_ml",
    "volume_test_ml",
    "volume_difference_ml",
    "jaccard_per_slice",
    "centroid_distance",
)
"""Columns that a panel shows, the most asked for first; the table has them all."""


def columnTitle(column: str) -> str:
    """What people call a column."""
    return {
        "reference": _("Reference"),
        "test": _("Test"),
        "segment": _("Segment"),
        "dice": _("Dice"),
        "jaccard": _("Jaccard"),
        "jaccard_per_slice": _("Jaccard per slice"),
        "precision": _("Precision"),
        "recall": _("Recall"),
        "surface_dice": _("Surface Dice"),
        "hausdorff": _("Hausdorff (mm)"),
        "hausdorff_95": _("Hausdorff 95% (mm)"),
        "average_hausdorff": _("Average Hausdorff (mm)"),
        "smbd": _("Mean boundary distance (mm)"),
        "volume_reference_ml": _("Reference (ml)"),
        "volume_test_ml": _("Test (ml)"),
        "volume_difference_ml": _("Difference (ml)"),
        "centroid_distance": _("Centroid distance (mm)"),
    }.get(column, column.replace("_", " "))


def comparisonTable(rows: Sequence[Row], reference, tests: Sequence, names: Sequence[str]):
    """New table node: a row for each test and segment, the columns named as in JSON and CSV.

    names: what `rows` call the test nodes. Numbers have the six digits that a saved table keeps.
    """
    first = [*SHOWN, *(column for column in COLUMNS if column not in SHOWN)]
    columns = {column: [_cell(column, getattr(row, column)) for row in rows] for column in first}
    node = makeTable(_("Comparison with {name}").format(name=reference.GetName()), columns)
    for column in first:
        node.SetColumnTitle(column, columnTitle(column))
    node.SetUseColumnTitleAsColumnHeader(True)
    node.SetAttribute(_TESTS, json.dumps(list(names)))
    node.SetNodeReferenceID(_REFERENCE, reference.GetID())
    for number, test in enumerate(tests):
        node.SetNodeReferenceID(f"{_TEST}{number}", test.GetID())
    return node


def _cell(column: str, value):
    if column == _PLACE:
        return " ".join(f"{x:.{_DIGITS}f}" for x in value) if value else ""
    if column in _LABELS:
        return math.nan if value is None else float(value)
    return float(f"{value:.{_DIGITS}g}") if column in MEASURES else value


def asComparisonTable(node):
    """The node itself, or the table node with this ID or name; raises MedCompressError for other tables."""
    if isinstance(node, str):
        scene, name = slicer.mrmlScene, node
        node = scene.GetNodeByID(name) or scene.GetFirstNode(name, "vtkMRMLTableNode")
    if node is None or not node.IsA("vtkMRMLTableNode") or node.GetAttribute(_TESTS) is None:
        raise MedCompressError("this is no table of a comparison: compare segmentations first")
    return node


def rowsOfTable(tableNode) -> list[Row]:
    """The rows of a comparison, in the order of the table."""
    table = asComparisonTable(tableNode).GetTable()
    return [
        Row(**{column: _value(column, table.GetValueByName(row, column)) for column in COLUMNS})
        for row in range(table.GetNumberOfRows())
    ]


def _value(column: str, variant):
    if column == _PLACE:
        return tuple(map(float, variant.ToString().split())) or None
    if column in _LABELS:
        return None if math.isnan(variant.ToDouble()) else int(variant.ToDouble())
    return variant.ToDouble() if column in MEASURES else variant.ToString()


def comparedNodes(tableNode, row: Row) -> tuple:
    """(reference node, test node) of a row; raises MedCompressError where one has left the scene."""
    names = json.loads(asComparisonTable(tableNode).GetAttribute(_TESTS))
    reference = tableNode.GetNodeReference(_REFERENCE)
    test = tableNode.GetNodeReference(f"{_TEST}{names.index(row.test)}")
    if reference is None or test is None:
        gone = row.reference if reference is None else row.test
        raise MedCompressError(f"'{gone}' is no longer in the scene: load it and compare again")
    return reference, test


def sortTable(tableNode, column: str, descending: bool = False) -> None:
    """Sort the rows by a column, numbers as numbers; what is undefined comes last."""
    table = asComparisonTable(tableNode).GetTable()
    keys = table.GetColumnByName(column)
    cells = [keys.GetValue(row) for row in range(table.GetNumberOfRows())]
    undefined = [row for row, cell in enumerate(cells) if cell != cell]
    defined = [row for row in range(len(cells)) if row not in undefined]
    defined.sort(key=cells.__getitem__, reverse=descending)
    order, sorted_ = [*defined, *undefined], vtk.vtkTable()
    sorted_.DeepCopy(table)
    modified = tableNode.StartModify()
    for to, source in enumerate(order):
        for index in range(table.GetNumberOfColumns()):
            table.SetValue(to, index, sorted_.GetValue(source, index))
    table.Modified()
    tableNode.Modified()
    tableNode.EndModify(modified)


def worstRow(rows: Sequence[Row]) -> int | None:
    """Number of the row with the largest Hausdorff distance; the first one where none is defined."""
    if not rows:
        return None
    return max(range(len(rows)), key=lambda n: -1.0 if math.isnan(rows[n].hausdorff) else rows[n].hausdorff)


def summary(rows: Sequence[Row]) -> str:
    """What was compared, in one line."""
    if not rows:
        return _("Nothing to compare: there are no segments")
    text = _("{tests} against {reference}, surface Dice at {mm:g} mm").format(
        tests=", ".join(dict.fromkeys(row.test for row in rows)), reference=rows[0].reference, mm=rows[0].tolerance_mm
    )
    if alone := sum(row.matched_by == "none" for row in rows):
        text += _("; segments without counterpart: {count}").format(count=alone)
    if resampled := dict.fromkeys(row.test for row in rows if row.grid.startswith("resampled")):
        text += _("; resampled to the grid of the reference: {tests}").format(tests=", ".join(resampled))
    return text
