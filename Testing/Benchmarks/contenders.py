"""What is measured: our archive, the codec libraries called directly, and the files that people use today."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from MedCompressLib.archive import Archive
from MedCompressLib.codecs.openjpeg import openjpeg
from MedCompressLib.compression import compress, decompress
from MedCompressLib.errors import MedCompressError
from MedCompressLib.jobs import thread_count
from MedCompressLib.preview import Preview
from MedCompressLib.quality import choose_peak, psnr
from MedCompressLib.targets import Lossless, Ratio
from MedCompressLib.volume import Volume, read_volume, write_volume
from timing import best_of

RATIO = 10


@dataclass
class Contender:
    """encode() returns the bytes it made; decode() the array [k, j, i]; the first of a task is ours."""

    task: str
    name: str
    encode: Callable[[], int]
    decode: Callable[[], np.ndarray]
    volume: Volume

    def psnr(self) -> float | None:
        """dB with the peak of the volume's modality, None when exact."""
        decibels = psnr(self.volume.array, self.decode(), choose_peak(self.volume.modality, self.volume.array).value)
        return None if math.isinf(decibels) else decibels


def contenders(volume: Volume, folder: Path) -> list[Contender]:
    every = [ours(volume, folder, "lossless", Lossless()), bare_openjpeg(volume)]
    every += [glymur_files(volume, folder, "lossless", None), nrrd_gzip(volume, folder)]
    try:
        ratio = ours(volume, folder, f"{RATIO}:1", Ratio(RATIO))
        ratio.encode()
    except MedCompressError:
        return every
    every += [ratio, glymur_files(volume, folder, f"{RATIO}:1", RATIO)]
    return every


def ours(volume: Volume, folder: Path, task: str, target) -> Contender:
    path = folder / "ours.mcz"
    return Contender(
        task,
        "MedCompress archive, decoded and verified",
        lambda: compress(volume, path, target=target).file_size,
        lambda: decompress(path).array,
        volume,
    )


def bare_openjpeg(volume: Volume) -> Contender:
    """imagecodecs' binding of OpenJPEG, slices in parallel, nothing verified or written."""
    import imagecodecs

    shifted = (volume.array.astype(np.int32) - int(volume.array.min())).astype(np.uint16)
    low = int(volume.array.min())
    chunks: list[bytes] = []

    def encode() -> int:
        with ThreadPoolExecutor(thread_count()) as pool:
            options = {"codecformat": "j2k", "reversible": True, "level": 0}
            chunks[:] = pool.map(lambda plane: imagecodecs.jpeg2k_encode(plane, **options), shifted)
        return sum(map(len, chunks))

    def decode() -> np.ndarray:
        with ThreadPoolExecutor(thread_count()) as pool:
            planes = list(pool.map(imagecodecs.jpeg2k_decode, chunks))
        return np.stack(planes).astype(np.int32) + low

    return Contender("lossless", "OpenJPEG directly (imagecodecs), in memory, unverified", encode, decode, volume)


def glymur_files(volume: Volume, folder: Path, task: str, ratio: float | None) -> Contender:
    """glymur as the literature uses it: one unsigned .jp2 file a slice."""
    openjpeg()
    import glymur

    low = int(volume.array.min())
    shifted = (volume.array.astype(np.int32) - low).astype(np.uint16)
    paths = [folder / f"slice{k}.jp2" for k in range(len(shifted))]
    options = {"cratios": [ratio]} if ratio else {}

    def encode() -> int:
        for path, plane in zip(paths, shifted, strict=True):
            glymur.Jp2k(path, data=plane, **options)
        return sum(path.stat().st_size for path in paths)

    def decode() -> np.ndarray:
        return np.stack([glymur.Jp2k(path)[:] for path in paths]).astype(np.int32) + low

    return Contender(task, "glymur, a .jp2 file a slice", encode, decode, volume)


def nrrd_gzip(volume: Volume, folder: Path) -> Contender:
    path = folder / "volume.nrrd"

    def encode() -> int:
        write_volume(volume, path)
        return path.stat().st_size

    return Contender("lossless", "NRRD with gzip", encode, lambda: read_volume(path).array, volume)


def preview_seconds(volume: Volume, repeats: int) -> float:
    """One slice there and back at 20:1, as while a slider moves."""
    preview, middle = Preview(volume), len(volume.array) // 2
    preview.try_target(Ratio(20), [middle])
    return best_of(lambda: preview.try_target(Ratio(20), [middle]), repeats)[0]


def slab_seconds(volume: Volume, folder: Path, repeats: int) -> float:
    """Time to read one slice of a lossless archive as a share of the time to read all."""
    path = folder / "slab.mcz"
    compress(volume, path)

    def one() -> None:
        with Archive(path) as archive:
            archive.read_slab(len(volume.array) // 2, len(volume.array) // 2 + 1)

    return best_of(one, repeats)[0] / best_of(lambda: decompress(path), repeats)[0]
