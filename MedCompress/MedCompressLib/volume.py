"""A scalar volume: a numpy array [k, j, i], where it lies in the patient, and what made it.

Coordinates are LPS in mm, as in DICOM, ITK and NRRD ("left-posterior-superior"); Slicer's RAS has the first two signs
flipped.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .errors import MedCompressError

SCALAR_TYPES = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64")

Triple = tuple[float, float, float]
IDENTITY: tuple[Triple, Triple, Triple] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


@dataclass(frozen=True)
class Geometry:
    """Where the voxels of an array [k, j, i] lie: LPS = origin + direction @ (spacing * (i, j, k)).

    spacing: mm between voxel centers along the axes i, j, k.
    origin: LPS mm of the center of voxel (0, 0, 0).
    direction: 3 rows of a 3 x 3 matrix whose columns are the unit vectors of the axes i, j, k in LPS; it may be
        oblique, left-handed or sheared, never singular.

    Raises MedCompressError for values that are not finite, not positive (spacing) or not independent (direction).
    """

    spacing: Triple = (1.0, 1.0, 1.0)
    origin: Triple = (0.0, 0.0, 0.0)
    direction: tuple[Triple, Triple, Triple] = IDENTITY

    def __post_init__(self) -> None:
        try:
            spacing = tuple(float(value) for value in self.spacing)
            origin = tuple(float(value) for value in self.origin)
            direction = tuple(tuple(float(value) for value in row) for row in self.direction)
        except (TypeError, ValueError) as error:
            raise MedCompressError(f"geometry holds something that is not a number ({error}); give numbers") from None
        if len(spacing) != 3 or len(origin) != 3 or [len(row) for row in direction] != [3, 3, 3]:
            raise MedCompressError(
                "geometry needs 3 spacings, 3 origin coordinates and a 3 x 3 direction; give all of them"
            )
        matrix = np.array(direction)
        if not (np.isfinite(spacing).all() and np.isfinite(origin).all() and np.isfinite(matrix).all()):
            raise MedCompressError(
                "geometry holds NaN or infinity; correct the spacing, origin and direction of the volume"
            )
        if min(spacing) <= 0:
            raise MedCompressError(
                f"spacing {spacing} mm is not positive; give the distance between voxels along each axis"
            )
        if np.abs(np.linalg.norm(matrix, axis=0) - 1).max() > 1e-3 or abs(np.linalg.det(matrix)) < 1e-6:
            raise MedCompressError(
                f"direction {direction} is not 3 independent unit vectors; correct the orientation of the volume"
            )
        object.__setattr__(self, "spacing", spacing)
        object.__setattr__(self, "origin", origin)
        object.__setattr__(self, "direction", direction)

    def as_dict(self) -> dict[str, list[float]]:
        """Values for JSON, exact to the last bit; direction as SimpleITK gives it: 9 numbers, row after row."""
        return {
            "spacing": list(self.spacing),
            "origin": list(self.origin),
            "direction": [value for row in self.direction for value in row],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> "Geometry":
        """The inverse of as_dict. Raises MedCompressError when a key is missing or a value unusable."""
        try:
            flat = [float(value) for value in values["direction"]]
            spacing, origin = tuple(values["spacing"]), tuple(values["origin"])
        except (KeyError, TypeError, ValueError) as error:
            raise MedCompressError(
                f"geometry is incomplete or malformed ({error!r}); it needs spacing, origin and 9 direction numbers"
            ) from None
        if len(flat) != 9:
            raise MedCompressError(f"geometry has {len(flat)} direction numbers; it needs 9, row after row")
        return cls(spacing, origin, (tuple(flat[0:3]), tuple(flat[3:6]), tuple(flat[6:9])))

    def differences(self, other: "Geometry") -> dict[str, float]:
        """Largest absolute difference of spacing (mm), origin (mm) and direction (no unit)."""
        return {
            name: float(np.abs(np.array(getattr(self, name)) - np.array(getattr(other, name))).max())
            for name in ("spacing", "origin", "direction")
        }

    def is_close(self, other: "Geometry", tolerance: float = 1e-4) -> bool:
        """True when nothing differs by more than `tolerance`: spacing and origin in mm, direction without unit."""
        return max(self.differences(other).values()) <= tolerance

    def assert_close(self, other: "Geometry", tolerance: float = 1e-4) -> None:
        """Raises MedCompressError naming what differs unless is_close."""
        for name, difference in self.differences(other).items():
            if not difference <= tolerance:
                raise MedCompressError(
                    f"geometries differ: {name} {getattr(self, name)} and {getattr(other, name)}, by {difference:.6g}"
                    f" (allowed {tolerance:g}); resample one volume onto the other"
                )


@dataclass(frozen=True, eq=False)
class Volume:
    """A scalar volume.

    array: [k, j, i], one of SCALAR_TYPES in native byte order, at least one voxel.
    modality: DICOM modality (0008,0060) such as "CT", or None where the source does not say.
    name: for people, may be empty.

    Raises MedCompressError for anything else (2-D, 4-D, color, complex, bool).
    """

    array: np.ndarray
    geometry: Geometry = field(default_factory=Geometry)
    modality: str | None = None
    name: str = ""

    def __post_init__(self) -> None:
        array = self.array
        if not isinstance(array, np.ndarray):
            raise MedCompressError(
                f"a volume needs a numpy array, not {type(array).__name__}; convert it with numpy.asarray"
            )
        if array.ndim != 3:
            raise MedCompressError(
                f"the array has {array.ndim} axes {array.shape}; a volume has exactly 3, [k, j, i]:"
                " split time points or colors into volumes of their own, give a 2-D image a first axis of length 1"
            )
        if array.size == 0:
            raise MedCompressError(f"the array is empty, shape {array.shape}; a volume needs at least one voxel")
        if array.dtype.name not in SCALAR_TYPES or not array.dtype.isnative:
            raise MedCompressError(
                f"scalar type {array.dtype.str} ({array.dtype.name}) is not supported;"
                f" convert to one of {', '.join(SCALAR_TYPES)} in native byte order"
            )
        if not isinstance(self.geometry, Geometry):
            raise MedCompressError(f"geometry is a {type(self.geometry).__name__}; give a Geometry")

    @property
    def scalar_type(self) -> str:
        """Name of the numpy type of the samples, one of SCALAR_TYPES."""
        return self.array.dtype.name


def read_volume(path: str | Path, series: str | None = None) -> Volume:
    """Volume from NRRD, NIfTI, MetaImage, one DICOM file or a folder of DICOM slices; every sample as in the file.

    series: for a DICOM folder with several series: a Series Instance UID, a unique beginning or end of one, or a number
        from 1 in the order in which the error message lists them.

    Raises MedCompressError (cause and remedy in one line) when the file is missing, damaged, cut off, not a scalar
    volume, or a DICOM series does not make one regular volume.
    """
    from .volume_files import read

    return read(Path(path), series)


def write_volume(volume: Volume, path: str | Path, compressed: bool = True) -> None:
    """Write NRRD (.nrrd), NIfTI (.nii, .nii.gz) or MetaImage (.mha).

    compressed: with the format's own lossless compression where it has one.

    The file is written beside its final name, synced, read back and compared (every sample bit for bit; geometry to the
    last bits of a double, in NIfTI of a float32), then renamed: a failure leaves an older file as it was.

    Raises MedCompressError when the format cannot hold the volume (NIfTI: a sheared direction) or the disk is full.
    """
    from .volume_files import write

    write(volume, Path(path), compressed)
