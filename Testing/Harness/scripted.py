"""The C++ side of a scripted module: its declaration and the widget that holds its panel."""

import importlib.util
import sys

import slicer
from PySide6 import QtGui, QtWidgets

from .standins import qMRMLWidget


def importFile(name: str, path):
    """Execute a module's file and put it into sys.modules, as Slicer does."""
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


class qSlicerScriptedLoadableModuleWidget(qMRMLWidget):
    """The parent of the module's widget class; calls its setup, enter and exit."""

    def __init__(self, name: str, path: str):
        super().__init__()
        self._name, self._path, self._entered, self._python = name, path, False, None
        self.setLayout(QtWidgets.QVBoxLayout())
        self.setMRMLScene(slicer.mrmlScene)
        self.reload()

    @property
    def isEntered(self):
        return self._entered

    def self(self):
        return self._python

    def reload(self):
        className = f"{self._name}Widget"
        self._python = getattr(sys.modules[self._name], className)(self)
        setattr(slicer.modules, className, self._python)
        self._python.setup()

    def enter(self):
        self._entered = True
        getattr(self._python, "enter", lambda: None)()

    def exit(self):
        self._entered = False
        getattr(self._python, "exit", lambda: None)()


class qSlicerScriptedLoadableModule:
    """A module's declaration: `parent` of its ScriptedLoadableModule class."""

    _FIELDS = {
        "title": str,
        "categories": list,
        "dependencies": list,
        "contributors": list,
        "helpText": str,
        "acknowledgementText": str,
        "icon": QtGui.QIcon,
        "hidden": bool,
        "index": int,
        "widgetRepresentationCreationEnabled": bool,
        "associatedNodeTypes": list,
    }

    def __init__(self, name: str, path):
        vars(self).update({key: kind() for key, kind in self._FIELDS.items()})
        vars(self).update(name=name, path=str(path), _logic=None, _representation=None)

    def __setattr__(self, name, value):
        if name not in self._FIELDS:
            raise AttributeError(f"a module has no attribute '{name}'")
        if not isinstance(value, self._FIELDS[name]):
            raise TypeError(f"a module's {name} is a {self._FIELDS[name].__name__}, not {value!r}")
        vars(self)[name] = value

    def logic(self):
        if self._logic is None:
            logic = slicer.vtkSlicerScriptedLoadableModuleLogic()
            logic.SetMRMLApplicationLogic(slicer.app.applicationLogic())
            logic.SetMRMLScene(slicer.mrmlScene)
            vars(self)["_logic"] = logic
        return self._logic

    def createNewWidgetRepresentation(self):
        return qSlicerScriptedLoadableModuleWidget(self.name, self.path)

    def widgetRepresentation(self):
        if self._representation is None:
            vars(self)["_representation"] = self.createNewWidgetRepresentation()
        return self._representation
