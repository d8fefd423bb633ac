"""Every codec on one volume: lossless size and speed beside its bare library, and quality at equal ratios."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import process_time

import numpy as np
from MedCompressLib.codecs import codec_names, get_codec
from MedCompressLib.codecs.interface import Exact, SampleFormat
from MedCompressLib.compression import compress, decompress
from MedCompressLib.errors import MedCompressError
from MedCompressLib.jobs import thread_count
from MedCompressLib.quality import ssim
from MedCompressLib.samples import choose_mapping, measure
from MedCompressLib.targets import Ratio
from MedCompressLib.volume import Volume
from timing import best_of

RATIOS = (5, 10, 20, 50, 100)
QUALITY_CODECS = ("jpeg2000", "jpeg2000-budget", "htj2k", "volumetric", "volumetric-jpeg2000", "hevc")
_GENERAL_GROUP = 8


def in_threads(work: Callable, items) -> list:
    with ThreadPoolExecutor(thread_count()) as pool:
        return list(pool.map(work, items))


def lossless_rows(volume: Volume, repeats: int) -> Iterator[dict]:
    """Our codec objects, groups in parallel threads, beside the bare library with the same settings and threads.

    Speeds are those of one core: megabytes over the seconds that all threads worked.
    """
    mapping = choose_mapping(volume.scalar_type, measure(volume.array), lossless=True)
    codes = mapping.forward(volume.array)
    sample_format = SampleFormat(mapping.coded_type, mapping.bits)
    megabytes = volume.array.nbytes / 1e6
    for name in codec_names():
        codec = get_codec(name)
        step = codec.capabilities.slices or _GENERAL_GROUP
        groups = [codes[start : start + step] for start in range(0, len(codes), step)]
        encode, chunks = best_of(
            lambda codec=codec, groups=groups: in_threads(lambda g: codec.encode(g, sample_format, Exact()), groups),
            repeats,
            process_time,
        )
        pairs = list(zip(chunks, (group.shape for group in groups), strict=True))
        decode, _ = best_of(
            lambda codec=codec, pairs=pairs: in_threads(lambda p: codec.decode(*p, sample_format), pairs),
            repeats,
            process_time,
        )
        row = {
            "codec": name,
            "ratio": volume.array.nbytes / sum(map(len, chunks)),
            "encode_mb_s": megabytes / encode,
            "decode_mb_s": megabytes / decode,
        }
        bare = bare_seconds(name, codes, sample_format, repeats)
        if bare:
            row |= {"encode_against_bare": bare[0] / encode, "decode_against_bare": bare[1] / decode}
        yield row


def bare_seconds(name: str, codes: np.ndarray, sample_format: SampleFormat, repeats: int) -> tuple | None:
    """Seconds of the library alone for encoding and decoding; None for codecs that are more than a call of one."""
    import imagecodecs

    planes = codes if not sample_format.signed else codes.view(f"u{codes.itemsize}") ^ (1 << (8 * codes.itemsize - 1))
    calls = {
        "jpeg2000": (
            lambda p: imagecodecs.jpeg2k_encode(p, codecformat="j2k", reversible=True, level=0),
            imagecodecs.jpeg2k_decode,
        ),
        "htj2k": (lambda p: imagecodecs.htj2k_encode(p, reversible=True), imagecodecs.htj2k_decode),
        "jpegls": (imagecodecs.jpegls_encode, imagecodecs.jpegls_decode),
        "jpegxl": (
            lambda p: imagecodecs.jpegxl_encode(p, effort=7, lossless=True, usecontainer=False, numthreads=1),
            lambda c: imagecodecs.jpegxl_decode(c, numthreads=1),
        ),
    }
    if name not in calls:
        return None
    encode, decode = calls[name]
    seconds, chunks = best_of(lambda: in_threads(encode, planes), repeats, process_time)
    return seconds, best_of(lambda: in_threads(decode, chunks), repeats, process_time)[0]


def quality_rows(volume: Volume, folder: Path) -> Iterator[dict]:
    """PSNR and SSIM of whole archives at equal ratios; a ratio that a codec cannot reach is left out."""
    path = folder / "quality.mcz"
    for name in QUALITY_CODECS:
        for ratio in RATIOS:
            try:
                seconds, report = best_of(
                    lambda name=name, ratio=ratio: compress(volume, path, name, Ratio(ratio)), 1, process_time
                )
            except MedCompressError:
                continue
            figures = report.as_dict()
            yield {
                "codec": name,
                "asked": ratio,
                "ratio": report.ratio,
                "psnr": figures["quality"]["psnr"],
                "ssim": ssim(volume.array, decompress(path).array, figures["peak"]),
                "seconds": seconds,
            }


def lossless_table(rows: list[dict]) -> str:
    lines = ["| codec | ratio | encode MB/s a core | decode | encode against bare library | decode |", "|---" * 6 + "|"]
    for row in rows:
        bare = [f"x {row[key]:.2f}" if key in row else "" for key in ("encode_against_bare", "decode_against_bare")]
        speeds = f"{row['encode_mb_s']:.1f} | {row['decode_mb_s']:.1f}"
        lines.append(f"| {row['codec']} | {row['ratio']:.3f} | {speeds} | {bare[0]} | {bare[1]} |")
    return "\n".join(lines)


def quality_table(rows: list[dict]) -> str:
    lines = ["| codec | " + " | ".join(f"{ratio}:1" for ratio in RATIOS) + " |", "|---" * (len(RATIOS) + 1) + "|"]
    cells = {(row["codec"], row["asked"]): f"{row['psnr']:.2f} dB, {row['ssim']:.4f}" for row in rows}
    for name in QUALITY_CODECS:
        lines.append(f"| {name} | " + " | ".join(cells.get((name, ratio), "-") for ratio in RATIOS) + " |")
    return "\n".join(lines)


def fast_against_dense(rows: list[dict], fast: str = "volumetric", dense: str = "hevc") -> str:
    """One line: what the fast codec loses at equal ratios, and in how much less time an archive is made."""
    found = {(row["codec"], row["asked"]): row for row in rows}
    parts = []
    for ratio in RATIOS:
        if (fast, ratio) in found and (dense, ratio) in found:
            one, other = found[fast, ratio], found[dense, ratio]
            speed = other["seconds"] / one["seconds"]
            parts.append(f"{ratio}:1 {one['psnr'] - other['psnr']:+.2f} dB in 1/{speed:.1f} of the time")
    return f"{fast} against {dense}: {', '.join(parts)}"


def versions() -> str:
    """The codec libraries and their versions."""
    return ", ".join(sorted({get_codec(name).version().split(",")[0] for name in codec_names()}))
