"""What a training will make: the card of its model, planned from the cases, from a preset or from another model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ...errors import MedCompressError
from ...volume import Volume, read_volume
from ..card import Label, ModelCard
from ..cases import Case, label_values
from ..model import Model
from ..networks import build_network
from ..orientation import to_canonical
from ..planning import plan
from ..preprocessing import spacing_of_size
from .config import TrainingConfig
from .options import DataOptions

Step = Callable[[float, str], None]
_COLORS = (
    (0.90, 0.45, 0.33), (0.35, 0.62, 0.90), (0.50, 0.68, 0.50), (0.95, 0.80, 0.35), (0.65, 0.45, 0.80),
    (0.40, 0.78, 0.75), (0.85, 0.55, 0.70), (0.60, 0.55, 0.40),
)  # fmt: skip
_SAMPLES = 20000
_FEATURES = 32


def make_card(config: TrainingConfig, cases: Sequence[Case], start: Model | None, step: Step) -> ModelCard:
    """The card of the model to come. start: the model to fine-tune, whose preparation and network are kept.

    Reads every training case once: sizes, spacings, label values, and what the normalization needs.
    Raises MedCompressError where the cases or the configuration do not fit.
    """
    if start is not None:
        return replace(
            start.card,
            name=config.name,
            description=config.description or start.card.description,
            version=config.version,
            license=config.license or start.card.license,
            training={},
            metrics={},
        )
    survey = _Survey(config)
    for number, case in enumerate(cases):
        step(number / len(cases), f"Reading {case.name}")
        survey.add(case)
    labels = survey.labels()
    activation = "sigmoid" if config.loss.kind == "binary cross-entropy" else "softmax"
    network, patch, spacing = _network(config, survey, len(labels) + (activation == "softmax"))
    images = len(cases[0].images)
    channels = config.data.channels or (("image",) if images == 1 else tuple(f"image {n + 1}" for n in range(images)))
    return ModelCard(
        name=config.name,
        description=config.description,
        version=config.version,
        license=config.license,
        dimension=config.network.dimension,
        network=network,
        channels=tuple(channels),
        spacing=spacing if config.data.resample and not config.data.size else None,
        size=config.data.size or None,
        patch=tuple(patch),
        normalization=survey.normalization(),
        activation=activation,
        labels=labels,
    )


def label_sources(config: TrainingConfig, card: ModelCard) -> list[tuple[int, ...]]:
    """Values in the training's label maps for each label of the card."""
    given = {label.value: label.sources or (label.value,) for label in config.labels}
    return [given.get(label.value, (label.value,)) for label in card.labels]


def _network(config: TrainingConfig, survey: _Survey, outputs: int) -> tuple[dict[str, Any], Sequence[int], tuple]:
    options = config.network
    shapes, spacings = _resampled(config.data, survey)
    planned = plan(
        shapes,
        spacings,
        dimension=options.dimension,
        features=options.features or _FEATURES,
        max_voxels=options.max_voxels,
    )
    network, patch = planned["network"], options.patch or planned["patch"]
    if options.architecture == "dynunet":
        network = {**network, **options.parameters}
    else:
        given = {"features": options.features} if options.features else {}
        network = {"architecture": options.architecture, **given, **options.parameters}
    with torch.device("meta"):
        divisor = build_network(network, max(1, len(config.data.channels)), outputs, options.dimension).divisor
    patch = [-(-size // step) * step for size, step in zip(patch, divisor, strict=True)]
    return network, patch, tuple(planned["spacing"])


def _resampled(options: DataOptions, survey: _Survey) -> tuple[list[tuple[int, ...]], list[tuple[float, ...]]]:
    """Shapes [k, j, i] and spacings (i, j, k) that the cases will have; planned ones are not known yet."""
    shapes, spacings = survey.shapes, survey.spacings
    if options.size:
        spacings = [spacing_of_size(*case, options.size) for case in zip(shapes, spacings, strict=True)]
        return [(*shape[: 3 - len(options.size)], *options.size) for shape in shapes], spacings
    if options.spacing:
        factors = np.array(spacings)[:, ::-1] / np.array(options.spacing)[::-1]
        shapes = [tuple(np.maximum(1, np.round(row)).astype(int)) for row in np.array(shapes) * factors]
        spacings = [options.spacing] * len(shapes)
    return shapes, spacings


class _Survey:
    """What the training cases are like."""

    def __init__(self, config: TrainingConfig):
        self._config = config
        self._kind = config.data.normalization.get("kind")
        self._values: set[int] = set()
        self._samples: list[np.ndarray] = []
        self.shapes: list[tuple[int, ...]] = []
        self.spacings: list[tuple[float, ...]] = []

    def add(self, case: Case) -> None:
        label = read_volume(case.label)
        values = label_values(label, case.name)
        canonical = to_canonical(label, self._config.network.dimension)[0]
        self.shapes.append(canonical.array.shape)
        self.spacings.append(canonical.geometry.spacing)
        self._values |= {int(value) for value in np.unique(values)} - {0}
        if self._measured():
            for path in case.images:
                self._samples.append(self._some(read_volume(path), values))

    def _measured(self) -> list[str]:
        wanted = {"fixed": ("mean", "std"), "clipped": ("low", "high", "mean", "std")}.get(self._kind, ())
        return [name for name in wanted if name not in self._config.data.normalization]

    def _some(self, image: Volume, values: np.ndarray) -> np.ndarray:
        """Some voxels of the image; of labelled ones alone for "clipped"."""
        if image.array.shape != values.shape:
            raise MedCompressError(f"{image.name} and its label map differ in size: make them equal")
        found = image.array[values > 0] if self._kind == "clipped" else image.array.ravel()
        return found[:: max(1, len(found) // _SAMPLES)].astype(np.float64)

    def normalization(self) -> dict[str, Any]:
        options = dict(self._config.data.normalization)
        if self._measured():
            samples = np.concatenate(self._samples)
            if not samples.size or not np.isfinite(samples).all():
                raise MedCompressError("the training images cannot be measured: they hold NaN, or no voxel is labelled")
            if self._kind == "clipped":
                low, high = (float(value) for value in np.percentile(samples, (0.5, 99.5)))
                options.setdefault("low", low)
                options.setdefault("high", high)
                samples = np.clip(samples, options["low"], options["high"])
            options.setdefault("mean", float(samples.mean()))
            options.setdefault("std", max(1e-6, float(samples.std())))
        return options

    def labels(self) -> tuple[Label, ...]:
        if not self._config.labels:
            if not self._values:
                raise MedCompressError("no training case has a labelled voxel: check the label maps")
            return tuple(
                Label(value, f"label {value}", _COLORS[index % len(_COLORS)])
                for index, value in enumerate(sorted(self._values))
            )
        for label in self._config.labels:
            if not self._values & set(label.sources or (label.value,)):
                found = ", ".join(map(str, sorted(self._values)))
                raise MedCompressError(
                    f"no training case has the label {label.name}: the label maps hold {found}; correct [[labels]]"
                )
        return tuple(
            Label(label.value, label.name, label.color or _COLORS[index % len(_COLORS)], label.terminology)
            for index, label in enumerate(self._config.labels)
        )
