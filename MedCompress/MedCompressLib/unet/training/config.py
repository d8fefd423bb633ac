"""A training's configuration: TOML in, checked values out."""

from __future__ import annotations

import os
import tomllib
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_type_hints

from ...errors import MedCompressError
from ..card import ModelCard
from .options import (
    AugmentationOptions,
    CompressOptions,
    DataOptions,
    FinetuneOptions,
    LabelOptions,
    LossOptions,
    NetworkOptions,
    OptimizerOptions,
    RunOptions,
)

__all__ = [
    "AugmentationOptions",
    "CompressOptions",
    "OptimizerOptions",
    "TrainingConfig",
    "parse_config",
    "read_config",
]


@dataclass(frozen=True)
class TrainingConfig:
    """All that a training depends on, besides the cases; each table is described in `options`.

    name, description, version, license: of the model card. device: "auto", "cpu" or "cuda".
    weights: "float32" or "float16": how the model file keeps them; the final validation takes them as they are kept.
    """

    name: str = "model"
    description: str = ""
    version: str = "1"
    license: str = ""
    seed: int = 1
    device: str = "auto"
    weights: str = "float32"
    data: DataOptions = field(default_factory=DataOptions)
    labels: tuple[LabelOptions, ...] = ()
    network: NetworkOptions = field(default_factory=NetworkOptions)
    loss: LossOptions = field(default_factory=LossOptions)
    optimizer: OptimizerOptions = field(default_factory=OptimizerOptions)
    augmentation: AugmentationOptions = field(default_factory=AugmentationOptions)
    training: RunOptions = field(default_factory=RunOptions)
    compress: CompressOptions = field(default_factory=CompressOptions)
    finetune: FinetuneOptions = field(default_factory=FinetuneOptions)

    def __post_init__(self) -> None:
        from .config_checks import check

        check(self)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON with every value, defaults included."""
        return asdict(self)

    def with_data(self, **changes: Any) -> TrainingConfig:
        """A copy with other values in the table [data]."""
        return replace(self, data=replace(self.data, **changes))

    def with_flips_of(self, card: ModelCard) -> TrainingConfig:
        """A copy for the fine-tuning of a model: flips that its training did not have would unlearn left and right."""
        flips = self.augmentation.flips
        kept = flips if card.flips is None else "".join(axis for axis in flips if axis in card.flips)
        return replace(self, augmentation=replace(self.augmentation, flips=kept))

    def label_values(self) -> set[int] | None:
        """The values in label maps that count as one of the labels; None where no labels are given."""
        return {value for label in self.labels for value in label.sources or (label.value,)} or None

    def rate(self) -> float:
        """The learning rate at the start."""
        if self.optimizer.learning_rate:
            return self.optimizer.learning_rate
        return (0.01 if self.optimizer.kind == "sgd" else 0.001) * (0.1 if self.finetune.model else 1)


def read_config(path: str | os.PathLike) -> TrainingConfig:
    """The configuration in a TOML file, or of a preset's name; `folder` and `model` in it are relative to the file.

    Raises MedCompressError for what is missing, unknown or out of range, naming it.
    """
    path = Path(path)
    if not path.exists() and str(path) in presets():
        path = _PRESETS / f"{path}.toml"
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MedCompressError(
            f"{path} cannot be read ({getattr(error, 'strerror', None) or error}): give a TOML file, or one of "
            + ", ".join(presets())
        ) from None
    try:
        config = parse_config(text)
    except MedCompressError as error:
        raise MedCompressError(f"{path}: {error}") from None
    if config.data.folder:
        config = config.with_data(folder=str(path.parent / config.data.folder))
    model = config.finetune.model
    if model and (path.parent / model).exists():
        config = replace(config, finetune=FinetuneOptions(str(path.parent / model)))
    return config


_PRESETS = Path(__file__).parent.parent / "configs"


def presets() -> list[str]:
    """Names of the configurations that come with MedCompress."""
    return sorted(path.stem for path in _PRESETS.glob("*.toml"))


def parse_config(text: str) -> TrainingConfig:
    """The configuration in a TOML text; raises MedCompressError."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise MedCompressError(f"this is not TOML ({error}): correct that line") from None
    return _build(TrainingConfig, document, "")


def _build(kind: type, document: Any, where: str) -> Any:
    if not isinstance(document, dict):
        raise MedCompressError(f"{where} must be a table: write [{where}] and its values below")
    hints = get_type_hints(kind)
    unknown = sorted(set(document) - {item.name for item in fields(kind)})
    if unknown:
        place = f"[{where}]" if where else "the configuration"
        raise MedCompressError(f"{place} has no {unknown[0]!r}: it takes {', '.join(hints)}")
    return kind(**{name: _value(hints[name], value, name, where) for name, value in document.items()})


def _value(hint: Any, value: Any, name: str, where: str) -> Any:
    place = f"{where}.{name}" if where else name
    if is_dataclass(hint):
        return _build(hint, value, place)
    if hint is bool:
        if not isinstance(value, bool):
            raise MedCompressError(f"{place} must be true or false, not {value!r}: correct it")
        return value
    if hint in (str, int, float) or hint == dict[str, Any]:
        kind = {str: str, int: int, float: (int, float)}.get(hint, dict)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise MedCompressError(f"{place} must be {_SAID.get(hint, 'a table')}, not {value!r}: correct it")
        return float(value) if hint is float else value
    item = hint.__args__[0]
    if not isinstance(value, list):
        raise MedCompressError(f"{place} must be a list, not {value!r}: correct it")
    return tuple(_value(item, entry, name, where) for entry in value)


_SAID = {str: "a text", int: "a whole number", float: "a number"}
