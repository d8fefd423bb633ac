"""Weights of a network as safetensors bytes: tensors by name and nothing else, so nothing in them can be executed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import MedCompressError
from .card import ModelCard
from .networks import build_network
from .packages import require

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module


def named_tensors(network: Module) -> dict[str, Tensor]:
    """The network's parameters and persistent buffers, each once, under its first name."""
    seen: set[int] = set()
    tensors = {}
    for name, tensor in network.state_dict(keep_vars=True).items():
        if id(tensor) not in seen:
            seen.add(id(tensor))
            tensors[name] = tensor
    return tensors


def to_bytes(network: Module, card: ModelCard, half: bool = False) -> bytes:
    """half: float32 as float16, of half the size. Raises MedCompressError when the network is not the card's."""
    torch, save = require("torch"), require("safetensors.torch").save
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in named_tensors(network).items()}
    if half:
        tensors = {name: x.half() if x.dtype == torch.float32 else x for name, x in tensors.items()}
    check_fit(tensors, card)
    return save(tensors)


def from_bytes(content: bytes, card: ModelCard) -> Module:
    """The card's network with these weights, on the CPU, in eval mode; raises MedCompressError where they do not fit.

    The network is compared with the weights before any memory is taken for it. The random generator stays as it was.
    """
    load = require("safetensors.torch").load
    try:
        tensors = load(content)
    except Exception as error:  # safetensors raises several kinds of its own for damaged headers
        raise MedCompressError(
            f"the weights are damaged ({str(error)[:200]}): get the model again from its source"
        ) from None
    check_fit(tensors, card)
    torch = require("torch")
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        network = build_network(card.network, len(card.channels), card.outputs, card.dimension)
        for name, tensor in named_tensors(network).items():
            tensor.copy_(tensors[name])
    return network.eval()


def check_fit(tensors: dict[str, Tensor], card: ModelCard) -> None:
    """Raise MedCompressError unless names, shapes and types are those of the card's network, and all values finite."""
    torch = require("torch")
    with torch.device("meta"):
        network = build_network(card.network, len(card.channels), card.outputs, card.dimension)
    wanted = named_tensors(network)
    if tensors.keys() != wanted.keys():
        name = min(tensors.keys() ^ wanted.keys())
        problem = f"{name} is {'missing' if name in wanted else 'not part of the network'}"
    else:
        problem = next(filter(None, (_difference(name, tensors[name], wanted[name]) for name in wanted)), "")
    if problem:
        raise MedCompressError(
            f"the weights do not fit the card's network {card.network['architecture']} ({problem}): "
            "get a model whose card and weights belong together"
        )


def _difference(name: str, tensor: Tensor, wanted: Tensor) -> str:
    if tensor.shape != wanted.shape:
        return f"{name} has shape {list(tensor.shape)}, not {list(wanted.shape)}"
    halved = (tensor.dtype, wanted.dtype) == (require("torch").float16, require("torch").float32)
    if tensor.dtype != wanted.dtype and not halved:
        return f"{name} holds {tensor.dtype}, not {wanted.dtype}"
    if tensor.is_floating_point() and not tensor.isfinite().all():
        return f"{name} holds values that are not finite"
    return ""
