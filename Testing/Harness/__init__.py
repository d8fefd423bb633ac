"""Runs a scripted Slicer module in a real Qt window on a real MRML scene, without the Slicer application."""

from .boot import boot, slicerPython
from .dialogs import answer, expectError, installs, messages, takeErrors
from .driving import choose, click, drag, grab, typeText, waitFor
from .modules import closeAll, loadModule, openFile

__all__ = ["answer", "boot", "choose", "click", "closeAll", "drag", "expectError", "grab", "installs", "loadModule"]
__all__ += ["messages", "openFile", "slicerPython", "takeErrors", "typeText", "waitFor"]
