"""The part of ``slicer.app`` that modules use, over the real application logic: module manager, files, settings."""

import re
from pathlib import Path

import slicer
from PySide6 import QtCore, QtWidgets

LOGICS = {
    "volumes": "vtkSlicerVolumesLogic",
    "segmentations": "vtkSlicerSegmentationsModuleLogic",
    "markups": "vtkSlicerMarkupsLogic",
    "models": "vtkSlicerModelsLogic",
    "tables": "vtkSlicerTablesLogic",
    "plots": "vtkSlicerPlotsLogic",
    "texts": "vtkSlicerTextsLogic",
    "transforms": "vtkSlicerTransformLogic",
    "sequences": "vtkSlicerSequencesLogic",
    "subjecthierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "units": "vtkSlicerUnitsLogic",
}


class Record:
    """An object with methods that return given values; anything else is an AttributeError."""

    def __init__(self, attributes=(), **values):
        vars(self).update(attributes, **{name: lambda value=value: value for name, value in values.items()})


class ScriptedIO:
    """The C++ side of a module's file reader or writer class: its `parent`. Slicer is strict about what they return."""

    def __init__(self, pluginClass):
        self.loadedNodes, self.writtenNodes, self.plugin = [], [], pluginClass(self)
        self.isReader = hasattr(pluginClass, "load")
        self._messages = slicer.vtkMRMLMessageCollection()

    def userMessages(self):
        return self._messages

    def call(self, method: str, kind: type, *arguments):
        result = getattr(self.plugin, method)(*arguments)
        if type(result) is not kind:
            raise TypeError(f"{type(self.plugin).__name__}.{method} must return {kind.__name__}, not {result!r}")
        return result

    def supportedNameFilters(self, path, *node) -> list[str]:
        """Those of the filters ("Text (*.txt)") that fit `path`."""
        texts = self.call("extensions", list, *node)
        patterns = [p for text in texts for p in (re.findall(r"\((.*)\)", text) or [text])[0].split()]
        return [p for p in patterns if str(path).lower().endswith(p.lower().lstrip("*"))]

    def writerConfidence(self, node) -> float:
        if hasattr(self.plugin, "canWriteObjectConfidence"):
            return self.call("canWriteObjectConfidence", float, node)
        return 0.5 if self.call("canWriteObject", bool, node) else 0.0

    def confidence(self, path: str) -> float:
        if hasattr(self.plugin, "canLoadFileConfidence"):
            return self.call("canLoadFileConfidence", float, path)
        if hasattr(self.plugin, "canLoadFile") and not self.call("canLoadFile", bool, path):
            return 0.0
        return max((0.5 + 0.01 * len(pattern) for pattern in self.supportedNameFilters(path)), default=0.0)


class IOManager:
    """Readers and writers: those of the loaded modules, and Slicer's own for scenes, volumes and segmentations."""

    _OWN = {
        "SceneFile": (".mrml", ".mrb"),
        "SegmentationFile": (".seg.nrrd", ".seg.nhdr"),
        "VolumeFile": (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd"),
    }

    def __init__(self, logics):
        self._logics, self.plugins = logics, []

    def fileType(self, path) -> str:
        readers = [(io.confidence(str(path)), io.plugin.fileType()) for io in self.plugins if io.isReader]
        own = [(0.1, kind) for kind, extensions in self._OWN.items() if str(path).endswith(extensions)]
        confidence, kind = max([*readers, *own[:1]], key=lambda found: found[0], default=(0, ""))
        return kind if confidence else "NoFile"

    def loadNodes(self, fileType, properties, loadedNodes=None, userMessages=None) -> bool:
        path, scene, nodes = properties["fileName"], slicer.mrmlScene, []
        readers = [io for io in self.plugins if io.isReader and io.plugin.fileType() == fileType]
        for io in [io for io in readers if io.confidence(path)][:1]:
            io.loadedNodes = []
            io.userMessages().ClearMessages()
            success = io.call("load", bool, dict(properties))
            if userMessages:
                userMessages.AddMessages(io.userMessages())
            nodes = [scene.GetNodeByID(nodeID) for nodeID in io.loadedNodes]
            if None in nodes:
                raise AssertionError(f"the reader named nodes that are not in the scene: {io.loadedNodes}")
        if readers:
            pass
        elif fileType == "SceneFile":
            scene.SetURL(path)
            if properties.get("clear"):
                scene.Clear(False)
            success = scene.ReadFromMRB(path, False) if path.endswith(".mrb") else scene.Import()
        elif fileType == "VolumeFile":
            name = properties.get("name") or Path(path).name.split(".")[0]
            nodes = [self._logics["volumes"].AddArchetypeVolume(path, name, 1 if properties.get("labelmap") else 0)]
            success = nodes[0] is not None
        elif fileType == "SegmentationFile":
            nodes = [self._logics["segmentations"].LoadSegmentationFromFile(path)]
            success = nodes[0] is not None
        else:
            raise NotImplementedError(f"Testing/Harness has no reader of '{fileType}' for {path}")
        for node in nodes if loadedNodes is not None and success else []:
            loadedNodes.AddItem(node)
        return bool(success)

    def _writers(self, node, least=1e-9):
        return [io for io in self.plugins if not io.isReader and io.writerConfidence(node) >= least]

    def fileWriterFileType(self, node, format="") -> str:
        """Slicer's own writers have the confidence 0.5; whether one as confident wins is left to chance there."""
        return next((io.plugin.fileType() for io in self._writers(node, 0.5)), "NodeFile")

    def fileWriterExtensions(self, node) -> list[str]:
        return [text for io in self._writers(node) for text in io.call("extensions", list, node)]

    def saveNodes(self, fileType, properties, userMessages=None) -> bool:
        path, scene = str(properties["fileName"]), slicer.mrmlScene
        if fileType == "SceneFile":
            scene.SetRootDirectory(str(Path(path).parent))
            return bool(scene.WriteToMRB(path) if path.endswith(".mrb") else scene.Commit(path))
        node = scene.GetNodeByID(properties["nodeID"])
        writers = [io for io in self._writers(node) if io.plugin.fileType() == fileType]
        for io in [io for io in writers if io.supportedNameFilters(path, node)][:1]:
            io.writtenNodes = []
            io.userMessages().ClearMessages()
            success = io.call("write", bool, dict(properties))
            if userMessages:
                userMessages.AddMessages(io.userMessages())
            return success and bool(io.writtenNodes)
        if writers:
            return False
        node.AddDefaultStorageNode()
        node.GetStorageNode().SetFileName(path)
        return bool(node.GetStorageNode().WriteData(node))


class ModuleManager(QtCore.QObject):
    """Finds modules by name; tells them before they go."""

    moduleAboutToBeUnloaded = QtCore.Signal(str)

    def module(self, name: str):
        return getattr(slicer.modules, name.lower(), None)


class Application(QtCore.QObject):
    """``slicer.app``: what is not here is an AttributeError, also where Slicer has it. layoutManager() is None, as in
    Slicer without a main window; testingEnabled() is False, so that a module meets what a user meets."""

    startupCompleted = QtCore.Signal()

    def __init__(self, applicationLogic, scene, home: str):
        super().__init__()
        logics = {"colors": applicationLogic.GetColorLogic()}
        applicationLogic.SetModuleLogic("Colors", logics["colors"])
        for name, className in LOGICS.items():
            logics[name] = getattr(slicer, className)()
            logics[name].SetMRMLApplicationLogic(applicationLogic)
            logics[name].SetMRMLScene(scene)
        qt, files, settings = QtWidgets.QApplication, IOManager(logics), QtCore.QSettings()
        site = "https://slicer.readthedocs.io/"
        attributes = {"applicationName": "Slicer", "temporaryPath": home, "documentationBaseUrl": site}
        attributes |= {"applicationVersion": "5.12.4", "majorVersion": 5, "minorVersion": 12}
        for name in ("processEvents", "topLevelWidgets", "setOverrideCursor", "restoreOverrideCursor", "clipboard"):
            attributes[name] = getattr(qt, name)
        attributes |= {"pauseRender": applicationLogic.PauseRender, "resumeRender": applicationLogic.ResumeRender}
        attributes |= {"translate": lambda context, text: text}
        attributes |= {"moduleDocumentationUrl": lambda name: f"{site}{name}.html"}
        values = {"applicationLogic": applicationLogic, "mrmlScene": scene, "moduleManager": ModuleManager()}
        values |= {"coreIOManager": files, "ioManager": files, "layoutManager": None, "testingEnabled": False}
        values |= {"settings": settings, "userSettings": settings, "revisionUserSettings": settings}
        vars(self).update(vars(Record(attributes, **values)))
        self.coreModules = {name: Record({"name": name}, logic=logic) for name, logic in logics.items()}
