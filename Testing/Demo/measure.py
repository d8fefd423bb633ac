"""One target: compress, restore, compare, time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from MedCompressLib.compression import compress, decompress
from MedCompressLib.quality import QualityReport, compare
from MedCompressLib.targets import Lossless, Ratio, Target
from MedCompressLib.volume import Volume


@dataclass(frozen=True)
class Result:
    """What became of the volume at one target."""

    target: Target
    path: Path
    restored: Volume
    source_bytes: int
    file_bytes: int
    encode_seconds: float
    decode_seconds: float
    quality: QualityReport

    @property
    def ratio(self) -> float:
        """Bytes of the source's samples over bytes of the whole file."""
        return self.source_bytes / self.file_bytes

    @property
    def bits_per_voxel(self) -> float:
        return 8 * self.file_bytes / self.restored.array.size

    @property
    def encode_speed(self) -> float:
        """MB (10^6 bytes) of samples a second."""
        return self.source_bytes / 1e6 / self.encode_seconds

    @property
    def decode_speed(self) -> float:
        """MB (10^6 bytes) of samples a second."""
        return self.source_bytes / 1e6 / self.decode_seconds

    @property
    def lossless(self) -> bool:
        return isinstance(self.target, Lossless)


def measure(volume: Volume, target: Target, folder: Path) -> Result:
    """Compress into folder and back; encoding time includes verifying the file, decoding time reading it."""
    path = folder / f"{file_stem(target)}.mcz"
    start = time.perf_counter()
    compress(volume, path, codec="jpeg2000", target=target)
    written = time.perf_counter()
    restored = decompress(path)
    done = time.perf_counter()
    quality = compare(volume.array, restored.array, modality=volume.modality)
    size = path.stat().st_size
    return Result(target, path, restored, volume.array.nbytes, size, written - start, done - written, quality)


def file_stem(target: Target) -> str:
    """A name for files and nodes: lossless, ratio-10."""
    return f"ratio-{target.value:g}" if isinstance(target, Ratio) else "lossless"


def difference(volume: Volume, result: Result) -> Volume:
    """Restored minus original, exact: int16 where it fits, else float64."""
    change = result.restored.array.astype(np.float64) - volume.array.astype(np.float64)
    if volume.array.dtype.kind in "iu" and np.abs(change).max() < 2**15:
        change = change.astype(np.int16)
    return Volume(change, volume.geometry, name=f"{file_stem(result.target)} minus original")
