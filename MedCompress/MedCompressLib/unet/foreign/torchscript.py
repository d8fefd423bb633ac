"""TorchScript files. They carry code: see CODE_NOTE."""

from __future__ import annotations

from pathlib import Path

import torch

from ...errors import MedCompressError
from ..model import Model
from .files import required_card
from .network import foreign_model


def load(path: Path) -> Model:
    """The scripted or traced network in `path`, with the card in the JSON file beside it."""
    card = required_card(path)
    try:
        network = torch.jit.load(str(path), map_location="cpu")
    except (RuntimeError, ValueError, OSError) as error:
        raise MedCompressError(
            f"{path} is no TorchScript file ({str(error).splitlines()[0][:200]}): pickled checkpoints are not read, "
            "write the network with torch.jit.script(network).save(...)"
        ) from None
    return foreign_model(network.eval(), card)
