"""How much of two masks is the same: Dice, Jaccard, precision, recall, volumes, centroids."""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Overlap:
    """Counts of voxels in each slice [k] of two masks and of their intersection.

    Ratios are NaN where their denominator is zero; all are NaN where both masks are empty.
    """

    reference: np.ndarray
    test: np.ndarray
    both: np.ndarray

    @property
    def dice(self) -> float:
        """2 |X and Y| / (|X| + |Y|)."""
        return _ratio(2 * self.both.sum(), self.reference.sum() + self.test.sum())

    @property
    def jaccard(self) -> float:
        """|X and Y| / |X or Y| of the whole volume (Cunha et al. 2023, eq. 1)."""
        return _ratio(self.both.sum(), (self.reference + self.test - self.both).sum())

    @property
    def jaccard_by_slice(self) -> np.ndarray:
        """Eq. 1 in each slice, float64 [k]; NaN in slices where neither mask has a voxel."""
        union = self.reference + self.test - self.both
        return np.where(union > 0, self.both / np.maximum(union, 1), math.nan)

    @property
    def jaccard_per_slice(self) -> float:
        """Mean of jaccard_by_slice over the slices where either mask has a voxel."""
        values = self.jaccard_by_slice
        return float(np.nanmean(values)) if not np.isnan(values).all() else math.nan

    @property
    def precision(self) -> float:
        """Part of the test that is in the reference: TP / (TP + FP)."""
        return _ratio(self.both.sum(), self.test.sum())

    @property
    def recall(self) -> float:
        """Part of the reference that is in the test: TP / (TP + FN), sensitivity."""
        return _ratio(self.both.sum(), self.reference.sum())


def overlap(reference: np.ndarray, test: np.ndarray) -> Overlap:
    """Overlap of two boolean masks of equal shape [k, j, i]."""
    return Overlap(*(np.count_nonzero(mask, axis=(1, 2)) for mask in (reference, test, reference & test)))


def centroid(mask: np.ndarray) -> np.ndarray:
    """Mean index (k, j, i) of the voxels of a boolean mask that is not empty."""
    plane = np.add.reduce(mask.view(np.uint8), axis=0, dtype=np.int64)
    counts = np.count_nonzero(mask, axis=(1, 2)), plane.sum(1), plane.sum(0)
    return np.array([count @ np.arange(count.size) / count.sum() for count in counts])


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else math.nan
