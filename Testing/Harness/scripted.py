"""The C++ side of a scripted module: its declaration and the widget that holds its panel."""

import sys

import slicer
from PySide6 import QtCore, QtGui, QtWidgets

from .standins import qMRMLWidget

_FIELDS = {
    **dict.fromkeys(("title", "helpText", "acknowledgementText"), str),
    **dict.fromkeys(("categories", "dependencies", "contributors", "associatedNodeTypes"), list),
    **{"icon": QtGui.QIcon, "hidden": bool, "index": int, "widgetRepresentationCreationEnabled": bool},
}


class qSlicerScriptedLoadableModuleWidget(qMRMLWidget):
    """The parent of the module's widget class; calls its setup, enter and exit."""

    isEntered = QtCore.Property(bool, lambda self: self.__dict__.get("_entered", False))

    def __init__(self, name: str):
        super().__init__()
        self._moduleName = name
        self.setLayout(QtWidgets.QVBoxLayout())
        self.setMRMLScene(slicer.mrmlScene)

    def self(self):
        return self.__dict__.get("_python")

    def reload(self):
        className = f"{self._moduleName}Widget"
        self._python = getattr(sys.modules[self._moduleName], className)(self)
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

    def __init__(self, name: str, path):
        logic = slicer.vtkSlicerScriptedLoadableModuleLogic()
        logic.SetMRMLApplicationLogic(slicer.app.applicationLogic())
        logic.SetMRMLScene(slicer.mrmlScene)
        vars(self).update({key: kind() for key, kind in _FIELDS.items()}, name=name, path=str(path), _parts=[logic])

    def __setattr__(self, name, value):
        if name not in _FIELDS:
            raise AttributeError(f"a module has no attribute '{name}'")
        if not isinstance(value, _FIELDS[name]):
            raise TypeError(f"a module's {name} is a {_FIELDS[name].__name__}, not {value!r}")
        vars(self)[name] = value

    def logic(self):
        return self._parts[0]

    def widgetRepresentation(self):
        if len(self._parts) == 1:
            self._parts.append(qSlicerScriptedLoadableModuleWidget(self.name))
            self._parts[1].reload()
        return self._parts[1]
