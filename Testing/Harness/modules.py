"""Loads a scripted module, shows its panel, reloads and closes it."""

import gc
import re
import sys
from pathlib import Path

from PySide6.QtCore import SIGNAL
from PySide6.QtWidgets import QWidget

from .boot import boot, importFile
from .dialogs import errors

_FOLDER = Path(__file__).resolve().parents[2] / "MedCompress"
_open: list["LoadedModule"] = []
_held: list = []  # a node without a Python owner may lose its observers' functions to the garbage collector, and crash


class LoadedModule:
    """A running module: `module` and `widget` are the instances of its classes, `window` is its panel."""

    def __init__(self, path: Path):
        import slicer

        from .application import ScriptedIO

        self.name, self.window, self._plugins = path.stem, None, slicer.app.coreIOManager().plugins
        self._observers, self._pluginsBefore = _observers(slicer.mrmlScene), self._plugins[:]
        _open.append(self)
        if str(path.parent) not in sys.path:
            sys.path.insert(0, str(path.parent))
        python = importFile(self.name, path)
        declaration = slicer.qSlicerScriptedLoadableModule(self.name, path)
        self.module = getattr(python, self.name)(declaration)
        setattr(slicer.modules, self.name.lower(), declaration)
        setattr(slicer.modules, f"{self.name}Instance", self.module)
        classes = [getattr(python, self.name + kind, None) for kind in ("FileReader", "FileWriter")]
        self._plugins.extend(ScriptedIO(pluginClass) for pluginClass in classes if pluginClass)
        if slicer.app.receivers(SIGNAL("startupCompleted()")):
            slicer.app.startupCompleted.emit()
            slicer.app.startupCompleted.disconnect()
        self.window = declaration.widgetRepresentation()
        self.window.resize(500, 800)
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
        import slicer

        self.window.exit()
        slicer.app.moduleManager().moduleAboutToBeUnloaded.emit(self.name)
        left = []
        for owner in (self.widget, getattr(self.widget, "logic", None)):
            left += [entry[:3] for entry in getattr(owner, "Observations", [])]
            getattr(owner, "removeObservers", lambda: None)()
        for child in [self.window, *self.window.findChildren(QWidget)]:
            if isinstance(child, slicer.qMRMLWidget.__mro__[1]):
                child.setMRMLScene(None)
        self.window.hide()
        self.window.deleteLater()
        self._forget()
        left += sorted(_observers(slicer.mrmlScene) - self._observers)
        if left:
            raise AssertionError(f"{self.name} still observes after cleanup: {left}")

    def discard(self) -> None:
        """Undo what a failed load left behind."""
        import slicer

        widget = getattr(slicer.modules, f"{self.name}Widget", None)
        if widget:
            getattr(widget, "removeObservers", lambda: None)()
            signal = "moduleAboutToBeUnloaded(QString)"
            slicer.app.moduleManager().disconnect(signal, widget._onModuleAboutToBeUnloaded)
        self._forget()

    def _forget(self):
        import slicer

        _open.remove(self)
        self._plugins[:] = self._pluginsBefore
        for name in (self.name.lower(), f"{self.name}Instance", f"{self.name}Widget"):
            vars(slicer.modules).pop(name, None)
        sys.modules.pop(self.name, None)
        slicer.app.processEvents()
        gc.collect()


def _observers(scene) -> set[str]:
    return set(re.findall(r"vtkObserver \((0x\w+)\)", str(scene)))


def loadModule(module) -> LoadedModule:
    """Load a module of MedCompress by name, or any by the path of its file; setup() and enter() are called."""
    boot()
    path = Path(module) if str(module).endswith(".py") else _FOLDER / f"{module}.py"
    if not path.is_file():
        raise FileNotFoundError(f"no module at {path}")
    before = len(_open)
    try:
        return LoadedModule(path)
    except BaseException:
        for failed in _open[before:]:
            failed.discard()
        raise


def closeAll() -> None:
    """Close the modules that are still open, the last one first, and empty the scene."""
    import slicer

    for loaded in reversed(_open[:]):
        try:
            loaded.close()
        except AssertionError as leak:
            errors.append(str(leak))
    _held.extend(slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode"))
    slicer.mrmlScene.Clear(False)
    for node in slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode"):
        slicer.mrmlScene.RemoveNode(node)
    _held.clear()


def openFile(path) -> list[str]:
    """Open a file as by drag and drop, through the loaded modules' readers; return the IDs of the loaded nodes."""
    import slicer
    import vtk

    manager, nodes, said = slicer.app.coreIOManager(), vtk.vtkCollection(), slicer.vtkMRMLMessageCollection()
    fileType = manager.fileType(path)
    if fileType == "NoFile":
        raise LookupError(f"no loaded module reads {path}")
    if not manager.loadNodes(fileType, {"fileName": str(path)}, nodes, said):
        reason = said.GetAllMessagesAsString() or errors or "it gave no reason"
        raise RuntimeError(f"the reader of '{fileType}' could not load {path}: {reason}")
    return [nodes.GetItemAsObject(index).GetID() for index in range(nodes.GetNumberOfItems())]
