"""What networks need beyond Slicer's own, asked for at the first press that needs it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from .pytorch import ensureTorch
from .requirements import ensurePackages, installPackages

_BESIDE_TORCH = {"monai": "monai>=1.3", "safetensors": "safetensors>=0.4"}


def ensureNetworks(find=find_spec, installTorch: Callable = ensureTorch, install: Callable = installPackages) -> bool:
    """Ask for, and install, PyTorch through its extension and the packages beside it; False when the user declined.

    installTorch(find) -> bool, install(requirements, constraints) -> bool: what installs. pip is kept from replacing
    the PyTorch that the extension chose. Raises MedCompressError where that extension is missing.
    """
    if not (ensurePackages(find) and installTorch(find)):
        return False
    missing = [requirement for name, requirement in _BESIDE_TORCH.items() if find(name) is None]
    if not missing:
        return True
    with tempfile.TemporaryDirectory(prefix="medcompress-", dir=slicer.app.temporaryPath) as folder:
        constraints = Path(folder) / "constraints.txt"
        constraints.write_text(_pin(), "utf-8")
        return install(missing, constraints)


def torchState(find=find_spec) -> str:
    """One line on PyTorch, without importing it."""
    if find("torch") is None:
        return _("PyTorch is not installed yet; it will be asked for at the first use")
    return _("PyTorch {version} is installed; Detect shows what it can use").format(version=_torchVersion())


def _torchVersion() -> str:
    try:
        return version("torch")
    except PackageNotFoundError:
        return ""


def _pin() -> str:
    installed = _torchVersion()
    return f"torch=={installed}\n" if installed else ""
