"""Regions of interest on a volume's grid: bool arrays [k, j, i] from labels, intensities, boxes or probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import MedCompressError
from ..regions.outline import bounding_box
from ..volume import Geometry, Volume
from .resampling import onto_grid

SURE = 0.75
DISC = 30
"""Threshold of the probability and diameter of the disc in voxels: Luu et al. 2021, section III.C."""
_ROUNDING = 0.01


@dataclass(frozen=True, eq=False)
class Mask:
    """array: bool [k, j, i]; notes: what had to be done to get it onto the grid, for people."""

    array: np.ndarray
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.array.any():
            raise MedCompressError("the region of interest is empty: choose other labels, thresholds or a larger box")

    @property
    def voxels(self) -> int:
        return int(np.count_nonzero(self.array))


def from_labels(label_map: Volume, labels: Sequence[int] | None, volume: Volume) -> Mask:
    """Voxels with one of the labels; with any label but 0 where `labels` is None. Resampled to the volume's grid."""
    wanted = label_map.array != 0 if labels is None else np.isin(label_map.array, list(labels))
    if not wanted.any():
        found = ", ".join(f"{value:g}" for value in np.unique(label_map.array)[:40] if value)
        raise MedCompressError(f"no voxel has one of these labels: the label map holds {found or 'zeros alone'}")
    array, notes = onto_grid(wanted, label_map.geometry, volume)
    if not array.any():
        raise MedCompressError(
            "no voxel of the volume lies in the region, which was drawn elsewhere or is thinner than a voxel: "
            "choose a mask of the same scan"
        )
    missing = sorted(set(labels or ()) - set(np.unique(label_map.array[wanted]).tolist()))
    if missing:
        notes += (f"no voxel of the label map has the label {', '.join(map(str, missing))}",)
    return Mask(array, notes)


def from_threshold(volume: Volume, lower: float | None = None, upper: float | None = None) -> Mask:
    """Voxels from `lower` to `upper`, both included, in the volume's units."""
    if lower is None and upper is None:
        raise MedCompressError("a threshold needs a lower or an upper limit: give at least one")
    array = np.ones(volume.array.shape, bool)
    if lower is not None:
        array &= volume.array >= lower
    if upper is not None:
        array &= volume.array <= upper
    return Mask(array)


def from_otsu(volume: Volume) -> Mask:
    """Voxels above Otsu's threshold (IEEE Trans. Syst. Man Cybern. 9(1), 62-66, 1979) over the finite samples."""
    finite = volume.array[np.isfinite(volume.array)].astype(np.float64)
    if not finite.size or finite.min() == finite.max():
        raise MedCompressError("Otsu's threshold needs two different samples: choose another region of interest")
    counts, edges = np.histogram(finite, bins=1024)
    middles = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(counts)[:-1]
    above = finite.size - below
    sums = np.cumsum(counts * middles)
    mean_below, mean_above = sums[:-1] / np.maximum(below, 1), (sums[-1] - sums[:-1]) / np.maximum(above, 1)
    best = int(np.argmax(below * above.astype(np.float64) * (mean_below - mean_above) ** 2))
    return Mask(volume.array > edges[best + 1])


def from_box(volume: Volume, center: Sequence[float], size: Sequence[float], axes: np.ndarray | None = None) -> Mask:
    """Voxels whose centers lie in an oriented box. center, size: mm, LPS; axes: 3 x 3, its columns are the unit
    vectors of the box in LPS (the patient's axes unless given)."""
    axes = np.eye(3) if axes is None else np.asarray(axes, float)
    half = np.asarray(size, float) / 2
    if not (half > 0).all() or abs(np.linalg.det(axes)) < 1e-6:
        raise MedCompressError("a box needs three positive sizes in mm and three independent axes: correct the box")
    geometry = volume.geometry
    to_box = np.linalg.inv(axes)
    steps = to_box @ np.array(geometry.direction) * np.array(geometry.spacing)
    start = to_box @ (np.array(geometry.origin) - np.asarray(center, float))
    k, j, i = (np.arange(count, dtype=float) for count in volume.array.shape)
    array = np.ones(volume.array.shape, bool)
    for axis in range(3):
        place = start[axis] + steps[axis, 0] * i + (steps[axis, 1] * j)[:, None] + (steps[axis, 2] * k)[:, None, None]
        array &= np.abs(place) <= half[axis] * (1 + 1e-12)
    return Mask(array)


def guidance(probability: np.ndarray, sure: float = SURE, disc: int = DISC) -> np.ndarray:
    """Probability map p (float32, 0 to 1) that guides the diffusion: each slice of `probability` [k, j, i] dilated with
    a disc of `disc` voxels across, then 1 wherever it is above `sure` (Luu et al. 2021, section III.C).

    Raises MedCompressError for what are no probabilities.
    """
    lowest, highest = probability.min(), probability.max()
    if not (lowest >= -_ROUNDING and highest <= 1 + _ROUNDING):
        raise MedCompressError(
            f"the probability map holds values from {lowest:g} to {highest:g}: give one from 0 to 1 without NaN"
        )
    from scipy.ndimage import maximum_filter1d

    dilated = np.zeros(probability.shape, np.float32)
    source = np.clip(probability, 0, 1).astype(np.float32)
    rows = probability.shape[1]
    for row in range(-(disc // 2), disc - disc // 2):
        across = row + 0.5 * (1 - disc % 2)
        reach = np.sqrt(max(0.0, (disc / 2) ** 2 - across * across))
        width = 2 * int(reach) + 1 if disc % 2 else 2 * int(reach + 0.5)
        if width < 1 or abs(row) >= rows:
            continue
        wide = maximum_filter1d(source, width, axis=2, mode="constant", origin=disc % 2 - 1)
        target, moved = slice(max(0, row), rows + min(0, row)), slice(max(0, -row), rows + min(0, -row))
        np.maximum(dilated[:, target], wide[:, moved], out=dilated[:, target])
    dilated[dilated > sure] = 1
    return dilated


def from_probability(probability: Volume, volume: Volume, sure: float = SURE, disc: int = DISC) -> Mask:
    """Voxels where `guidance` of the map is 1, resampled to the volume's grid before."""
    values, notes = onto_grid(probability.array, probability.geometry, volume)
    array = guidance(values, sure, disc) >= 1
    if not array.any():
        raise MedCompressError(
            f"the region of interest is empty: nowhere in the volume is the probability above {sure:g}, its largest is "
            f"{values.max():g}; choose another map"
        )
    return Mask(array, notes)


def with_margin(mask: Mask, margin: float, geometry: Geometry) -> Mask:
    """The mask and all voxels whose center is at most `margin` mm from the center of one of its voxels."""
    if not (np.isfinite(margin) and margin >= 0):
        raise MedCompressError(f"a margin of {margin:g} mm is not possible: give 0 or more")
    if margin == 0:
        return mask
    from scipy.ndimage import distance_transform_edt

    spacing = tuple(reversed(geometry.spacing))
    reach = [int(margin / step) + 1 for step in spacing]
    box = tuple(
        slice(max(0, first - far), min(count, end + far))
        for (first, end), far, count in zip(bounding_box(mask.array), reach, mask.array.shape, strict=True)
    )
    array = np.zeros_like(mask.array)
    array[box] = distance_transform_edt(~mask.array[box], sampling=spacing) <= margin * (1 + 1e-9)
    return Mask(array, mask.notes)
