"""Imports of the packages that codecs need, at first use, with the remedy where one is missing."""

from __future__ import annotations

import importlib
import threading
from types import ModuleType

import numpy as np

from ..errors import MedCompressError


def imagecodecs(codec: str) -> ModuleType:
    """The package imagecodecs, when it was built with `codec` (its function prefix, such as "htj2k").

    Raises MedCompressError with the remedy.
    """
    package = _package("imagecodecs", codec)
    constants = getattr(package, codec.upper(), None)
    if constants is None or not constants.available:
        raise MedCompressError(
            f"this copy of imagecodecs cannot code {codec}: update it with 'pip install --upgrade imagecodecs'"
        )
    return package


_openjph_lock = threading.Lock()
_openjph_ready: set[int] = set()


def openjph() -> ModuleType:
    """imagecodecs with OpenJPH, safe to call from several threads; raises MedCompressError with the remedy.

    OpenJPH before 0.27 fills its tables in the first calls without a lock: of two threads that begin together one
    writes a damaged codestream, and the binding swallows the error of its decoding. So the first calls run alone.
    """
    package = imagecodecs("htj2k")
    with _openjph_lock:
        if id(package) not in _openjph_ready:
            for kind in (np.int16, np.int32):
                for reversible in (True, False):
                    plane = np.arange(1024, dtype=kind).reshape(32, 32)
                    package.htj2k_decode(package.htj2k_encode(plane, reversible=reversible))
            _openjph_ready.add(id(package))
    return package


def av() -> ModuleType:
    """The package av (PyAV), whose wheels carry x265; raises MedCompressError with the remedy."""
    return _package("av", "hevc")


def _package(name: str, codec: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MedCompressError(
            f"the codec {codec} needs the package {name} ({error}): install it with 'pip install {name}'"
        ) from None
