"""One start per process: Qt, the MRML scene, and Slicer's Python modules, its own or our doubles of them."""

import importlib.util
import os
import sys
import tempfile
import types
from pathlib import Path

_kept: dict = {}


def slicerPython() -> Path | None:
    """Folder Base/Python of a Slicer source tree whose files replace the doubles; None: the doubles are used."""
    folder = os.environ.get("SLICER_PYTHON")
    if folder and not (Path(folder) / "slicer" / "ScriptedLoadableModule.py").is_file():
        raise FileNotFoundError(f"SLICER_PYTHON={folder} is not the folder Base/Python of a Slicer source tree")
    return Path(folder) if folder else None


def _bootScene(home: str):
    import slicer

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
    _kept.update(remote=remote, data=data)
    slicer.mrmlScene = scene
    return application, scene


def _hideUtilities():
    """slicer-core shows slicer.util's names in ``slicer`` too; Slicer does not."""
    import slicer

    for name in vars(slicer.util):
        if not name.startswith("__") and vars(slicer).get(name) is vars(slicer.util)[name]:
            delattr(slicer, name)


def _install(name: str, module: types.ModuleType):
    import slicer

    sys.modules[f"slicer.{name}"] = module
    setattr(slicer, name, module)


def _executeFile(name: str, path: Path):
    """Import Slicer's own file or package as slicer.`name`."""
    folder = [str(path)] if path.is_dir() else None
    file = path / "__init__.py" if folder else path
    spec = importlib.util.spec_from_file_location(f"slicer.{name}", file, submodule_search_locations=folder)
    module = importlib.util.module_from_spec(spec)
    _install(name, module)
    spec.loader.exec_module(module)


def _installSlicerPython():
    import slicer

    from . import doubles, parameternode

    source = slicerPython()
    if source is None:
        for name, names in doubles.MODULES.items():
            _install(name, module := types.ModuleType(f"slicer.{name}"))
            vars(module).update(names)
        _install("parameterNodeWrapper", parameternode)
    else:
        for name in ("util", "i18n", "ScriptedLoadableModule", "parameterNodeWrapper", "packaging"):
            path = source / "slicer" / name
            path = path if path.is_dir() else path.with_suffix(".py")
            if path.exists() or name != "packaging":
                _executeFile(name, path)
    packaging = getattr(slicer, "packaging", None)
    for module in (slicer.util, packaging):
        for name in ("pip_install", "pip_uninstall"):
            if module is not None:
                setattr(module, name, getattr(doubles, name))
    shown = slicer.util._messageDisplay
    slicer.util._messageDisplay = lambda level, text, *a, **k: doubles.recordMessage(level, text) or shown(level, text, *a, **k)


def boot() -> None:
    """Start Qt and MRML and install qt, ctk and slicer.*; later calls do nothing."""
    if _kept:
        return
    _kept["home"] = home = tempfile.TemporaryDirectory(prefix="harness")
    os.environ["VTK_DEFAULT_OPENGL_WINDOW"] = "vtkEGLRenderWindow"
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    (Path(home.name) / "share" / "ColorFiles").mkdir(parents=True)
    from PySide6 import QtCore, QtWidgets

    import slicer
    import slicer.util  # noqa: F401

    _kept["qt"] = QtWidgets.QApplication([])
    QtCore.QCoreApplication.setOrganizationName("Testing")
    QtCore.QSettings.setDefaultFormat(QtCore.QSettings.Format.IniFormat)
    QtCore.QSettings.setPath(QtCore.QSettings.Format.IniFormat, QtCore.QSettings.Scope.UserScope, home.name)
    _hideUtilities()
    application, scene = _bootScene(home.name)
    from . import pythonqt
    from .uiloader import QUiLoader

    sys.modules["qt"] = pythonqt.createModule(QUiLoader)
    sys.modules["ctk"] = types.ModuleType("ctk", "stand-ins for CTK's widgets")
    from . import application as app
    from . import dialogs, scripted, standins

    standins.install(sys.modules["ctk"])
    slicer.qSlicerScriptedLoadableModule = scripted.qSlicerScriptedLoadableModule
    slicer.qSlicerScriptedLoadableModuleWidget = scripted.qSlicerScriptedLoadableModuleWidget
    _install("modules", types.ModuleType("slicer.modules"))
    slicer.app = app.Application(application, scene, home.name)
    vars(slicer.modules).update(slicer.app.coreModules())
    _installSlicerPython()
    dialogs.collectErrors()
