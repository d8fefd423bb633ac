"""Points that a reader marked against the lesions that are there (Luu et al. 2021, section III.C)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..volume import Geometry
from .alignment import index_to_lps
from .surface_elements import border_voxels

DETECTION_MM = 10.0


@dataclass(frozen=True)
class LesionReading:
    """Counts of one reading; pairs: (lesion, mark) of each detected lesion; distances: their mm, in the same order."""

    true_positives: int
    false_positives: int
    false_negatives: int
    pairs: tuple[tuple[int, int], ...]
    distances: tuple[float, ...]

    @property
    def normalized_score(self) -> float:
        """100 (TP - FP - FN) / lesions, in percent; NaN without lesions."""
        score = self.true_positives - self.false_positives - self.false_negatives
        return self._percent(score)

    @property
    def sensitivity(self) -> float:
        """100 TP / (TP + FN), in percent; NaN without lesions."""
        return self._percent(self.true_positives)

    def _percent(self, part: int) -> float:
        lesions = self.true_positives + self.false_negatives
        return 100 * part / lesions if lesions else math.nan

    def __add__(self, other: "LesionReading") -> "LesionReading":
        """Counts of two cases together; pairs stay numbered within their case."""
        return LesionReading(
            self.true_positives + other.true_positives,
            self.false_positives + other.false_positives,
            self.false_negatives + other.false_negatives,
            self.pairs + other.pairs,
            self.distances + other.distances,
        )


def read_lesions(
    lesions: Sequence[Sequence[float]], marks: Sequence[Sequence[float]], within: float = DETECTION_MM
) -> LesionReading:
    """Score marks against lesion centers, both [n, 3] LPS mm: detected is what has a mark less than `within` mm away.

    A mark detects one lesion at most and a lesion takes one mark: the assignment with the most detections, and among
    those the one with the smallest sum of distances.
    """
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    centers, points = (np.asarray(x, float).reshape(-1, 3) for x in (lesions, marks))
    distances = cdist(centers, points)
    near = distances < within
    missed = within * (min(distances.shape) + 1)
    assigned = zip(*linear_sum_assignment(np.where(near, distances, missed)), strict=True)
    found = [(int(a), int(b)) for a, b in assigned if near[a, b]]
    return LesionReading(
        len(found),
        len(points) - len(found),
        len(centers) - len(found),
        tuple(found),
        tuple(float(distances[pair]) for pair in found),
    )


def lesion_centers(mask: np.ndarray, geometry: Geometry) -> np.ndarray:
    """LPS mm [n, 3] of the lesions in a mask [k, j, i]: pieces connected through faces, edges or corners.

    The center is the middle of the longest diameter between voxel centers, as Luu et al. took it.
    """
    from scipy.ndimage import find_objects, label

    pieces, _ = label(np.asarray(mask) != 0, np.ones((3, 3, 3)))
    centers = []
    for number, box in enumerate(find_objects(pieces), 1):
        border = border_voxels(np.pad(pieces[box] == number, 1))
        index = np.argwhere(border) - 1 + [s.start for s in box]
        centers.append(_middle(index_to_lps(geometry, index)))
    return np.array(centers).reshape(-1, 3)


def _middle(points: np.ndarray) -> np.ndarray:
    from scipy.spatial.distance import pdist, squareform

    points = _hull(points)
    distances = squareform(pdist(points))
    return points[list(np.unravel_index(int(distances.argmax()), distances.shape))].mean(0)


def _hull(points: np.ndarray) -> np.ndarray:
    """Points between which the longest diameter lies; all of them where they are in a plane or few."""
    from scipy.spatial import ConvexHull, QhullError

    try:
        return points[ConvexHull(points).vertices] if len(points) > 500 else points
    except QhullError:
        return points
