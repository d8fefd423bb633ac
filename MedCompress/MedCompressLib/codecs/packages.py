"""Imports of the packages that codecs need, at first use, with the remedy where one is missing."""

from __future__ import annotations

import importlib
from types import ModuleType

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
