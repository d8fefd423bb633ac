"""The card of a MONAI bundle, from its preprocessing, its inferer and its metadata."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...errors import MedCompressError
from ..card import Label, ModelCard
from .network import axis_order
from .palette import color

Resolve = Callable[[Any], Any]

_NEUTRAL = {
    "LoadImage", "EnsureChannelFirst", "AddChannel", "AsChannelFirst", "EnsureType", "ToTensor", "CropForeground",
    "ToDevice", "CastToType", "Identity",
}  # fmt: skip


def bundle_card(resolve: Resolve, config: dict[str, Any], metadata: dict[str, Any], name: str) -> ModelCard:
    """The card of a bundle in 3 dimensions.

    resolve: gives a value of the config without references. Raises MedCompressError for a transform that cards cannot
    express, and KeyError, TypeError, ValueError where the bundle does not say what is needed.
    """
    axes = input_axes(config)
    spacing, normalization = _preprocessing(resolve, config, axes)
    formats = metadata["network_data_format"]
    [image] = formats["inputs"].values()
    [output] = formats["outputs"].values()
    if int(resolve(config["network_def"].get("spatial_dims", 3))) != 3:
        raise ValueError("only bundles in 3 dimensions say how their axes lie")
    patch = [int(size) for size in _patch(resolve, config) or image["spatial_shape"]]
    channels = [str(image.get("channel_def", {}).get(str(index), "image")) for index in range(image["num_channels"])]
    activation = _activation(resolve, config)
    names = {int(key): str(text) for key, text in output["channel_def"].items()}
    if activation == "softmax":
        names.pop(0, None)
        if sorted(names) != list(range(1, output["num_channels"])):
            raise ValueError("channel_def is not one name per output channel")
    labels = tuple(
        Label(value if activation == "softmax" else value + 1, names[value], color(number))
        for number, value in enumerate(sorted(names))
    )
    # A patch is in the network's own order of axes.
    own_patch = tuple(patch[axis_order(axes).index(axis)] for axis in range(3))
    return ModelCard(
        name=name,
        description=str(metadata.get("description", ""))[:20000],
        version=str(metadata.get("version", "")),
        license=str(metadata.get("copyright", ""))[:20000],
        dimension=3,
        network={"architecture": "MONAI bundle"},
        channels=tuple(channels),
        spacing=spacing,
        patch=own_patch,
        normalization=normalization,
        activation=activation,
        labels=labels,
    )


def input_axes(config: dict[str, Any]) -> str:
    """Towards what the axes of the network's input run: "RAS", MONAI's habit, unless the bundle orients otherwise."""
    codes = [item.get("axcodes") for item in _transforms(config, "preprocessing") if _name(item) == "Orientation"]
    axes = str(codes[-1]) if codes else "RAS"
    axis_order(axes)
    return axes


def _transforms(config: dict[str, Any], section: str) -> list[dict[str, Any]]:
    found = config.get(section, {})
    transforms = found.get("transforms", []) if isinstance(found, dict) else found
    if isinstance(transforms, str):
        transforms = config[transforms.lstrip("@$").split("#")[-1]]
    return [item for item in transforms if isinstance(item, dict) and not item.get("_disabled_")]


def _name(transform: dict[str, Any]) -> str:
    return str(transform.get("_target_", "")).rpartition(".")[2].removesuffix("d")


def _preprocessing(
    resolve: Resolve, config: dict[str, Any], axes: str
) -> tuple[tuple[float, ...] | None, dict[str, Any]]:
    spacing, normalizations = None, []
    for transform in _transforms(config, "preprocessing"):
        name = _name(transform)
        if name == "Spacing":
            spacing = tuple(float(value) for value in resolve(transform["pixdim"]))
        elif name in ("ScaleIntensityRange", "NormalizeIntensity"):
            normalizations.append(_normalization(name, {key: _try(resolve, item) for key, item in transform.items()}))
        elif name not in (*_NEUTRAL, "Orientation"):
            raise MedCompressError(
                f"the bundle prepares its input by {name or 'an unknown transform'}, which MedCompress has not: "
                "write card.json into its folder with what comes nearest"
            )
    if len(normalizations) > 1:
        raise MedCompressError("the bundle normalizes twice: write card.json into its folder with what comes nearest")
    normalization = normalizations[0] if normalizations else {"kind": "fixed", "mean": 0.0, "std": 1.0}
    if spacing is not None:
        # pixdim is in the order of the network's axes, a card's spacing in the order i, j, k.
        spacing = tuple(spacing[axis_order(axes).index(axis)] for axis in (2, 1, 0))
    return spacing, normalization


def _try(resolve: Resolve, value: Any) -> Any:
    """Fields that play no part, such as keys, may hold anything."""
    try:
        return resolve(value)
    except (MedCompressError, KeyError):
        return value


def _normalization(name: str, transform: dict[str, Any]) -> dict[str, Any]:
    if name == "ScaleIntensityRange":
        low, high = float(transform["a_min"]), float(transform["a_max"])
        bottom, top = float(transform.get("b_min", 0)), float(transform.get("b_max", 1))
        scale = (high - low) / (top - bottom)
        mean = low - bottom * scale
        if transform.get("clip", False):
            return {"kind": "clipped", "low": low, "high": high, "mean": mean, "std": scale}
        return {"kind": "fixed", "mean": mean, "std": scale}
    if transform.get("nonzero", False):
        raise MedCompressError(
            "the bundle normalizes by the voxels that are not zero, which MedCompress has not: write card.json into "
            "its folder with what comes nearest"
        )
    if "subtrahend" in transform or "divisor" in transform:
        return {
            "kind": "fixed",
            "mean": float(transform.get("subtrahend", 0)),
            "std": float(transform.get("divisor", 1)),
        }
    return {"kind": "zscore"}


def _activation(resolve: Resolve, config: dict[str, Any]) -> str:
    for transform in _transforms(config, "postprocessing"):
        if _name(transform) == "Activations" and _try(resolve, transform.get("sigmoid", False)) is True:
            return "sigmoid"
    return "softmax"


def _patch(resolve: Resolve, config: dict[str, Any]) -> list[int] | None:
    inferer = config.get("inferer", {})
    return resolve(inferer["roi_size"]) if isinstance(inferer, dict) and "roi_size" in inferer else None
