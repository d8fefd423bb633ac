"""Stand-ins for the CTK and qMRML widgets of our .ui files: real Qt widgets on the real scene, with Slicer's names.

`widgets` maps class names to stand-ins; a test may add its own. A class that Slicer has and this file lacks can be
named (Slicer's own files do) but not created.
"""

import weakref

import slicer
from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, Signal

_ABSENT = """ctkCheckBox ctkCheckablePushButton ctkColorPickerButton ctkComboBox ctkDirectoryButton ctkDoubleRangeSlider
    ctkDoubleSlider ctkDoubleSpinBox ctkRangeWidget ctkWidgetsUtils qMRMLRangeWidget qMRMLScreenShotDialog
    qMRMLSliderWidget qMRMLSpinBox qMRMLUtils""".split()
widgets: dict[str, type] = {}


def standIn(cls):
    """Register a stand-in under its class name, where Slicer has it."""
    import ctk

    cls.isStandIn = True
    widgets[cls.__name__] = cls
    setattr(ctk if cls.__name__.startswith("ctk") else slicer, cls.__name__, cls)
    return cls


def _refuse(self, *arguments):
    raise NotImplementedError(f"Testing/Harness has no stand-in for {type(self).__name__}")


for _name in _ABSENT:
    standIn(type(_name, (), {"__init__": _refuse}))
    del widgets[_name]


def _stored(kind, name: str, default, changed: str = ""):
    """A Qt property that keeps its value and calls the method `changed` after a write."""

    def setter(self, value):
        self.__dict__["_" + name] = value
        if changed:
            getattr(self, changed)()

    return Property(kind, lambda self: self.__dict__.get("_" + name, default), setter)


def _row(widget, *parts):
    layout = QtWidgets.QHBoxLayout(widget)
    layout.setContentsMargins(0, 0, 0, 0)
    for part in parts:
        layout.addWidget(part)


@standIn
class ctkMessageBox(QtWidgets.QMessageBox):
    """A message box that may be told not to come again."""

    dontShowAgainSettingsKey = _stored(str, "dontShowAgainSettingsKey", "")


@standIn
class ctkCollapsibleButton(QtWidgets.QAbstractButton):
    """A titled section; what lies in a collapsed one cannot be seen, hence not clicked."""

    contentsCollapsed = Signal(bool)

    def __init__(self, parent=None):
        super().__init__(None if isinstance(parent, str) else parent)
        self._hidden = None
        self.setText(parent if isinstance(parent, str) else "")
        self.setContentsMargins(0, 24, 0, 0)
        self.clicked.connect(lambda: self.setCollapsed(not self.collapsed))

    def setCollapsed(self, collapsed):
        if collapsed == self.collapsed:
            return
        shown = [child for child in self.children() if isinstance(child, QtWidgets.QWidget) and not child.isHidden()]
        for child in shown if collapsed else self._hidden:
            child.setVisible(not collapsed)
        self._hidden = shown if collapsed else None
        self.contentsCollapsed.emit(collapsed)

    collapsed = Property(bool, lambda self: self._hidden is not None, setCollapsed)

    def paintEvent(self, event):
        QtGui.QPainter(self).drawText(4, 16, ("▸ " if self.collapsed else "▾ ") + self.text)


@standIn
class ctkSliderWidget(QtWidgets.QWidget):
    """A slider beside a spin box, in floating point."""

    valueChanged = Signal(float)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._slider, self._spinBox = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal), QtWidgets.QDoubleSpinBox()
        _row(self, self._slider, self._spinBox)
        self._slider.setRange(0, 1000)
        self._spinBox.setRange(0, 100)
        self._slider.sliderMoved.connect(lambda at: self.setValue(self.minimum + at * self._step()))
        self._spinBox.valueChanged.connect(self._onValueChanged)

    def _step(self):
        return (self.maximum - self.minimum) / 1000 or 1

    def _onValueChanged(self, value):
        self._slider.setValue(round((value - self.minimum) / self._step()))
        self.valueChanged.emit(value)

    def _forward(kind, name):
        setter = "set" + name[0].upper() + name[1:]
        write = lambda self, value: getattr(self._spinBox, setter)(value)  # noqa: E731
        return Property(kind, lambda self: getattr(self._spinBox, name), write), write

    value, setValue = _forward(float, "value")
    minimum, setMinimum = _forward(float, "minimum")
    maximum, setMaximum = _forward(float, "maximum")
    singleStep, setSingleStep = _forward(float, "singleStep")
    decimals, setDecimals = _forward(int, "decimals")
    suffix, setSuffix = _forward(str, "suffix")
    prefix, setPrefix = _forward(str, "prefix")
    pageStep = _stored(float, "pageStep", 10.0)

    def setRange(self, minimum, maximum):
        self._spinBox.setRange(minimum, maximum)

    def slider(self):
        return self._slider

    def spinBox(self):
        return self._spinBox


@standIn
class ctkPathLineEdit(QtWidgets.QWidget):
    """A path, typed in."""

    currentPathChanged = Signal(str)
    Files, Dirs, Drives, Executable, Writable = 0x002, 0x001, 0x004, 0x040, 0x020

    def __init__(self, parent=None):
        super().__init__(parent)
        self._edit = QtWidgets.QLineEdit()
        _row(self, self._edit)
        self._edit.textChanged.connect(lambda text: self.currentPathChanged.emit(text))

    def setCurrentPath(self, path):
        self._edit.setText(path)

    currentPath = Property(str, lambda self: self._edit.text, setCurrentPath)
    filters = _stored(int, "filters", Files)
    nameFilters = _stored("QStringList", "nameFilters", [])
    settingKey = _stored(str, "settingKey", "")

    def addCurrentPathToHistory(self):
        """History is kept in the user's settings; nothing of it is shown here."""


class _SceneAware:
    """What every MRML widget has: the scene, and observers that do not keep the widget alive."""

    def mrmlScene(self):
        return self.__dict__.get("_scene")

    def setMRMLScene(self, scene):
        if scene is not self.mrmlScene():
            self.__dict__["_scene"] = scene
            self._update()
            self.mrmlSceneChanged.emit(scene)

    def _update(self):
        pass

    def _observe(self, events):
        """Replace what is observed: (object, event) -> self._update()."""
        for observed, tag in self.__dict__.get("_tags", []):
            observed.RemoveObserver(tag)
        weak = weakref.ref(self)
        update = lambda caller, event: weak() and weak()._update()  # noqa: E731
        self.__dict__["_tags"] = [(observed, observed.AddObserver(event, update)) for observed, event in events]


@standIn
class qMRMLWidget(_SceneAware, QtWidgets.QWidget):
    """The root of a module's panel: hands the scene to what it holds."""

    mrmlSceneChanged = Signal(object)


@standIn
class qSlicerWidget(qMRMLWidget):
    """As qMRMLWidget, in Slicer's base library."""


@standIn
class qMRMLNodeComboBox(_SceneAware, QtWidgets.QWidget):
    """A selector that follows the nodes of some classes in the scene."""

    mrmlSceneChanged, currentNodeChanged, nodeAddedByUser = Signal(object), Signal(object), Signal(object)
    currentNodeIDChanged = Signal(str)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._combo, self._attributes, self._nodeID, self._busy = QtWidgets.QComboBox(), [], "", False
        _row(self, self._combo)
        self._combo.currentIndexChanged.connect(lambda index: self._emitIfChanged())
        self._combo.activated.connect(self._onActivated)

    nodeTypes = _stored("QStringList", "nodeTypes", [], "_update")
    hideChildNodeTypes = _stored("QStringList", "hideChildNodeTypes", [], "_update")
    showHidden = _stored(bool, "showHidden", False, "_update")
    showChildNodeTypes = _stored(bool, "showChildNodeTypes", True, "_update")
    noneEnabled = _stored(bool, "noneEnabled", False, "_update")
    noneDisplay = _stored(str, "noneDisplay", "None", "_update")
    addEnabled = _stored(bool, "addEnabled", True, "_update")
    removeEnabled = _stored(bool, "removeEnabled", True, "_update")
    renameEnabled = _stored(bool, "renameEnabled", False)
    editEnabled = _stored(bool, "editEnabled", False)
    selectNodeUponCreation = _stored(bool, "selectNodeUponCreation", True)
    baseName = _stored(str, "baseName", "")

    def _accepts(self, node):
        isA = node.IsA if self.showChildNodeTypes else node.GetClassName().__eq__
        return (
            any(isA(name) for name in self.nodeTypes)
            and not any(node.IsA(name) and name not in self.nodeTypes for name in self.hideChildNodeTypes)
            and (self.showHidden or not node.GetHideFromEditors())
            and all(not node.IsA(kind) or node.GetAttribute(key) == value for kind, key, value in self._attributes)
        )

    def nodes(self):
        return [node for node in slicer.util.getNodesByClass("vtkMRMLNode", self._scene) if self._accepts(node)]

    def addAttribute(self, nodeType, name, value=None):
        self._attributes.append((nodeType, name, value))
        self._update()

    def _update(self):
        """Fill the list anew: None, the nodes, then the actions, which have a sign before their data."""
        scene = self.mrmlScene()
        if self._busy or (scene and scene.IsBatchProcessing()):
            return
        nodes = self.nodes() if scene else []
        entries = [(self.noneDisplay, "")] if self.noneEnabled else []
        entries += [(node.GetName() or "", node.GetID()) for node in nodes]
        keys, old = [key for _, key in entries], self._combo.currentIndex
        index = keys.index(self._nodeID) if self._nodeID in keys else min(old, len(keys) - 1) if self._nodeID else 0
        entries += [(f"Create new {kind[7:-4]}", f"+{kind}") for kind in self.nodeTypes if self.addEnabled]
        entries += [("Delete current", "-")] if self.removeEnabled else []
        self._busy = True
        self._combo.clear()
        for text, key in entries:
            self._combo.addItem(text, key)
        self._combo.setCurrentIndex(index if keys else -1)
        self._busy = False
        events = "NodeAddedEvent", "NodeRemovedEvent", "EndBatchProcessEvent", "EndCloseEvent", "EndImportEvent"
        ofScene = [(scene, getattr(scene, event)) for event in events] if scene else []
        self._observe(ofScene + [(node, "ModifiedEvent") for node in nodes])
        self._emitIfChanged()

    def _emitIfChanged(self):
        key = self._combo.currentData or ""
        if not self._busy and key[:1] not in ("+", "-") and key != self._nodeID:
            self._nodeID = key
            self.currentNodeChanged.emit(self.currentNode())
            self.currentNodeIDChanged.emit(key)

    def _onActivated(self, index):
        key = self._combo.itemData(index)
        if key[:1] in ("+", "-"):
            self.setCurrentNodeID(self._nodeID)
            self.addNode(key[1:]) if key[0] == "+" else self.removeCurrentNode()

    def addNode(self, nodeType=None):
        node = self.mrmlScene().AddNewNodeByClass(nodeType or self.nodeTypes[0], self.baseName)
        for _, key, value in self._attributes:
            node.SetAttribute(key, value)
        if self.selectNodeUponCreation:
            self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    def removeCurrentNode(self):
        self.mrmlScene().RemoveNode(self.currentNode())

    def currentNode(self):
        return self.mrmlScene().GetNodeByID(self._nodeID) if self.mrmlScene() and self._nodeID else None

    def setCurrentNode(self, node):
        self.setCurrentNodeID(node.GetID() if node else "")

    def setCurrentNodeID(self, nodeID):
        self._combo.setCurrentIndex(self._combo.findData(nodeID or ""))

    currentNodeID = Property(str, lambda self: self._nodeID, setCurrentNodeID)


@standIn
class qMRMLTableView(_SceneAware, QtWidgets.QTableView):
    """Shows the cells of a table node."""

    mrmlSceneChanged = Signal(object)

    def mrmlTableNode(self):
        return self.__dict__.get("_node")

    def setMRMLTableNode(self, node):
        self._node = node
        self._update()

    def _update(self):
        node = self.mrmlTableNode() if self.mrmlScene() else None
        table = node.GetTable() if node else None
        columns = [table.GetColumn(index) for index in range(table.GetNumberOfColumns())] if table else []
        model = QtGui.QStandardItemModel(table.GetNumberOfRows() if table else 0, len(columns), self)
        model.setHorizontalHeaderLabels([column.GetName() or "" for column in columns])
        for index, column in enumerate(columns):
            for row in range(model.rowCount()):
                model.setItem(row, index, QtGui.QStandardItem(column.GetVariantValue(row).ToString()))
        self.setModel(model)
        self._observe([(node, "ModifiedEvent")] if node else [])
