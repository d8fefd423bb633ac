"""What the file reader and writer of archives do; `parent` is Slicer's C++ side of a scripted reader or writer.

Writing exports: a scene file cannot refer to an archive, since MRML knows no storage node for it. A volume opened from
an archive is saved with the scene in Slicer's own formats, and a volume that is in no other file gets a warning.
"""

from __future__ import annotations

import logging

import slicer
import vtk
from MedCompressLib.codecs import codec_names
from MedCompressLib.errors import MedCompressError
from MedCompressLib.targets import Lossless
from slicer.i18n import tr as _

from .archives import compressNode, loadArchive
from .requirements import ensurePackages
from .views import showVolumes

_DECLINED = "MedCompress needs Python packages that are not installed: open the archive again and agree to install them"


def readArchive(parent, properties: dict) -> bool:
    """Add the volume of the archive properties["fileName"] to the scene; False after a message to the user."""
    try:
        if not ensurePackages():
            raise MedCompressError(_DECLINED)
        node = loadArchive(properties["fileName"], properties.get("name"))
    except Exception as error:
        return _failed(parent, error)
    if properties.get("show", True):
        showVolumes(node)
    parent.loadedNodes = [node.GetID()]
    return True


def writeArchive(parent, properties: dict) -> bool:
    """Write the volume properties["nodeID"] losslessly to properties["fileName"]; False after a message to the user."""
    node = slicer.mrmlScene.GetNodeByID(properties["nodeID"])
    try:
        if not ensurePackages():
            raise MedCompressError(_DECLINED)
        compressNode(node, properties["fileName"], codec_names()[0], Lossless())
    except Exception as error:
        return _failed(parent, error, node)
    storage = node.GetStorageNode()
    if storage is None or not storage.GetFileName() or node.GetModifiedSinceRead():
        text = _("A scene file cannot refer to an .mcz archive: to save the scene, save '{name}' as .nrrd too.")
        _tell(parent, vtk.vtkCommand.WarningEvent, text.format(name=node.GetName()), node)
    parent.writtenNodes = [node.GetID()]
    return True


def _failed(parent, error: Exception, node=None) -> bool:
    if not isinstance(error, MedCompressError):
        logging.exception("MedCompress archive")
    _tell(parent, vtk.vtkCommand.ErrorEvent, str(error) or type(error).__name__, node)
    return False


def _tell(parent, event: int, text: str, node=None) -> None:
    """To the application, and to the storage node, whose messages are the ones that the Save dialog shows."""
    parent.userMessages().AddMessage(event, text)
    storage = node.GetStorageNode() if node is not None else None
    if storage is not None:
        storage.GetUserMessages().AddMessage(event, text)
