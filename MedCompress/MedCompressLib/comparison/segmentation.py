"""A segmentation: named segments in one or more label maps on one grid. Segments may overlap across the label maps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..errors import MedCompressError
from ..volume import Geometry, Volume

LARGEST_LABEL = 65535

Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Segment:
    """One structure: the voxels of a layer that hold a label value.

    terminology: coded meaning as "scheme^code" parts joined by "~", as in DICOM; "" where unknown.
    named: False where the name is only the label value.
    """

    name: str
    value: int
    layer: int = 0
    terminology: str = ""
    named: bool = True


@dataclass(frozen=True, eq=False)
class Segmentation:
    """layers: label maps [k, j, i] of uint8 or uint16 on one grid, 0 is background; segments: what their values mean.

    Raises MedCompressError for layers of different shapes and segments without a layer.
    """

    layers: tuple[np.ndarray, ...]
    segments: tuple[Segment, ...]
    geometry: Geometry = field(default_factory=Geometry)
    name: str = ""

    def __post_init__(self) -> None:
        if len({layer.shape for layer in self.layers}) != 1 or self.layers[0].ndim != 3:
            raise MedCompressError("the layers of a segmentation differ in shape; give label maps of one grid")
        for segment in self.segments:
            if not (0 <= segment.layer < len(self.layers) and 0 < segment.value <= LARGEST_LABEL):
                raise MedCompressError(
                    f"segment {segment.name!r} has label value {segment.value} in layer {segment.layer};"
                    f" label values are 1 to {LARGEST_LABEL}, layers 0 to {len(self.layers) - 1}"
                )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along k, j, i."""
        return self.layers[0].shape

    @cached_property
    def boxes(self) -> tuple[list[Box | None], ...]:
        """For each layer the bounding box of each label value (value 1 first), None where it does not occur."""
        from scipy.ndimage import find_objects

        return tuple(find_objects(layer) for layer in self.layers)

    def box(self, segment: Segment) -> Box | None:
        """Bounding box [k, j, i] of a segment, None where it is empty."""
        boxes = self.boxes[segment.layer]
        return boxes[segment.value - 1] if segment.value <= len(boxes) else None

    def mask(self, segment: Segment) -> np.ndarray:
        """Booleans [k, j, i] of the whole grid."""
        return self.layers[segment.layer] == segment.value


def segmentation_from_labels(
    labels: Volume, names: Mapping[int, str] | None = None, name: str | None = None
) -> Segmentation:
    """Segmentation from one label map of any scalar type that holds whole numbers from 0 to 65535.

    names: label value to segment name; named values are segments even where no voxel has them, others are named by
        their value.

    Raises MedCompressError for negative, larger and fractional values, NaN and infinity.
    """
    names = dict(names or {})
    layer = label_array(labels.array, labels.name or "the label map")
    found = Segmentation((layer,), (), labels.geometry)
    present = {value for value, box in enumerate(found.boxes[0], 1) if box is not None}
    segments = tuple(
        Segment(names.get(value, str(value)), value, named=value in names)
        for value in sorted(present | (set(names) - {0}))
    )
    return Segmentation((layer,), segments, labels.geometry, labels.name if name is None else name)


def label_array(array: np.ndarray, what: str) -> np.ndarray:
    """The label map as uint8 or uint16, itself where it is that already. Raises MedCompressError for other values."""
    if array.dtype in (np.uint8, np.uint16):
        return array
    if array.dtype == bool:
        return array.view(np.uint8)
    lowest, highest = array.min(), array.max()
    if not (lowest >= 0 and highest <= LARGEST_LABEL):
        raise MedCompressError(
            f"{what} holds values from {lowest} to {highest}; label values are 0 to {LARGEST_LABEL}:"
            " is it an image instead of a label map?"
        )
    result = np.empty(array.shape, np.uint8 if highest < 256 else np.uint16)
    for part, source in zip(result, array, strict=True):
        part[...] = source
        if array.dtype.kind == "f" and not np.array_equal(part, source):
            raise MedCompressError(
                f"{what} holds fractional values; a label map holds whole numbers:"
                " threshold a probability map, or resample labels with nearest neighbor"
            )
    return result
