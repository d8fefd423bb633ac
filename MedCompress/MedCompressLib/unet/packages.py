"""Imports of the packages that networks need, at first use, with the remedy where one is missing."""

from __future__ import annotations

import importlib
from types import ModuleType

from ..errors import MedCompressError


def require(name: str) -> ModuleType:
    """The module `name`, such as "torch", "monai.networks.nets" or "safetensors.torch".

    Raises MedCompressError with the remedy where it cannot be imported.
    """
    try:
        return importlib.import_module(name)
    except (ImportError, OSError) as error:
        package = name.split(".")[0]
        raise MedCompressError(
            f"networks need the package {package} ({error}): install it with 'pip install \"medcompress[unet]\"'"
        ) from None
