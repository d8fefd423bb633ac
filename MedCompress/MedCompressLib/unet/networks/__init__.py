"""The architectures, and `build_network`, which makes a network from its description in a model card."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...errors import MedCompressError
from ..packages import require

if TYPE_CHECKING:
    import torch

# The modules import torch, so each is imported when its architecture is first asked for.
_MODULES = {
    "dynunet": "dynunet",
    "elkhoury2d": "elkhoury",
    "elkhoury3d": "elkhoury",
    "luu2d": "luu",
    "srivastava2d": "srivastava",
    "wavelet2d": "wavelet",
}
ARCHITECTURES = tuple(_MODULES)


def build_network(
    description: Mapping[str, Any], in_channels: int, out_channels: int, dimension: int
) -> torch.nn.Module:
    """The network that `description` ({"architecture": name, and its parameters}) speaks of, with random weights.

    `forward(x)`: x float [N, C, (k,) j, i] -> logits [N, K, (k,) j, i]; while training with deep supervision a list
    of logits at full, half, quarter ... resolution. `.divisor`: what each spatial size must be a multiple of.
    Raises MedCompressError for an unknown architecture or parameter, and where torch or MONAI is missing.
    """
    parameters = dict(description)
    architecture = parameters.pop("architecture", None)
    if architecture not in _MODULES:
        raise MedCompressError(f"there is no architecture {architecture!r}: choose one of {', '.join(ARCHITECTURES)}")
    require("torch")
    module = importlib.import_module(f".{_MODULES[architecture]}", __name__)
    return module.build(architecture, in_channels, out_channels, dimension, **_known(module, architecture, parameters))


def _known(module: Any, architecture: str, parameters: dict[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(parameters) - set(module.PARAMETERS))
    if unknown:
        known = ", ".join(module.PARAMETERS) or "none"
        raise MedCompressError(f"{architecture} has no parameter {unknown[0]!r}: its parameters are {known}")
    return parameters
