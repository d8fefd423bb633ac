"""OME-Zarr, written slab by slab: NGFF 0.4 in Zarr 2, the version that the most programs read; one resolution."""

from __future__ import annotations

import os
import tempfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import MedCompressError
from ..sources.ome_zarr import GEOMETRY_KEY, is_ome_zarr, open_ome_zarr
from ..volume import IDENTITY, Geometry
from ..volume_files import check_geometry, sync
from .sink import reported

_CHUNK = (16, 256, 256)
_BUFFER = 64 << 20


class OmeZarrSink:
    """See `sinks.sink.Sink`. NGFF has no direction: it goes, with everything exact, into an attribute of our own.

    modality: kept in the same attribute. A folder that stands at `path` is replaced only if it is empty or OME-Zarr.
    """

    def __init__(
        self, path: Path, shape: tuple[int, int, int], scalar_type: str, geometry: Geometry, modality: str | None = None
    ):
        if path.exists() and not (path.is_dir() and (is_ome_zarr(path) or not any(path.iterdir()))):
            raise MedCompressError(f"{path} exists and is no OME-Zarr image: choose another name")
        self._path, self._shape, self._geometry, self._modality = path, shape, geometry, modality
        self._dtype = np.dtype(scalar_type)
        slice_bytes = shape[1] * shape[2] * self._dtype.itemsize
        self._depth = max(1, min(_CHUNK[0], shape[0], _BUFFER // slice_bytes))
        self._waiting: list[np.ndarray] = []
        self._written = self._crc = 0

    def __enter__(self) -> OmeZarrSink:
        with reported(self._path):
            stem = self._path.name.split(".")[0]
            self._folder = tempfile.TemporaryDirectory(prefix=f".{stem}.", suffix=".partial", dir=self._path.parent)
            self._part = Path(self._folder.name) / self._path.name
            self._array = self._create()
        return self

    def pack(self, slab: np.ndarray) -> np.ndarray:
        return slab

    def write(self, packed: np.ndarray) -> None:
        self._waiting.append(packed)
        if sum(map(len, self._waiting)) >= self._depth:
            self._flush(last=False)

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        with self._folder:
            if kind is None:
                self._flush(last=True)
                self._check()
                with reported(self._path):
                    self._take_name()

    def _create(self) -> Any:
        try:
            import zarr
        except ImportError:
            raise MedCompressError(
                f"{self._path} needs the package zarr: install it with pip install medcompress[stacks]"
            ) from None
        group = zarr.create_group(self._part, zarr_format=2, attributes=self._attributes())
        return group.create_array(
            "0",
            shape=self._shape,
            chunks=tuple(map(min, (self._depth, *_CHUNK[1:]), self._shape)),
            dtype=self._dtype,
            chunk_key_encoding={"name": "v2", "separator": "/"},
        )

    def _attributes(self) -> dict[str, Any]:
        geometry = self._geometry
        transforms: list[dict] = [{"type": "scale", "scale": list(reversed(geometry.spacing))}]
        if geometry.direction == IDENTITY:
            transforms.append({"type": "translation", "translation": list(reversed(geometry.origin))})
        axes = [{"name": name, "type": "space", "unit": "millimeter"} for name in "zyx"]
        datasets = [{"path": "0", "coordinateTransformations": transforms}]
        image = {"version": "0.4", "name": self._path.name.split(".")[0], "axes": axes, "datasets": datasets}
        return {"multiscales": [image], GEOMETRY_KEY: {**geometry.as_dict(), "modality": self._modality}}

    def _flush(self, last: bool) -> None:
        """Write the slices that wait, whole chunks of them unless they are the last."""
        if not self._waiting:
            return
        slab = self._waiting[0] if len(self._waiting) == 1 else np.concatenate(self._waiting)
        count = len(slab) if last else len(slab) // self._depth * self._depth
        with reported(self._path):
            self._array[self._written : self._written + count] = slab[:count]
        self._crc = zlib.crc32(np.ascontiguousarray(slab[:count]), self._crc)
        self._written += count
        self._waiting = [slab[count:].copy()] if count < len(slab) else []

    def _check(self) -> None:
        """Read everything back and compare it by its CRC-32."""
        if self._written != self._shape[0]:
            raise MedCompressError(f"{self._path} did not get all slices: nothing was written, report this")
        source, crc = open_ome_zarr(self._part), 0
        for start in range(0, self._shape[0], self._depth):
            crc = zlib.crc32(source.read(start, min(start + self._depth, self._shape[0])), crc)
        if crc != self._crc or source.shape != self._shape:
            raise MedCompressError(f"{self._path} was not written as it should be: check the disk and try again")
        check_geometry(self._geometry, source.geometry, self._path)

    def _take_name(self) -> None:
        for folder, _, names in os.walk(self._part):
            for name in (*names, ""):
                sync(Path(folder) / name)
        if self._path.exists():
            self._path.rename(Path(self._folder.name) / "old")
        try:
            self._part.rename(self._path)
        except OSError:
            old = Path(self._folder.name) / "old"
            if old.exists():
                old.rename(self._path)
            raise
        sync(self._path.parent)
