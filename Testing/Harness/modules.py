"""Loads a scripted module, shows its panel, reloads and closes it."""

import gc
import importlib
import sys
import traceback
from pathlib import Path

import shiboken6
import slicer

from . import pythonqt
from .application import qSlicerScriptedLoadableModule
from .boot import boot
from .failures import errors
from .files import FilePlugin

_FOLDER = Path(__file__).resolve().parents[2] / "MedCompress"
_open: list["LoadedModule"] = []
_held: list = []  # a node without a Python owner may lose its observers' functions to the garbage collector, and crash


class LoadedModule:
    """A running module: `widget` is the instance of its widget class, `window` is its panel."""

    def __init__(self, path: Path):
        self.name, self._plugins = path.stem, []
        self._observersBefore = str(slicer.mrmlScene).count("vtkObserver (")
        self._declaration = qSlicerScriptedLoadableModule(path)
        self.window = self._declaration.widgetRepresentation()
        _open.append(self)
        sys.path.insert(0, str(path.parent))
        sys.modules.pop(self.name, None)
        importlib.invalidate_caches()
        python = importlib.import_module(self.name)
        setattr(slicer.modules, self.name.lower(), self._declaration)
        setattr(slicer.modules, f"{self.name}Instance", getattr(python, self.name)(self._declaration))
        classes = [getattr(python, self.name + kind, None) for kind in ("FileReader", "FileWriter")]
        self._plugins += [FilePlugin(pluginClass) for pluginClass in classes if pluginClass]
        slicer.app.coreIOManager().plugins.extend(self._plugins)
        slicer.app.startupCompleted.emit()
        self.window.reload()
        self.window.show()
        self.window.enter()
        slicer.app.processEvents()
        _held.extend(slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode"))

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
            widget.cleanup()
        finally:
            shiboken6.delete(self.window)
            left = str(slicer.mrmlScene).count("vtkObserver (") - self._observersBefore
            getattr(widget, "removeObservers", lambda: None)()
            for plugin in self._plugins:
                slicer.app.coreIOManager().plugins.remove(plugin)
            for name in (self.name.lower(), f"{self.name}Instance", f"{self.name}Widget"):
                vars(slicer.modules).pop(name, None)
            gc.collect()
        if left:
            raise AssertionError(f"{self.name} still observes the scene after cleanup: {left} observers")


def loadModule(module) -> LoadedModule:
    """Load a module of MedCompress by name, or any by the path of its file; setup() and enter() are called."""
    boot()
    return LoadedModule(Path(module) if str(module).endswith(".py") else _FOLDER / f"{module}.py")


def closeAll() -> None:
    """Close the modules that are still open, the last one first, and empty the scene."""
    for loaded in reversed(_open[:]):
        try:
            loaded.close()
        except Exception:
            errors.append(traceback.format_exc())
    _held.extend(slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode"))
    slicer.mrmlScene.Clear(False)
    for node in slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode"):
        slicer.mrmlScene.RemoveNode(node)
    _held.clear()
    pythonqt.connected.clear()


def openFile(path) -> list[str]:
    """Open a file as by drag and drop; return the IDs of the loaded nodes. Raises RuntimeError as slicer.util does."""
    return [slicer.util.loadNodeFromFile(str(path), properties={}).GetID()]
