"""Distances between two masks: Hausdorff, its percentile and average, mean boundary distance, surface Dice."""

import math
from dataclasses import dataclass, replace

import numpy as np

from ..errors import MedCompressError
from .nearest import margin, nearest_distances
from .surface_elements import border_voxels, element_areas, element_patterns, is_element

PERCENTILE = 0.95
UNDEFINED = math.nan


@dataclass(frozen=True)
class SurfaceMeasures:
    """Distances in mm, NaN where a mask is empty; Docs/comparison.md defines each.

    largest_error: where the Hausdorff distance is attained, as an index (k, j, i) that may lie between voxels; None
    where it is zero or undefined.
    """

    hausdorff: float = UNDEFINED
    hausdorff_95: float = UNDEFINED
    average_hausdorff: float = UNDEFINED
    smbd: float = UNDEFINED
    hausdorff_voxels: float = UNDEFINED
    hausdorff_boundary: float = UNDEFINED
    hausdorff_95_boundary: float = UNDEFINED
    surface_dice: float = UNDEFINED
    largest_error: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class _Directed:
    """Elements of one surface that are not in the other: index, distance in mm, area; and the area of all elements."""

    indices: np.ndarray
    distances: np.ndarray
    areas: np.ndarray
    total: float

    @property
    def maximum(self) -> float:
        return float(self.distances.max(initial=0.0))

    def percentile(self) -> float:
        order = np.argsort(self.distances)
        shared = self.total - self.areas.sum()
        reached = np.concatenate([[shared], shared + np.cumsum(self.areas[order])]) / self.total
        first = min(int(np.searchsorted(reached, PERCENTILE)), order.size)
        return float(self.distances[order[first - 1]]) if first else 0.0

    def within(self, tolerance: float) -> float:
        return self.total - float(self.areas[self.distances > tolerance].sum())


def surface_margin(spacing: tuple[float, float, float], flat: bool) -> tuple[int, int, int]:
    """Voxels of background along k, j, i that `measure_padded` needs around both masks; spacing along k, j, i."""
    k, j, i = margin(spacing, flat)
    return (0 if flat else k + 1), j + 1, i + 1


def checked_tolerance(tolerance: float) -> float:
    """The tolerance in mm as a float, finite and not negative."""
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise MedCompressError(f"the tolerance is {tolerance}; give a distance in mm that is not negative, such as 1")
    return float(tolerance)


def surface_measures(
    reference: np.ndarray, test: np.ndarray, spacing: tuple[float, float, float], tolerance: float = 1.0
) -> SurfaceMeasures:
    """Distances between two masks of equal shape [k, j, i], nonzero inside.

    spacing: mm along i, j, k, as Geometry gives it; the axes are orthogonal.
    tolerance: mm up to which surfaces count as the same in surface Dice.

    What lies beyond the array is outside. An array of one slice has a contour instead of a surface.
    """
    masks = [np.asarray(mask) != 0 for mask in (reference, test)]
    if masks[0].ndim != 3 or masks[0].shape != masks[1].shape:
        raise MedCompressError(
            f"the masks have shapes {masks[0].shape} and {masks[1].shape}; give two of equal shape [k, j, i]"
        )
    flat, steps = len(masks[0]) == 1, (spacing[2], spacing[1], spacing[0])
    pad = surface_margin(steps, flat)
    masks = [np.pad(mask, [(n, n) for n in pad]) for mask in masks]
    found = measure_padded(*masks, steps, checked_tolerance(tolerance), flat)
    if found.largest_error is None:
        return found
    return replace(found, largest_error=tuple(x - n for x, n in zip(found.largest_error, pad, strict=True)))


def measure_padded(
    reference: np.ndarray, test: np.ndarray, spacing: tuple[float, float, float], tolerance: float, flat: bool
) -> SurfaceMeasures:
    """`surface_measures` of booleans with `surface_margin` around them; spacing along k, j, i."""
    present = [bool(mask.any()) for mask in (reference, test)]
    if not all(present):
        return SurfaceMeasures(surface_dice=0.0 if any(present) else UNDEFINED)
    there, back, shape = _between_elements(reference, test, spacing, flat)
    worst = there if there.maximum >= back.maximum else back
    largest = None
    if worst.distances.size:
        k, j, i = np.unravel_index(worst.indices[int(worst.distances.argmax())], shape)
        largest = (float(k) if flat else k + 0.5, j + 0.5, i + 0.5)
    tolerance = tolerance * (1 + 1e-6)
    return SurfaceMeasures(
        hausdorff=worst.maximum,
        hausdorff_95=max(there.percentile(), back.percentile()),
        surface_dice=(there.within(tolerance) + back.within(tolerance)) / (there.total + back.total),
        largest_error=tuple(map(float, largest)) if largest else None,
        **_between_voxels(reference, test, spacing, flat),
    )


def _between_elements(
    reference: np.ndarray, test: np.ndarray, spacing: tuple[float, float, float], flat: bool
) -> tuple[_Directed, _Directed, tuple[int, ...]]:
    patterns = [element_patterns(np.repeat(mask, 2, 0) if flat else mask) for mask in (reference, test)]
    marked = [is_element(part) for part in patterns]
    areas = element_areas(spacing)
    both = []
    for own, other in ((0, 1), (1, 0)):
        elements = np.flatnonzero(marked[own])
        sizes = areas[patterns[own].reshape(-1)[elements]]
        alone = ~marked[other].reshape(-1)[elements]
        indices = elements[alone]
        distances = nearest_distances(indices, marked[other], spacing, flat)
        both.append(_Directed(indices, distances, sizes[alone], float(sizes.sum())))
    return both[0], both[1], patterns[0].shape


def _between_voxels(
    reference: np.ndarray, test: np.ndarray, spacing: tuple[float, float, float], flat: bool
) -> dict[str, float]:
    """Measures between border voxels, and between all voxels: those nearest to a voxel outside are border voxels."""
    masks = (reference, test)
    borders = [border_voxels(np.repeat(mask, 3, 0))[1:2] if flat else border_voxels(mask) for mask in masks]
    voxel_maxima, maxima, percentiles, border_means, voxel_means = [], [], [], [], []
    for own, other in ((0, 1), (1, 0)):
        searching = np.flatnonzero((masks[own] > masks[other]) | (borders[own] > borders[other]))
        distances = nearest_distances(searching, np.ascontiguousarray(borders[other]), spacing, flat)
        on_border = distances[borders[own].reshape(-1)[searching]]
        outside = distances[~masks[other].reshape(-1)[searching]]
        count = int(np.count_nonzero(borders[own]))
        voxel_maxima.append(float(outside.max(initial=0.0)))
        maxima.append(float(on_border.max(initial=0.0)))
        percentiles.append(float(np.quantile(np.pad(on_border, (count - on_border.size, 0)), PERCENTILE)))
        border_means.append(float(on_border.sum()) / count)
        voxel_means.append(float(outside.sum()) / int(np.count_nonzero(masks[own])))
    return {
        "hausdorff_voxels": max(voxel_maxima),
        "hausdorff_boundary": max(maxima),
        "hausdorff_95_boundary": max(percentiles),
        "smbd": sum(border_means) / 2,
        "average_hausdorff": sum(voxel_means) / 2,
    }
