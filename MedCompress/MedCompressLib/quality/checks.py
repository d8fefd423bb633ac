"""What every measure asks of its input, with one clear error for each violation."""

import math

import numpy as np

from ..errors import MedCompressError

_LARGEST_PEAK = 1e150


def checked_volume(image: np.ndarray, name: str) -> np.ndarray:
    """The image as an array [k, j, i] of real numbers with at least one voxel."""
    image = np.asanyarray(image)
    if image.ndim != 3:
        raise MedCompressError(
            f"The {name} image has {image.ndim} axes, not the three [k, j, i]; give a scalar volume, "
            "or one slice as image[None]."
        )
    if image.size == 0:
        raise MedCompressError(f"The {name} image is empty (shape {image.shape}); give a volume with voxels.")
    if image.dtype.kind not in "biuf":
        raise MedCompressError(f"The {name} image holds {image.dtype}, not real numbers; convert it to a scalar type.")
    return image


def checked_pair(reference: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both images as arrays [k, j, i] of one shape."""
    reference, test = checked_volume(reference, "reference"), checked_volume(test, "test")
    if reference.shape != test.shape:
        raise MedCompressError(
            f"The reference image has shape {reference.shape} and the test image {test.shape}; "
            "compare images of one grid (resample one first)."
        )
    return reference, test


def checked_mask(mask: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray | None:
    """The mask (nonzero is inside) as an array of the given shape with a voxel inside, or None."""
    if mask is None:
        return None
    mask = np.asanyarray(mask)
    if mask.shape != tuple(shape):
        raise MedCompressError(
            f"The mask has shape {mask.shape} and the image {tuple(shape)}; give a mask on the image's grid."
        )
    if not any(np.any(part) for part in mask):
        raise MedCompressError("The mask is empty; mark at least one voxel or measure without a mask.")
    return mask


def checked_peak(peak: float) -> float:
    """The peak as a float above zero."""
    if not (math.isfinite(peak) and peak > 0):
        raise MedCompressError(
            f"The peak is {peak}; give a finite number above zero, such as 4096 for CT or the data range for MR."
        )
    if peak > _LARGEST_PEAK:
        raise MedCompressError(f"The peak is {peak:g}, too large to be squared; scale both images down.")
    return float(peak)


def check_finite(values: np.ndarray, name: str) -> None:
    """Raise unless all values are finite."""
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise MedCompressError(
            f"The {name} image holds NaN or infinite values: give what they count as (--nan VALUE), or replace them."
        )


def float_slice(image: np.ndarray, k: int, name: str) -> np.ndarray:
    """Slice k as float64 [j, i], checked to be finite."""
    part = image[k].astype(np.float64)
    check_finite(part, name)
    return part


def mask_slice(mask: np.ndarray | None, k: int) -> np.ndarray | None:
    """Slice k of the mask as booleans [j, i], or None where there is no mask."""
    return None if mask is None else mask[k] != 0
