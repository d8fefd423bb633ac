"""make bench: all measures of a 512 x 512 x 300 map of 30 segments, beside DeepMind's surface-distance and MONAI.

The others are asked only for Hausdorff, its 95 % percentile and surface Dice; ours gives every measure in one call.
Writes a table to the terminal and the figures to bench-output/compare.json.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
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


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def largest_difference(mine: dict, theirs: dict) -> float:
    return max(abs(mine[value][name] - figure) for value, row in theirs.items() for name, figure in row.items())


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, help="folder of real volumes (default: MEDCOMPRESS_DATA)")
    options.add_argument("--output", type=Path, default=ROOT / "bench-output")
    options.add_argument("--repeats", type=int, default=2, help="of ours; the fastest counts")
    chosen = options.parse_args()
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    cases = {"30 bodies, surfaces one voxel apart": (bodies(0.0), bodies(1.0))}
    data = chosen.data or Path(os.environ.get("MEDCOMPRESS_DATA") or ROOT.parent / "shared" / "data")
    real = data / "ct_abdomen_pelvis_3mm" / "labels.nii.gz"
    if real.exists():
        whole = enlarged(real)
        cases["30 organs of a CT, one shifted by 3 voxels"] = (whole, np.roll(whole, (1, 2, 2), (0, 1, 2)))
    rows, memory = [], []
    print(f"{'labels':44}{'what':24}{'seconds':>9}{'against ours':>14}{'largest difference':>20}")
    for name, pair in cases.items():
        before = peak_megabytes()
        seconds, mine = min((timed(ours, *pair) for _ in range(chosen.repeats)), key=lambda run: run[0])
        memory.append(peak_megabytes() - before)
        rows.append({"labels": name, "what": "MedCompress", "seconds": seconds, "against_ours": 1.0})
        print(f"{name:44}{'MedCompress':24}{seconds:9.2f}{'x 1.0':>14}{'':>20}", flush=True)
        for what, module, work in (("surface-distance", "surface_distance", deepmind), ("MONAI", "monai", monai)):
            if importlib.util.find_spec(module) is None:
                print(f"{name:44}{what:24} is not installed", flush=True)
                continue
            other, theirs = timed(work, *pair)
            difference = largest_difference(mine, theirs)
            rows.append({"labels": name, "what": what, "seconds": other, "against_ours": other / seconds})
            rows[-1]["largest_difference"] = difference
            print(f"{name:44}{what:24}{other:9.2f}{f'x {other / seconds:.1f}':>14}{difference:20.2g}", flush=True)
    print(f"memory that MedCompress took beyond the label maps: {memory[0]:.0f} MB")
    chosen.output.mkdir(exist_ok=True)
    (chosen.output / "compare.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
