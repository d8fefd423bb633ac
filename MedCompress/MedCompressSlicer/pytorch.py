"""PyTorch, asked for at the first press that needs it."""

from __future__ import annotations

from importlib.util import find_spec

import slicer
from MedCompressLib.errors import MedCompressError


def ensureTorch(find=find_spec) -> bool:
    """Let the extension PyTorch install what is missing; False when the user declined.

    That extension knows which build suits the computer's GPU. Raises MedCompressError where it is not installed.
    """
    if find("torch") is not None:
        return True
    if not hasattr(slicer.modules, "pytorchutils"):
        raise MedCompressError(
            "this needs PyTorch: install the extension PyTorch in the Extensions Manager, restart, and try again"
        )
    import PyTorchUtils

    return PyTorchUtils.PyTorchUtilsLogic().installTorch(askConfirmation=True) is not None
