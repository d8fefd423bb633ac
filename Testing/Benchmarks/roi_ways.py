"""Ways to keep a region exact and make the rest small, side by side: sizes, times, and what a region's voxel costs.

The paper's way: SimpleITK's filter, the region put back into what it gives, a lossless codec. Ours: `diffusion`, whose
filter runs once, as SimpleITK's does, and whose seconds are added to the encoding of each codec; and `exact`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from MedCompressLib.compression import compress, decompress
from MedCompressLib.errors import MedCompressError
from MedCompressLib.quality import entropy, psnr
from MedCompressLib.roi import compress_roi
from MedCompressLib.roi.diffusion import diffuse
from MedCompressLib.targets import Lossless, Psnr
from MedCompressLib.volume import Volume

LOSSLESS = ("gzip", "bzip2", "lzma", "jpeg2000", "jpegls", "jpegxl", "hevc")
BACKGROUND = ("htj2k", "jpeg2000", "hevc")
PEAK = 4096.0
_SAME = 0.25
"""dB within which the two filters count as alike, and one background is compared with both."""


@dataclass(frozen=True)
class Way:
    """A row of the table. encode, decode: seconds; bits: a voxel of the region, None where it has no layer of its own;
    outside: PSNR around the region in dB, peak 4096."""

    name: str
    ratio: float
    encode: float
    decode: float
    bits: float | None
    outside: float

    def row(self) -> str:
        bits = "" if self.bits is None else f"{self.bits:.2f}"
        return (
            f"| {self.name} | {self.ratio:.2f} | {self.encode:.1f} s | {self.decode:.1f} s | {bits} "
            f"| {self.outside:.1f} dB |"
        )


def compare_methods(volume: Volume, roi: np.ndarray, quality: float, path: Path) -> Iterator[str]:
    """Markdown: a row for each way, the factors between them, and the region's bits beside those of a residual."""
    theirs, itk = _timed(lambda: _itk_diffused(volume, roi))
    ours, own = _timed(lambda: _diffused(volume, roi))
    found = {"SimpleITK": _lossless("SimpleITK", volume, roi, theirs, itk, path)}
    found["diffusion"] = _lossless("diffusion", volume, roi, ours, own, path)
    diffused = [psnr(volume.array, array, PEAK, ~roi) for array in (theirs, ours)]
    goals = quality, *([max(diffused)] * 2 if abs(diffused[0] - diffused[1]) < _SAME else diffused)
    exact = {codec: {goal: _exact(codec, volume, roi, goal, path) for goal in set(goals)} for codec in BACKGROUND}
    ours_exact = (row[goal] for row in exact.values() for goal in dict.fromkeys(goals))
    ways = [*found["SimpleITK"], *found["diffusion"], *(way for way in ours_exact if way)]
    titles = "| way | ratio | encode | decode | bits a voxel of the region | outside |\n|---|---|---|---|---|---|"
    yield "\n".join([titles, *(way.row() for way in ways)])
    yield (
        f"The filters alone: SimpleITK's {itk:.1f} s, ours {own:.1f} s, {itk / own:.1f} times as fast; each ran once, "
        "its seconds are in the encoding of every codec."
    )
    yield _factors(exact, found, goals)
    yield _residuals(volume, roi, quality, {codec: row[quality] for codec, row in exact.items()}, path)


def _timed(work):
    started = time.perf_counter()
    return work(), time.perf_counter() - started


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


def _diffused(volume: Volume, roi: np.ndarray) -> np.ndarray:
    smooth = np.rint(diffuse(volume.array, roi.astype(np.float32), volume.geometry.spacing))
    return np.where(roi, volume.array, smooth.astype(volume.array.dtype))


def _itk_diffused(volume: Volume, roi: np.ndarray) -> np.ndarray:
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    image = sitk.GetImageFromArray(volume.array.astype(np.float32))
    image.SetSpacing(volume.geometry.spacing)
    smoother = sitk.GradientAnisotropicDiffusionImageFilter()
    smoother.SetNumberOfIterations(15)
    smoother.SetConductanceParameter(0.4)
    smoother.SetTimeStep(0.03)
    smooth = np.rint(sitk.GetArrayFromImage(smoother.Execute(image))).astype(volume.array.dtype)
    return np.where(roi, volume.array, smooth)


def _lossless(name: str, volume: Volume, roi: np.ndarray, diffused: np.ndarray, seconds: float, path: Path):
    """A way for each lossless codec of a volume that was diffused in so many seconds."""
    ways = []
    for codec in LOSSLESS:
        smooth = replace(volume, array=diffused)
        report, encoding = _timed(lambda codec=codec, smooth=smooth: compress(smooth, path, codec, Lossless()))
        outside, decoding = _decoded(volume, roi, path)
        label = f"{name} + {codec}" + (", lossless" if codec == "hevc" else "")
        ways.append(Way(label, report.ratio, seconds + encoding, decoding, None, outside))
        _say(ways[-1].row())
    return ways


def _exact(codec: str, volume: Volume, roi: np.ndarray, goal: float, path: Path) -> Way | None:
    try:
        report = compress_roi(volume, path, roi, "exact", codec, Psnr(goal), figures=False)
    except MedCompressError as error:
        _say(f"exact + {codec}: {error}")
        return None
    outside, decoding = _decoded(volume, roi, path)
    way = Way(f"exact + {codec}", report.ratio, report.seconds, decoding, report.roi_bits_per_voxel, outside)
    _say(way.row())
    return way


def _decoded(volume: Volume, roi: np.ndarray, path: Path) -> tuple[float, float]:
    """PSNR outside, and seconds; the region must have come back."""
    result, seconds = _timed(lambda: decompress(path).array)
    if not np.array_equal(result[roi], volume.array[roi]):
        raise SystemExit("the region did not come back")
    return psnr(volume.array, result, PEAK, ~roi), seconds


def _factors(exact: dict[str, dict[float, Way | None]], found: dict[str, list[Way]], goals: tuple[float, ...]) -> str:
    theirs, ours = (max(found[name], key=lambda way: way.ratio) for name in ("SimpleITK", "diffusion"))
    others = max(theirs, ours, key=lambda way: way.ratio), theirs, ours
    titles = [f"{other.name}, background at {goal:.1f} dB" for goal, other in zip(goals, others, strict=True)]
    lines = [
        "How many times as small as the best diffused file, whose background is at the PSNR of the table above:\n",
        f"| | {' | '.join(titles)} |",
        "|---|---|---|---|",
    ]
    for codec, row in exact.items():
        pairs = [(row[goal], other) for goal, other in zip(goals, others, strict=True)]
        cells = ["out of reach" if way is None else f"{way.ratio / other.ratio:.2f}" for way, other in pairs]
        lines.append(f"| exact + {codec} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _residuals(volume: Volume, roi: np.ndarray, quality: float, ways: dict[str, Way | None], path: Path) -> str:
    lines = [
        f"Bits a voxel of the region takes, outline included, beside the zeroth-order entropy there of what a "
        f"background at {quality:g} dB leaves (the entropy of the samples: {entropy(volume.array, roi):.2f}):\n",
        "| background | entropy of the residual | ours | part |",
        "|---|---|---|---|",
    ]
    for codec, way in ways.items():
        if way is None:
            continue
        compress(volume, path, codec, Psnr(quality), peak=PEAK)
        residual = volume.array.astype(np.int32) - decompress(path).array
        bits = entropy(residual, roi)
        lines.append(f"| {codec} | {bits:.2f} | {way.bits:.2f} | {way.bits / bits:.3f} |")
    return "\n".join(lines)
