"""One start per process: Qt, the MRML scene, and Slicer's Python modules, its own or our doubles of them."""

import importlib
import os
import sys
import tempfile
import types
from pathlib import Path

import slicer.util

from . import failures, pythonqt
from .application import Application

_kept: list = []


def slicerPython() -> Path | None:
    """Folder Base/Python of a Slicer source tree whose files replace the doubles; None: the doubles are used."""
    folder = os.environ.get("SLICER_PYTHON")
    return Path(folder) if folder else None


def _bootScene(home: str):
    scene, application = slicer.vtkMRMLScene(), slicer.vtkSlicerApplicationLogic()
    application.SetHomeDirectory(home)
    application.SetShareDirectory("share")
    application.SetTemporaryPath(home)
    names = {"volumes": "vtkSlicerVolumesLogic", "segmentations": "vtkSlicerSegmentationsModuleLogic"}
    modules = {name: getattr(slicer, className)() for name, className in names.items()}
    remote, data = slicer.vtkMRMLRemoteIOLogic(), slicer.vtkDataIOManagerLogic()
    for logic in (remote, data, *modules.values()):
        logic.SetMRMLApplicationLogic(application)
        logic.SetMRMLScene(scene)
    data.SetAndObserveDataIOManager(remote.GetDataIOManager())
    application.SetMRMLSceneDataIO(scene, remote, data)
    application.SetMRMLScene(scene)
    application.SetModuleLogic("Colors", application.GetColorLogic())
    _kept.extend([remote, data])
    slicer.modules = types.SimpleNamespace()
    for name, logic in modules.items():
        setattr(slicer.modules, name, types.SimpleNamespace(name=name, logic=lambda logic=logic: logic))
    return scene, application


def _installPython():
    """Slicer's Python layer: the files of its source tree, or our doubles and the slicer.util of slicer-core."""
    for name, value in vars(slicer.util).items():  # slicer-core shows these in slicer too; Slicer does not
        if not name.startswith("__") and vars(slicer).get(name) is value:
            delattr(slicer, name)
    source = slicerPython()
    slicer.__path__.insert(0, str(source / "slicer" if source else Path(__file__).with_name("doubles")))
    del sys.modules["slicer.util"]
    for name in ("util", "i18n", "ScriptedLoadableModule", "parameterNodeWrapper", "packaging"):
        if name != "packaging" or importlib.util.find_spec("slicer.packaging"):  # Slicer 5.10 has none
            importlib.import_module(f"slicer.{name}")


def boot() -> None:
    """Start Qt and MRML and install qt, ctk and slicer.*; later calls do nothing, a second start would crash."""
    if _kept:
        return
    os.environ["VTK_DEFAULT_OPENGL_WINDOW"], os.environ["QT_QPA_PLATFORM"] = "vtkEGLRenderWindow", "offscreen"
    home = tempfile.TemporaryDirectory(prefix="harness")
    (Path(home.name) / "share" / "ColorFiles").mkdir(parents=True)
    _kept.append(home)
    slicer.mrmlScene, logic = _bootScene(home.name)
    sys.modules["qt"] = pythonqt.createModule()
    slicer.app = Application(home.name, logic)
    _installPython()
    failures.patchDialogs()
    failures.collectErrors()
