"""``slicer.app``, and the C++ side of a scripted module: its declaration and the widget that holds its panel."""

import sys

import slicer
from PySide6 import QtCore, QtGui, QtWidgets

from .files import IOManager
from .standins import qMRMLWidget, stored


class ModuleManager(QtCore.QObject):
    """Finds modules by name; tells them before they go."""

    moduleAboutToBeUnloaded = QtCore.Signal(str)

    def module(self, name: str):
        return getattr(slicer.modules, name.lower(), None)


class Application(QtWidgets.QApplication):
    """What is not here is an AttributeError, also where Slicer has it. layoutManager() is None, as in Slicer without a
    main window; testingEnabled() is False, so that a module meets what a user meets."""

    startupCompleted = QtCore.Signal()

    def __init__(self, home: str, logic):
        super().__init__(["Slicer"])
        settings = QtCore.QSettings(f"{home}/settings.ini", QtCore.QSettings.Format.IniFormat)
        values = {"applicationLogic": logic, "coreIOManager": IOManager(), "moduleManager": ModuleManager()}
        values |= {"userSettings": settings, "layoutManager": None, "testingEnabled": False}
        vars(self).update({name: lambda value=value: value for name, value in values.items()}, temporaryPath=home)


class qSlicerScriptedLoadableModuleWidget(qMRMLWidget):
    """The parent of the module's widget class; calls its setup, enter and exit."""

    isEntered = stored(bool, False)

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


class qSlicerScriptedLoadableModule(QtCore.QObject):
    """A module's declaration: `parent` of its ScriptedLoadableModule class."""

    title, helpText, acknowledgementText, path = (stored(str, "") for _ in range(4))
    categories, dependencies, contributors = (stored("QStringList", []) for _ in range(3))
    icon = stored(QtGui.QIcon, None)

    def __init__(self, path):
        super().__init__()
        self.name, self.path = path.stem, str(path)
        self._widget = qSlicerScriptedLoadableModuleWidget(path.stem)

    def widgetRepresentation(self):
        return self._widget


slicer.qSlicerScriptedLoadableModule = qSlicerScriptedLoadableModule
slicer.qSlicerScriptedLoadableModuleWidget = qSlicerScriptedLoadableModuleWidget
