"""Mean squared error, maximum absolute error and PSNR, all at once or slab by slab."""

import math

import numpy as np

from ..errors import MedCompressError
from .checks import check_finite, checked_mask, checked_pair, checked_peak
from .slices import map_slices


def differences(reference: np.ndarray, test: np.ndarray) -> np.ndarray:
    """reference - test in float64 for arrays of one shape; no type wraps around, and 64-bit integers, which float64
    cannot hold, are subtracted exactly before they are rounded."""
    common = np.result_type(reference.dtype, test.dtype)
    if common.kind not in "iu" or common.itemsize < 8:
        return np.subtract(reference, test, dtype=np.float64)
    first, second = reference.astype(common), test.astype(common)
    larger, smaller = np.maximum(first, second), np.minimum(first, second)
    apart = (larger.view(np.uint64) - smaller.view(np.uint64)).astype(np.float64)
    return np.where(first < second, -apart, apart)


class ErrorSum:
    """Errors of a volume that passes by slab by slab.

    `count` is the number of voxels seen, `squares` the sum of their squared differences, `max_error` the largest
    absolute difference in the image's units.
    """

    def __init__(self) -> None:
        self.count = 0
        self.squares = 0.0
        self.max_error = 0.0

    def add(self, reference: np.ndarray, test: np.ndarray, mask: np.ndarray | None = None) -> None:
        """Take in a slab [k, j, i] or a slice [j, i] of both images; with a mask (nonzero is inside) its voxels only.

        Raises MedCompressError for different shapes and for NaN or infinite values.
        """
        reference, test = np.asanyarray(reference), np.asanyarray(test)
        if reference.shape != test.shape or (mask is not None and np.shape(mask) != reference.shape):
            raise MedCompressError(
                f"The slab of the reference has shape {reference.shape}, that of the test image {test.shape}"
                + ("" if mask is None else f", that of the mask {np.shape(mask)}")
                + "; give the same part of each."
            )
        if reference.ndim > 2:
            for k in range(len(reference)):
                self.add(reference[k], test[k], None if mask is None else mask[k])
            return
        check_finite(reference, "reference")
        check_finite(test, "test")
        difference = differences(reference, test)
        self.add_difference(difference if mask is None else difference[np.asarray(mask) != 0])

    def add_difference(self, difference: np.ndarray) -> None:
        """Take in differences of any shape, float64 and finite."""
        if difference.size:
            self.count += difference.size
            self.squares += float(np.square(difference).sum())
            self.max_error = max(self.max_error, float(difference.max()), -float(difference.min()))

    def merge(self, other: "ErrorSum") -> None:
        """Take in what another sum has seen."""
        self.count += other.count
        self.squares += other.squares
        self.max_error = max(self.max_error, other.max_error)

    @property
    def mse(self) -> float:
        """Mean squared error so far, in squared units of the image (Luu et al. 2021, eq. 4)."""
        if self.count == 0:
            raise MedCompressError("No voxel was compared yet; add a slab first.")
        return self.squares / self.count

    def psnr(self, peak: float) -> float:
        """10 log10(peak^2 / MSE) in dB (Luu et al. 2021, eq. 3); infinite where nothing differs."""
        peak, error = checked_peak(peak), self.mse
        return math.inf if error == 0 else 20 * math.log10(peak) - 10 * math.log10(error)


def _error_sum(reference: np.ndarray, test: np.ndarray, mask: np.ndarray | None) -> ErrorSum:
    reference, test = checked_pair(reference, test)
    mask = checked_mask(mask, reference.shape)

    def of_slice(k: int) -> ErrorSum:
        part = ErrorSum()
        part.add(reference[k], test[k], None if mask is None else mask[k])
        return part

    total = ErrorSum()
    for part in map_slices(of_slice, len(reference)):
        total.merge(part)
    return total


def mse(reference: np.ndarray, test: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Mean squared error of two images [k, j, i], in squared units, over all voxels or those inside the mask."""
    return _error_sum(reference, test, mask).mse


def max_error(reference: np.ndarray, test: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Largest absolute difference of two images [k, j, i], in their units, over all voxels or those inside the mask."""
    return _error_sum(reference, test, mask).max_error


def psnr(reference: np.ndarray, test: np.ndarray, peak: float, mask: np.ndarray | None = None) -> float:
    """Peak signal-to-noise ratio in dB of two images [k, j, i], over all voxels or those inside the mask.

    Infinite for equal images. Depends on the peak: report both (`choose_peak`).
    """
    peak = checked_peak(peak)
    return _error_sum(reference, test, mask).psnr(peak)
