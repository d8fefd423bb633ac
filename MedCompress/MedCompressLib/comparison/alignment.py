"""The test on the grid of the reference: as it is where the grids agree, resampled to the nearest voxel where not."""

import itertools
from dataclasses import dataclass

import numpy as np

from ..errors import MedCompressError
from ..volume import Geometry
from .segmentation import Segment, Segmentation

SAME, SHIFTED, RESAMPLED = "same grid", "same grid, other extent", "resampled to the nearest voxel"
_VOXEL_TOLERANCE = 0.01


@dataclass(frozen=True, eq=False)
class Placed:
    """A segmentation with its voxel (0, 0, 0) at index `offset` (k, j, i) of the reference's grid; how it got there."""

    segmentation: Segmentation
    offset: tuple[int, int, int] = (0, 0, 0)
    how: str = SAME

    def bounds(self, segment: Segment | None) -> np.ndarray | None:
        """First and last + 1 index of a segment on the reference's grid, [2, 3]; None where it is empty."""
        box = self.segmentation.box(segment) if segment else None
        return None if box is None else np.array([[s.start for s in box], [s.stop for s in box]]) + self.offset

    def crop(self, segment: Segment | None, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
        """Booleans [k, j, i] of a segment between two indices of the reference's grid, false beyond its own extent."""
        mask = np.zeros(tuple(stop - start), bool)
        if segment is None:
            return mask
        layer = self.segmentation.layers[segment.layer]
        first = np.maximum(start, self.offset)
        last = np.maximum(np.minimum(stop, np.add(self.offset, layer.shape)), first)
        source = tuple(slice(a, b) for a, b in zip(first - self.offset, last - self.offset, strict=True))
        target = tuple(slice(a, b) for a, b in zip(first - start, last - start, strict=True))
        np.equal(layer[source], segment.value, out=mask[target])
        return mask


def place(test: Segmentation, reference: Segmentation, strict: bool = False) -> Placed:
    """The test on the reference's grid, which goes on beyond the reference's extent so that nothing is cut off.

    Grids agree where no voxel center is off by more than 1 % of a voxel; extents may differ then, nothing is resampled.

    Raises MedCompressError when the reference's axes are not orthogonal, and with strict for any difference.
    """
    check_orthogonal(reference.geometry)
    index = _index_map(test.geometry, reference.geometry)
    corners = np.array(list(itertools.product(*((0, n - 1) for n in test.shape))))
    there = corners @ index[:, :3].T + index[:, 3]
    offset = np.rint(index[:, 3])
    if np.abs(there - corners - offset).max() <= _VOXEL_TOLERANCE:
        same = not offset.any() and test.shape == reference.shape
        placed = Placed(test, tuple(int(n) for n in offset), SAME if same else SHIFTED)
    else:
        placed = None
    if strict and (placed is None or placed.how != SAME):
        raise MedCompressError(
            f"{test.name or 'the test'} does not have the grid of {reference.name or 'the reference'}:"
            f" {_describe(test)} and {_describe(reference)}; resample it, or compare without strict"
        )
    return placed or _resampled(test, reference, index)


def check_orthogonal(geometry: Geometry) -> None:
    """Raises MedCompressError for axes that are not at right angles, where index distances mean nothing."""
    direction = np.array(geometry.direction)
    if np.abs(direction.T @ direction - np.eye(3)).max() > 1e-3:
        raise MedCompressError(
            "the axes of the reference are not at right angles (a sheared grid); resample it to an orthogonal grid"
        )


def index_to_lps(geometry: Geometry, index: np.ndarray) -> np.ndarray:
    """LPS mm of indices (k, j, i), [..., 3]."""
    ijk = np.asarray(index, float)[..., ::-1]
    return np.array(geometry.origin) + (ijk * geometry.spacing) @ np.array(geometry.direction).T


def _matrix(geometry: Geometry) -> np.ndarray:
    """4 x 4: indices (k, j, i, 1) to LPS mm."""
    matrix = np.eye(4)
    matrix[:3, :3] = (np.array(geometry.direction) * geometry.spacing)[:, ::-1]
    matrix[:3, 3] = geometry.origin
    return matrix


def _index_map(test: Geometry, reference: Geometry) -> np.ndarray:
    """3 x 4: index (k, j, i, 1) in the test to index in the reference."""
    return np.linalg.solve(_matrix(reference), _matrix(test))[:3]


def _resampled(test: Segmentation, reference: Segmentation, index: np.ndarray) -> Placed:
    import SimpleITK

    boxes = [box for layer in test.boxes for box in layer if box is not None]
    if not boxes:
        empty = tuple(np.zeros((1, 1, 1), np.uint8) for _ in test.layers)
        return Placed(Segmentation(empty, test.segments, reference.geometry, test.name), (0, 0, 0), RESAMPLED)
    ends = zip(*(((s.start - 0.5, s.stop - 0.5) for s in box) for box in boxes), strict=True)
    ends = [(min(a for a, _ in axis), max(b for _, b in axis)) for axis in ends]
    there = np.array(list(itertools.product(*ends))) @ index[:, :3].T + index[:, 3]
    first, last = np.floor(there.min(0)).astype(int), np.ceil(there.max(0)).astype(int)
    resample = SimpleITK.ResampleImageFilter()
    resample.SetInterpolator(SimpleITK.sitkNearestNeighbor)
    resample.SetSize([int(n) for n in (last - first + 1)[::-1]])
    resample.SetOutputSpacing(reference.geometry.spacing)
    resample.SetOutputOrigin([float(x) for x in index_to_lps(reference.geometry, first)])
    resample.SetOutputDirection([value for row in reference.geometry.direction for value in row])
    layers = []
    for layer in test.layers:
        image = SimpleITK.GetImageFromArray(layer)
        image.SetSpacing(test.geometry.spacing)
        image.SetOrigin(test.geometry.origin)
        image.SetDirection([value for row in test.geometry.direction for value in row])
        layers.append(SimpleITK.GetArrayFromImage(resample.Execute(image)))
    placed = Segmentation(tuple(layers), test.segments, reference.geometry, test.name)
    return Placed(placed, tuple(int(n) for n in first), RESAMPLED)


def _describe(segmentation: Segmentation) -> str:
    size = " x ".join(str(n) for n in reversed(segmentation.shape))
    spacing = " x ".join(f"{x:.6g}" for x in segmentation.geometry.spacing)
    origin = ", ".join(f"{x:.6g}" for x in segmentation.geometry.origin)
    return f"{size} voxels of {spacing} mm at ({origin})"
