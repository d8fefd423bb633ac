"""Doubles of Slicer's Python files: slicer.ScriptedLoadableModule, slicer.i18n and slicer.packaging."""

import importlib.metadata
import logging
import shlex
import sys
import unittest
from pathlib import Path

import slicer

from . import dialogs


class ScriptedLoadableModule:
    """A module's declaration; fills `parent`."""

    def __init__(self, parent):
        super().__init__()
        self.parent, self.moduleName = parent, type(self).__name__
        import qt

        icons = [Path(self.resourcePath(f"Icons/{self.moduleName}.{extension}")) for extension in ("svg", "png")]
        for icon in [icon for icon in icons if icon.is_file()][:1]:
            parent.icon = qt.QIcon(str(icon))

    def resourcePath(self, filename):
        return str(Path(self.parent.path).parent / "Resources" / filename)

    def getDefaultModuleDocumentationLink(self, docPage=None):
        app = slicer.app
        url = app.documentationBaseUrl + docPage if docPage else app.moduleDocumentationUrl(self.moduleName)
        return f'<p>For more information, see the <a href="{url}">online documentation</a>.</p>'

    def runTest(self, msec=100, **options):
        getattr(sys.modules[type(self).__module__], f"{self.moduleName}Test")().runTest(**options)


class ScriptedLoadableModuleWidget:
    """A module's panel; `parent` is the widget that holds it."""

    def __init__(self, parent):
        super().__init__()
        self.moduleName, self.developerMode = type(self).__name__.removesuffix("Widget"), False
        self.parent, self.layout = parent, parent.layout()
        slicer.app.moduleManager().connect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    def resourcePath(self, filename):
        return str(Path(slicer.util.modulePath(self.moduleName)).parent / "Resources" / filename)

    def setup(self):
        pass

    def cleanup(self):
        pass

    def _onModuleAboutToBeUnloaded(self, moduleName):
        if moduleName == self.moduleName:
            self.cleanup()
            slicer.app.moduleManager().disconnect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    def onReload(self):
        slicer.util.reloadScriptedModule(self.moduleName)


class ScriptedLoadableModuleLogic:
    """A module's logic; keeps the parameters in a scripted module node."""

    def __init__(self, parent=None):
        super().__init__()
        self.moduleName, self.isSingletonParameterNode = type(self).__name__.removesuffix("Logic"), True

    def getParameterNode(self):
        node = next(iter(self.getAllParameterNodes()), None)
        if self.isSingletonParameterNode:
            node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if node:
            node.SetAttribute("ModuleName", self.moduleName)
        return node or slicer.mrmlScene.AddNode(self.createParameterNode())

    def getAllParameterNodes(self):
        nodes = slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode")
        return [node for node in nodes if node.GetAttribute("ModuleName") == self.moduleName]

    def createParameterNode(self):
        node = slicer.vtkMRMLScriptedModuleNode()
        if self.isSingletonParameterNode:
            node.SetSingletonTag(self.moduleName)
        node.SetAttribute("ModuleName", self.moduleName)
        node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    """A module's self test: runTest runs its methods test*."""

    def delayDisplay(self, message, requestedDelay=None, msec=None):
        slicer.util.delayDisplay(message, 0)

    def runTest(self):
        for name in (name for name in dir(self) if name.startswith("test")):
            self.setUp()
            getattr(self, name)()
            self.tearDown()


def translate(context, text):
    return slicer.app.translate(context, text)


def tr(text):
    return translate("", text)


def pip_install(requirements, **options):
    """Record in Harness.installs what Slicer would install."""
    dialogs.installs.append(shlex.split(requirements) if isinstance(requirements, str) else [*map(str, requirements)])


def pip_uninstall(requirements, **options):
    raise NotImplementedError("Testing/Harness uninstalls nothing")


def pip_check(requirement) -> bool:
    from packaging.requirements import Requirement

    requirement = Requirement(str(requirement))
    try:
        return requirement.specifier.contains(importlib.metadata.version(requirement.name), prereleases=True)
    except importlib.metadata.PackageNotFoundError:
        return False


def pip_ensure(requirements, prompt_install=True, requester=None, **options):
    """Ask for and record what is missing, as Slicer 5.12 does; RuntimeError where the user declines."""
    wanted = requirements.split() if isinstance(requirements, str) else requirements
    missing = [str(requirement) for requirement in wanted if not slicer.packaging.pip_check(requirement)]
    if missing and prompt_install and not slicer.util.confirmOkCancelDisplay(f"{requester} needs {', '.join(missing)}"):
        raise RuntimeError("User declined package installation")
    if missing:
        slicer.packaging.pip_install(missing)


def recordMessage(level, text) -> None:
    dialogs.messages.append((logging.getLevelName(level), text))


_CLASSES = ScriptedLoadableModule, ScriptedLoadableModuleWidget, ScriptedLoadableModuleLogic, ScriptedLoadableModuleTest
_SCRIPTED = {cls.__name__: cls for cls in _CLASSES}
MODULES = {
    "ScriptedLoadableModule": {"__all__": list(_SCRIPTED), **_SCRIPTED},
    "i18n": {"tr": tr, "translate": translate},
    "packaging": {f.__name__: f for f in (pip_install, pip_uninstall, pip_check, pip_ensure)},
}
