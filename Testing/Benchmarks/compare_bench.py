"""make bench: all measures of a 512 x 512 x 300 map of 30 segments, beside DeepMind's surface-distance and MONAI.

The others are asked only for Hausdorff, its 95th percentile and surface Dice; ours gives every measure in one call.
Writes a table to the terminal and the figures to bench-output/compare.json.
"""

from __future__ import annotations

import argparse
import functools
import importlib.metadata
import json
import math
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "MedCompress"))

from MedCompressLib.comparison import compare, read_segmentation, segmentation_from_labels  # noqa: E402
from MedCompressLib.volume import Geometry, Volume  # noqa: E402

SHAPE, SPACING, SEGMENTS, TOLERANCE = (300, 512, 512), (0.8, 0.8, 1.0), 30, 1.0


def bodies(change: float) -> np.ndarray:
    """Label map [k, j, i] of 30 bumpy ellipsoids; `change` moves their surfaces by about so many voxels."""
    random, labels = np.random.default_rng(1), np.zeros(SHAPE, np.uint8)
    for value in range(1, SEGMENTS + 1):
        radii = random.uniform(0.06, 0.22, 3) * np.array(SHAPE)
        center = random.uniform(radii + 8, np.array(SHAPE) - radii - 8)
        waves, phases = random.uniform(0.02, 0.12, (3, 3)), random.uniform(0, 6, 3)
        start, stop = (np.floor(center - radii - 7).astype(int), np.ceil(center + radii + 8).astype(int))
        start, stop = np.maximum(start, 0), np.minimum(stop, SHAPE)
        grid = np.ogrid[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))]
        distance = sum(((axis - c) / r) ** 2 for axis, c, r in zip(grid, center, radii, strict=True))
        for wave, phase in zip(waves, phases, strict=True):
            bump = sum(axis * w for axis, w in zip(grid, wave, strict=True))
            distance = distance + (0.03 + 0.5 * change / radii.mean()) * np.sin(bump + phase * (1 + change))
        part = labels[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))]
        part[distance < 1] = value
    return labels


def enlarged(path: Path) -> np.ndarray:
    """The 30 largest segments of a real label map, each voxel repeated up to the size of the benchmark."""
    labels = read_segmentation(path).layers[0]
    counts = np.bincount(labels.ravel(), minlength=256)
    counts[0] = 0
    table = np.zeros(256, np.uint8)
    table[np.argsort(-counts)[:SEGMENTS]] = np.arange(1, SEGMENTS + 1)
    at = [(np.arange(n) * m // n) for n, m in zip(SHAPE, labels.shape, strict=True)]
    return table[labels][np.ix_(*at)]


def ours(reference: np.ndarray, test: np.ndarray) -> dict[int, dict[str, float]]:
    maps = [segmentation_from_labels(Volume(array, Geometry(SPACING))) for array in (reference, test)]
    return {row.label_reference: vars(row) for row in compare(maps[0], maps[1:], tolerance=TOLERANCE)}


def deepmind(reference: np.ndarray, test: np.ndarray) -> dict[int, dict[str, float]]:
    import surface_distance

    found = {}
    for value in np.unique(reference)[1:]:
        parts = surface_distance.compute_surface_distances(reference == value, test == value, SPACING[::-1])
        found[int(value)] = {
            "hausdorff": surface_distance.compute_robust_hausdorff(parts, 100),
            "hausdorff_95": surface_distance.compute_robust_hausdorff(parts, 95),
            "surface_dice": surface_distance.compute_surface_dice_at_tolerance(parts, TOLERANCE),
        }
    return found


def monai(reference: np.ndarray, test: np.ndarray) -> dict[int, dict[str, float]]:
    import torch
    from monai.metrics import compute_hausdorff_distance, compute_surface_dice

    found = {}
    for value in np.unique(reference)[1:]:
        masks = [torch.from_numpy((array == value)[None, None]) for array in (test, reference)]
        options = {"include_background": True, "spacing": SPACING[::-1]}
        found[int(value)] = {
            "hausdorff_boundary": float(compute_hausdorff_distance(*masks, **options)),
            "hausdorff_95_boundary": float(compute_hausdorff_distance(*masks, percentile=95, **options)),
            "surface_dice": float(compute_surface_dice(*masks, [TOLERANCE], use_subvoxels=True, **options)),
        }
    return found


def timed(work: Callable, *arrays: np.ndarray) -> tuple[float, dict]:
    start = time.perf_counter()
    found = work(*arrays)
    return time.perf_counter() - start, found


class PeakMemory:
    """Megabytes that the process took at most since this was made, beyond what it had then; Linux, else NaN."""

    def __init__(self):
        try:
            Path("/proc/self/clear_refs").write_text("5")
            self._before = self._peak()
        except OSError:
            self._before = math.nan

    @staticmethod
    def _peak() -> float:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(float(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))

    @property
    def megabytes(self) -> float:
        return self._before if math.isnan(self._before) else self._peak() - self._before


def largest_difference(mine: dict, theirs: dict) -> float:
    return max(abs(mine[value][name] - figure) for value, row in theirs.items() for name, figure in row.items())


def cases(data: Path) -> dict[str, Callable[[], tuple[np.ndarray, np.ndarray]]]:
    """Name to (reference, test): drawn bodies, and real organs where there are some."""
    found = {"30 bodies, surfaces one voxel apart": lambda: (bodies(0.0), bodies(1.0))}
    real = data / "ct_abdomen_pelvis_3mm" / "labels.nii.gz"
    if real.exists():
        whole = functools.partial(enlarged, real)
        found["30 organs of a CT, moved by 1, 2, 2 voxels"] = lambda: (whole(), np.roll(whole(), (1, 2, 2), (0, 1, 2)))
    return found


def run(data: Path, repeats: int = 2) -> list[dict]:
    """One row a label map and program; `largest_difference` is that of any figure to ours, mm or parts of 1."""
    rows = []
    for name, make in cases(data).items():
        pair = make()
        memory = PeakMemory()
        seconds, mine = min((timed(ours, *pair) for _ in range(repeats)), key=lambda one: one[0])
        figures = {"seconds": seconds, "against_ours": 1.0, "megabytes": memory.megabytes}
        rows.append({"labels": name, "what": "MedCompress", **figures})
        for package, work in (("surface-distance", deepmind), ("monai", monai)):
            try:
                row = {"labels": name, "what": f"{package} {importlib.metadata.version(package)}"}
            except importlib.metadata.PackageNotFoundError:
                continue
            print(f"  {name}: {package}", file=sys.stderr, flush=True)
            with warnings.catch_warnings(action="ignore"):
                other, theirs = timed(work, *pair)
            figures = {"seconds": other, "against_ours": other / seconds}
            rows.append({**row, **figures, "largest_difference": largest_difference(mine, theirs)})
    return rows


def table(rows: list[dict]) -> str:
    """Markdown; memory is what the process took beyond the label maps, at its peak."""
    lines = ["| labels | what | seconds | against ours | largest difference | memory MB |", "|---|---|---|---|---|---|"]
    for row in rows:
        difference = f"{row['largest_difference']:.1g}" if "largest_difference" in row else ""
        memory = f"{row['megabytes']:.0f}" if "megabytes" in row else ""
        lines.append(
            f"| {row['labels']} | {row['what']} | {row['seconds']:.1f} | x {row['against_ours']:.1f} "
            f"| {difference} | {memory} |"
        )
    return "\n".join(lines)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, help="folder of real volumes (default: MEDCOMPRESS_DATA)")
    options.add_argument("--output", type=Path, default=ROOT / "bench-output")
    options.add_argument("--repeats", type=int, default=2, help="of ours; the fastest counts")
    chosen = options.parse_args()
    data = chosen.data or Path(os.environ.get("MEDCOMPRESS_DATA") or ROOT.parent / "shared" / "data")
    rows = run(data, chosen.repeats)
    chosen.output.mkdir(exist_ok=True)
    (chosen.output / "compare.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    print(table(rows))


if __name__ == "__main__":
    main()
