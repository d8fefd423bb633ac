"""Configurations of trainings, from what the panel asks to the TOML that the command `train` reads."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

from MedCompressLib.errors import MedCompressError
from MedCompressLib.unet.model_file import SUFFIX
from MedCompressLib.unet.training import TrainingConfig, read_config
from MedCompressLib.unet.training.config import parse_config

_LEAST_RATIO = 1.0


def numbers(text: str, what: str) -> list[float]:
    """Numbers with commas, spaces or x between; raises MedCompressError that names `what`."""
    parts = [part for part in re.split(r"[,;x\s]+", text.strip()) if part]
    try:
        return [float(part) for part in parts]
    except ValueError:
        raise MedCompressError(f"{what} '{text}' are not numbers: give numbers with commas between") from None


def patchSize(text: str) -> list[int]:
    """Sizes in voxels, empty for a planned patch; raises MedCompressError."""
    found = numbers(text, "the patch sizes")
    if any(value < 1 or value != int(value) for value in found) or len(found) not in (0, 2, 3):
        raise MedCompressError(f"the patch '{text}' is no size: give 3 whole numbers (slices, rows, columns), 2 in 2D")
    return [int(value) for value in found]


def ratioList(text: str) -> list[float]:
    """Compression ratios; raises MedCompressError unless there is one, and all are above 1."""
    found = numbers(text, "the ratios")
    if not found or min(found) <= _LEAST_RATIO:
        raise MedCompressError(f"the ratios '{text}' must be numbers above 1, such as 16, 32, 64: correct them")
    return found


def trainingConfig(
    config: str = "",
    *,
    epochs: int | None = None,
    folds: int | None = None,
    patch: Sequence[int] | None = None,
) -> dict:
    """Every value of a preset, a TOML file or (empty) the default configuration, with what is given changed."""
    document = (read_config(config) if config else TrainingConfig()).as_dict()
    for table, key, value in (("training", "epochs", epochs), ("data", "folds", folds), ("network", "patch", patch)):
        if value is not None:
            document[table][key] = value
    return document


def tuningConfig(model: str, codec: str, ratios: Sequence[float], probability: float, epochs: int, folds: int) -> dict:
    """Every value of a fine-tuning of `model` with compression as augmentation."""
    document = trainingConfig(epochs=epochs, folds=folds)
    known = Path(model).expanduser()
    document["finetune"]["model"] = str(known.absolute()) if known.exists() else model
    document["compress"] = {"codec": codec, "ratios": list(ratios), "probability": probability}
    return document


def toml(document: dict) -> str:
    """A configuration as TOML, checked; raises MedCompressError for wrong values."""
    text = "\n".join(_lines(document, ""))
    parse_config(text)
    return text


def _lines(table: dict, where: str) -> list[str]:
    lines, tables = [], []
    for key, value in table.items():
        place = f"{where}.{key}" if where else key
        if isinstance(value, dict):
            tables += ["", f"[{place}]", *_lines(value, place)]
        elif isinstance(value, list | tuple) and value and isinstance(value[0], dict):
            for entry in value:
                tables += ["", f"[[{place}]]", *_lines(entry, place)]
        else:
            lines.append(f"{key} = {_value(value)}")
    return lines + tables


def _value(value) -> str:
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return repr(value).lower() if isinstance(value, bool) else repr(value)


def modelPath(text) -> Path:
    """The model file that a user means: ~ completed, .mcmodel appended; raises MedCompressError where none can be."""
    path = Path(text).expanduser() if str(text).strip() else Path()
    if not path.name or path.is_dir():
        raise MedCompressError(f"'{text}' names no file: give the model a name such as {Path.home() / 'liver.mcmodel'}")
    if path.suffix != SUFFIX:
        path = path.with_name(path.name + SUFFIX)
    path = path.absolute()
    if not os.access(path.parent, os.W_OK):
        raise MedCompressError(f"the folder {path.parent} is missing or cannot be written: create it or choose another")
    return path
