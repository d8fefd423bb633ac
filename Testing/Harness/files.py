"""Reading and writing files as Slicer's IO manager does: with the modules' readers and writers and with MRML's own."""

import re
from pathlib import Path
from types import SimpleNamespace

import slicer

_METHODS = set("description fileType extensions load write canWriteObjectConfidence parent".split())


class IOManager:
    """``slicer.app.coreIOManager()``; `plugins`: instances of the modules' readers and writers by name."""

    def __init__(self):
        self.plugins = {}

    def addPlugin(self, name, pluginClass):
        if unknown := {method for method in dir(pluginClass) if method[0] != "_"} - _METHODS:
            raise NotImplementedError(f"Testing/Harness knows no {unknown} of a file reader or writer")
        messages = slicer.vtkMRMLMessageCollection()
        parent = SimpleNamespace(loadedNodes=[], writtenNodes=[], userMessages=lambda: messages)
        self.plugins[name] = pluginClass(parent)

    def _call(self, function, properties, userMessages) -> bool:
        messages = function.__self__.parent.userMessages()
        messages.ClearMessages()
        success = function(dict(properties))
        if userMessages:
            userMessages.AddMessages(messages)
        if type(success) is not bool:
            raise TypeError(f"{function.__qualname__} must return bool, not {success!r}")
        return success

    def _readers(self):
        return [plugin for plugin in self.plugins.values() if hasattr(plugin, "load")]

    def _writers(self, node, least=1e-9):
        writers = [plugin for plugin in self.plugins.values() if hasattr(plugin, "write")]
        return [writer for writer in writers if writer.canWriteObjectConfidence(node) >= least]

    def fileType(self, path) -> str:
        for reader in self._readers():
            if str(path).lower().endswith(tuple(re.findall(r"\*(\.[\w.]+)", " ".join(reader.extensions())))):
                return reader.fileType()
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
            if reader.fileType() == fileType and self._call(reader.load, properties, userMessages):
                nodes = [scene.GetNodeByID(nodeID) for nodeID in reader.parent.loadedNodes]
        for node in filter(None, nodes):
            loadedNodes.AddItem(node)
        return None not in nodes

    def fileWriterFileType(self, node) -> str:
        """Slicer's own writers have the confidence 0.5; whether one as confident wins is left to chance there."""
        return next((writer.fileType() for writer in self._writers(node, 0.5)), "NodeFile")

    def fileWriterExtensions(self, node) -> list[str]:
        return [text for writer in self._writers(node) for text in writer.extensions(node)]

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
        (writer,) = (writer for writer in self._writers(node) if writer.fileType() == fileType)
        return self._call(writer.write, properties, userMessages) and bool(writer.parent.writtenNodes)
