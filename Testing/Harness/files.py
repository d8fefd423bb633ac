"""Reading and writing files as Slicer's IO manager does: with the modules' readers and writers and with MRML's own."""

import re
from pathlib import Path

import slicer

_METHODS = set("description fileType extensions load write canWriteObjectConfidence parent".split())


class FilePlugin:
    """The C++ side of a module's file reader or writer class: its `parent`."""

    def __init__(self, pluginClass):
        messages = slicer.vtkMRMLMessageCollection()
        self.loadedNodes, self.writtenNodes, self.userMessages = [], [], lambda: messages
        self.python = pluginClass(self)
        if unknown := {name for name in dir(self.python) if name[0] != "_"} - _METHODS:
            raise NotImplementedError(f"Testing/Harness knows no {unknown} of a file reader or writer")

    def call(self, method, properties, userMessages) -> bool:
        self.userMessages().ClearMessages()
        success = getattr(self.python, method)(dict(properties))
        if userMessages:
            userMessages.AddMessages(self.userMessages())
        if type(success) is not bool:
            raise TypeError(f"{type(self.python).__name__}.{method} must return bool, not {success!r}")
        return success


class IOManager:
    """``slicer.app.coreIOManager()``."""

    def __init__(self):
        self.plugins = []

    def _readers(self):
        return [plugin for plugin in self.plugins if hasattr(plugin.python, "load")]

    def _writers(self, node, least=1e-9):
        writers = [plugin for plugin in self.plugins if hasattr(plugin.python, "write")]
        return [writer for writer in writers if writer.python.canWriteObjectConfidence(node) >= least]

    def fileType(self, path) -> str:
        for reader in self._readers():
            endings = re.findall(r"\*(\.[\w.]+)", " ".join(reader.python.extensions()))
            if str(path).lower().endswith(tuple(endings)):
                return reader.python.fileType()
        return "VolumeFile" if str(path).endswith(".nrrd") else "NoFile"

    def loadNodes(self, fileType, properties, loadedNodes=None, userMessages=None) -> bool:
        path, scene, nodes = str(properties["fileName"]), slicer.mrmlScene, [None]
        if fileType == "SceneFile":
            scene.SetURL(path)
            return bool(scene.ReadFromMRB(path, False) if path.endswith(".mrb") else scene.Import())
        if fileType == "VolumeFile":
            name = properties.get("name") or Path(path).stem
            nodes = [slicer.modules.volumes.logic().AddArchetypeVolume(path, name)]
        for reader in self._readers():
            if reader.python.fileType() == fileType and reader.call("load", properties, userMessages):
                nodes = [scene.GetNodeByID(nodeID) for nodeID in reader.loadedNodes]
        if None in nodes:
            return False
        for node in nodes:
            loadedNodes.AddItem(node)
        return True

    def fileWriterFileType(self, node) -> str:
        """Slicer's own writers have the confidence 0.5; whether one as confident wins is left to chance there."""
        return next((writer.python.fileType() for writer in self._writers(node, 0.5)), "NodeFile")

    def fileWriterExtensions(self, node) -> list[str]:
        return [text for writer in self._writers(node) for text in writer.python.extensions(node)]

    def saveNodes(self, fileType, properties, userMessages=None) -> bool:
        path, scene = str(properties["fileName"]), slicer.mrmlScene
        if fileType == "SceneFile":
            scene.SetRootDirectory(str(Path(path).parent))
            return bool(scene.WriteToMRB(path) if path.endswith(".mrb") else scene.Commit(path))
        node = scene.GetNodeByID(properties["nodeID"])
        if fileType == "NodeFile":
            node.AddDefaultStorageNode()
            node.GetStorageNode().SetFileName(path)
            return bool(node.GetStorageNode().WriteData(node))
        (writer,) = (writer for writer in self._writers(node) if writer.python.fileType() == fileType)
        return writer.call("write", properties, userMessages) and bool(writer.writtenNodes)
