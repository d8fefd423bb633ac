"""The part of ``slicer.app`` that modules use, over the real application logic: module manager, files, settings."""

import re
from pathlib import Path

import slicer
from PySide6 import QtCore, QtWidgets

_LOGICS = {
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


def _require(value, kind, what: str):
    """What PythonQt refuses with a warning on the console is an error here."""
    if not isinstance(value, kind):
        raise TypeError(f"{what} is expected to return {kind.__name__}, not {value!r}")
    return value


class CoreModule:
    """A C++ module of Slicer of which only the logic exists here."""

    def __init__(self, name: str, logic):
        self.name, self._logic = name, logic

    def logic(self):
        return self._logic


class ScriptedIO:
    """The C++ side of a module's file reader or writer class: its `parent`."""

    def __init__(self, pluginClass):
        self.loadedNodes, self.writtenNodes = [], []
        self.plugin = pluginClass(self)
        self.isReader = hasattr(pluginClass, "load")

    def supportedNameFilters(self, path) -> list[str]:
        """Those of the reader's filters ("Text (*.txt)") that fit `path`, longest extension first, as Slicer does."""
        filters = _require(self.plugin.extensions(), list, "extensions()")
        patterns = [p for text in filters for p in re.search(r"\((.*)\)", text).group(1).split()]
        name = Path(path).name.lower()
        return sorted((p for p in patterns if p == "*" or name.endswith(p.lower().lstrip("*"))), key=len, reverse=True)

    def confidence(self, path: str) -> float:
        if hasattr(self.plugin, "canLoadFileConfidence"):
            return _require(self.plugin.canLoadFileConfidence(path), float, "canLoadFileConfidence()")
        if hasattr(self.plugin, "canLoadFile"):
            return 0.5 if _require(self.plugin.canLoadFile(path), bool, "canLoadFile()") else 0.0
        found = self.supportedNameFilters(path)
        return 0.5 + 0.01 * len(found[0]) if found else 0.0


class IOManager:
    """Readers and writers: those of the loaded modules, and Slicer's own for scenes, volumes and segmentations."""

    def __init__(self, logics):
        self._logics, self.plugins = logics, []

    def fileType(self, path) -> str:
        path = str(path)
        readers = [io for io in self.plugins if io.isReader and io.confidence(path) > 0]
        if readers:
            return max(readers, key=lambda io: io.confidence(path)).plugin.fileType()
        if path.endswith((".mrml", ".mrb")):
            return "SceneFile"
        if path.endswith((".seg.nrrd", ".seg.nhdr")):
            return "SegmentationFile"
        if path.endswith((".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd")):
            return "VolumeFile"
        return "NoFile"

    def _read(self, fileType, properties) -> tuple[bool, list]:
        path, scene = properties["fileName"], slicer.mrmlScene
        for io in self.plugins:
            if io.isReader and io.plugin.fileType() == fileType and io.confidence(path) > 0:
                io.loadedNodes = []
                success = _require(io.plugin.load(properties), bool, "load()")
                return success, [scene.GetNodeByID(nodeID) for nodeID in io.loadedNodes]
        if fileType == "SceneFile" and path.endswith(".mrb"):
            if properties.get("clear"):
                scene.Clear(False)
            return scene.ReadFromMRB(path, False), []
        if fileType == "SceneFile":
            scene.SetURL(path)
            return bool(scene.Connect() if properties.get("clear") else scene.Import()), []
        if fileType == "VolumeFile":
            options = 1 if properties.get("labelmap") else 0
            name = properties.get("name") or Path(path).name.split(".")[0]
            node = self._logics["volumes"].AddArchetypeVolume(path, name, options)
        elif fileType == "SegmentationFile":
            node = self._logics["segmentations"].LoadSegmentationFromFile(path)
        else:
            raise NotImplementedError(f"Testing/Harness has no reader of '{fileType}' for {path}")
        return node is not None, [node] if node else []

    def loadNodes(self, fileType, properties, loadedNodes=None, userMessages=None) -> bool:
        success, nodes = self._read(fileType, dict(properties))
        for node in nodes if loadedNodes is not None else []:
            if node is None:
                raise AssertionError(f"the reader of '{fileType}' named a node in loadedNodes that is not in the scene")
            loadedNodes.AddItem(node)
        return success

    def _writers(self, node):
        writers = [io for io in self.plugins if not io.isReader]
        return [io for io in writers if _require(io.plugin.canWriteObject(node), bool, "canWriteObject()")]

    def fileWriterFileType(self, node, format="") -> str:
        return "NodeFile"

    def fileWriterExtensions(self, node) -> list[str]:
        return [text for io in self._writers(node) for text in io.plugin.extensions(node)]

    def saveNodes(self, fileType, properties, userMessages=None) -> bool:
        path, scene = str(properties["fileName"]), slicer.mrmlScene
        if fileType == "SceneFile":
            if path.endswith(".mrb"):
                return scene.WriteToMRB(path)
            scene.SetRootDirectory(str(Path(path).parent))
            return bool(scene.Commit(path))
        node = scene.GetNodeByID(properties["nodeID"])
        for io in self._writers(node):
            patterns = " ".join(io.plugin.extensions(node)).replace("(", " ").replace(")", " ").split()
            if any(path.lower().endswith(pattern.lstrip("*")) for pattern in patterns if pattern.startswith("*.")):
                io.writtenNodes = []
                return _require(io.plugin.write(dict(properties)), bool, "write()")
        storage = node.GetStorageNode() or (node.AddDefaultStorageNode() and None) or node.GetStorageNode()
        storage.SetFileName(path)
        return bool(storage.WriteData(node))


class ModuleManager(QtCore.QObject):
    """Finds modules by name; tells them before they go."""

    moduleAboutToBeUnloaded = QtCore.Signal(str)

    def module(self, name: str):
        return getattr(slicer.modules, name.lower(), None)


class Application(QtCore.QObject):
    """``slicer.app``: what is not here is an AttributeError, also where Slicer has it."""

    startupCompleted = QtCore.Signal()
    applicationName, applicationVersion, majorVersion, minorVersion = "Slicer", "5.12.4", 5, 12
    documentationBaseUrl = "https://slicer.readthedocs.io/"

    def __init__(self, applicationLogic, scene, home):
        super().__init__()
        self._logic, self._scene, self.temporaryPath = applicationLogic, scene, str(home)
        self._logics = {}
        for name, className in _LOGICS.items():
            logic = getattr(slicer, className)()
            logic.SetMRMLApplicationLogic(applicationLogic)
            logic.SetMRMLScene(scene)
            self._logics[name] = logic
        self._logics["colors"] = applicationLogic.GetColorLogic()
        self._moduleManager, self._ioManager = ModuleManager(), IOManager(self._logics)

    def coreModules(self):
        return {name: CoreModule(name, logic) for name, logic in self._logics.items()}

    def applicationLogic(self):
        return self._logic

    def mrmlScene(self):
        return self._scene

    def moduleManager(self):
        return self._moduleManager

    def coreIOManager(self):
        return self._ioManager

    ioManager = coreIOManager

    def layoutManager(self):
        """None, as in Slicer without a main window."""
        return None

    def processEvents(self, *flags):
        QtWidgets.QApplication.processEvents(*flags)

    def topLevelWidgets(self):
        return QtWidgets.QApplication.topLevelWidgets()

    def testingEnabled(self):
        """False: a module under test meets what a user meets."""
        return False

    def settings(self):
        return QtCore.QSettings()

    userSettings = revisionUserSettings = settings

    def translate(self, context, text):
        return text

    def moduleDocumentationUrl(self, name):
        return f"{self.documentationBaseUrl}{name}.html"

    def pauseRender(self):
        self._logic.PauseRender()

    def resumeRender(self):
        self._logic.ResumeRender()

    def setOverrideCursor(self, cursor):
        QtWidgets.QApplication.setOverrideCursor(cursor)

    def restoreOverrideCursor(self):
        QtWidgets.QApplication.restoreOverrideCursor()

    def clipboard(self):
        return QtWidgets.QApplication.clipboard()

