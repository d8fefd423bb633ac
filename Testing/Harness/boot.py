"""One start per process: Qt, the MRML scene, and Slicer's Python modules, its own or our doubles of them."""

import importlib.util
import os
import sys
import tempfile
import types
from pathlib import Path

import PySide6

_kept: dict = {}


def slicerPython() -> Path | None:
    """Folder Base/Python of a Slicer source tree whose files replace the doubles; None: the doubles are used."""
    folder = os.environ.get("SLICER_PYTHON")
    if folder and not (Path(folder) / "slicer" / "ScriptedLoadableModule.py").is_file():
        raise FileNotFoundError(f"SLICER_PYTHON={folder} is not the folder Base/Python of a Slicer source tree")
    return Path(folder) if folder else None


def importFile(name: str, path: Path) -> types.ModuleType:
    """Import the file or package at `path` as `name`, anew even if it is imported already."""
    folder = [str(path)] if path.is_dir() else None
    file = path / "__init__.py" if folder else path
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=folder)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    if name.startswith("slicer."):
        setattr(sys.modules["slicer"], name.split(".")[1], module)
    spec.loader.exec_module(module)
    return module


def _install(name: str, names: dict) -> types.ModuleType:
    module = sys.modules[name] = types.ModuleType(name)
    vars(module).update(names)
    if name.startswith("slicer."):
        setattr(sys.modules["slicer"], name.split(".")[1], module)
    return module


def _bootScene(slicer, home: str):
    scene, application = slicer.vtkMRMLScene(), slicer.vtkSlicerApplicationLogic()
    application.SetHomeDirectory(home)
    application.SetShareDirectory("share")
    application.SetTemporaryPath(home)
    remote, data = slicer.vtkMRMLRemoteIOLogic(), slicer.vtkDataIOManagerLogic()
    for logic in (remote, data):
        logic.SetMRMLApplicationLogic(application)
        logic.SetMRMLScene(scene)
    data.SetAndObserveDataIOManager(remote.GetDataIOManager())
    application.SetMRMLSceneDataIO(scene, remote, data)
    application.SetMRMLScene(scene)
    _kept["logics"] = remote, data
    return application, scene


def _installPython(slicer, source: Path | None):
    """Slicer's Python layer from its sources, or the doubles; installing packages is recorded in both cases."""
    from . import doubles

    if source is None:
        for name, names in doubles.MODULES.items():
            _install(f"slicer.{name}", names)
        importFile("slicer.parameterNodeWrapper", Path(__file__).with_name("parameternode.py"))
    else:
        for name in ("util.py", "i18n.py", "ScriptedLoadableModule.py", "packaging.py", "parameterNodeWrapper"):
            if (source / "slicer" / name).exists():
                importFile("slicer." + name.removesuffix(".py"), source / "slicer" / name)
    for module in {slicer.util, getattr(slicer, "packaging", slicer.util)}:
        module.pip_install, module.pip_uninstall = doubles.pip_install, doubles.pip_uninstall
    display = slicer.util._messageDisplay

    def record(level, text, *arguments, **options):
        doubles.recordMessage(level, text)
        return display(level, text, *arguments, **options)

    slicer.util._messageDisplay = record


def boot() -> None:
    """Start Qt and MRML and install qt, ctk and slicer.*; later calls do nothing."""
    if "ready" in _kept:
        return
    if _kept:
        raise RuntimeError("the first start in this process failed, and there can be no second one; see its error")
    if PySide6.__version_info__ >= (6, 12) and sys.version_info < (3, 12):
        raise ImportError("PySide6 6.12 corrupts reference counts on Python 3.11; install PySide6_Essentials<6.12")
    _kept["folder"] = folder = tempfile.TemporaryDirectory(prefix="harness")
    os.environ["VTK_DEFAULT_OPENGL_WINDOW"], os.environ["QT_QPA_PLATFORM"] = "vtkEGLRenderWindow", "offscreen"
    (Path(folder.name) / "share" / "ColorFiles").mkdir(parents=True)
    import slicer.util
    from PySide6 import QtCore, QtWidgets

    _kept["qt"] = QtWidgets.QApplication(["Slicer"])
    settings = QtCore.QSettings
    settings.setDefaultFormat(settings.Format.IniFormat)
    settings.setPath(settings.Format.IniFormat, settings.Scope.UserScope, folder.name)
    for name, value in vars(slicer.util).items():  # slicer-core shows these in slicer too; Slicer does not
        if not name.startswith("__") and vars(slicer).get(name) is value:
            delattr(slicer, name)
    application, slicer.mrmlScene = _bootScene(slicer, folder.name)
    _install("ctk", {})
    from . import dialogs, pythonqt, uiloader

    sys.modules["qt"] = pythonqt.createModule(uiloader.QUiLoader)
    from .application import Application
    from .scripted import qSlicerScriptedLoadableModule, qSlicerScriptedLoadableModuleWidget

    slicer.qSlicerScriptedLoadableModule = qSlicerScriptedLoadableModule
    slicer.qSlicerScriptedLoadableModuleWidget = qSlicerScriptedLoadableModuleWidget
    slicer.app = Application(application, slicer.mrmlScene, folder.name)
    _install("slicer.modules", slicer.app.coreModules)
    _installPython(slicer, slicerPython())
    dialogs.collectErrors()
    _kept["ready"] = True
