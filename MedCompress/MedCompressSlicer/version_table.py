"""The compressed versions of a volume that are in the scene, to choose from, with their compression ratios."""

from __future__ import annotations

from dataclasses import dataclass

import qt
import slicer
from MedCompressLib.errors import MedCompressError
from slicer.i18n import tr as _

from .reader_study import isVersionOf, ratioOf

_LARGEST = 100000.0


@dataclass(frozen=True)
class VersionRow:
    """A volume node's ID, name and ratio where it is known, and the widgets that ask whether and at which to use it."""

    nodeID: str
    name: str
    ratio: float | None
    checkBox: object
    spinBox: object


class VersionTable:
    """Fills a QTableWidget of two columns; `rows` are what it shows."""

    def __init__(self, table):
        self._table, self.rows = table, []
        table.setColumnCount(2)
        table.setHorizontalHeaderLabels([_("Version"), _("Compression ratio")])
        table.verticalHeader().setVisible(False)
        table.horizontalHeader().setStretchLastSection(True)

    def fill(self, original) -> None:
        """Show the volumes that may be versions of `original` (none for None); nothing changes where they are shown."""
        nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") if original else []
        nodes = [node for node in nodes if not node.GetHideFromEditors() and isVersionOf(node, original)]
        wanted = [(node.GetID(), node.GetName() or "", ratioOf(node)) for node in nodes]
        if wanted == [(row.nodeID, row.name, row.ratio) for row in self.rows]:
            return
        self._table.setRowCount(0)
        self._table.setRowCount(len(wanted))
        self.rows = [self._row(number, *values) for number, values in enumerate(wanted)]
        self._table.resizeColumnsToContents()

    def chosen(self) -> dict[float, object]:
        """Ratio to node of the checked rows; raises MedCompressError where a ratio is missing or comes twice."""
        versions: dict[float, object] = {}
        for row in self.rows:
            if row.checkBox.checked:
                ratio = row.spinBox.value
                if ratio < 1 or ratio in versions:
                    raise MedCompressError(f"the ratio of '{row.name}' is missing or another's too: enter it")
                versions[ratio] = slicer.mrmlScene.GetNodeByID(row.nodeID)
        return versions

    def _row(self, number: int, nodeID: str, name: str, ratio: float | None) -> VersionRow:
        checkBox, spinBox = qt.QCheckBox(name), qt.QDoubleSpinBox()
        checkBox.checked = ratio is not None
        spinBox.setRange(0.0, _LARGEST)
        spinBox.setSpecialValueText(_("unknown"))
        spinBox.setSuffix(":1")
        spinBox.setValue(ratio or 0.0)
        self._table.setCellWidget(number, 0, checkBox)
        self._table.setCellWidget(number, 1, spinBox)
        return VersionRow(nodeID, name, ratio, checkBox, spinBox)
