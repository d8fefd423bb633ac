"""All segments of some segmentations beside those of a reference."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ..errors import MedCompressError
from ..jobs import Progress, silent, thread_count
from ..volume import Volume
from .alignment import Placed, index_to_lps, place
from .matching import Match, match_segments
from .overlap import centroid, overlap
from .rows import UNDEFINED, Row
from .segmentation import Segmentation
from .surface import checked_tolerance, measure_padded, surface_margin
from .texture import TextureChange

TOLERANCE = 1.0
_OVERLAP = ("dice", "jaccard", "jaccard_per_slice", "precision", "recall")
_SURFACE = (
    "hausdorff",
    "hausdorff_95",
    "average_hausdorff",
    "smbd",
    "surface_dice",
    "hausdorff_voxels",
    "hausdorff_boundary",
    "hausdorff_95_boundary",
)


@dataclass(frozen=True)
class _Task:
    match: Match
    reference: Placed
    test: Placed
    tolerance: float
    texture: TextureChange | None


def compare(
    reference: Segmentation,
    tests: Sequence[Segmentation],
    *,
    tolerance: float = TOLERANCE,
    strict: bool = False,
    by_hand: Mapping[str, str] | Sequence[Mapping[str, str]] | None = None,
    images: Sequence[Volume] | None = None,
    threads: int | None = None,
    progress: Progress = silent,
) -> list[Row]:
    """One row for each test and segment, in the order of the tests and of the reference's segments.

    tolerance: mm, for surface Dice.
    strict: refuse a test on another grid instead of placing it on the reference's.
    by_hand: segment name in the reference to segment name in the tests, or such a mapping for each test.
    images: the image of the reference, then of each test, all on the reference's grid: adds the weighted total
        variation around the reference's segments.
    threads: segments measured at once; each takes some ten bytes for each voxel of its bounding box.

    Raises MedCompressError for sheared grids, images on other grids, a tolerance below zero, names that do not exist.
    """
    if not tests:
        raise MedCompressError("there is nothing to compare with the reference; give at least one test")
    if images is not None and len(images) != 1 + len(tests):
        raise MedCompressError(
            f"{len(images)} images for {1 + len(tests)} segmentations; give that of the reference, then of each test"
        )
    pairs = [by_hand] * len(tests) if by_hand is None or isinstance(by_hand, Mapping) else list(by_hand)
    if len(pairs) != len(tests):
        raise MedCompressError(f"pairs given by hand for {len(pairs)} tests of {len(tests)}; give them for each test")
    tolerance, tasks = checked_tolerance(tolerance), []
    for number, test in enumerate(tests):
        progress(0.0, f"Placing {test.name}")
        placed = place(test, reference, strict)
        texture = TextureChange(images[0], images[number + 1], reference) if images is not None else None
        for match in match_segments(reference, test, pairs[number]):
            tasks.append(_Task(match, Placed(reference), placed, tolerance, texture))
    rows: list[Row] = []
    with ThreadPoolExecutor(thread_count(threads), thread_name_prefix="comparison") as pool:
        try:
            for task, row in zip(tasks, pool.map(_row, tasks), strict=True):
                rows.append(row)
                progress(len(rows) / len(tasks), f"Compared {task.match.name}")
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return rows


def crops(reference: Placed, test: Placed, match: Match, margin: tuple[int, int, int] = (0, 0, 0)):
    """(mask in the reference, mask in the test, index of their first voxel): booleans [k, j, i] around both segments.

    None where both are empty; index on the reference's grid.
    """
    bounds = [b for b in (reference.bounds(match.reference), test.bounds(match.test)) if b is not None]
    if not bounds:
        return None
    start = np.min([b[0] for b in bounds], axis=0) - margin
    stop = np.max([b[1] for b in bounds], axis=0) + margin
    return reference.crop(match.reference, start, stop), test.crop(match.test, start, stop), start


def _row(task: _Task) -> Row:
    match, grid = task.match, task.reference.segmentation.geometry
    names = {
        "reference": task.reference.segmentation.name,
        "test": task.test.segmentation.name,
        "segment": match.name,
        "segment_test": match.test.name if match.test else "",
        "label_reference": match.reference.value if match.reference else None,
        "label_test": match.test.value if match.test else None,
        "matched_by": match.by,
        "grid": task.test.how,
        "tolerance_mm": task.tolerance,
    }
    spacing = (grid.spacing[2], grid.spacing[1], grid.spacing[0])
    flat = _is_flat(task)
    found = crops(task.reference, task.test, match, surface_margin(spacing, flat))
    if found is None:
        undefined = dict.fromkeys((*_OVERLAP, *_SURFACE, "centroid_distance"), UNDEFINED)
        return Row(**names, **undefined, **_volumes(0, 0, 0.0))
    ours, theirs, start = found
    counts = overlap(ours, theirs)
    surface = measure_padded(ours, theirs, spacing, task.tolerance, flat)
    distance, largest = UNDEFINED, surface.largest_error
    if counts.reference.any() and counts.test.any():
        distance = float(np.linalg.norm((centroid(theirs) - centroid(ours)) * spacing))
    return Row(
        **names,
        **{name: getattr(counts, name) for name in _OVERLAP},
        **{name: getattr(surface, name) for name in _SURFACE},
        **_volumes(int(counts.reference.sum()), int(counts.test.sum()), float(np.prod(spacing))),
        **(task.texture.around(match.reference) if task.texture else {}),
        centroid_distance=distance,
        largest_error_lps=tuple(map(float, index_to_lps(grid, np.add(start, largest)))) if largest else None,
    )


def _is_flat(task: _Task) -> bool:
    """Whether there is one slice, so that surfaces are contours in it."""
    bounds = task.test.bounds(task.match.test)
    outside = bounds is not None and (bounds[0][0] < 0 or bounds[1][0] > 1)
    return task.reference.segmentation.shape[0] == 1 and not outside


def _volumes(reference: int, test: int, voxel: float) -> dict[str, float]:
    return {
        "volume_reference_ml": reference * voxel / 1000,
        "volume_test_ml": test * voxel / 1000,
        "volume_difference_ml": (test - reference) * voxel / 1000,
    }
