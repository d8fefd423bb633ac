"""Reload for developers."""

from __future__ import annotations

import sys


def forgetPackages() -> None:
    """Drop the library and this package from Python's module cache, so that the next import reads their files anew.

    A module calls it before it reloads itself. Other modules of MedCompress that are open keep the old code until they
    are reloaded too.
    """
    for name in list(sys.modules):
        if name.split(".")[0] in ("MedCompressLib", "MedCompressSlicer"):
            del sys.modules[name]
