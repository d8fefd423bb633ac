"""Stand-ins for the CTK and qMRML widgets of our .ui files: real Qt widgets on the real scene, under Slicer's names.

They have what our files and modules use; the rest is absent, so that its use is an error. Every class here that is
named ctk... or qMRML... is one.
"""

import sys
import types
import weakref

import slicer
from PySide6 import QtGui, QtUiTools, QtWidgets
from PySide6.QtCore import Property, Signal, Slot

ctk = sys.modules["ctk"] = types.ModuleType("ctk")
ctk.ctkMessageBox = QtWidgets.QMessageBox


def stored(kind, default):
    """A Qt property that keeps what is written to it."""
    values = weakref.WeakKeyDictionary()
    return Property(kind, lambda self: values.get(self, default), values.__setitem__)


def ofPart(kind, name: str):
    """A Qt property that is one of the Qt widget inside."""
    return Property(kind, lambda self: getattr(self._part, name), lambda self, value: setattr(self._part, name, value))


class _Frame(QtWidgets.QWidget):
    """A stand-in with a Qt widget inside."""

    def __init__(self, part, parent):
        super().__init__(parent)
        self._part = part
        QtWidgets.QHBoxLayout(self).addWidget(part)


class ctkCollapsibleButton(QtWidgets.QWidget):
    """A titled section, always open."""

    text = stored(str, "")


class ctkSliderWidget(_Frame):
    """A number in a range."""

    valueChanged = Signal(float)
    value, minimum, maximum = ofPart(float, "value"), ofPart(float, "minimum"), ofPart(float, "maximum")
    singleStep, decimals, suffix = ofPart(float, "singleStep"), ofPart(int, "decimals"), ofPart(str, "suffix")

    def __init__(self, parent=None):
        super().__init__(QtWidgets.QDoubleSpinBox(), parent)
        self._part.valueChanged.connect(self.valueChanged)


class ctkPathLineEdit(_Frame):
    """A path, typed in."""

    currentPathChanged = Signal(str)
    currentPath = ofPart(str, "text")
    filters, nameFilters = stored(int, 0), stored("QStringList", [])

    def __init__(self, parent=None):
        super().__init__(QtWidgets.QLineEdit(), parent)
        self._part.textChanged.connect(self.currentPathChanged)


class qMRMLWidget(QtWidgets.QWidget):
    """The root of a module's panel: hands the scene to what it holds."""

    mrmlSceneChanged = Signal(object)

    def setMRMLScene(self, scene):
        self.mrmlSceneChanged.emit(scene)


class qMRMLNodeComboBox(_Frame):
    """A selector that follows the nodes of some classes in the scene; it adds, removes and renames none itself."""

    currentNodeChanged = Signal(object)
    nodeTypes, hideChildNodeTypes = stored("QStringList", []), stored("QStringList", [])
    noneEnabled, addEnabled, removeEnabled, renameEnabled = (stored(bool, False) for _ in range(4))

    def __init__(self, parent=None):
        super().__init__(QtWidgets.QComboBox(), parent)
        self._part.currentIndexChanged.connect(lambda: self.currentNodeChanged.emit(self.currentNode()))

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

    def currentNode(self):
        nodeID = self._part.currentData
        return slicer.mrmlScene.GetNodeByID(nodeID) if nodeID else None

    def setCurrentNode(self, node):
        self._part.setCurrentIndex(self._part.findData(node.GetID() if node else ""))


class qMRMLTableView(QtWidgets.QTableView):
    """Shows the cells that a table node has when it is set."""

    _node = None

    def mrmlTableNode(self):
        return self._node

    def setMRMLTableNode(self, node):
        table = node.GetTable() if node else None
        columns = [table.GetColumn(index) for index in range(table.GetNumberOfColumns())] if table else []
        model = QtGui.QStandardItemModel(self)
        for column in columns:
            cells = [column.GetVariantValue(row).ToString() for row in range(table.GetNumberOfRows())]
            model.appendColumn([QtGui.QStandardItem(cell) for cell in cells])
        model.setHorizontalHeaderLabels([column.GetName() for column in columns])
        self._node = node
        self.setModel(model)

    @Slot(object)
    def setMRMLScene(self, scene):
        """There is one scene here."""


_NAMED_BY_SLICER = """ctkCheckBox ctkCheckablePushButton ctkColorPickerButton ctkComboBox ctkDirectoryButton
    ctkDoubleRangeSlider ctkDoubleSlider ctkDoubleSpinBox ctkRangeWidget qMRMLRangeWidget qMRMLSliderWidget
    qMRMLSpinBox qSlicerWidget""".split()
"""Slicer's own Python files name these classes when they are imported or compare types; nobody can create one."""
_named = {name: type(name, (), {"__new__": None}) for name in _NAMED_BY_SLICER}
for _cls in [cls for name, cls in globals().items() if name.startswith(("ctkC", "ctkP", "ctkS", "qMRML"))]:
    _named[_cls.__name__] = _cls
    QtUiTools.QUiLoader().registerCustomWidget(_cls)
for _name, _cls in _named.items():
    setattr(ctk if _name.startswith("ctk") else slicer, _name, _cls)
