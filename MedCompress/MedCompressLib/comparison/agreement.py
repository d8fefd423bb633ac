"""How much observers differ, and whether compression changes less (Cunha et al. 2023, eqs. 4-6 and figure 12)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..errors import MedCompressError
from .overlap import overlap
from .statistics import PairwiseTest, tukey
from .surface import surface_measures

VALID_JACCARD = 0.7
SIGNIFICANCE = 0.05

Spacing = tuple[float, float, float]


@dataclass(frozen=True)
class Agreement:
    """Two masks in the valid slices: mean Jaccard, average Hausdorff in mm, the slices [k] and their Jaccard values.

    NaN where there is no valid slice.
    """

    jaccard: float
    average_hausdorff: float
    slices: np.ndarray
    jaccard_by_slice: np.ndarray

    @property
    def n(self) -> int:
        """Number of valid slices."""
        return len(self.slices)


@dataclass(frozen=True)
class Verdict:
    """Is the change by compression smaller than between observers?

    smaller: mean Jaccard above IeOV and average Hausdorff below it.
    different: Tukey's test tells the Jaccard values of the slices from those between the observers.
    acceptable: both, the rule of Cunha et al.
    """

    name: str
    agreement: Agreement
    smaller: bool
    different: bool
    test: PairwiseTest

    @property
    def acceptable(self) -> bool:
        return self.smaller and self.different


def valid_slices(first: np.ndarray, second: np.ndarray, threshold: float = VALID_JACCARD) -> np.ndarray:
    """Numbers of the slices k where two masks [k, j, i] of one observer have a Jaccard index >= threshold (eq. 4).

    Slices where neither has a voxel have no Jaccard index and are not valid.
    """
    return np.flatnonzero(overlap(*_masks(first, second)).jaccard_by_slice >= threshold)


def agreement(first: np.ndarray, second: np.ndarray, spacing: Spacing, slices: np.ndarray) -> Agreement:
    """Agreement of two masks [k, j, i] in some slices; what they mark elsewhere is left out. Spacing: mm along i, j, k.

    A slice where neither has a voxel counts for nothing in the mean of the Jaccard index.
    """
    first, second = (_only(mask, slices) for mask in _masks(first, second))
    by_slice = overlap(first, second).jaccard_by_slice[slices]
    defined = by_slice[~np.isnan(by_slice)]
    mean = float(defined.mean()) if defined.size else math.nan
    return Agreement(mean, surface_measures(first, second, spacing).average_hausdorff, slices, by_slice)


def intra_observer(
    first: np.ndarray, second: np.ndarray, spacing: Spacing, threshold: float = VALID_JACCARD
) -> Agreement:
    """IaOV: one observer's two segmentations of the same volume, in the valid slices (eqs. 4 and 5)."""
    return agreement(first, second, spacing, valid_slices(first, second, threshold))


def inter_observer(
    observer_a: tuple[np.ndarray, np.ndarray],
    observer_b: tuple[np.ndarray, np.ndarray],
    spacing: Spacing,
    threshold: float = VALID_JACCARD,
) -> Agreement:
    """IeOV: what each observer marked both times, compared in the slices valid for both observers (eq. 6)."""
    slices = np.intersect1d(valid_slices(*observer_a, threshold), valid_slices(*observer_b, threshold))
    merged = [np.logical_and(*_masks(*observer)) for observer in (observer_a, observer_b)]
    return agreement(*merged, spacing, slices)


def verdicts(
    reference: np.ndarray,
    compressed: Mapping[str, np.ndarray],
    intra: Agreement,
    inter: Agreement,
    spacing: Spacing,
    significance: float = SIGNIFICANCE,
) -> list[Verdict]:
    """One verdict for each segmentation made on compressed images.

    reference: mask [k, j, i] on the uncompressed image; compressed: name to mask. Each is compared with the reference
    in the slices of IaOV. Tukey's test takes all groups at once: IaOV, IeOV and the compressed ones.

    Raises MedCompressError where IaOV or IeOV has fewer than two valid slices.
    """
    if min(intra.n, inter.n) < 2:
        raise MedCompressError(
            f"IaOV has {intra.n} and IeOV {inter.n} valid slices, the test needs two each;"
            " lower the threshold or give segmentations that agree better"
        )
    found = {name: agreement(reference, mask, spacing, intra.slices) for name, mask in compressed.items()}
    groups = {"IeOV": inter.jaccard_by_slice, "IaOV": intra.jaccard_by_slice}
    groups |= {name: own.jaccard_by_slice for name, own in found.items()}
    tests = {pair.second: pair for pair in tukey(groups, 1 - significance) if pair.first == "IeOV"}
    return [
        Verdict(
            name,
            own,
            own.jaccard > inter.jaccard and own.average_hausdorff < inter.average_hausdorff,
            tests[name].p < significance,
            tests[name],
        )
        for name, own in found.items()
    ]


def _masks(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.asarray(first) != 0, np.asarray(second) != 0
    if first.ndim != 3 or first.shape != second.shape:
        raise MedCompressError(
            f"the masks have shapes {first.shape} and {second.shape}; give two of equal shape [k, j, i]"
        )
    return first, second


def _only(mask: np.ndarray, slices: np.ndarray) -> np.ndarray:
    kept = np.zeros_like(mask)
    kept[slices] = mask[slices]
    return kept
