"""Models of other makers, one adapter each, all giving the same `Model`; they can segment, not be trained on.

TorchScript (.pt, .ts) and torch.export (.pt2) files carry code, which runs when they are loaded or used: neither format
is safe against an author with bad intent, so load only files from authors you trust. A MONAI bundle and an nnU-Net v2
results folder give weights (read without executing what a pickle may ask for) and a description of a known network.

A JSON card beside the file (model.json for model.pt) or in the folder (card.json) says what the model is: required for
TorchScript and torch.export, and before all that a bundle or results folder says of itself. Its `network` is
{"architecture": any name} and may have "divisor" (per axis of the patch, the patch itself where absent) and, in 3D,
"axes": what the axes of the network's input run towards, "SPL" where absent, which is [k, j, i]; "RAS" is MONAI's.
"""

from __future__ import annotations

import importlib
from pathlib import Path

from ...errors import MedCompressError
from ..model import Model
from ..packages import require

CODE_NOTE = (
    "A TorchScript or torch.export file carries code that runs on this computer: load it only if you trust its author."
)
_SUFFIXES = {".pt": "torchscript", ".ts": "torchscript", ".pt2": "exported"}


def carries_code(path: Path) -> bool:
    """Whether the model's format can hold code; CODE_NOTE says what to tell the user then."""
    return path.suffix.lower() in _SUFFIXES


def is_foreign(path: Path) -> bool:
    """Whether `path` looks like a model of another maker."""
    return _kind(path) is not None


def load_foreign(path: Path) -> Model:
    """The model at `path`, on the CPU, in eval mode; raises MedCompressError with the remedy."""
    kind = _kind(path)
    if kind is None:
        raise MedCompressError(f"{path} is no model that MedCompress knows: give a model file, a bundle or a folder")
    require("torch")
    return importlib.import_module(f".{kind}", __name__).load(path)


def _kind(path: Path) -> str | None:
    if path.is_dir():
        if (path / "configs" / "inference.json").is_file():
            return "monai_bundle"
        if (path / "plans.json").is_file() and (path / "dataset.json").is_file():
            return "nnunet"
        return None
    return _SUFFIXES.get(path.suffix.lower())
