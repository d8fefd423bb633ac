"""What a configuration must fulfil beyond the types of its values."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from ...errors import MedCompressError

if TYPE_CHECKING:
    from .config import TrainingConfig

LOSSES = ("dice+cross-entropy", "dice", "cross-entropy", "binary cross-entropy")


def check(config: TrainingConfig) -> None:
    """Raises MedCompressError that names the value and what it may be."""
    if not config.name or config.name != config.name.strip() or set(config.name) & set('/\\:*?"<>|'):
        _wrong("name", config.name, "a name that a file can have")
    _among("device", config.device, ("auto", "cpu", "cuda"))
    _among("weights", config.weights, ("float32", "float16"))
    _range("seed", config.seed, 0, 2**31 - 1)
    _data(config)
    network, loss, optimizer, run = config.network, config.loss, config.optimizer, config.training
    _among("network.dimension", network.dimension, (2, 3))
    if network.patch and (len(network.patch) != network.dimension or min(network.patch) < 1):
        _wrong("network.patch", network.patch, f"{network.dimension} sizes in voxels")
    _range("network.features", network.features, 0, 1024)
    _range("network.max_voxels", network.max_voxels, 64, 2**31)
    _among("loss.kind", loss.kind, LOSSES)
    if loss.weights and loss.kind != "dice":
        _wrong("loss.weights", loss.weights, 'left out: only the loss "dice" takes weights')
    if loss.weights and config.labels and len(loss.weights) != len(config.labels):
        _wrong("loss.weights", loss.weights, f"one per label, {len(config.labels)} in all")
    _among("optimizer.kind", optimizer.kind, ("sgd", "adam", "adamw"))
    _among("optimizer.schedule", optimizer.schedule, ("polynomial", "cosine", "constant"))
    for name in ("learning_rate", "final_learning_rate", "weight_decay"):
        _range(f"optimizer.{name}", getattr(optimizer, name), 0, 10)
    _range("optimizer.momentum", optimizer.momentum, 0, 0.99999)
    _range("optimizer.power", optimizer.power, 0, 10)
    _range("optimizer.warmup", optimizer.warmup, 0, run.epochs)
    _augmentation(config)
    for name, low, high in (
        ("epochs", 1, 10**6), ("steps", 0, 10**6), ("batch", 1, 4096), ("foreground", 0, 1), ("average", 0, 0.999999),
        ("patience", 0, 10**6), ("validate_every", 1, 10**6), ("clip", 0, 1e6),
    ):  # fmt: skip
        _range(f"training.{name}", getattr(run, name), low, high)
    _among("training.mixed_precision", run.mixed_precision, ("auto", "off"))
    _range("compress.probability", config.compress.probability, 0, 1)
    if any(not isfinite(ratio) or ratio <= 1 for ratio in config.compress.ratios):
        _wrong("compress.ratios", config.compress.ratios, "numbers above 1")


def _data(config: TrainingConfig) -> None:
    data = config.data
    if data.spacing and (len(data.spacing) != 3 or min(data.spacing) <= 0):
        _wrong("data.spacing", data.spacing, "3 distances (i, j, k) in mm above 0")
    if data.size and (len(data.size) != config.network.dimension or not 1 <= min(data.size) <= max(data.size) <= 4096):
        _wrong("data.size", data.size, f"{config.network.dimension} numbers of voxels")
    if data.size and (data.spacing or not data.resample):
        _wrong("data.size", data.size, "left out beside data.spacing and data.resample = false")
    if data.folds == 1 or data.folds < 0:
        _wrong("data.folds", data.folds, "2 or more, or 0 for a training without validation")
    if data.folds and not 0 <= data.fold < data.folds:
        _wrong("data.fold", data.fold, f"one of 0 to {data.folds - 1}")
    values = [label.value for label in config.labels]
    names = [label.name for label in config.labels]
    for label in config.labels:
        if not label.name:
            _wrong("labels.name", label.name, "a name for every label")
        _range("labels.value", label.value, 1, 65535)
        if label.color and (len(label.color) != 3 or not 0 <= min(label.color) <= max(label.color) <= 1):
            _wrong("labels.color", label.color, "red, green and blue of 0 to 1")
    sources = [value for label in config.labels for value in (label.sources or (label.value,))]
    if any(len(set(items)) != len(items) for items in (values, names, sources)):
        _wrong("labels", ", ".join(names), "labels of different values, names and sources")


def _augmentation(config: TrainingConfig) -> None:
    options = config.augmentation
    for name, value in vars(options).items():
        if name.endswith("_probability"):
            _range(f"augmentation.{name}", value, 0, 1)
    if set(options.flips) - set("ijk") or len(set(options.flips)) != len(options.flips):
        _wrong("augmentation.flips", options.flips, 'axes such as "ijk", each once')
    low_high = options.scaling_range
    if len(low_high) != 2 or not 0.1 <= low_high[0] <= low_high[1] <= 10:
        _wrong("augmentation.scaling_range", low_high, "two factors of 0.1 to 10, the smaller first")
    _range("augmentation.rotation_degrees", options.rotation_degrees, 0, 180)
    _range("augmentation.elastic_mm", options.elastic_mm, 0, 1000)


def _among(name: str, value: Any, choices: tuple) -> None:
    if value not in choices:
        _wrong(name, value, "one of " + ", ".join(map(str, choices)))


def _range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        _wrong(name, value, f"from {low:g} to {high:g}")


def _wrong(name: str, value: Any, wanted: str) -> None:
    raise MedCompressError(f"{name} is {value!r}: it must be {wanted}")
