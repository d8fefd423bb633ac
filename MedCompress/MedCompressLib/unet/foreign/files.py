"""What adapters read beside the weights: cards, JSON documents, checkpoints without pickled objects."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ...errors import MedCompressError
from ..card import FORMAT, FORMAT_VERSION, ModelCard

JSON_LIMIT = 64 << 20


def required_card(path: Path) -> ModelCard:
    """The card beside a TorchScript or exported file."""
    beside = path.with_suffix(".json")
    card = side_card(beside)
    if card is None:
        raise MedCompressError(
            f'{path.name} says nothing of its input: write {beside.name} beside it with "format": "{FORMAT}", '
            f'"format_version": {FORMAT_VERSION}, name, dimension, network {{"architecture": "{path.suffix[1:]}"}}, '
            "channels, spacing, patch, normalization, activation and labels, as Docs/segmentation.md shows"
        )
    return card


def side_card(path: Path) -> ModelCard | None:
    """The card at `path`, None where there is none."""
    return ModelCard.from_json(path.read_bytes()) if path.is_file() else None


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; raises MedCompressError."""
    try:
        if path.stat().st_size > JSON_LIMIT:
            raise ValueError("it is larger than 64 MiB")
        document = json.loads(path.read_text("utf-8"))
        if not isinstance(document, dict):
            raise ValueError("it is no object")
    except (OSError, ValueError, RecursionError) as error:
        raise MedCompressError(f"{path} cannot be read ({str(error)[:200]}): get the model again") from None
    return document


def read_weights(path: Path, also: Sequence[Any] = ()) -> Any:
    """A checkpoint of torch.save that holds tensors and plain values; `also`: further harmless types to allow.

    A pickle that asks for anything else is refused before it is executed; torch before 2.6 could be tricked there
    (CVE-2025-32434) and is not used for it.
    """
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < (2, 6):
        raise MedCompressError(
            f"torch {torch.__version__} does not read checkpoints of others safely: update it to 2.6 or later"
        )
    try:
        with torch.serialization.safe_globals(list(also)):
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise MedCompressError(f"{path} is missing: get the model again") from None
    except Exception as error:  # pickle, zip and torch raise several kinds for what is damaged or not allowed
        raise MedCompressError(
            f"{path} is damaged or holds more than weights, and is not executed ({str(error).splitlines()[0][:200]}): "
            "get the model again from a source you trust"
        ) from None


def fill(network: torch.nn.Module, weights: Any, path: Path) -> None:
    """Load a state dict; raises MedCompressError where it does not fit."""
    try:
        network.load_state_dict(weights)
    except (RuntimeError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise MedCompressError(f"the weights in {path} do not fit the network described ({reason})") from None
