"""Runs a scripted Slicer module in a real Qt window on a real MRML scene, without the Slicer application."""

from .boot import boot, slicerPython
from .driving import choose, click, drag, grab, typeText, waitFor
from .failures import answer, installs, messages, takeErrors
from .modules import closeAll, loadModule, openFile

__all__ = ["answer", "boot", "choose", "click", "closeAll", "drag", "grab", "installs", "loadModule", "messages"]
__all__ += ["openFile", "slicerPython", "takeErrors", "typeText", "waitFor"]
