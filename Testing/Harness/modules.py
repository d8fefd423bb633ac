"""Loads a scripted module, shows its panel, reloads and closes it."""

import gc
import re
import sys
from pathlib import Path

from .boot import boot
from .dialogs import errors

_FOLDER = Path(__file__).resolve().parents[2] / "MedCompress"
_open: list["LoadedModule"] = []


class LoadedModule:
    """A running module: `module` and `widget` are the instances of its classes, `window` is its panel."""

    def __init__(self, path: Path):
        import slicer

        from .application import ScriptedIO
        from .scripted import importFile, qSlicerScriptedLoadableModule

        self.name, self._sceneObservers = path.stem, _observers(slicer.mrmlScene)
        if str(path.parent) not in sys.path:
            sys.path.insert(0, str(path.parent))
        python = importFile(self.name, path)
        declaration = qSlicerScriptedLoadableModule(self.name, path)
        self.module = getattr(python, self.name)(declaration)
        setattr(slicer.modules, self.name.lower(), declaration)
        setattr(slicer.modules, f"{self.name}Instance", self.module)
        classes = [getattr(python, self.name + kind, None) for kind in ("FileReader", "FileWriter")]
        self._plugins = [ScriptedIO(pluginClass) for pluginClass in classes if pluginClass]
        slicer.app.coreIOManager().plugins.extend(self._plugins)
        _open.append(self)
        slicer.app.startupCompleted.emit()
        self.window = declaration.widgetRepresentation()
        self.window.resize(500, 800)
        self.window.show()
        self.window.enter()
        slicer.app.processEvents()

    @property
    def widget(self):
        return self.window.self()

    def reload(self) -> None:
        """What the button Reload does."""
        self.widget.onReload()
        self.window.show()

    def close(self) -> None:
        """Leave the module and unload it; AssertionError where it still observes the scene afterwards."""
        import slicer

        widget, logic = self.widget, getattr(self.widget, "logic", None)
        _open.remove(self)
        self.window.exit()
        slicer.app.moduleManager().moduleAboutToBeUnloaded.emit(self.name)
        left = [entry[:3] for owner in (widget, logic) for entry in getattr(owner, "Observations", [])]
        for child in [self.window, *self.window.findChildren(type(self.window).__mro__[2])]:
            getattr(child, "setMRMLScene", lambda scene: None)(None)
        self.window.hide()
        self.window.deleteLater()
        for io in self._plugins:
            slicer.app.coreIOManager().plugins.remove(io)
        for name in (self.name.lower(), f"{self.name}Instance", f"{self.name}Widget"):
            delattr(slicer.modules, name)
        sys.modules.pop(self.name, None)
        slicer.app.processEvents()
        gc.collect()
        left += sorted(_observers(slicer.mrmlScene) - self._sceneObservers)
        if left:
            raise AssertionError(f"{self.name} still observes after cleanup: {left}")


def _observers(scene) -> set[str]:
    text = str(scene)
    return set(re.findall(r"vtkObserver \((0x\w+)\)", text))


def loadModule(module) -> LoadedModule:
    """Load a module of MedCompress by name, or any by the path of its file; setup() and enter() are called."""
    boot()
    path = Path(module) if str(module).endswith(".py") else _FOLDER / f"{module}.py"
    if not path.is_file():
        raise FileNotFoundError(f"no module at {path}")
    return LoadedModule(path)


def closeAll() -> None:
    """Close the modules that are still open, the last one first, and empty the scene."""
    import slicer

    for loaded in reversed(_open[:]):
        try:
            loaded.close()
        except AssertionError as leak:
            errors.append(str(leak))
    slicer.mrmlScene.Clear(False)
    for node in slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode"):
        slicer.mrmlScene.RemoveNode(node)


def openFile(path) -> list[str]:
    """Open a file as by drag and drop, through the loaded modules' readers; return the IDs of the loaded nodes."""
    import slicer
    import vtk

    manager, nodes = slicer.app.coreIOManager(), vtk.vtkCollection()
    fileType = manager.fileType(path)
    if fileType == "NoFile":
        raise LookupError(f"no loaded module reads {path}")
    if not manager.loadNodes(fileType, {"fileName": str(path)}, nodes):
        raise RuntimeError(f"the reader of '{fileType}' could not load {path}: {errors or 'it gave no reason'}")
    return [nodes.GetItemAsObject(index).GetID() for index in range(nodes.GetNumberOfItems())]
