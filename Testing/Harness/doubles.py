"""Doubles of Slicer's Python files: slicer.ScriptedLoadableModule, slicer.i18n and slicer.packaging."""

import importlib
import importlib.metadata
import logging
import shlex
import unittest
from pathlib import Path

import slicer

from . import dialogs


class ScriptedLoadableModule:
    """A module's declaration; fills `parent`."""

    def __init__(self, parent):
        super().__init__()
        self.parent, self.moduleName = parent, type(self).__name__
        for extension in (".svg", ".png"):
            icon = Path(self.resourcePath(f"Icons/{self.moduleName}{extension}"))
            if icon.is_file():
                import qt

                parent.icon = qt.QIcon(str(icon))
                break

    def resourcePath(self, filename):
        return str(Path(self.parent.path).parent / "Resources" / filename)

    def getDefaultModuleDocumentationLink(self, docPage=None):
        url = slicer.app.documentationBaseUrl + docPage if docPage else slicer.app.moduleDocumentationUrl(self.moduleName)
        return f'<p>For more information, see the <a href="{url}">online documentation</a>.</p>'

    def runTest(self, msec=100, **options):
        test = getattr(importlib.import_module(type(self).__module__), f"{self.moduleName}Test")()
        test.messageDelay = msec
        test.runTest(**options)


class ScriptedLoadableModuleWidget:
    """A module's panel; `parent` is the widget that holds it."""

    def __init__(self, parent=None):
        super().__init__()
        if parent is None:
            raise NotImplementedError("Testing/Harness shows panels only in a parent; use loadModule")
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode, self.parent, self.layout = False, parent, parent.layout()
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
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self):
        if self.isSingletonParameterNode:
            node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
            if node:
                node.SetAttribute("ModuleName", self.moduleName)
                return node
        else:
            for node in self.getAllParameterNodes():
                return node
        return slicer.mrmlScene.AddNode(self.createParameterNode())

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
    """Record what would be installed in Harness.installs."""
    dialogs.installs.append(shlex.split(requirements) if isinstance(requirements, str) else [str(r) for r in requirements])


def pip_uninstall(requirements, **options):
    raise NotImplementedError("Testing/Harness uninstalls nothing")


def pip_check(requirement) -> bool:
    """Whether a requirement is installed; 5.12 looks at the version and the markers too."""
    from packaging.requirements import Requirement

    requirement = Requirement(str(requirement))
    try:
        return requirement.specifier.contains(importlib.metadata.version(requirement.name), prereleases=True)
    except importlib.metadata.PackageNotFoundError:
        return False


def pip_ensure(requirements, prompt_install=True, requester=None, **options):
    wanted = requirements.split() if isinstance(requirements, str) else list(requirements)
    missing = [str(requirement) for requirement in wanted if not slicer.packaging.pip_check(requirement)]
    if not missing:
        return
    if prompt_install and not slicer.util.confirmOkCancelDisplay(f"{requester} needs {', '.join(missing)}"):
        raise RuntimeError("User declined package installation")
    slicer.packaging.pip_install(missing, requester=requester)


def recordMessage(level, text) -> None:
    dialogs.messages.append((logging.getLevelName(level), text))


_SCRIPTED = {c.__name__: c for c in (ScriptedLoadableModule, ScriptedLoadableModuleWidget, ScriptedLoadableModuleLogic)}
_SCRIPTED["ScriptedLoadableModuleTest"] = ScriptedLoadableModuleTest
MODULES = {
    "ScriptedLoadableModule": {"__all__": list(_SCRIPTED), **_SCRIPTED},
    "i18n": {"tr": tr, "translate": translate},
    "packaging": {f.__name__: f for f in (pip_install, pip_uninstall, pip_check, pip_ensure)},
}
