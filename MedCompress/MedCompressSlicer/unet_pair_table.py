"""A table of the scene's segmentations, to tick those to train on and to say which volume each belongs to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import qt
import slicer
from slicer.i18n import tr as _

from .unet_pairs import suggestedVolume


@dataclass
class _Row:
    segmentation: str
    name: str
    checkBox: object
    combo: object

    @property
    def volume(self) -> str | None:
        return self.combo.itemData(self.combo.currentIndex)

    def state(self) -> tuple:
        return self.segmentation, self.name, self.checkBox.checked, self.volume


class PairTable:
    """Fills a QTableWidget; changed(pairs): called with (volume node, segmentation node) of the ticked rows."""

    def __init__(self, table, changed: Callable[[list], None]):
        self._table, self._changed = table, changed
        self._rows: list[_Row] = []
        self._volumes: list[tuple[str, str]] = []
        self._chosen: dict[str, str] = {}
        table.setColumnCount(2)
        table.setHorizontalHeaderLabels([_("Segmentation"), _("Volume")])
        table.verticalHeader().setVisible(False)
        table.horizontalHeader().setStretchLastSection(True)

    def fill(self, pairs: list) -> None:
        """Show all segmentations, those of `pairs` ticked; nothing changes where they are shown so already."""
        nodes = [node for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") if _isImage(node)]
        volumes = [(node.GetID(), node.GetName() or "") for node in nodes]
        ticked = {segmentation.GetID(): volume.GetID() for volume, segmentation in pairs}
        wanted = [
            (node.GetID(), node.GetName() or "", node.GetID() in ticked, self._volumeFor(node, ticked, volumes))
            for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
            if not node.GetHideFromEditors()
        ]
        if (volumes, wanted) == (self._volumes, [row.state() for row in self._rows]):
            return
        self._volumes = volumes
        self._table.setRowCount(0)
        self._table.setRowCount(len(wanted))
        self._rows = [self._row(number, *state) for number, state in enumerate(wanted)]
        self._table.resizeColumnToContents(0)

    def _volumeFor(self, node, ticked: dict[str, str], volumes: list[tuple[str, str]]) -> str | None:
        """The volume that is used, that the user chose, that the segmentation was drawn on, or any."""
        ids = [volumeID for volumeID, _name in volumes]
        wishes = ticked.get(node.GetID()), self._chosen.get(node.GetID()), _idOf(suggestedVolume(node))
        return next((wish for wish in wishes if wish in ids), ids[0] if ids else None)

    def _row(self, number: int, nodeID: str, name: str, ticked: bool, chosen: str | None) -> _Row:
        row = _Row(nodeID, name, qt.QCheckBox(name), qt.QComboBox())
        row.checkBox.checked = ticked
        for volumeID, volumeName in self._volumes:
            row.combo.addItem(volumeName, volumeID)
        row.combo.setCurrentIndex([volumeID for volumeID, _name in self._volumes].index(chosen) if chosen else -1)
        row.checkBox.connect("clicked(bool)", self._onChanged)
        row.combo.connect("activated(int)", lambda _number: self._onVolumeChosen(row))
        self._table.setCellWidget(number, 0, row.checkBox)
        self._table.setCellWidget(number, 1, row.combo)
        return row

    def _onVolumeChosen(self, row: _Row) -> None:
        self._chosen[row.segmentation] = row.volume
        self._onChanged()

    def _onChanged(self, *_unused) -> None:
        find, pairs = slicer.mrmlScene.GetNodeByID, []
        for row in self._rows:
            volume, segmentation = find(row.volume or ""), find(row.segmentation)
            if row.checkBox.checked and volume and segmentation:
                pairs.append((volume, segmentation))
        self._changed(pairs)


def _isImage(node) -> bool:
    others = "vtkMRMLLabelMapVolumeNode", "vtkMRMLVectorVolumeNode"
    return not (node.GetHideFromEditors() or any(map(node.IsA, others)))


def _idOf(node) -> str | None:
    return node.GetID() if node else None
