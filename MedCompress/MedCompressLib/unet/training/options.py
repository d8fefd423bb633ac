"""The tables of a training's configuration; every value has a default, unknown names are errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class LabelOptions:
    """value: in the model's output. name, color [r, g, b] of 0 to 1, terminology: as in the model card.

    sources: values in the training's label maps that count as this label; `value` alone where empty.
    """

    value: int = 1
    name: str = ""
    color: tuple[float, ...] = ()
    terminology: str = ""
    sources: tuple[int, ...] = ()


@dataclass(frozen=True)
class DataOptions:
    """folder: of the cases (see cases.find_cases). channels: names of the inputs; empty: "image", "image 2" ...

    spacing: (i, j, k) in mm to which cases are resampled; empty: planned from the cases. resample false: each case
        keeps its own.
    size: voxels, [k, j, i] or [j, i] in 2D, that each case is resampled to whatever its extent, in place of spacing.
    normalization: as in the model card; for "fixed" and "clipped" mean and std are measured unless given, for
        "clipped" low and high too (0.5 and 99.5 percent of the labelled voxels, nnU-Net's way).
    folds, fold: cases are dealt into `folds` groups by the seed and group `fold` is held back for validation; folds 0:
        none is. validation: names of the cases held back instead.
    """

    folder: str = ""
    channels: tuple[str, ...] = ()
    spacing: tuple[float, ...] = ()
    normalization: dict[str, Any] = field(default_factory=lambda: {"kind": "zscore"})
    folds: int = 5
    fold: int = 0
    validation: tuple[str, ...] = ()
    resample: bool = True
    size: tuple[int, ...] = ()


@dataclass(frozen=True)
class NetworkOptions:
    """architecture: see networks.ARCHITECTURES; dimension: 2 or 3; features: feature maps at the first level.

    features (0: the architecture's own), max_voxels and patch ([k, j, i], [j, i] in 2D) guide planning; patch: planned
    where empty. parameters: further parameters of the architecture.
    """

    architecture: str = "dynunet"
    dimension: int = 3
    features: int = 0
    patch: tuple[int, ...] = ()
    max_voxels: int = 2**19
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LossOptions:
    """kind: see losses.KINDS; weights: of each label, for "dice" alone."""

    kind: str = "dice+cross-entropy"
    weights: tuple[float, ...] = ()


@dataclass(frozen=True)
class OptimizerOptions:
    """kind: "sgd", "adam" or "adamw"; schedule: "polynomial", "cosine" or "constant"; warmup: epochs.

    learning_rate 0: 0.01 for sgd and 0.001 for the others, a tenth of that in fine-tuning.
    """

    kind: str = "sgd"
    learning_rate: float = 0.0
    final_learning_rate: float = 0.0
    schedule: str = "polynomial"
    power: float = 0.9
    momentum: float = 0.99
    weight_decay: float = 3e-5
    warmup: float = 0.0


@dataclass(frozen=True)
class AugmentationOptions:
    """Probability of each change per sample, about nnU-Net's unless given; see augmentation and warping.

    flips: axes among "ijk" that are mirrored in half of the samples; in fine-tuning only those of them that the model
        was trained with. elastic_mm: standard deviation of the shifts.
    """

    flips: str = "ijk"
    rotation_probability: float = 0.2
    rotation_degrees: float = 30.0
    scaling_probability: float = 0.2
    scaling_range: tuple[float, ...] = (0.7, 1.4)
    elastic_probability: float = 0.0
    elastic_mm: float = 2.0
    noise_probability: float = 0.1
    blur_probability: float = 0.1
    brightness_probability: float = 0.15
    contrast_probability: float = 0.15
    low_resolution_probability: float = 0.12
    gamma_probability: float = 0.3


@dataclass(frozen=True)
class CompressOptions:
    """Compression as augmentation: with `probability` a sample comes from a copy of its case that was compressed by
    `codec` to one of `ratios`, chosen at random. No copies are made where ratios is empty.
    """

    codec: str = "jpeg2000"
    ratios: tuple[float, ...] = ()
    probability: float = 0.5


@dataclass(frozen=True)
class FinetuneOptions:
    """model: file or sample model whose weights, preparation and labels the training starts from; "": from scratch."""

    model: str = ""


@dataclass(frozen=True)
class RunOptions:
    """The table [training].

    steps: batches per epoch; 0: as many as it takes to see each training case (2D: slice) about once.
    foreground: share of the patches that are centered on a labelled voxel.
    average: decay per step of the running average of the weights, which is validated and saved; 0: none.
    patience: epochs without better validation Dice after which the training stops and its best epoch is kept; 0: the
        training ends with its last epoch, which is kept. validate_every: epochs.
    mixed_precision: "auto" or "off". clip: largest norm of the gradient, 0: none.
    """

    epochs: int = 100
    steps: int = 0
    batch: int = 2
    foreground: float = 0.33
    average: float = 0.999
    patience: int = 0
    validate_every: int = 1
    mixed_precision: str = "auto"
    clip: float = 12.0
