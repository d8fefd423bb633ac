"""What compression does to a segmentation: find the liver, compress with it exact, restore, find it again, compare."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from MedCompressLib import roi
from MedCompressLib.comparison import Row, Segmentation, compare, segmentation_from_labels
from MedCompressLib.compression import decompress
from MedCompressLib.errors import MedCompressError
from MedCompressLib.phantom.labels import LABELS, LIVER, TUMOR
from MedCompressLib.targets import Psnr
from MedCompressLib.unet.inference import segment
from MedCompressLib.unet.model_file import load_model
from MedCompressLib.unet.output import write_labels
from MedCompressLib.volume import Volume

MODEL = "abdomen-phantom"
MARGIN = 5.0
"""mm around liver and tumors, so that the vessels inside belong to the region."""
BACKGROUND = Psnr(46)


@dataclass(frozen=True)
class Outcome:
    """before, after: label maps found in the original and in the restored volume, also in the .seg.nrrd files.

    rows: by pair of names ("before", "after"), ("truth", "before"), ("truth", "after"), then by organ.
    background: PSNR outside of the region, dB. seconds: by step.
    """

    path: Path
    files: tuple[Path, Path]
    codec: str
    ratio: float
    region: np.ndarray
    background: float
    restored: Volume
    before: Volume
    after: Volume
    rows: dict[tuple[str, str], dict[str, Row]]
    seconds: dict[str, float]


def missing_packages() -> str:
    """Why no network can run here, "" where one can."""
    packages = {"torch": "PyTorch", "monai": "MONAI", "safetensors": "safetensors"}
    absent = [title for name, title in packages.items() if find_spec(name) is None]
    return f"{absent[0]} is not installed (pip install 'medcompress[unet]')" if absent else ""


def segment_and_compare(volume: Volume, truth: Volume, folder: Path) -> Outcome:
    """Do all of it; writes liver-exact.mcz, before.seg.nrrd and after.seg.nrrd into folder.

    truth: phantom.LABELS on the volume's grid. Raises MedCompressError, also if a voxel of the region has changed.
    """
    seconds: dict[str, float] = {}
    clock = _Clock(seconds)
    model = load_model(MODEL)
    before = segment(volume, model).labels
    clock.stop("segment")
    mask = roi.with_margin(roi.from_labels(before, [LIVER, TUMOR], volume), MARGIN, volume.geometry).array
    path, codec = folder / "liver-exact.mcz", "hevc" if find_spec("av") else "jpeg2000"
    report = roi.compress_roi(volume, path, mask, "exact", codec, BACKGROUND)
    clock.stop("compress")
    restored = decompress(path)
    clock.stop("restore")
    if not np.array_equal(restored.array[mask], volume.array[mask]):
        raise MedCompressError("a voxel of the liver has changed: this must not happen, please report it")
    after = segment(restored, model).labels
    clock.stop("segment again")
    files = folder / "before.seg.nrrd", folder / "after.seg.nrrd"
    for labels, file in zip((before, after), files, strict=True):
        write_labels(labels, model.card.labels, file)
    rows = _compared({"truth": truth, "before": before, "after": after})
    clock.stop("compare")
    background = report.figures["outside"]["psnr_4096"]
    ratio = volume.array.nbytes / path.stat().st_size
    return Outcome(path, files, codec, ratio, mask, background, restored, before, after, rows, seconds)


class _Clock:
    def __init__(self, seconds: dict[str, float]) -> None:
        self._seconds, self._since = seconds, time.perf_counter()

    def stop(self, name: str) -> None:
        now = time.perf_counter()
        self._seconds[name], self._since = now - self._since, now


def _compared(maps: dict[str, Volume]) -> dict[tuple[str, str], dict[str, Row]]:
    named: dict[str, Segmentation] = {
        name: segmentation_from_labels(labels, LABELS, name) for name, labels in maps.items()
    }
    rows: dict[tuple[str, str], dict[str, Row]] = {}
    for reference, tests in (("before", ["after"]), ("truth", ["before", "after"])):
        for row in compare(named[reference], [named[name] for name in tests]):
            rows.setdefault((reference, row.test), {})[row.segment] = row
    return rows


HEADINGS = (
    "organ",
    "before/after: Dice",
    "mm",
    "truth/before: Dice",
    "mm",
    "truth/after: Dice",
    "mm",
)
_PAIRS = ("before", "after"), ("truth", "before"), ("truth", "after")
NOTE = (
    "Dice: 1 where two segmentations are equal; mm: their symmetric mean boundary distance. Before: found in the "
    "original, after: found in the restored volume, truth: what the phantom drew."
)


def organ_rows(outcome: Outcome) -> list[tuple[str, ...]]:
    """One row of cells an organ, the liver first."""

    def cells(row: Row) -> tuple[str, str]:
        return _number(row.dice, 4), _number(row.smbd, 2)

    return [
        (organ, *(cell for pair in _PAIRS for cell in cells(outcome.rows[pair][organ]))) for organ in LABELS.values()
    ]


def _number(value: float, digits: int) -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def verdict(outcome: Outcome) -> str:
    """What was done and what came of it, in two sentences."""
    region, rest = int(outcome.region.sum()), outcome.background
    return (
        f"With the liver exact the file is {outcome.ratio:.1f} times smaller, the rest at {rest:.1f} dB "
        f"({outcome.codec}, peak 4096). All {region:,} voxels of the liver and {MARGIN:g} mm around it are bit for bit "
        "equal."
    )
