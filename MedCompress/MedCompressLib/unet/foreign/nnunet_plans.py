"""What nnU-Net's plans.json and dataset.json say, as a card; the formats of nnunetv2 2.0 to 2.8."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...errors import MedCompressError
from ..card import Label, ModelCard
from .network import OWN_AXES
from .palette import color

_NORMALIZATIONS = ("ZScoreNormalization", "CTNormalization", "NoNormalization")


@dataclass(frozen=True)
class Configuration:
    """network: class name; arguments: its keyword arguments; classes: those of them that name classes of torch.nn;
    fields: the plan's configuration with what it inherits.
    """

    network: str
    arguments: dict[str, Any]
    classes: tuple[str, ...]
    fields: dict[str, Any]


def configuration(plans: dict[str, Any], name: str) -> Configuration:
    """The configuration `name`, such as "3d_fullres"; raises MedCompressError for cascades."""
    fields, chain = dict(plans["configurations"][name]), 0
    while "inherits_from" in fields and chain < 10:
        parent = plans["configurations"][fields.pop("inherits_from")]
        fields, chain = {**parent, **fields}, chain + 1
    if fields.get("previous_stage"):
        raise MedCompressError(f"{name} is the second stage of a cascade: give the folder of 3d_fullres")
    if "architecture" in fields:
        found = fields["architecture"]
        return Configuration(
            found["network_class_name"], found["arch_kwargs"], tuple(found["_kw_requires_import"]), fields
        )
    return _older(fields)


def _older(fields: dict[str, Any]) -> Configuration:
    """Plans before nnunetv2 2.3 name numbers from which the architecture follows."""
    stages, dimension = len(fields["conv_kernel_sizes"]), len(fields["patch_size"])
    residual = fields["UNet_class_name"] == "ResidualEncoderUNet"
    most = fields.get("unet_max_num_features", 320 if dimension == 3 else 512)
    arguments = {
        "n_stages": stages,
        "features_per_stage": [min(fields["UNet_base_num_features"] << stage, most) for stage in range(stages)],
        "conv_op": f"torch.nn.modules.conv.Conv{dimension}d",
        "kernel_sizes": fields["conv_kernel_sizes"],
        "strides": fields["pool_op_kernel_sizes"],
        "n_blocks_per_stage" if residual else "n_conv_per_stage": fields["n_conv_per_stage_encoder"],
        "n_conv_per_stage_decoder": fields["n_conv_per_stage_decoder"],
        "conv_bias": True,
        "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{dimension}d",
        "norm_op_kwargs": {"eps": 1e-5, "affine": True},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }
    return Configuration(fields["UNet_class_name"], arguments, ("conv_op", "norm_op", "dropout_op", "nonlin"), fields)


def plan_card(
    plans: dict[str, Any], chosen: Configuration, dataset: dict[str, Any], name: str, folds: int
) -> ModelCard:
    """The card of a configuration; raises MedCompressError where a card cannot say what nnU-Net does."""
    fields = chosen.fields
    patch, forward = [int(size) for size in fields["patch_size"]], _forward(plans)
    dimension = len(patch)
    spacing = [float(value) for value in fields["spacing"]]
    if dimension == 2:
        if forward != [0, 1, 2]:
            raise MedCompressError(f"{name} cuts its slices across the axis k: give the folder of 3d_fullres")
        spacing = [float(plans["original_median_spacing_after_transp"][0]), *spacing[-2:]]
    # nnU-Net's numbers are in the order of its axes; own[axis] is the place of our axis there.
    own = [forward.index(axis) for axis in range(3)]
    activation, labels = _labels(dataset)
    channels = dataset.get("channel_names") or dataset["modality"]
    return ModelCard(
        name=f"{plans.get('dataset_name', 'nnU-Net')} {name}"[:200],
        description=f"nnU-Net v2, the mean of {folds} fold{'s' if folds > 1 else ''}",
        dimension=dimension,
        network={"architecture": "nnU-Net v2"},
        channels=tuple(str(channels[str(index)]) for index in range(len(channels))),
        spacing=tuple(spacing[own[axis]] for axis in (2, 1, 0)),
        patch=tuple(patch) if dimension == 2 else tuple(patch[own[axis]] for axis in range(3)),
        normalization=_normalization(plans, fields, len(channels)),
        activation=activation,
        labels=labels,
    )


def input_axes(plans: dict[str, Any]) -> str:
    """Towards what the axes of the network's input run, for files stored as LPS."""
    return "".join(OWN_AXES[axis] for axis in _forward(plans))


def _forward(plans: dict[str, Any]) -> list[int]:
    """Per axis of the network the axis [k, j, i] of the volume."""
    forward = [int(axis) for axis in plans["transpose_forward"]]
    if sorted(forward) != [0, 1, 2]:
        raise ValueError(f"transpose_forward is {forward}")
    return forward


def _labels(dataset: dict[str, Any]) -> tuple[str, tuple[Label, ...]]:
    """Regions (labels that contain one another) are sigmoid channels, in regions_class_order."""
    names = {name: value for name, value in dataset["labels"].items() if name not in ("background", "ignore")}
    if "regions_class_order" in dataset:
        order = [int(value) for value in dataset["regions_class_order"]]
        labels = (Label(value, name, color(at)) for at, (name, value) in enumerate(zip(names, order, strict=True)))
        return "sigmoid", tuple(labels)
    values = {int(value): name for name, value in names.items()}
    if sorted(values) != list(range(1, len(values) + 1)):
        raise ValueError("labels are not numbered from 1")
    return "softmax", tuple(Label(value, values[value], color(value - 1)) for value in sorted(values))


def _normalization(plans: dict[str, Any], fields: dict[str, Any], channels: int) -> dict[str, Any]:
    schemes, masked = fields["normalization_schemes"], fields["use_mask_for_norm"]
    mixed = len(set(schemes)) != 1 or (schemes[0] == "CTNormalization" and channels > 1)
    if mixed or schemes[0] not in _NORMALIZATIONS:
        raise MedCompressError(
            f"nnU-Net normalizes by {', '.join(map(str, schemes))[:200]}, which one card cannot say: "
            "write card.json into its folder with what comes nearest"
        )
    if schemes[0] == "ZScoreNormalization":
        if any(masked):
            raise MedCompressError(
                "nnU-Net normalizes by the voxels that are not zero, which MedCompress has not: "
                "write card.json into its folder with what comes nearest"
            )
        return {"kind": "zscore"}
    if schemes[0] == "NoNormalization":
        return {"kind": "fixed", "mean": 0.0, "std": 1.0}
    found = plans["foreground_intensity_properties_per_channel"]["0"]
    return {
        "kind": "clipped",
        "low": float(found["percentile_00_5"]),
        "high": float(found["percentile_99_5"]),
        "mean": float(found["mean"]),
        "std": max(float(found["std"]), 1e-8),
    }
