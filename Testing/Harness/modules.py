"""Scripted modules: their C++ side, and loading, showing and closing them."""

import gc
import importlib
import sys
import traceback
from pathlib import Path

import shiboken6
import slicer
from PySide6 import QtWidgets

from . import failures, pythonqt
from .boot import boot
from .standins import qMRMLWidget

_open: list["qSlicerScriptedLoadableModule"] = []


class qSlicerScriptedLoadableModuleWidget(qMRMLWidget):
    """The parent of the module's widget class; calls its setup, enter and exit."""

    isEntered = False

    def __init__(self, moduleName: str):
        super().__init__()
        self._moduleName, self._python = moduleName, None
        self.setLayout(QtWidgets.QVBoxLayout())

    def self(self):
        return self._python

    def reload(self):
        className = f"{self._moduleName}Widget"
        self._python = getattr(sys.modules[self._moduleName], className)(self)
        setattr(slicer.modules, className, self._python)
        self._python.setup()

    def enter(self):
        self.isEntered = True
        self._python.enter()

    def exit(self):
        self.isEntered = False
        self._python.exit()


class qSlicerScriptedLoadableModule:
    """A running module: the declaration that its ScriptedLoadableModule class gets as `parent`; for tests its panel
    `window` and the instance `widget` of its widget class."""

    __slots__ = "name path title helpText acknowledgementText categories dependencies contributors icon window".split()
    __slots__ += ["_nodes", "_observers"]

    def __init__(self, path: Path):
        self.name, self.path, self._observers = path.stem, str(path), str(slicer.mrmlScene).count("vtkObserver (")
        self.window = qSlicerScriptedLoadableModuleWidget(self.name)
        _open.append(self)
        sys.path.insert(0, str(path.parent))
        sys.modules.pop(self.name, None)
        importlib.invalidate_caches()
        python = importlib.import_module(self.name)
        setattr(slicer.modules, self.name.lower(), self)
        setattr(slicer.modules, f"{self.name}Instance", getattr(python, self.name)(self))
        for name in (f"{self.name}FileReader", f"{self.name}FileWriter"):
            if hasattr(python, name):
                slicer.app.coreIOManager().addPlugin(name, getattr(python, name))
        slicer.app.startupCompleted.emit()
        self.window.reload()
        self.window.show()
        self.window.enter()
        slicer.app.processEvents()
        # a node without a Python owner may lose its observers' functions to the garbage collector, and crash
        self._nodes = slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode")

    def widgetRepresentation(self):
        return self.window

    @property
    def widget(self):
        return self.window.self()

    def reload(self) -> None:
        """What the button Reload does."""
        self.widget.onReload()

    def close(self) -> None:
        """Leave the module and unload it; AssertionError where it still observes the scene afterwards."""
        _open.remove(self)
        widget = self.widget
        try:
            if self.window.isEntered:
                self.window.exit()
            if widget:  # None where loading failed
                widget.cleanup()
        finally:
            shiboken6.delete(self.window)
            left = str(slicer.mrmlScene).count("vtkObserver (") - self._observers
            getattr(widget, "removeObservers", lambda: None)()
            for kind in ("FileReader", "FileWriter", "Instance", "Widget"):
                slicer.app.coreIOManager().plugins.pop(self.name + kind, None)
                vars(slicer.modules).pop(self.name + kind, None)
            vars(slicer.modules).pop(self.name.lower(), None)
            gc.collect()
        assert not left, f"{self.name} still observes the scene after cleanup: {left} observers"


def loadModule(module) -> qSlicerScriptedLoadableModule:
    """Load a module of MedCompress by name, or any by the path of its file; setup() and enter() are called."""
    boot()
    ours = Path(__file__).parents[2] / "MedCompress" / f"{module}.py"
    return qSlicerScriptedLoadableModule(Path(module) if str(module).endswith(".py") else ours)


def closeAll() -> None:
    """Close the modules that are still open, the last one first, and empty the scene."""
    for loaded in reversed(_open[:]):
        try:
            loaded.close()
        except Exception:
            failures.errors.append(traceback.format_exc())
    nodes = slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode")
    slicer.mrmlScene.Clear(False)
    for node in nodes:
        slicer.mrmlScene.RemoveNode(node)
    pythonqt.connected.clear()


def openFile(path) -> list[str]:
    """Open a file as by drag and drop; return the IDs of the loaded nodes. Raises RuntimeError as slicer.util does."""
    return [slicer.util.loadNodeFromFile(str(path), properties={}).GetID()]


slicer.qSlicerScriptedLoadableModule = qSlicerScriptedLoadableModule
slicer.qSlicerScriptedLoadableModuleWidget = qSlicerScriptedLoadableModuleWidget
