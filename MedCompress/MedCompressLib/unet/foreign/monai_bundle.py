"""MONAI bundles: the network of configs/inference.json, the weights of models/model.pt, labels of metadata.json.

Only `network_def` is made into an object, of a segmentation network of MONAI, with plain values; the expressions
("$...") that bundles may hold are Python code and are refused where they would be needed, never evaluated.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from ...errors import MedCompressError
from ..card import ModelCard
from ..model import Model
from ..networks.channels_last import keep_channels_last
from ..packages import require
from .bundle_card import bundle_card, input_axes
from .files import fill, read_json, read_weights, side_card
from .network import foreign_model

NETWORKS = (
    "AttentionUnet", "BasicUNet", "BasicUNetPlusPlus", "BasicUnet", "DynUNet", "DynUnet", "HighResNet", "SegResNet",
    "SegResNetDS", "SwinUNETR", "UNETR", "UNet", "Unet", "VNet",
)  # fmt: skip
CHANNELS_LAST = ("BasicUNet", "DynUNet")
"""Those that are faster so; all their layers keep the layout."""


def load(path: Path) -> Model:
    """The model in the bundle's folder; card.json there, where present, says what the bundle does not."""
    config = read_json(path / "configs" / "inference.json")
    network = _network(config, path)
    weights = read_weights(path / "models" / "model.pt")
    for key in ("state_dict", "model"):
        if isinstance(weights, dict) and isinstance(weights.get(key), dict):
            weights = weights[key]
    fill(network, weights, path / "models" / "model.pt")
    if type(network).__name__ in CHANNELS_LAST:
        keep_channels_last(network)
    card = side_card(path / "card.json") or _derived(config, path)
    return foreign_model(network.eval(), card, input_axes(config) if card.dimension == 3 else None)


def _derived(config: dict[str, Any], path: Path) -> ModelCard:
    metadata = read_json(path / "configs" / "metadata.json")
    try:
        return bundle_card(lambda value: literal(config, value), config, metadata, path.name)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise MedCompressError(
            f"the bundle {path.name} does not say all that is needed ({error!r:.200}): write card.json into its folder"
        ) from None


def _network(config: dict[str, Any], path: Path) -> nn.Module:
    definition = literal(config, config.get("network_def"))
    if not isinstance(definition, dict):
        raise MedCompressError(f"{path}/configs/inference.json has no network_def: give a bundle that segments")
    arguments = {key: value for key, value in definition.items() if key != "_target_"}
    target = str(definition.get("_target_", ""))
    package, _, name = target.rpartition(".")
    if name not in NETWORKS or not (package == "" or (package + ".").startswith("monai.networks.nets.")):
        raise MedCompressError(f"the bundle's network {target:.100} is none of {', '.join(NETWORKS)}: it is not loaded")
    if any(key.startswith("_") for key in arguments):
        raise MedCompressError(f"the bundle's network_def has fields beside _target_ that start with _: {path}")
    nets = require("monai.networks.nets")
    try:
        return getattr(nets, name)(**arguments)
    except Exception as error:  # whatever MONAI raises for arguments it does not know
        raise MedCompressError(
            f"MONAI cannot make the bundle's network {name} ({str(error)[:200]}): update monai"
        ) from None


def literal(config: dict[str, Any], value: Any, depth: int = 0) -> Any:
    """`value` with references ("@name") to other literals of the config followed; raises MedCompressError for code."""
    if depth > 20:
        raise MedCompressError("the bundle's configuration refers to itself: get the bundle again")
    if isinstance(value, dict):
        if depth and "_target_" in value:
            raise MedCompressError("the bundle's configuration nests objects, which are not made: write card.json")
        return {key: literal(config, item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [literal(config, item, depth + 1) for item in value]
    if isinstance(value, str) and value.startswith(("$", "%")):
        raise MedCompressError(
            f"the bundle's configuration needs the expression {value:.100}, which is code and not evaluated: "
            "write the value into configs/inference.json, or what it means into card.json"
        )
    if isinstance(value, str) and value.startswith("@"):
        found: Any = config
        for part in value[1:].replace("#", "::").split("::"):
            found = found[int(part)] if isinstance(found, list) else found[part]
        return literal(config, found, depth + 1)
    return value
