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

FORMAT = "MedCompress archive"
FORMAT_VERSION = 1
MANIFEST_NAME = "manifest.json"
DIGEST_NAME = "manifest.json.sha256"
MANIFEST_LIMIT = 256 << 20
_MEMBER = re.compile(r"layers/[0-9]+\.[a-z0-9]+")
_ROLES = ("base", "residual")


@dataclass(frozen=True)
class Layer:
    """One member of the archive: the chunks of one codec, in the order of the slices, one after another.

    role: "base" holds the coded samples; "residual" holds what must be added to the samples of the layers before it,
        modulo 2^n of their type.
    slices: slices in a chunk; the last chunk may hold fewer.
    exact: with this layer the volume equals the source, bit for bit.
    quality: figures of the volume as it is with this layer, in the source's units (psnr in dB, null when infinite).
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

    @property
    def size(self) -> int:
        """Bytes of all chunks."""
        return sum(self.sizes)

    def as_dict(self) -> dict[str, Any]:
        return {
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
            "version": FORMAT_VERSION,
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
            document = json.loads(content)
            if document["format"] != FORMAT:
                raise ValueError("it is no MedCompress archive")
            if document["version"] != FORMAT_VERSION:
                raise MedCompressError(
                    f"the archive has format version {document['version']!r}, this MedCompress reads version "
                    f"{FORMAT_VERSION}: update MedCompress"
                )
            return cls._from_document(document)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise MedCompressError(
                f"{MANIFEST_NAME} is not valid ({error!r}): the file is damaged, restore it from a copy"
            ) from None

    @classmethod
    def _from_document(cls, document: dict[str, Any]) -> Manifest:
        shape = tuple(_whole(value, 1, 1 << 31) for value in document["shape"])
        scalar_type = document["scalar_type"]
        mapping = Mapping.from_dict(document["samples"])
        if len(shape) != 3 or scalar_type not in SCALAR_TYPES or mapping.scalar_type != scalar_type:
            raise ValueError("shape or scalar type is not one of a volume")
        layers = tuple(_layer(entry, shape) for entry in document["layers"])
        roles = [layer.role for layer in layers]
        if roles[:1] != ["base"] or set(roles[1:]) - {"residual"} or len({layer.member for layer in layers}) != len(layers):
            raise ValueError("the layers are not one base followed by residuals")
        return cls(
            shape=shape,
            scalar_type=scalar_type,
            geometry=Geometry.from_dict(document),
            modality=document["modality"],
            mapping=mapping,
            target=target_from_dict(document["target"]),
            layers=layers,
            created_by=str(document["created_by"]),
            peak=document["peak"],
            peak_reason=str(document["peak_reason"]),
        )


def _whole(value: object, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{value!r} is not a whole number from {least} to {most}")
    return value


def _layer(entry: dict[str, Any], shape: tuple[int, ...]) -> Layer:
    dtype = entry["dtype"]
    if dtype not in SCALAR_TYPES or entry["role"] not in _ROLES or not _MEMBER.fullmatch(entry["member"]):
        raise ValueError(f"layer {entry['member']!r} has an unknown type, role or name")
    layer = Layer(
        member=entry["member"],
        role=entry["role"],
        codec=str(entry["codec"]),
        codec_version=str(entry["codec_version"]),
        sample_format=SampleFormat(dtype, _whole(entry["bits"], 1, 8 * np.dtype(dtype).itemsize)),
        slices=_whole(entry["slices"], 1, shape[0]),
        exact=entry["exact"] is True,
        quality=dict(entry["quality"]),
        sizes=tuple(_whole(size, 0, 1 << 40) for size in entry["chunk_sizes"]),
        crc32=tuple(_whole(value, 0, 0xFFFFFFFF) for value in entry["chunk_crc32"]),
        sha256=str(entry["sha256"]),
    )
    chunks = -(-shape[0] // layer.slices)
    if len(layer.sizes) != chunks or len(layer.crc32) != chunks or entry["size"] != layer.size:
        raise ValueError(f"layer {layer.member} does not list its {chunks} chunks")
    return layer
