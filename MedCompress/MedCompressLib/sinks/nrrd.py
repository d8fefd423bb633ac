"""NRRD files (Teem's NRRD0004), raw or gzip, written slab by slab."""

from __future__ import annotations

import gzip
import math
import os
import sys
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np

from ..errors import MedCompressError
from ..volume import Geometry
from ..volume_files import check_geometry, read_itk_header, sync
from .sink import reported

_LEVEL = 3
_CHECK_BYTES = 8 << 20
_GZIP_HEADER = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
_TYPES = {"float32": "float", "float64": "double"}


class NrrdSink:
    """See `sinks.sink.Sink`. compressed: gzip (RFC 1952), each slab deflated by itself so that threads can share it."""

    def __init__(
        self, path: Path, shape: tuple[int, int, int], scalar_type: str, geometry: Geometry, compressed: bool = True
    ):
        self._path, self._shape, self._type, self._geometry = path, shape, scalar_type, geometry
        self._compressed = compressed
        self._part = path.with_name(f".{path.name}.{os.getpid()}.part")
        self._crc = self._count = 0

    def __enter__(self) -> NrrdSink:
        with reported(self._path):
            self._file = open(self._part, "w+b")
            self._file.write(self._header())
            self._start = self._file.tell()
            self._file.write(_GZIP_HEADER if self._compressed else b"")
        return self

    def pack(self, slab: np.ndarray) -> tuple[np.ndarray, bytes | memoryview]:
        slab = np.ascontiguousarray(slab)
        if not self._compressed:
            return slab, slab.data.cast("B")
        packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        return slab, packer.compress(slab) + packer.flush(zlib.Z_FULL_FLUSH)

    def write(self, packed: tuple[np.ndarray, bytes | memoryview]) -> None:
        slab, content = packed
        self._crc = zlib.crc32(slab, self._crc)
        self._count += slab.nbytes
        with reported(self._path):
            self._file.write(content)

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            with self._file as file, reported(self._path):
                if kind is None:
                    self._finish(file)
            if kind is None:
                self._check()
                with reported(self._path):
                    os.replace(self._part, self._path)
                    sync(self._path.parent)
        finally:
            with suppress(OSError):
                self._part.unlink()

    def _header(self) -> bytes:
        def vector(values: object) -> str:
            return "(" + ",".join(repr(float(value)) for value in values) + ")"

        geometry = self._geometry
        steps = np.array(geometry.direction).T * np.array(geometry.spacing)[:, None]
        lines = [
            "NRRD0004",
            f"type: {_TYPES.get(self._type, self._type)}",
            "dimension: 3",
            "space: left-posterior-superior",
            f"sizes: {' '.join(str(length) for length in reversed(self._shape))}",
            f"space directions: {' '.join(map(vector, steps))}",
            "kinds: domain domain domain",
            f"endian: {sys.byteorder}",
            f"encoding: {'gzip' if self._compressed else 'raw'}",
            f"space origin: {vector(geometry.origin)}",
        ]
        return ("\n".join(lines) + "\n\n").encode()

    def _finish(self, file) -> None:
        if self._count != math.prod(self._shape) * np.dtype(self._type).itemsize:
            raise MedCompressError(f"{self._path} did not get all slices: nothing was written, report this")
        if self._compressed:
            packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
            file.write(packer.flush() + self._crc.to_bytes(4, "little") + (self._count % 2**32).to_bytes(4, "little"))
        file.flush()
        os.fsync(file.fileno())

    def _check(self) -> None:
        """Read everything back: the samples by their CRC-32, the geometry as ITK understands it."""
        crc = 0
        with reported(self._path), open(self._part, "rb") as file:
            file.seek(self._start)
            stream = gzip.GzipFile(fileobj=file) if self._compressed else file
            while piece := stream.read(_CHECK_BYTES):
                crc = zlib.crc32(piece, crc)
        if crc != self._crc:
            raise MedCompressError(f"{self._path} was not written as it should be: check the disk and try again")
        found = read_itk_header(self._part, "nrrd")
        if found is None or found[:2] != (self._shape, np.dtype(self._type)):
            raise MedCompressError(f"{self._path} cannot hold {self._shape} {self._type}: choose another format")
        check_geometry(self._geometry, found[2], self._path)
