"""Segments that belong together though their names differ: a table to choose them in, kept in the tests' nodes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import qt
from MedCompressLib.comparison import Row, Segmentation
from slicer.i18n import tr as _

_MATCHES = "MedCompress.Matches"


def matchesOf(node, reference: Segmentation, test: Segmentation) -> dict[str, str]:
    """Segment name in the reference to segment name in the test, as chosen by hand for a test node.

    Names that one of the two does not have (any longer) are left out.
    """
    ours, theirs = ({segment.name for segment in side.segments} for side in (reference, test))
    chosen = json.loads(node.GetAttribute(_MATCHES) or "{}")
    return {name: other for name, other in chosen.items() if name in ours and other in theirs}


def setMatch(node, segment: str, other: str | None) -> None:
    """Keep with a test node that its segment `other` is the reference's `segment`; None: matched without a hand."""
    chosen = json.loads(node.GetAttribute(_MATCHES) or "{}")
    chosen.pop(segment, None)
    if other is not None:
        chosen[segment] = other
    node.SetAttribute(_MATCHES, json.dumps(chosen) if chosen else None)


@dataclass(frozen=True)
class OpenMatches:
    """What a comparison left open or was told by hand.

    segments: of the reference, a row each. names: of the segments of each test, a column each.
    chosen: (segment, test) to what was chosen by hand.
    """

    segments: list[str]
    names: dict[str, list[str]]
    chosen: dict[tuple[str, str], str]


def openMatches(rows: Sequence[Row]) -> OpenMatches:
    """From the rows of a comparison; a segment is open where a test lacks it, but has others without counterpart."""
    left = {row.test for row in rows if row.label_reference is None}
    ours = [row for row in rows if row.label_reference is not None]
    chosen = {(row.segment, row.test): row.segment_test for row in ours if row.matched_by == "hand"}
    wanted = [row for row in ours if row.matched_by == "hand" or (row.label_test is None and row.test in left)]
    tests = dict.fromkeys(row.test for row in wanted)
    names = {test: [row.segment_test for row in rows if row.test == test and row.segment_test] for test in tests}
    return OpenMatches(list(dict.fromkeys(row.segment for row in wanted)), names, chosen)


class MatchTable:
    """Fills a QTableWidget, hidden while nothing is open; calls changed(segment, test, name or None) for a choice."""

    def __init__(self, table, label, changed: Callable[[str, str, str | None], None]):
        self._table, self._label, self._changed = table, label, changed
        self.comboBoxes: dict[tuple[str, str], object] = {}
        self.fill([])

    def fill(self, rows: Sequence[Row]) -> None:
        """Show what these rows of a comparison leave open."""
        matches = openMatches(rows)
        for widget in (self._table, self._label):
            widget.setVisible(bool(matches.segments))
        self._table.setRowCount(0)
        self._table.setRowCount(len(matches.segments))
        self._table.setColumnCount(len(matches.names))
        self._table.setHorizontalHeaderLabels(list(matches.names))
        self._table.setVerticalHeaderLabels(matches.segments)
        self.comboBoxes = {}
        for row, segment in enumerate(matches.segments):
            for column, (test, names) in enumerate(matches.names.items()):
                comboBox = self._comboBox(segment, test, names, matches.chosen.get((segment, test)))
                self._table.setCellWidget(row, column, comboBox)
                self.comboBoxes[segment, test] = comboBox
        self._table.resizeColumnsToContents()

    def _comboBox(self, segment: str, test: str, names: Sequence[str], chosen: str | None):
        comboBox = qt.QComboBox()
        comboBox.addItem(_("(by name)"))
        for name in names:
            comboBox.addItem(name)
        comboBox.setCurrentIndex(1 + names.index(chosen) if chosen in names else 0)
        comboBox.connect(
            "activated(int)", lambda index: self._changed(segment, test, names[index - 1] if index else None)
        )
        return comboBox
