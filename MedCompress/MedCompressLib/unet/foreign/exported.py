"""Files of torch.export. They carry code: see CODE_NOTE."""

from __future__ import annotations

from pathlib import Path

import torch

from ...errors import MedCompressError
from ..model import Model
from .files import required_card
from .network import foreign_model


def load(path: Path) -> Model:
    """The exported network in `path`, with the card in the JSON file beside it; it sees one window at a time."""
    card = required_card(path)
    try:
        network = torch.export.load(str(path)).module()
    except Exception as error:  # torch.export raises many kinds for what it cannot read
        raise MedCompressError(
            f"{path} cannot be read by torch {torch.__version__} ({str(error).splitlines()[0][:200]}): "
            "write it with torch.export.save of this version"
        ) from None
    return foreign_model(network, card, singly=True)
