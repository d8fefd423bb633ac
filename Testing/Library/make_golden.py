"""Writes golden/*.mcz and golden.json: archives of format version 1 that every later version must read.

Run it by hand, once for each new kind of archive: files that exist are left as they are, for they are the promise.
"""

import hashlib
import json
import sys
import zlib
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).resolve().parent / "golden"
OBLIQUE = ((0.0, -0.6, 0.8), (1.0, 0.0, 0.0), (0.0, 0.8, 0.6))
LEFT_HANDED = ((-1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, -1.0))
SHEARED = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.28), (0.0, 0.0, 0.96))


def source(name: str) -> np.ndarray:
    """The samples [k, j, i] that the golden file was made of; RandomState's integers are the same in every numpy."""
    random = np.random.RandomState(sum(name.encode()))
    walk = random.randint(-9, 10, (5, 23, 30)).cumsum(1).cumsum(2)
    if name == "float32_nan":
        bits = random.randint(0, 1 << 32, (2, 5, 7), np.uint64).astype(np.uint32)
        bits.flat[:6] = 0x7FC00001, 0xFF800123, 0x80000000, 0x7F800000, 0xFF800000, 1
        return bits.view(np.float32)
    if name == "float32_linear":
        return (walk / 64).astype(np.float32)
    if name == "float32_table":
        return (np.clip(walk // 6, -40, 40) * np.float32(0.3)).astype(np.float32)
    if name == "float64_offset":
        return (walk + 100000).astype(np.float64)
    if name == "int64_linear":
        return walk.astype(np.int64) * (1 << 50)
    if name == "int32_wide":
        return (walk.astype(np.int64) * 3000017).astype(np.int32)
    if name == "uint16_full":
        return random.randint(0, 1 << 16, (2, 8, 9)).astype(np.uint16)
    if name == "int16_two_layers":
        walk.flat[:4] = 32767, -32768, 32760, 7
        return walk.astype(np.int16)
    if name == "tiny":
        return np.array([[[1, 2, 4]]], np.uint8)
    return walk.astype(np.uint8 if name == "uint8_lossless" else np.int16)


def _volumes() -> dict:
    from MedCompressLib.targets import Psnr, Ratio
    from MedCompressLib.volume import Geometry

    oblique = Geometry((0.7, 0.8, 2.5), (-120.25, 33.1, -1e-3), OBLIQUE)
    left = Geometry((0.1, 1 / 3, 3.0), (1e5, -0.1, 0.0), LEFT_HANDED)
    sheared = Geometry((0.5, 0.5, 1.25), (1.0, 2.0, 3.0), SHEARED)
    return {
        "tiny": (Geometry(), None, "deflate", None),
        "int16_lossless": (oblique, "CT", "jpeg2000", None),
        "uint8_lossless": (left, "US", "jpeg2000", None),
        "uint16_full": (sheared, None, "jpeg2000", None),
        "int16_ratio": (left, "CT", "jpeg2000", Ratio(3)),
        "float32_nan": (oblique, "MR", "jpeg2000", None),
        "float32_linear": (oblique, "PT", "jpeg2000", Psnr(50)),
        "float32_table": (left, "PT", "jpeg2000", None),
        "float64_offset": (sheared, "MR", "jpeg2000", None),
        "int64_linear": (left, None, "jpeg2000", Ratio(8)),
        "int32_wide": (left, None, "jpeg2000", None),
        "int16_two_layers": (oblique, "CT", "jpeg2000", None),
    }


def write_two_layers(path: Path, array: np.ndarray, geometry: object, modality: str | None) -> None:
    """A coarse base that any decoder gives back alike, and a residual of another type, codec and chunk length."""
    from MedCompressLib.archive import Layer, Manifest, write_archive
    from MedCompressLib.codecs import SampleFormat, get_codec
    from MedCompressLib.codecs.interface import Exact
    from MedCompressLib.sample_mapping import Mapping
    from MedCompressLib.targets import Lossless

    base = ((array.astype(np.int32) + 8) // 16 * 16).astype(np.int16)
    residual = (array - base).astype(np.int8)
    error = np.abs(array.astype(np.int32) - base)
    figures = {"mse": float((error**2).mean()), "max_error": float(error.max()), "psnr": None}
    zero = {"mse": 0.0, "max_error": 0.0, "psnr": None}
    layers, stores = [], []
    for number, (role, name, samples, kind, slices) in enumerate(
        [
            ("base", "jpeg2000", base, SampleFormat("int16", 16), 1),
            ("residual", "deflate", residual, SampleFormat("int8", 8), 2),
        ]
    ):
        codec = get_codec(name)
        starts = range(0, len(array), slices)
        chunks = [codec.encode(samples[start : start + slices], kind, Exact()) for start in starts]
        sizes, crcs = zip(*((len(chunk), zlib.crc32(chunk)) for chunk in chunks), strict=True)
        member = f"layers/{number}.{codec.capabilities.extension}"
        quality = figures if number == 0 else zero
        layers.append(Layer(member, role, name, codec.version(), kind, slices, number == 1, quality, sizes, crcs))
        stores.append(chunks)
    manifest = Manifest(
        shape=array.shape,
        scalar_type=array.dtype.name,
        geometry=geometry,
        modality=modality,
        mapping=Mapping("direct", "int16", 16, True, "int16"),
        target=Lossless(),
        layers=tuple(layers),
        created_by="make_golden.py",
    )
    write_archive(path, manifest, stores)


def digest(array: np.ndarray) -> str:
    """SHA-256 of the samples in C order, little-endian."""
    return hashlib.sha256(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()).hexdigest()


def main() -> None:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "MedCompress"))
    from MedCompressLib.compression import compress, decompress
    from MedCompressLib.volume import Volume

    FOLDER.mkdir(exist_ok=True)
    listing = FOLDER / "golden.json"
    entries = json.loads(listing.read_text()) if listing.exists() else {}
    for name, (geometry, modality, codec, target) in _volumes().items():
        path = FOLDER / f"{name}.mcz"
        if path.exists():
            continue
        array = source(name)
        if name == "int16_two_layers":
            write_two_layers(path, array, geometry, modality)
        else:
            compress(Volume(array, geometry, modality), path, codec, target)
        entry = {"shape": array.shape, "scalar_type": array.dtype.name, "modality": modality, **geometry.as_dict()}
        if target is None:
            entry["sha256"] = digest(array)
        else:
            off = np.abs(decompress(path).array.astype(float) - array)
            entry["largest_deviation"] = 1.1 * float(off.max()) + 1
        entries[name] = entry
    listing.write_text(json.dumps(entries, indent=1) + "\n")


if __name__ == "__main__":
    main()
