"""OME-Zarr (NGFF 0.4 in Zarr 2, NGFF 0.5 in Zarr 3): the first, full-resolution image of a multiscale pyramid."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import MedCompressError
from ..volume import SCALAR_TYPES, Geometry
from .blocks import BlockReader
from .units import in_mm

GEOMETRY_KEY = "medcompress"
"""Attribute of the image in which MedCompress keeps spacing, origin and direction, since NGFF has no direction."""


def is_zarr(path: Path) -> bool:
    return any((path / name).is_file() for name in ("zarr.json", ".zgroup", ".zarray"))


def is_ome_zarr(path: Path) -> bool:
    """Whether a folder is an image of OME-Zarr; other Zarr folders may hold anything."""
    try:
        return is_zarr(path) and "multiscales" in _attributes(path)
    except (MedCompressError, TypeError):
        return False


def open_ome_zarr(path: Path) -> OmeZarrSource:
    """Raises MedCompressError for several channels or time points, and for what is no OME-Zarr image."""
    try:
        import zarr
    except ImportError:
        raise MedCompressError(
            f"{path} needs the package zarr: install it with pip install medcompress[stacks]"
        ) from None
    attributes = _attributes(path)
    try:
        image = attributes["multiscales"][0]
        dataset = image["datasets"][0]
        array = zarr.open_array(path / dataset["path"], mode="r")
        axes = [axis if isinstance(axis, dict) else {"name": axis} for axis in image["axes"]]
        if len(axes) != array.ndim:
            raise ValueError(f"{len(axes)} axes for an array of {array.ndim}")
        geometry = _geometry(path, image, dataset, axes, attributes.get(GEOMETRY_KEY))
    except (KeyError, IndexError, TypeError, ValueError, OSError) as error:
        raise MedCompressError(
            f"{path} is no OME-Zarr image ({error!r}): choose the folder of one image, which has multiscales"
        ) from None
    return OmeZarrSource(path, array, axes, geometry, (attributes.get(GEOMETRY_KEY) or {}).get("modality"))


class OmeZarrSource:
    """Slices of a Zarr array whose axes beside z, y and x are 1 long; x is the last axis."""

    def __init__(self, path: Path, array: Any, axes: list[dict], geometry: Geometry, modality: str | None):
        names = [axis["name"].lower() for axis in axes]
        space = names[-3:] if "z" in names else names[-2:]
        extra = array.ndim - len(space)
        if space not in (["z", "y", "x"], ["y", "x"]) or any(length != 1 for length in array.shape[:extra]):
            raise MedCompressError(
                f"{path} has axes {names} of lengths {array.shape}: a volume is one channel and one time "
                "point of z, y, x; split it"
            )
        dtype = np.dtype(array.dtype)
        if dtype.name not in SCALAR_TYPES or 0 in array.shape:
            raise MedCompressError(f"{path} holds {dtype.name} samples {array.shape}: convert it to integers or floats")
        self._path, self._array, self._front = path, array, (0,) * extra
        self._flat = len(space) == 2
        self.shape = (1, *array.shape[extra:]) if self._flat else tuple(array.shape[extra:])
        self.scalar_type, self.geometry = dtype.name, geometry
        self.modality = modality if isinstance(modality, str) else None
        self.name = path.name.removesuffix(".zarr").removesuffix(".ome")
        depth = 1 if self._flat else (array.shards or array.chunks)[extra]
        self.read = BlockReader(self._slab, self.shape[0], depth, math.prod(self.shape[1:]) * dtype.itemsize)

    def _slab(self, start: int, stop: int) -> np.ndarray:
        try:
            samples = self._array[self._front if self._flat else (*self._front, slice(start, stop))]
        except (OSError, RuntimeError, ValueError, KeyError) as error:
            raise MedCompressError(
                f"{self._path} is damaged in slices {start} to {stop - 1} ({error}): copy or export it again"
            ) from None
        return np.asarray(samples, self.scalar_type).reshape(stop - start, *self.shape[1:])

    def close(self) -> None:
        pass


def _attributes(path: Path) -> dict[str, Any]:
    """The attributes of the image: NGFF 0.5 keeps its own beneath "ome"."""
    try:
        if (path / "zarr.json").is_file():
            attributes = json.loads((path / "zarr.json").read_text("utf-8"))["attributes"]
            return {**attributes, **attributes.get("ome", {})}
        return json.loads((path / ".zattrs").read_text("utf-8"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _geometry(path: Path, image: dict, dataset: dict, axes: list[dict], own: dict | None) -> Geometry:
    if own is not None:
        return Geometry.from_dict(own)
    scale, shift = np.ones(len(axes)), np.zeros(len(axes))
    for transform in [*dataset.get("coordinateTransformations", []), *image.get("coordinateTransformations", [])]:
        if transform["type"] == "scale":
            scale, shift = scale * transform["scale"], shift * transform["scale"]
        elif transform["type"] == "translation":
            shift = shift + transform["translation"]
        elif transform["type"] != "identity":
            raise ValueError(f"unknown coordinate transformation {transform['type']}")
    spacing, origin = [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]
    for axis, size, start in zip(axes, scale.tolist(), shift.tolist(), strict=True):
        if axis["name"].lower() in ("x", "y", "z"):
            number = "xyz".index(axis["name"].lower())
            millimeter = in_mm(1.0, axis.get("unit"), path)
            spacing[number], origin[number] = size * millimeter, start * millimeter
    return Geometry(tuple(spacing), tuple(origin))
