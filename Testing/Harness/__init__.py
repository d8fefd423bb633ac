"""Runs a scripted Slicer module in a real Qt window on a real MRML scene, without the Slicer application."""

from .boot import boot, slicerPython  # noqa: F401
from .driving import choose, click, drag, grab, typeText, waitFor  # noqa: F401
from .failures import answer, installs, messages, takeErrors  # noqa: F401
from .modules import closeAll, loadModule, openFile  # noqa: F401
