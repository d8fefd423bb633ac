"""Volumes, geometries and altered archives for the tests."""

import json
import math
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from MedCompressLib.archive.container import Member, directory
from MedCompressLib.archive.reader import Archive
from MedCompressLib.archive.writer import digest_line
from MedCompressLib.volume import SCALAR_TYPES, Geometry, Volume

OBLIQUE = Geometry((0.7, 0.8, 2.5), (-120.25, 33.1, -1e-3), ((0.0, -0.6, 0.8), (1.0, 0.0, 0.0), (0.0, 0.8, 0.6)))
SHAPES = st.sampled_from([(1, 1, 1), (1, 1, 9), (1, 9, 1), (9, 1, 1), (1, 8, 13), (3, 1, 33)]) | hnp.array_shapes(
    min_dims=3, max_dims=3, max_side=11
)


def textured(shape: tuple[int, int, int], dtype: str = "int16", seed: int = 0) -> np.ndarray:
    """Smooth structure with some noise, as in an image; at most some hundreds in size, positive for unsigned types."""
    random = np.random.default_rng(seed)
    k, j, i = np.indices(shape) / 7
    image = 300 * np.sin(k + j) * np.cos(i - j / 2) + random.normal(0, 12, shape)
    if dtype == "uint8":
        image = image * 0.35
    return (image + (400 * (np.dtype(dtype).kind == "u" and dtype != "uint8") or 127 * (dtype == "uint8"))).astype(
        dtype
    )


@st.composite
def geometries(draw) -> Geometry:
    """Oblique, left-handed or sheared, with any finite numbers that a scanner could give."""
    matrix = np.array(draw(st.lists(st.floats(-1, 1), min_size=9, max_size=9))).reshape(3, 3)
    matrix += np.eye(3) * draw(st.sampled_from([3.0, -3.0]))
    matrix /= np.linalg.norm(matrix, axis=0)
    spacing = draw(st.tuples(*[st.floats(1e-3, 1e3)] * 3))
    origin = draw(st.tuples(*[st.floats(-1e5, 1e5)] * 3))
    return Geometry(spacing, origin, tuple(map(tuple, matrix.tolist())))


@st.composite
def volumes(draw) -> Volume:
    """Any scalar type with any bit patterns, or with a narrow range somewhere in that of the type."""
    dtype = np.dtype(draw(st.sampled_from(SCALAR_TYPES)))
    shape = draw(SHAPES)
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    span = draw(st.sampled_from([0, 1, 5, 255, 256, 4095, 65535, 65536, None]))
    if span is None:
        size = math.prod(shape) * dtype.itemsize
        array = np.frombuffer(random.bytes(size), dtype).reshape(shape)
    else:
        values = random.integers(0, span, shape, endpoint=True)
        if dtype.kind == "f":
            array = (
                values * draw(st.sampled_from([1.0, -1.0, 0.1, 1e30])) + draw(st.sampled_from([0, -7, 1e6]))
            ).astype(dtype)
        else:
            info = np.iinfo(dtype)
            start = draw(st.integers(int(info.min), max(int(info.min), int(info.max) - span)))
            array = (
                (values.astype(object) + start - int(info.min)) % 2 ** (8 * dtype.itemsize) + int(info.min)
            ).astype(dtype)
    return Volume(np.array(array), draw(geometries()), draw(st.sampled_from([None, "CT", "MR"])))


def contents(path: Path) -> tuple[dict, list[bytes]]:
    """The manifest as a dict and the bytes of the layers of a sound archive."""
    with Archive(path) as archive:
        data = path.read_bytes()
        members = archive._members
        manifest = json.loads(data[members[0].data_offset : members[0].end])
        return manifest, [data[member.data_offset : member.end] for member in members[2:]]


def assembled(content: bytes, layers: list[tuple[str, bytes]]) -> bytes:
    """An archive of this manifest with all checksums of the container right, whatever the manifest says."""
    pieces = [("manifest.json", content), ("manifest.json.sha256", digest_line(content)), *layers]
    members: list[Member] = []
    data = b""
    for name, piece in pieces:
        members.append(Member(name, len(piece), zlib.crc32(piece), members[-1].end if members else 0))
        data += members[-1].local_header() + piece
    return data + directory(members)


def altered(path: Path, change: Callable[[dict], object]) -> bytes:
    """The archive at `path` after `change` of its manifest."""
    manifest, layers = contents(path)
    names = [layer["member"] for layer in manifest["layers"]]
    change(manifest)
    return assembled(json.dumps(manifest).encode(), list(zip(names, layers, strict=True)))
