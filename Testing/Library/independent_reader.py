"""A reader of .mcz archives written from Docs/mcz-format.md alone; it shares no code with the library under test."""

import base64
import gzip
import hashlib
import json
import math
import zipfile
import zlib
from pathlib import Path

import numpy as np


def read(path: Path) -> tuple[dict, list[np.ndarray]]:
    """The manifest and the volume [k, j, i] after each layer; AssertionError where the file is not as specified."""
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        content = archive.read("manifest.json")
        manifest = json.loads(content)
        names = ["manifest.json", "manifest.json.sha256", *(layer["member"] for layer in manifest["layers"])]
        assert archive.namelist() == names
        line = hashlib.sha256(content).hexdigest() + "  manifest.json\n"
        assert archive.read("manifest.json.sha256") == line.encode()
        members = [archive.read(layer["member"]) for layer in manifest["layers"]]
        _check_bytes(Path(path).read_bytes(), [(name, archive.read(name)) for name in names])
    assert manifest["format"] == "MedCompress archive" and manifest["version"] == 1
    codes, volumes = None, []
    for layer, member in zip(manifest["layers"], members, strict=True):
        samples = _layer(layer, member, manifest["shape"])
        codes = samples if codes is None else _add(codes, samples)
        volumes.append(_samples(codes, manifest["samples"]))
    assert manifest["lossless"] is manifest["layers"][-1]["exact"]
    return manifest, volumes


def _check_bytes(found: bytes, members: list[tuple[str, bytes]]) -> None:
    """Section 1 for files below 4 GiB: every byte of the file is determined by the members."""
    front, records = b"", b""
    for name, content in members:
        crc, size = zlib.crc32(content).to_bytes(4, "little"), len(content).to_bytes(4, "little")
        common = bytes([20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0]) + crc + 2 * size
        lengths = len(name).to_bytes(2, "little") + bytes(2)
        offset = len(front).to_bytes(4, "little")
        records += b"PK\1\2" + bytes([20, 0]) + common + lengths + bytes(2 + 2 + 2 + 4) + offset + name.encode()
        front += b"PK\3\4" + common + lengths + name.encode() + content
    count = len(members).to_bytes(2, "little")
    places = len(records).to_bytes(4, "little") + len(front).to_bytes(4, "little")
    assert found == front + records + b"PK\5\6" + bytes(4) + 2 * count + places + bytes(2)


def _layer(layer: dict, member: bytes, shape: list[int]) -> np.ndarray:
    assert hashlib.sha256(member).hexdigest() == layer["sha256"] and len(member) == layer["size"]
    pieces, position = [], 0
    for size, crc in zip(layer["chunk_sizes"], layer["chunk_crc32"], strict=True):
        chunk = member[position : position + size]
        assert zlib.crc32(chunk) == crc
        count = min(layer["slices"], shape[0] - len(pieces) * layer["slices"])
        decode = {"jpeg2000": _jpeg2000, "deflate": _deflate, "gzip": _gzip}[layer["codec"]]
        pieces.append(decode(chunk, layer, (count, *shape[1:])))
        position += size
    assert position == len(member)
    return np.concatenate(pieces)


def _jpeg2000(chunk: bytes, layer: dict, shape: tuple) -> np.ndarray:
    import imagecodecs

    assert chunk[:4] == b"\xff\x4f\xff\x51" and chunk[-2:] == b"\xff\xd9"
    whole = np.frombuffer(chunk, ">u4", 8, 8).tolist()
    assert whole[:4] == [shape[2], shape[1], 0, 0] and layer["slices"] == shape[0] == 1
    signed = np.dtype(layer["dtype"]).kind == "i"
    assert chunk[40:45] == bytes([0, 1, max(layer["bits"], 8) - 1 + 128 * signed, 1, 1])
    plane = imagecodecs.jpeg2k_decode(chunk, verbose=0)
    return plane.reshape(shape).astype(layer["dtype"])


def _deflate(chunk: bytes, layer: dict, shape: tuple) -> np.ndarray:
    values = _planes(zlib.decompress(chunk), layer, shape)
    for i in range(1, shape[2]):
        values[:, :, i] += values[:, :, i - 1]
    return values.view(layer["dtype"])


def _gzip(chunk: bytes, layer: dict, shape: tuple) -> np.ndarray:
    return _planes(gzip.decompress(chunk), layer, shape).view(layer["dtype"])


def _planes(content: bytes, layer: dict, shape: tuple) -> np.ndarray:
    width, count = np.dtype(layer["dtype"]).itemsize, math.prod(shape)
    assert len(content) == width * count
    values = np.zeros(shape, f"u{width}")
    for significance in range(width):
        plane = np.frombuffer(content, np.uint8, count, significance * count).reshape(shape)
        values |= plane.astype(values.dtype) << values.dtype.type(8 * significance)
    return values


def _add(codes: np.ndarray, residual: np.ndarray) -> np.ndarray:
    modulus = 1 << 8 * codes.itemsize
    total = (codes.view(f"u{codes.itemsize}").astype(object) + residual.astype(object)) % modulus
    return total.astype(f"u{codes.itemsize}").view(codes.dtype)


def _samples(codes: np.ndarray, samples: dict) -> np.ndarray:
    assert codes.dtype.name == samples["coded_type"] and samples["signed"] is (codes.dtype.kind != "u")
    dtype, kind = np.dtype(samples["scalar_type"]), samples["kind"]
    offset, scale = samples["offset"], samples["scale"]
    if kind == "raw":
        return codes
    if kind == "table":
        return np.frombuffer(zlib.decompress(base64.b64decode(samples["table"])), dtype.newbyteorder("<"))[codes]
    if dtype.kind in "iu":
        low, high = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
        steps = np.rint(codes.astype(float) * scale) if kind == "linear" else codes
        exact = [min(max(int(step) + (0 if kind == "direct" else offset), low), high) for step in steps.flat]
        return np.array(exact, dtype).reshape(codes.shape)
    if kind == "direct":
        return codes.astype(dtype)
    part = 0.25 if scale >= 2.0**1000 else 1.0
    limit = float(np.finfo(dtype).max) * part
    values = codes.astype(np.float64) * (scale * part) + offset * part
    return (np.clip(values, -limit, limit) / part).astype(dtype)
