"""What a DICOM slice says about itself, and whether several make one regular grid."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from .errors import MedCompressError
from .volume import Geometry

RELATIVE_TOLERANCE, SMALLEST_TOLERANCE_MM = 0.01, 0.01
_ORIENTATION_TOLERANCE = 1e-3
_LISTED = 4


@dataclass(frozen=True, eq=False)
class Slice:
    """One DICOM image file.

    size: (i, j, frames); spacing: mm between voxels along i and j; position: LPS mm of the first voxel, or None;
    geometry: of the file alone, as a volume of its own.
    """

    path: Path
    series: str
    series_number: int
    description: str
    modality: str | None
    size: tuple[int, int, int]
    dtype: np.dtype
    components: int
    spacing: tuple[float, float]
    position: np.ndarray | None
    geometry: Geometry

    @cached_property
    def normal(self) -> np.ndarray:
        return np.array(self.geometry.direction)[:, 2]

    @property
    def height(self) -> float:
        """Position along the normal in mm."""
        return float(self.position @ self.normal)


def read_slice(path: Path) -> Slice:
    """The header of one file. Raises RuntimeError when GDCM cannot read it, MedCompressError for a bad orientation."""
    import SimpleITK

    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    keys = set(reader.GetMetaDataKeys())

    def text(tag: str) -> str:
        return reader.GetMetaData(tag).strip(" \0") if tag in keys else ""

    def numbers(tag: str, count: int) -> list[float] | None:
        try:
            values = [float(part) for part in text(tag).split("\\")]
        except ValueError:
            return None
        return values if len(values) == count and np.isfinite(values).all() else None

    size = tuple(reader.GetSize())[:3]
    position, orientation = numbers("0020|0032", 3), numbers("0020|0037", 6)
    pixel = numbers("0028|0030", 2)
    spacing = (pixel[1], pixel[0]) if pixel and min(pixel) > 0 else tuple(reader.GetSpacing()[:2])
    direction = reader.GetDirection()[:9]
    origin, step = tuple(reader.GetOrigin()[:3]), reader.GetSpacing()[2]
    if size[2] == 1:
        origin = tuple(position) if position else origin
        between, thickness = numbers("0018|0088", 1), numbers("0018|0050", 1)
        step = next((abs(value[0]) for value in (between, thickness) if value and value[0]), 1.0)
        if orientation:
            direction = _direction(path, orientation)
    number = numbers("0020|0011", 1)
    return Slice(
        path=path,
        series=text("0020|000e"),
        series_number=int(number[0]) if number else 0,
        description=" ".join(text("0008|103e").split()),
        modality=text("0008|0060") or None,
        size=size,
        dtype=numpy_type(SimpleITK.GetPixelIDValueAsString(reader.GetPixelID())),
        components=reader.GetNumberOfComponents(),
        spacing=spacing,
        position=np.array(position) if position and orientation else None,
        geometry=Geometry((*spacing, step), origin, (direction[0:3], direction[3:6], direction[6:9])),
    )


def regular_grid(slices: list[Slice]) -> tuple[list[Slice], Geometry]:
    """The slices in order along their normal, and the geometry of their volume.

    Raises MedCompressError, naming files and positions, when size, pixel spacing or orientation differ, or when a slice
    lies farther than 1 % of the slice spacing (at least 0.01 mm) from where a regular, unsheared grid has it.
    """
    _same_plane(slices)
    slices = sorted(slices, key=lambda item: (item.height, item.path.name))
    heights = np.array([item.height for item in slices])
    steps = np.diff(heights)
    usual = float(np.median(steps))
    doubles = [n for n in range(len(steps)) if steps[n] <= max(SMALLEST_TOLERANCE_MM, RELATIVE_TOLERANCE * usual)]
    if doubles:
        raise MedCompressError(
            f"{len(doubles)} slices lie where another one does: {_pairs(slices, doubles)};"
            " remove the duplicates, or put time points into folders of their own"
        )
    spacing = float(heights[-1] - heights[0]) / len(steps)
    tolerance = max(SMALLEST_TOLERANCE_MM, RELATIVE_TOLERANCE * min(usual, spacing))
    if np.abs(heights - heights[0] - spacing * np.arange(len(slices))).max() > tolerance:
        uneven = np.flatnonzero(np.abs(steps - usual) > tolerance).tolist() or [int(np.abs(steps - usual).argmax())]
        raise MedCompressError(
            f"slices are not evenly spaced, {usual:.6g} mm is usual but not at {_pairs(slices, uneven)};"
            " add the missing slices, or resample the series to even spacing"
        )
    first = slices[0]
    line = np.array([item.position for item in slices]) - first.position
    drift = np.linalg.norm(line - np.outer(heights - heights[0], first.normal), axis=1)
    if drift.max() > tolerance:
        worst = int(drift.argmax())
        raise MedCompressError(
            f"slices are sheared (tilted gantry): {_place(slices[worst])} lies {drift[worst]:.6g} mm beside"
            f" the normal through {_place(first)};"
            " resample the series to a straight grid first"
        )
    return slices, Geometry((*first.spacing, spacing), tuple(first.position), first.geometry.direction)


def _same_plane(slices: list[Slice]) -> None:
    first = slices[0]
    frames = [item for item in slices if item.size[2] > 1]
    if frames:
        raise MedCompressError(
            f"{frames[0].path.name} holds {frames[0].size[2]} frames beside other files; open that file alone"
        )
    homeless = [item.path.name for item in slices if item.position is None]
    if homeless:
        raise MedCompressError(
            f"{_names(homeless)}: no Image Position or Orientation (Patient); remove what is not a slice of the series"
        )
    for what, differ in (
        ("size", lambda item: item.size != first.size),
        (
            "pixel spacing",
            lambda item: not np.allclose(item.spacing, first.spacing, rtol=_ORIENTATION_TOLERANCE, atol=0),
        ),
        ("orientation", lambda item: _turned(item, first)),
    ):
        odd = [item for item in slices if differ(item)]
        if odd:
            fewer = odd if 2 * len(odd) <= len(slices) else [item for item in slices if not differ(item)]
            raise MedCompressError(
                f"{_names([_place(item) for item in fewer])}: {what} differs from the other slices of the series;"
                " move them to a folder of their own"
            )


def _turned(item: Slice, other: Slice) -> bool:
    return (
        float(np.abs(np.array(item.geometry.direction) - np.array(other.geometry.direction)).max())
        > _ORIENTATION_TOLERANCE
    )


def _direction(path: Path, orientation: list[float]) -> list[float]:
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if min(lengths) < 1e-6 or abs(row @ column) > _ORIENTATION_TOLERANCE * lengths[0] * lengths[1]:
        raise MedCompressError(
            f"{path}: Image Orientation (Patient) {orientation} is not two perpendicular directions; correct the tag"
        )
    row = row / lengths[0]
    column = column - (column @ row) * row
    column = column / np.linalg.norm(column)
    return np.column_stack([row, column, np.cross(row, column)]).ravel().tolist()


def _pairs(slices: list[Slice], gaps: list[int]) -> str:
    return _names([f"{_place(slices[n])} and {_place(slices[n + 1])}" for n in gaps])


def _place(item: Slice) -> str:
    return item.path.name + (f" ({item.height:.6g} mm)" if item.position is not None else "")


def _names(names: list[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def numpy_type(pixel_type: str) -> np.dtype:
    """The numpy type of SimpleITK's "16-bit signed integer" and the like."""
    bits, kind = pixel_type.removeprefix("vector of ").split("-bit ")
    return np.dtype({"signed integer": "int", "unsigned integer": "uint", "float": "float"}[kind] + bits)
