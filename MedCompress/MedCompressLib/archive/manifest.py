"""The manifest: what an archive says of itself, checked field by field before anything is believed or allocated."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..codecs.interface import SampleFormat
from ..errors import MedCompressError
from ..sample_mapping import Mapping
from ..targets import Target, target_as_dict, target_from_dict
from ..volume import SCALAR_TYPES, Geometry
from .region_layers import check_region_layers, region_fields

FORMAT = "MedCompress archive"
FORMAT_VERSION = 1
MANIFEST_NAME = "manifest.json"
DIGEST_NAME = "manifest.json.sha256"
MANIFEST_LIMIT = 64 << 20
_MEMBER = re.compile(r"layers/[0-9]+\.[a-z0-9]+")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_ROLES = ("base", "residual")
_REGION_ROLES = ("region", "box", "base", "restore")
REGION_VERSION = 2
"""Version of archives with any layer but a base and residuals: Docs/mcz-format.md, section 12."""


@dataclass(frozen=True)
class Layer:
    """One member of the archive: the chunks of one codec, in the order of the slices, one after another.

    role: "base" holds the coded samples; "residual" holds what must be added to the samples of the layers before it,
        modulo 2^n of their type.
    slices: slices in a chunk; the last chunk may hold fewer.
    exact: with this layer the volume equals the source, bit for bit.
    quality: figures of the volume as it is with this layer, in the source's units (psnr in dB, null when infinite).
    preset: name under which the user chose the codec, where it is not `codec`, which decodes.
    error, fill, name: of a region: largest change of its codes, code of what no layer has set yet, a name for people.
    box: (first, end) along k, j and i of a box.
    """

    member: str
    role: str
    codec: str
    codec_version: str
    sample_format: SampleFormat
    slices: int
    exact: bool
    quality: dict[str, Any]
    sizes: tuple[int, ...]
    crc32: tuple[int, ...]
    sha256: str = ""
    error: int | None = None
    fill: int | None = None
    name: str | None = None
    box: tuple[tuple[int, int], ...] | None = None
    preset: str | None = None

    @property
    def size(self) -> int:
        """Bytes of all chunks."""
        return sum(self.sizes)

    def as_dict(self) -> dict[str, Any]:
        special = {name: getattr(self, name) for name in ("error", "fill", "name", "box", "preset")}
        return {
            **{name: value for name, value in special.items() if value is not None},
            "member": self.member,
            "role": self.role,
            "codec": self.codec,
            "codec_version": self.codec_version,
            "dtype": self.sample_format.dtype,
            "bits": self.sample_format.bits,
            "slices": self.slices,
            "exact": self.exact,
            "quality": self.quality,
            "size": self.size,
            "sha256": self.sha256,
            "chunk_sizes": list(self.sizes),
            "chunk_crc32": list(self.crc32),
        }


@dataclass(frozen=True)
class Manifest:
    """All of an archive but the chunks.

    shape: (slices k, rows j, columns i). mapping: from the coded integers back to the source's scalar type.
    """

    shape: tuple[int, int, int]
    scalar_type: str
    geometry: Geometry
    modality: str | None
    mapping: Mapping
    target: Target
    layers: tuple[Layer, ...]
    created_by: str
    peak: float | None = None
    peak_reason: str = ""

    @property
    def lossless(self) -> bool:
        return self.layers[-1].exact

    @property
    def regional(self) -> bool:
        """Whether layers hold parts of the volume, as format version 2 has them."""
        return not (self.layers[0].role == "base" and all(layer.role == "residual" for layer in self.layers[1:]))

    @property
    def source_size(self) -> int:
        """Bytes of the source's samples."""
        return math.prod(self.shape) * np.dtype(self.scalar_type).itemsize

    def with_digest(self, number: int, sha256: str) -> Manifest:
        layers = list(self.layers)
        layers[number] = replace(layers[number], sha256=sha256)
        return replace(self, layers=tuple(layers))

    def to_json(self) -> bytes:
        document = {
            "format": FORMAT,
            "version": REGION_VERSION if self.regional else FORMAT_VERSION,
            "created_by": self.created_by,
            "shape": list(self.shape),
            "scalar_type": self.scalar_type,
            **self.geometry.as_dict(),
            "modality": self.modality,
            "samples": self.mapping.as_dict(),
            "target": target_as_dict(self.target),
            "lossless": self.lossless,
            "peak": self.peak,
            "peak_reason": self.peak_reason,
            "layers": [layer.as_dict() for layer in self.layers],
        }
        return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()

    @classmethod
    def from_json(cls, content: bytes) -> Manifest:
        """Parse and check; raises MedCompressError that says what is wrong."""
        try:
            document = json.loads(content.decode("utf-8"), parse_constant=_refuse, object_pairs_hook=_unique)
            if document["format"] != FORMAT:
                raise ValueError("it is no MedCompress archive")
            if type(document["version"]) is not int or document["version"] not in (FORMAT_VERSION, REGION_VERSION):
                raise MedCompressError(
                    f"the archive has format version {document['version']!r}, this MedCompress reads versions "
                    f"{FORMAT_VERSION} and {REGION_VERSION}: update MedCompress"
                )
            return cls._from_document(document)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise MedCompressError(
                f"{MANIFEST_NAME} is not valid ({repr(error)[:200]}): the file is damaged, restore it from a copy"
            ) from None

    @classmethod
    def _from_document(cls, document: dict[str, Any]) -> Manifest:
        shape = tuple(_whole(value, 1, 1 << 31) for value in document["shape"])
        scalar_type = document["scalar_type"]
        mapping = Mapping.from_dict(document["samples"])
        if len(shape) != 3 or scalar_type not in SCALAR_TYPES or mapping.scalar_type != scalar_type:
            raise ValueError("shape or scalar type is not one of a volume")
        for name, count in (("spacing", 3), ("origin", 3), ("direction", 9)):
            if len(document[name]) != count or not all(_number(value) for value in document[name]):
                raise ValueError(f"{name} is not {count} numbers")
        modality, peak = document["modality"], document["peak"]
        if not (modality is None or isinstance(modality, str)) or not (peak is None or _number(peak) and peak > 0):
            raise ValueError("modality or peak is neither null nor what it should be")
        regional = document["version"] == REGION_VERSION
        layers = tuple(_layer(entry, shape, regional) for entry in document["layers"])
        roles, names = [layer.role for layer in layers], {layer.member for layer in layers}
        if regional:
            check_region_layers(layers)
        elif roles[:1] != ["base"] or set(roles[1:]) - {"residual"}:
            raise ValueError("the layers are not one base followed by residuals")
        if len(names) != len(layers):
            raise ValueError("two layers have one name")
        base = layers[0].sample_format
        if (base.dtype, base.bits) != (mapping.coded_type, mapping.bits) or not all(
            layer.sample_format == base if regional else _adds(layer.sample_format.dtype, base.dtype)
            for layer in layers[1:]
        ):
            raise ValueError("a layer does not hold the type of samples that the mapping takes")
        if document["lossless"] is not layers[-1].exact:
            raise ValueError("lossless is not what the last layer says")
        return cls(
            shape=shape,
            scalar_type=scalar_type,
            geometry=Geometry.from_dict(document),
            modality=modality,
            mapping=mapping,
            target=target_from_dict(document["target"]),
            layers=layers,
            created_by=_text(document["created_by"]),
            peak=peak,
            peak_reason=_text(document["peak_reason"]),
        )


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return document


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a text")
    return value


def _number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _adds(residual: str, base: str) -> bool:
    """Whether a residual of this type can be added to samples of the type of the base."""
    types = np.dtype(residual), np.dtype(base)
    return types[0].kind in "iu" and types[0].itemsize <= types[1].itemsize


def _whole(value: object, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{value!r} is not a whole number from {least} to {most}")
    return value


def _layer(entry: dict[str, Any], shape: tuple[int, ...], regional: bool) -> Layer:
    dtype, roles = entry["dtype"], _REGION_ROLES if regional else _ROLES
    if dtype not in SCALAR_TYPES or entry["role"] not in roles or not _MEMBER.fullmatch(entry["member"]):
        raise ValueError(f"layer {entry['member']!r} has an unknown type, role or name")
    if type(entry["exact"]) is not bool or not _SHA256.fullmatch(entry["sha256"]):
        raise ValueError(f"layer {entry['member']!r} does not state whether it is exact, or its SHA-256")
    quality = entry["quality"]
    figures = {"mse": _number(quality["mse"]), "max_error": _number(quality["max_error"])}
    figures["psnr"] = quality["psnr"] is None or _number(quality["psnr"])
    if not all(figures.values()):
        raise ValueError(f"the quality of layer {entry['member']!r} is not given in numbers")
    layer = Layer(
        member=entry["member"],
        role=entry["role"],
        codec=_text(entry["codec"]),
        codec_version=_text(entry["codec_version"]),
        sample_format=SampleFormat(dtype, _whole(entry["bits"], 1, 8 * np.dtype(dtype).itemsize)),
        slices=_whole(entry["slices"], 1, shape[0]),
        exact=entry["exact"],
        quality=dict(quality),
        sizes=tuple(_whole(size, 0, 1 << 40) for size in entry["chunk_sizes"]),
        crc32=tuple(_whole(value, 0, 0xFFFFFFFF) for value in entry["chunk_crc32"]),
        sha256=entry["sha256"],
        preset=_text(entry["preset"]) if "preset" in entry else None,
        **(region_fields(entry, shape, dtype) if regional else {}),
    )
    chunks = -(-shape[0] // layer.slices)
    if len(layer.sizes) != chunks or len(layer.crc32) != chunks or _whole(entry["size"], 0, 1 << 48) != layer.size:
        raise ValueError(f"layer {layer.member} does not list its {chunks} chunks")
    return layer
