"""The card of a model: what it takes, how its input is prepared, what its outputs mean, where it comes from.

The card is the JSON member of a model file; every field is checked before anything is believed or allocated.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from ..errors import MedCompressError
from .card_checks import (
    NORMALIZATIONS,
    CardError,
    free,
    no_duplicates,
    number,
    numbers,
    refuse_constant,
    sequence,
    text,
    whole,
)

FORMAT = "MedCompress model"
FORMAT_VERSION = 1
CARD_LIMIT = 4 << 20
"""Largest card in bytes."""
_REMEDY = "correct the card, or get the model again from its source"


@dataclass(frozen=True)
class Label:
    """One structure a model segments: `value` in label maps (1 to 65535), name, color [r, g, b] of 0 to 1, and
    Slicer's serialized terminology entry or "".
    """

    value: int
    name: str
    color: tuple[float, float, float] = (0.5, 0.68, 0.5)
    terminology: str = ""

    def __post_init__(self) -> None:
        whole(self.value, "a label's value", 1, 65535)
        text(self.name, "a label's name", 200, empty=False)
        object.__setattr__(self, "color", numbers(self.color, f"the color of {self.name}", (3,), 0, 1))
        text(self.terminology, f"the terminology of {self.name}", 2000)


@dataclass(frozen=True)
class ModelCard:
    """What a model is; wrong values raise MedCompressError.

    dimension: 2 (slices k by k) or 3.
    network: {"architecture": name, and its parameters}, as networks.build_network takes it.
    channels: names of the inputs, such as ["T1", "FLAIR"], in the network's order.
    spacing: (i, j, k) in mm to which volumes are resampled (in 2D within the slices alone), or None: as they are.
    size: voxels, [k, j, i] or [j, i] in 2D, to which each volume is resampled whatever its extent, in place of
        spacing; None: as spacing says. Cards without it do not mention it, so older ones keep their bytes.
    patch: window in voxels, [k, j, i], or [j, i] in 2D.
    normalization: {"kind": "zscore"}: each volume's own mean and standard deviation;
        {"kind": "window", "low", "high"}: clipped, then scaled to 0 to 1;
        {"kind": "fixed", "mean", "std"}: the training set's mean and standard deviation (El Khoury et al. 2021);
        {"kind": "clipped", "low", "high", "mean", "std"}: clipped, then fixed (nnU-Net's way with CT).
        Values are in the volume's units (HU in CT).
    activation: "softmax": output channel 0 is background, channel c + 1 is labels[c];
        "sigmoid": channel c is labels[c].
    training, metrics: free JSON objects for people: cases, epochs, seconds, seed, versions; figures.
    """

    name: str
    dimension: int
    network: dict[str, Any]
    patch: tuple[int, ...]
    labels: tuple[Label, ...]
    channels: tuple[str, ...] = ("image",)
    spacing: tuple[float, float, float] | None = None
    normalization: dict[str, Any] = field(default_factory=lambda: {"kind": "zscore"})
    activation: str = "softmax"
    description: str = ""
    version: str = "1"
    license: str = ""
    training: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    size: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        try:
            self._check()
        except CardError as error:
            raise MedCompressError(f"the model card is wrong: {error}; {_REMEDY}") from None

    def _check(self) -> None:
        text(self.name, "name", 200, empty=False)
        for name in ("description", "version", "license"):
            text(getattr(self, name), name, 20000)
        if self.dimension not in (2, 3) or isinstance(self.dimension, bool):
            raise CardError(f"dimension must be 2 or 3, not {self.dimension!r}")
        self._set("network", free(self.network, "network"))
        text(self.network.get("architecture"), "network's architecture", 100, empty=False)
        patch = sequence(self.patch, "patch", (self.dimension,))
        self._set("patch", tuple(whole(size, "a size of patch", 1, 4096) for size in patch))
        channels = sequence(self.channels, "channels", range(1, 65))
        self._set("channels", tuple(text(item, "a channel's name", 200, empty=False) for item in channels))
        if self.spacing is not None:
            self._set("spacing", numbers(self.spacing, "spacing", (3,), 1e-6, 1e4))
        if self.size is not None:
            size = sequence(self.size, "size", (self.dimension,))
            self._set("size", tuple(whole(count, "a count of size", 1, 4096) for count in size))
            if self.spacing is not None:
                raise CardError("it has both spacing and size, which exclude each other")
        self._set("normalization", _normalization(self.normalization))
        if self.activation not in ("softmax", "sigmoid"):
            raise CardError(f"activation must be softmax or sigmoid, not {self.activation!r}")
        labels = tuple(sequence(self.labels, "labels", range(1, 65536)))
        if not all(isinstance(label, Label) for label in labels):
            raise CardError("labels must be Label objects")
        self._set("labels", labels)
        for attribute in ("value", "name"):
            if len({getattr(label, attribute) for label in labels}) != len(labels):
                raise CardError(f"two labels have the same {attribute}")
        for name in ("training", "metrics"):
            self._set(name, free(getattr(self, name), name))

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    @property
    def outputs(self) -> int:
        """Output channels of the network: one per label, and background before them where activation is softmax."""
        return len(self.labels) + (self.activation == "softmax")

    @property
    def flips(self) -> str | None:
        """Axes among "ijk" of a volume in canonical orientation ("ij" in 2D) that training mirrored at random, as its
        configuration says; None where the card has none.
        """
        value: Any = self.training
        for name in ("configuration", "augmentation", "flips"):
            value = value.get(name) if isinstance(value, dict) else None
        return "".join(axis for axis in "ijk"[: self.dimension] if axis in value) if isinstance(value, str) else None

    def to_json(self) -> bytes:
        """UTF-8; raises MedCompressError above 4 MiB."""
        document = {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(self)}
        if self.size is None:
            del document["size"]
        content = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1).encode()
        if len(content) > CARD_LIMIT:
            raise MedCompressError(f"the model card has {len(content)} bytes: shorten its description or training")
        return content

    @classmethod
    def from_json(cls, content: bytes) -> ModelCard:
        """Parse and check; raises MedCompressError that says what is wrong."""
        try:
            if len(content) > CARD_LIMIT:
                raise CardError("it is larger than 4 MiB")
            document = json.loads(
                content.decode("utf-8"), parse_constant=refuse_constant, object_pairs_hook=no_duplicates
            )
            return cls(**_fields(document))
        except (ValueError, RecursionError) as error:
            raise MedCompressError(f"the model card is wrong: {str(error)[:300]}; {_REMEDY}") from None


def _fields(document: Any) -> dict[str, Any]:
    if not isinstance(document, dict) or document.pop("format", None) != FORMAT:
        raise CardError(f'it does not say "format": "{FORMAT}"')
    version = document.pop("format_version", None)
    if version != FORMAT_VERSION or isinstance(version, bool):
        raise CardError(f"its format version is {version!r}, this MedCompress reads {FORMAT_VERSION}")
    known = {item.name for item in fields(ModelCard)}
    if set(document) - known:
        raise CardError(f"unknown field {sorted(set(document) - known)[0]!r:.100}")
    for name in ("name", "dimension", "network", "patch", "labels", "channels", "normalization", "activation"):
        if name not in document:
            raise CardError(f"the field {name} is missing")
    labels = sequence(document["labels"], "labels", range(1, 65536))
    return {**document, "labels": tuple(_label(item) for item in labels)}


def _label(item: Any) -> Label:
    names = {entry.name for entry in fields(Label)}
    if not isinstance(item, dict) or not {"value", "name"} <= set(item) <= names:
        raise CardError("a label must have value and name, and may have color and terminology")
    return Label(**item)


def _normalization(value: Any) -> dict[str, Any]:
    free(value, "normalization")
    kind = value.get("kind")
    if not isinstance(kind, str) or kind not in NORMALIZATIONS:
        raise CardError(f"normalization's kind must be one of {', '.join(NORMALIZATIONS)}, not {kind!r:.100}")
    if set(value) != {"kind", *NORMALIZATIONS[kind]}:
        raise CardError(f"normalization {kind} must have {', '.join(NORMALIZATIONS[kind]) or 'no parameter'}")
    checked = {name: number(value[name], f"normalization's {name}", -1e9, 1e9) for name in NORMALIZATIONS[kind]}
    if "low" in checked and checked["low"] >= checked["high"]:
        raise CardError("normalization's low must be below high")
    if "std" in checked and checked["std"] <= 0:
        raise CardError("normalization's std must be above 0")
    return {"kind": kind, **checked}
