"""Checkpoints: all that a training needs to go on exactly where it was, in one safetensors file, no pickle.

Tensors are network/NAME, average/NAME and optimizer/NUMBER/NAME; everything else is JSON in the file's metadata.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ...errors import MedCompressError
from ...volume_files import sync

_KEY = "medcompress"


def save_checkpoint(path: Path, tensors: dict[str, torch.Tensor], state: dict[str, Any]) -> None:
    """Written whole beside `path`, then renamed: a kill at any moment leaves the last checkpoint."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        # A copy each: safetensors refuses tensors that share memory.
        save_file({name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}, partial,
                  metadata={_KEY: json.dumps(state)})  # fmt: skip
        sync(partial)
        os.replace(partial, path)
        sync(path.parent)
    except OSError as error:
        raise MedCompressError(f"{path} cannot be written ({error.strerror or error}): check the free space") from None
    finally:
        partial.unlink(missing_ok=True)


def read_checkpoint(path: Path, device: str = "cpu") -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """(tensors, state); raises MedCompressError for a damaged file."""
    try:
        with safe_open(path, "pt", device=device) as file:
            state = json.loads((file.metadata() or {})[_KEY])
            return {name: file.get_tensor(name) for name in file.keys()}, state
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise MedCompressError(
            f"{path} is no checkpoint or damaged ({str(error)[:150]}): delete it and start the training again"
        ) from None


def network_tensors(network: torch.nn.Module, prefix: str) -> dict[str, torch.Tensor]:
    return {f"{prefix}/{name}": tensor for name, tensor in network.state_dict().items()}


def load_network(network: torch.nn.Module, prefix: str, tensors: dict[str, torch.Tensor]) -> None:
    """Copy the tensors named prefix/NAME into the network; raises MedCompressError where they do not fit."""
    own = {name.removeprefix(f"{prefix}/"): item for name, item in tensors.items() if name.startswith(f"{prefix}/")}
    try:
        network.load_state_dict(own)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise MedCompressError(
            f"the checkpoint is of another network ({reason:.150}): train into a new folder"
        ) from None


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Momenta and step counts, flattened."""
    state = optimizer.state_dict()["state"]
    return {
        f"optimizer/{number}/{name}": value
        for number, entries in state.items()
        for name, value in entries.items()
        if isinstance(value, torch.Tensor)
    }


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        kind, _, rest = key.partition("/")
        if kind == "optimizer":
            number, _, name = rest.partition("/")
            state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
