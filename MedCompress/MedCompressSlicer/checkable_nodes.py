"""A list of nodes or other things with check boxes, in a plain QListWidget, and sets of nodes that a node refers to."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import qt


class CheckableNodes:
    """Shows nodes, or other things with a key; calls changed(node ID or key, checked) when the user checks one."""

    def __init__(self, listWidget, changed: Callable[[str, bool], None]):
        self._list, self._changed, self._filling = listWidget, changed, False
        self._list.connect("itemChanged(QListWidgetItem*)", self._onItemChanged)

    def fill(self, nodes: Sequence, checked: Sequence) -> None:
        """Show these nodes, some of them checked; does nothing where they are shown so already."""
        self.show([(node.GetID(), node.GetName() or "", node in checked) for node in nodes])

    def show(self, entries: Sequence[tuple[str, str, bool]]) -> None:
        """Show (key, name, checked); does nothing where they are shown so already."""
        wanted = list(entries)
        if wanted == self._shown():
            return
        self._filling = True
        self._list.clear()
        for nodeID, name, isChecked in wanted:
            item = qt.QListWidgetItem(name)
            item.setData(qt.Qt.UserRole, nodeID)
            item.setCheckState(qt.Qt.Checked if isChecked else qt.Qt.Unchecked)
            self._list.addItem(item)
        self._filling = False

    def _shown(self) -> list[tuple[str, str, bool]]:
        items = [self._list.item(row) for row in range(self._list.count)]
        return [(item.data(qt.Qt.UserRole), item.text(), item.checkState() == qt.Qt.Checked) for item in items]

    def _onItemChanged(self, item) -> None:
        if not self._filling:
            self._changed(item.data(qt.Qt.UserRole), item.checkState() == qt.Qt.Checked)


def referenced(node, role: str) -> list[str]:
    """IDs of the nodes that a node refers to in a role."""
    return [node.GetNthNodeReferenceID(role, number) for number in range(node.GetNumberOfNodeReferences(role))]


def setReferenced(node, role: str, nodeID: str, wanted: bool) -> None:
    """Let a node refer to another in a role, or no longer."""
    found = referenced(node, role)
    if wanted and nodeID not in found:
        node.AddNodeReferenceID(role, nodeID)
    elif not wanted and nodeID in found:
        node.RemoveNthNodeReferenceID(role, found.index(nodeID))
