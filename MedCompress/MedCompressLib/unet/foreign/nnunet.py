"""nnU-Net v2 results folders: plans.json, dataset.json and fold_*/checkpoint_final.pth (Isensee et al. 2021).

The networks are those of the package dynamic_network_architectures, which comes with nnunetv2; nnunetv2 itself is not
needed. Folds are averaged before the decision, as nnU-Net does. nnU-Net keeps volumes in the orientation of its
training files while MedCompress turns every volume to LPS: a card.json in the folder with "axes" ("SAR" for NIfTI
files stored as RAS) says where these differ.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import MedCompressError
from ..model import Model
from ..networks.channels_last import keep_channels_last
from .files import fill, read_json, read_weights, side_card
from .network import foreign_model
from .nnunet_plans import Configuration, configuration, input_axes, plan_card

NETWORKS = ("PlainConvUNet", "ResidualEncoderUNet")
CHECKPOINTS = ("checkpoint_final.pth", "checkpoint_best.pth")


class FoldMean(nn.Module):
    """The mean of the logits of networks trained on different folds.

    regions: outputs are regions that contain one another, and a later one is painted over an earlier one: the logits
    of a region become those of what no later region covers.
    """

    def __init__(self, networks: Iterable[nn.Module], regions: bool):
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.regions = regions

    def forward(self, x: Tensor) -> Tensor:
        total = self.networks[0](x)
        for network in self.networks[1:]:
            total = total + network(x)
        logits = total / len(self.networks)
        if not self.regions:
            return logits
        parts = list(logits.unbind(dim=1))
        for earlier in range(len(parts)):
            for later in range(earlier + 1, len(parts)):
                parts[earlier] = torch.minimum(parts[earlier], -logits[:, later])
        return torch.stack(parts, dim=1)


def load(path: Path) -> Model:
    """All folds of the results folder, such as nnUNetTrainer__nnUNetPlans__3d_fullres."""
    plans, dataset = read_json(path / "plans.json"), read_json(path / "dataset.json")
    checkpoints = [(file, read_weights(file, _allowed())) for file in _checkpoint_files(path)]
    try:
        name = checkpoints[0][1]["init_args"]["configuration"]
        chosen = configuration(plans, name)
        card = side_card(path / "card.json") or plan_card(plans, chosen, dataset, path.name, len(checkpoints))
        networks = []
        for file, checkpoint in checkpoints:
            network = _network(chosen, len(card.channels), card.outputs)
            fill(network, _plain_names(checkpoint["network_weights"]), file)
            networks.append(keep_channels_last(network.eval()))
        axes = None if card.dimension == 2 else input_axes(plans)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise MedCompressError(
            f"the nnU-Net folder {path.name} does not hold what nnU-Net v2 writes ({error!r:.200}): give the folder "
            "with plans.json, dataset.json and fold_0, as nnUNetv2_train left it"
        ) from None
    return foreign_model(FoldMean(networks, card.activation == "sigmoid"), card, axes)


def _checkpoint_files(path: Path) -> list[Path]:
    for name in CHECKPOINTS:
        files = sorted(file for file in path.glob(f"fold_*/{name}") if re.fullmatch("fold_[0-9]+", file.parent.name))
        if not files and (path / "fold_all" / name).is_file():
            files = [path / "fold_all" / name]
        if files:
            return files
    raise MedCompressError(f"{path} has no fold_0/{CHECKPOINTS[0]}: give a folder whose training has ended")


def _allowed() -> list[Any]:
    """Numbers of numpy, which nnU-Net logs beside the weights; making one executes nothing."""
    scalar = np.float64(0).__reduce__()[0]
    kinds = {type(np.dtype(kind)) for kind in (np.float32, np.float64, np.int64, np.int32, np.bool_)}
    return [np.dtype, *kinds, (scalar, "numpy.core.multiarray.scalar"), (scalar, "numpy._core.multiarray.scalar")]


def _plain_names(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix("module.").removeprefix("_orig_mod."): tensor for name, tensor in weights.items()}


def _network(chosen: Configuration, channels: int, outputs: int) -> nn.Module:
    package, _, name = chosen.network.rpartition(".")
    if name not in NETWORKS:
        raise MedCompressError(f"nnU-Net's network {name:.100} is none of {', '.join(NETWORKS)}: it is not loaded")
    try:
        unet = importlib.import_module("dynamic_network_architectures.architectures.unet")
    except ImportError as error:
        raise MedCompressError(
            f"nnU-Net's networks need the package dynamic_network_architectures ({error}): install it with "
            "'pip install --no-deps dynamic-network-architectures'"
        ) from None
    arguments = dict(chosen.arguments)
    for key in chosen.classes:
        if arguments.get(key) is not None:
            arguments[key] = _layer(arguments[key])
    return getattr(unet, name)(input_channels=channels, num_classes=outputs, deep_supervision=False, **arguments)


def _layer(name: str) -> type[nn.Module]:
    """The class of torch.nn that a plan names; no other class is ever imported."""
    layer = getattr(nn, name.rpartition(".")[2], None) if name.startswith("torch.nn.") else None
    if not (isinstance(layer, type) and issubclass(layer, nn.Module)):
        raise MedCompressError(f"the plan names the layer {name!r:.100}, which torch.nn has not: it is not loaded")
    return layer
