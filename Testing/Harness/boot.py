"""One start per process: Qt, the MRML scene, and Slicer's Python modules, its own or our doubles of them."""

import importlib
import os
import sys
import tempfile
import types
from pathlib import Path

import slicer.util
from PySide6 import QtCore, QtWidgets

from . import failures, pythonqt, standins  # noqa: F401
from .files import IOManager

_LOGICS = {"volumes": "vtkSlicerVolumesLogic", "segmentations": "vtkSlicerSegmentationsModuleLogic"}
_kept: list = []


class ModuleManager(QtCore.QObject):
    moduleAboutToBeUnloaded = QtCore.Signal(str)

    def module(self, name: str):
        return getattr(slicer.modules, name.lower(), None)


class Application(QtWidgets.QApplication):
    """``slicer.app``. What is not here is an AttributeError, also where Slicer has it. layoutManager() is None, as in
    Slicer without a main window; testingEnabled() is False, so that a module meets what a user meets."""

    startupCompleted, temporaryPath = QtCore.Signal(), ""

    def __init__(self, home: str, logic):
        super().__init__(["Slicer"])
        self.temporaryPath = home
        values = {"applicationLogic": logic, "coreIOManager": IOManager(), "moduleManager": ModuleManager()}
        for name, value in (values | {"layoutManager": None, "testingEnabled": False}).items():
            vars(self)[name] = lambda value=value: value


def slicerPython() -> Path | None:
    """Folder Base/Python of a Slicer source tree whose files replace the doubles; None: the doubles are used."""
    folder = os.environ.get("SLICER_PYTHON")
    return Path(folder) if folder else None


def _bootScene(home: str):
    scene, application = slicer.vtkMRMLScene(), slicer.vtkSlicerApplicationLogic()
    application.SetHomeDirectory(home)
    slicer.mrmlScene, slicer.modules = scene, types.SimpleNamespace()
    remote, data = slicer.vtkMRMLRemoteIOLogic(), slicer.vtkDataIOManagerLogic()
    _kept.extend([remote, data])
    for name, className in _LOGICS.items():
        logic = getattr(slicer, className)()
        setattr(slicer.modules, name, types.SimpleNamespace(name=name, logic=lambda logic=logic: logic))
    for logic in (remote, data, *(module.logic() for module in vars(slicer.modules).values())):
        logic.SetMRMLApplicationLogic(application)
        logic.SetMRMLScene(scene)
    data.SetAndObserveDataIOManager(remote.GetDataIOManager())
    application.SetMRMLSceneDataIO(scene, remote, data)
    application.SetMRMLScene(scene)
    application.SetModuleLogic("Colors", application.GetColorLogic())
    return application


def boot() -> None:
    """Start Qt and MRML and install qt, ctk and slicer.*; later calls do nothing, a second start would crash."""
    if _kept:
        return
    os.environ["VTK_DEFAULT_OPENGL_WINDOW"], os.environ["QT_QPA_PLATFORM"] = "vtkEGLRenderWindow", "offscreen"
    _kept.append(tempfile.TemporaryDirectory(prefix="harness"))
    sys.modules["qt"] = pythonqt.createModule()
    slicer.app = Application(_kept[0].name, _bootScene(_kept[0].name))
    for name, value in vars(slicer.util).items():  # slicer-core shows these in slicer too; Slicer does not
        if not name.startswith("__") and vars(slicer).get(name) is value:
            delattr(slicer, name)
    source = slicerPython()
    slicer.__path__.insert(0, str(source / "slicer" if source else Path(__file__).with_name("doubles")))
    del sys.modules["slicer.util"]
    for name in ("util", "i18n", "ScriptedLoadableModule", "parameterNodeWrapper", "packaging"):
        if name != "packaging" or importlib.util.find_spec("slicer.packaging"):  # Slicer 5.10 has none
            importlib.import_module(f"slicer.{name}")
    failures.watch()
