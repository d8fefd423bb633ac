"""Stand-ins for the CTK and qMRML widgets of our .ui files: real Qt widgets on the real scene, with Slicer's names.

`widgets` maps class names to stand-ins; a test may add its own. A class that Slicer has and this file lacks can be named
(Slicer's own files do) but not created.
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
    """Register a stand-in under its class name."""
    cls.isStandIn = True
    widgets[cls.__name__] = cls
    return cls


def absent(name: str) -> type:
    def refuse(self, *arguments):
        raise NotImplementedError(f"Testing/Harness has no stand-in for {name}")

    return type(name, (), {"__init__": refuse})


def _stored(kind, name: str, default, changed: str = ""):
    """A Qt property that keeps its value and calls the method `changed` after a write."""

    def setter(self, value):
        self.__dict__["_" + name] = value
        if changed:
            getattr(self, changed)()

    return Property(kind, lambda self: self.__dict__.get("_" + name, default), setter)


@standIn
class ctkMessageBox(QtWidgets.QMessageBox):
    """A message box that may be told not to come again."""

    dontShowAgainSettingsKey = _stored(str, "dontShowAgainSettingsKey", "")


@standIn
class ctkCollapsibleButton(QtWidgets.QAbstractButton):
    """A titled section; what lies in a collapsed one cannot be seen, hence not clicked."""

    contentsCollapsed = Signal(bool)

    def __init__(self, parent=None):
        super().__init__(parent if isinstance(parent, QtWidgets.QWidget) else None)
        self._collapsed, self._hidden = False, []
        self.setContentsMargins(0, 24, 0, 0)
        self.clicked.connect(lambda: self.setCollapsed(not self._collapsed))
        if isinstance(parent, str):
            self.setText(parent)

    def setCollapsed(self, collapsed):
        if collapsed == self._collapsed:
            return
        children = [child for child in self.children() if isinstance(child, QtWidgets.QWidget)]
        self._hidden = [child for child in children if not child.isHidden()] if collapsed else self._hidden
        for child in self._hidden:
            child.setVisible(not collapsed)
        self._collapsed = collapsed
        self.contentsCollapsed.emit(collapsed)

    collapsed = Property(bool, lambda self: self._collapsed, setCollapsed)

    def paintEvent(self, event):
        QtGui.QPainter(self).drawText(4, 16, ("▸ " if self._collapsed else "▾ ") + self.text)


@standIn
class ctkSliderWidget(QtWidgets.QWidget):
    """A slider beside a spin box, in floating point."""

    valueChanged = Signal(float)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._slider, self._spinBox = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal), QtWidgets.QDoubleSpinBox()
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider)
        layout.addWidget(self._spinBox)
        self._slider.setRange(0, 1000)
        self._spinBox.setRange(0, 100)
        self._slider.sliderMoved.connect(lambda step: self.setValue(self.minimum + step * self._span() / 1000))
        self._spinBox.valueChanged.connect(self._onValueChanged)

    def _span(self):
        return self.maximum - self.minimum

    def _onValueChanged(self, value):
        self._slider.setValue(round(1000 * (value - self.minimum) / (self._span() or 1)))
        self.valueChanged.emit(value)

    def _forward(kind, name):
        setter = "set" + name[0].upper() + name[1:]
        return (
            Property(kind, lambda self: getattr(self._spinBox, name), lambda self, v: getattr(self._spinBox, setter)(v)),
            lambda self, value: getattr(self._spinBox, setter)(value),
        )

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
    """A path, typed or browsed for."""

    currentPathChanged = Signal(str)
    Files, Dirs, Drives, Readable, Writable = 0x0002, 0x0001, 0x0004, 0x0010, 0x0020

    def __init__(self, parent=None):
        super().__init__(parent)
        self._edit = QtWidgets.QLineEdit(self)
        QtWidgets.QHBoxLayout(self).addWidget(self._edit)
        self._edit.textChanged.connect(lambda text: self.currentPathChanged.emit(text))

    def setCurrentPath(self, path):
        self._edit.setText(path)

    currentPath = Property(str, lambda self: self._edit.text, setCurrentPath)
    filters = _stored(int, "filters", Files)
    nameFilters = _stored("QStringList", "nameFilters", [])
    settingKey = _stored(str, "settingKey", "")
    label = _stored(str, "label", "")
    showBrowseButton = _stored(bool, "showBrowseButton", True)
    showHistoryButton = _stored(bool, "showHistoryButton", True)

    def lineEdit(self):
        return self._edit

    def addCurrentPathToHistory(self):
        pass


class _SceneAware:
    """What every MRML widget has: the scene, and observers that end with the widget."""

    def mrmlScene(self):
        return self.__dict__.get("_scene")

    def setMRMLScene(self, scene):
        if scene is self.mrmlScene():
            return
        self.__dict__["_scene"] = scene
        self._onScene()
        self.mrmlSceneChanged.emit(scene)

    def _onScene(self):
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
class qSlicerWidget(_SceneAware, QtWidgets.QWidget):
    """As qMRMLWidget, in Slicer's base library."""

    mrmlSceneChanged = Signal(object)


@standIn
class qMRMLNodeComboBox(_SceneAware, QtWidgets.QWidget):
    """A selector that follows the nodes of some classes in the scene."""

    mrmlSceneChanged = Signal(object)
    currentNodeChanged = Signal(object)
    currentNodeIDChanged = Signal(str)
    nodeAddedByUser = Signal(object)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._combo, self._attributes, self._last, self._busy = QtWidgets.QComboBox(self), [], "", False
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._combo)
        self._combo.currentIndexChanged.connect(self._emitIfChanged)
        self._combo.activated.connect(self._onActivated)

    nodeTypes = _stored("QStringList", "nodeTypes", [], "_update")
    hideChildNodeTypes = _stored("QStringList", "hideChildNodeTypes", [], "_update")
    showHidden = _stored(bool, "showHidden", False, "_update")
    showChildNodeTypes = _stored(bool, "showChildNodeTypes", True, "_update")
    noneEnabled = _stored(bool, "noneEnabled", False, "_update")
    noneDisplay = _stored(str, "noneDisplay", "None", "_update")
    addEnabled = _stored(bool, "addEnabled", True, "_update")
    removeEnabled = _stored(bool, "removeEnabled", True, "_update")
    renameEnabled = _stored(bool, "renameEnabled", False, "_update")
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
        scene = self.mrmlScene()
        every = [scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes())] if scene else []
        return [node for node in every if self._accepts(node)]

    def nodeCount(self):
        return len(self.nodes())

    def nodeFromIndex(self, index):
        return self.nodes()[index]

    def addAttribute(self, nodeType, name, value=None):
        self._attributes.append((nodeType, name, value))
        self._update()

    def _onScene(self):
        self._update()

    def _update(self):
        scene = self.mrmlScene()
        if self._busy or (scene and scene.IsBatchProcessing()):
            return
        nodes = self.nodes()
        wanted = [(self.noneDisplay, "")] if self.noneEnabled else []
        wanted += [(node.GetName() or "", node.GetID()) for node in nodes]
        wanted += [(f"Create new {kind[7:-4]}", f"+{kind}") for kind in self.nodeTypes if self.addEnabled and scene]
        wanted += [("Delete current", "-")] if self.removeEnabled and nodes else []
        wanted += [("Rename current", "=")] if self.renameEnabled and nodes else []
        first = next((index for index, (_, key) in enumerate(wanted) if key[:1] not in tuple("+-=")), -1)
        keys, old = [key for _, key in wanted], self._combo.currentIndex
        if self._last in keys:
            index = keys.index(self._last)
        else:
            last = len(nodes) - 1 + self.noneEnabled
            index = min(old, last) if old >= 0 and self._last else first
        self._busy = True
        self._combo.clear()
        for text, key in wanted:
            self._combo.addItem(text, key)
        self._combo.setCurrentIndex(index)
        self._busy = False
        events = "NodeAddedEvent", "NodeRemovedEvent", "EndBatchProcessEvent", "EndCloseEvent", "EndImportEvent"
        self._observe(
            [(scene, getattr(scene, event)) for event in events if scene] + [(node, "ModifiedEvent") for node in nodes]
        )
        self._emitIfChanged()

    def _emitIfChanged(self):
        key = self._combo.currentData or ""
        if not self._busy and key[:1] not in tuple("+-=") and key != self._last:
            self._last = key
            self.currentNodeChanged.emit(self.currentNode())
            self.currentNodeIDChanged.emit(key)

    def _onActivated(self, index):
        key = self._combo.itemData(index)
        if key[:1] in tuple("+-="):
            self._combo.setCurrentIndex(self._combo.findData(self._last))
        if key[:1] == "+":
            self.addNode(key[1:])
        elif key == "-":
            self.removeCurrentNode()
        elif key == "=":
            raise NotImplementedError("renaming by hand is not in Testing/Harness; call node.SetName")

    def addNode(self, nodeType=None):
        node = self.mrmlScene().AddNewNodeByClass(nodeType or self.nodeTypes[0], self.baseName)
        for kind, key, value in self._attributes:
            node.SetAttribute(key, value)
        if self.selectNodeUponCreation:
            self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    def removeCurrentNode(self):
        self.mrmlScene().RemoveNode(self.currentNode())

    def currentNode(self):
        return self.mrmlScene().GetNodeByID(self._last) if self.mrmlScene() and self._last else None

    def setCurrentNode(self, node):
        self.setCurrentNodeID(node.GetID() if node else "")

    def setCurrentNodeID(self, nodeID):
        self._update()
        self._combo.setCurrentIndex(self._combo.findData(nodeID or ""))

    def setCurrentNodeIndex(self, index):
        self.setCurrentNode(self.nodes()[index])

    currentNodeID = Property(str, lambda self: self._last, setCurrentNodeID)

    def comboBox(self):
        return self._combo


@standIn
class qMRMLTableView(_SceneAware, QtWidgets.QTableView):
    """Shows the cells of a table node."""

    mrmlSceneChanged = Signal(object)

    def mrmlTableNode(self):
        return self.__dict__.get("_node")

    def setMRMLTableNode(self, node):
        self.__dict__["_node"] = node
        self._update()

    def _update(self):
        node = self.mrmlTableNode()
        table = node.GetTable() if node else None
        columns = [table.GetColumn(index) for index in range(table.GetNumberOfColumns())] if table else []
        model = QtGui.QStandardItemModel(table.GetNumberOfRows() if table else 0, len(columns), self)
        model.setHorizontalHeaderLabels([node.GetColumnTitle(column.GetName()) or column.GetName() for column in columns])
        for index, column in enumerate(columns):
            for row in range(model.rowCount()):
                model.setItem(row, index, QtGui.QStandardItem(column.GetVariantValue(row).ToString()))
        self.setModel(model)
        self._observe([(node, "ModifiedEvent")] if node else [])


def install(ctk) -> None:
    """Put the stand-ins, and names for what is absent, where Slicer has them."""
    for name in _ABSENT:
        setattr(ctk if name.startswith("ctk") else slicer, name, absent(name))
    for name, cls in widgets.items():
        setattr(ctk if name.startswith("ctk") else slicer, name, cls)
