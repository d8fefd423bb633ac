"""Stand-ins for the CTK and qMRML widgets of our .ui files: real Qt widgets on the real scene, under Slicer's names.

They have what our files and modules use; the rest is absent, so that its use is an error. A property that nothing looks
at is a class attribute with its default. Every class here that is named ctk... or qMRML... is a stand-in.
"""

import sys
import types

import slicer
from PySide6.QtCore import Signal, Slot
from PySide6.QtGui import QStandardItem, QStandardItemModel
from PySide6.QtUiTools import QUiLoader
from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QHBoxLayout, QLineEdit, QMessageBox, QTableView, QWidget

ctk = sys.modules["ctk"] = types.ModuleType("ctk")
ctk.ctkMessageBox = QMessageBox


def ofPart(name: str) -> property:
    """A property that is one of the Qt widget inside."""
    return property(lambda self: getattr(self._part, name), lambda self, value: setattr(self._part, name, value))


class _Frame(QWidget):
    """A stand-in around a Qt widget of the class `part`, whose signal goes to a signal or method: `tells`."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self._part, (signal, receiver) = self.part(), self.tells
        QHBoxLayout(self).addWidget(self._part)
        getattr(self._part, signal).connect(getattr(self, receiver))


class ctkCollapsibleButton(QWidget):
    text = ""


class ctkSliderWidget(_Frame):
    part, tells, valueChanged = QDoubleSpinBox, ("valueChanged", "valueChanged"), Signal(float)
    value, minimum, maximum = ofPart("value"), ofPart("minimum"), ofPart("maximum")
    singleStep, decimals, suffix = ofPart("singleStep"), ofPart("decimals"), ofPart("suffix")


class ctkPathLineEdit(_Frame):
    part, tells, currentPathChanged = QLineEdit, ("textChanged", "currentPathChanged"), Signal(str)
    currentPath, filters, nameFilters = ofPart("text"), 0, ()


class qMRMLWidget(QWidget):
    """The root of a module's panel: hands the scene to what it holds."""

    mrmlSceneChanged = Signal(object)

    def setMRMLScene(self, scene):
        self.mrmlSceneChanged.emit(scene)


class qMRMLNodeComboBox(_Frame):
    """A selector that follows the nodes of some classes in the scene; it adds, removes and renames none itself."""

    part, tells, currentNodeChanged = QComboBox, ("currentIndexChanged", "_tellNode"), Signal(object)
    nodeTypes = hideChildNodeTypes = ()
    noneEnabled = addEnabled = removeEnabled = renameEnabled = False

    @Slot(object)
    def setMRMLScene(self, scene):
        events = scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndBatchProcessEvent
        tags = [scene.AddObserver(event, self._update) for event in events]
        self.destroyed.connect(lambda: [scene.RemoveObserver(tag) for tag in tags])
        self._update(scene)

    def _update(self, scene, event=None):
        if scene.IsBatchProcessing():
            return
        entries = {"": "None"} if self.noneEnabled else {}
        for node in slicer.util.getNodesByClass("vtkMRMLNode", scene):
            hidden = node.GetHideFromEditors() or any(map(node.IsA, self.hideChildNodeTypes))
            if any(map(node.IsA, self.nodeTypes)) and not hidden:
                entries[node.GetID()] = node.GetName()
        for index in reversed(range(self._part.count)):
            if self._part.itemData(index) not in entries:
                self._part.removeItem(index)
        for nodeID, name in entries.items():
            if self._part.findData(nodeID) < 0:
                self._part.addItem(name, nodeID)

    def _tellNode(self):
        self.currentNodeChanged.emit(self.currentNode())

    def currentNode(self):
        return slicer.mrmlScene.GetNodeByID(self._part.currentData or "")

    def setCurrentNode(self, node):
        self._part.setCurrentIndex(self._part.findData(node.GetID() if node else ""))


class qMRMLTableView(QTableView):
    """Shows the cells that a table node has when it is set."""

    _node = None

    def mrmlTableNode(self):
        return self._node

    def setMRMLTableNode(self, node):
        model, self._node = QStandardItemModel(self), node
        for column in range(node.GetNumberOfColumns() if node else 0):
            cells = [node.GetCellText(row, column) for row in range(node.GetNumberOfRows())]
            model.appendColumn([QStandardItem(cell) for cell in cells])
            model.setHorizontalHeaderItem(column, QStandardItem(node.GetColumnName(column)))
        self.setModel(model)

    @Slot(object)
    def setMRMLScene(self, scene):
        """There is one scene here."""


_NAMED_BY_SLICER = """ctkCheckBox ctkCheckablePushButton ctkColorPickerButton ctkComboBox ctkDirectoryButton
    ctkDoubleRangeSlider ctkDoubleSlider ctkDoubleSpinBox ctkRangeWidget qMRMLRangeWidget qMRMLSliderWidget
    qMRMLSpinBox qSlicerWidget"""
"""Slicer's own Python files name these classes when they are imported or compare types; nobody can create one."""
_named = {name: type(name, (), {"__new__": None}) for name in _NAMED_BY_SLICER.split()}
_standIns = {name: cls for name, cls in globals().items() if name.startswith(("ctkC", "ctkP", "ctkS", "qMRML"))}
for _name, _cls in (_named | _standIns).items():
    setattr(ctk if _name.startswith("ctk") else slicer, _name, _cls)
    if _name in _standIns:
        QUiLoader().registerCustomWidget(_cls)
