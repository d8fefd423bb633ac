"""SSIM within each slice, after Wang et al. 2004, IEEE Trans. Image Process. 13(4), 600-612."""

from collections.abc import Sequence

import numpy as np

from .checks import checked_mask, checked_pair, checked_peak, float_slice, mask_slice
from .slices import map_slices

SIGMA = 1.5
RADIUS = 5
K1, K2 = 0.01, 0.03


def window_mean(image: np.ndarray) -> np.ndarray:
    """Mean of a slice [j, i] in the 11x11 Gaussian window around each pixel; borders reflect (d c b a | a b c d)."""
    from scipy.ndimage import correlate1d

    taps = np.exp(-0.5 * (np.arange(-RADIUS, RADIUS + 1) / SIGMA) ** 2)
    taps /= taps.sum()
    return correlate1d(correlate1d(image, taps, axis=0), taps, axis=1)


def similarity(reference: np.ndarray, test: np.ndarray, peak: float) -> tuple[np.ndarray, np.ndarray]:
    """Luminance term and contrast-structure term of two slices [j, i] in float64; SSIM is their product.

    Wang et al. 2004, eqs. 6-13.
    """
    return _terms(_moments(reference, test), peak)


def _moments(reference: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, ...]:
    """Squared means, then variances, of the sum s and the difference d of two slices in the window around each pixel.

    2xy = (s^2 - d^2) / 2 and x^2 + y^2 = (s^2 + d^2) / 2 hold for means and for (co)variances, which saves one of five
    filters and gives exactly 1 where the images are equal. Variances are taken after subtracting the slice's mean: no
    cancellation.
    """
    total, difference = reference + test, reference - test
    offset = total.mean()
    total -= offset
    mean_total, mean_difference = window_mean(total), window_mean(difference)
    np.multiply(total, total, out=total)
    np.multiply(difference, difference, out=difference)
    square_difference = mean_difference * mean_difference
    variance_total = np.maximum(window_mean(total) - mean_total * mean_total, 0)
    variance_difference = np.maximum(window_mean(difference) - square_difference, 0)
    mean_total += offset
    square_total = np.multiply(mean_total, mean_total, out=mean_total)
    return square_total, square_difference, variance_total, variance_difference


def _terms(moments: tuple[np.ndarray, ...], peak: float) -> tuple[np.ndarray, np.ndarray]:
    square_total, square_difference, variance_total, variance_difference = moments
    return (
        _ratio(square_total, square_difference, 2 * (K1 * peak) ** 2),
        _ratio(variance_total, variance_difference, 2 * (K2 * peak) ** 2),
    )


def _ratio(a: np.ndarray, b: np.ndarray, stabilizer: float) -> np.ndarray:
    numerator = a - b
    numerator += stabilizer
    denominator = a + b
    denominator += stabilizer
    return np.divide(numerator, denominator, out=numerator)


def slice_mean(values: np.ndarray, weights: np.ndarray | None = None) -> tuple[float, float]:
    """Mean of a slice's map [j, i], and how many voxels count in it.

    Those count whose 11x11 window lies inside the slice, as in Wang's and scikit-image's means; along an axis shorter
    than 11 all. If no voxel of the weights is among them, all of the weights count; weights of zero give (0, 0).
    """
    inner = tuple(slice(RADIUS, n - RADIUS) if n > 2 * RADIUS else slice(None) for n in values.shape)
    if weights is None:
        return float(values[inner].mean()), float(values[inner].size)
    part, weight = values[inner], weights[inner]
    total = float(weight.sum())
    if total == 0:
        part, weight, total = values, weights, float(weights.sum())
    return (float((part * weight).sum()) / total, total) if total else (0.0, 0.0)


def ssim(reference: np.ndarray, test: np.ndarray, peak: float, mask: np.ndarray | None = None) -> float:
    """Mean structural similarity of two images [k, j, i], -1 to 1: in-plane, averaged over the slices.

    11x11 Gaussian window, sigma 1.5, K1 = 0.01, K2 = 0.03, L = peak. A larger peak gives a higher value: report both.
    With a mask the mean over its voxels (`slice_mean` says which count near the border).
    """
    return ssims(reference, test, (peak,), (mask,))[0][0]


def ssims(
    reference: np.ndarray, test: np.ndarray, peaks: Sequence[float], masks: Sequence[np.ndarray | None]
) -> list[list[float]]:
    """`ssim` for each mask and each peak [mask][peak], in little more time than one takes."""
    reference, test = checked_pair(reference, test)
    masks = [checked_mask(mask, reference.shape) for mask in masks]
    peaks = [checked_peak(peak) for peak in peaks]

    def of_slice(k: int) -> list[list[tuple[float, float]]]:
        insides = [mask_slice(mask, k) for mask in masks]
        counted = [inside is None or bool(inside.any()) for inside in insides]
        if not any(counted):
            return [[(0.0, 0.0)] * len(peaks) for _ in masks]
        moments = _moments(float_slice(reference, k, "reference"), float_slice(test, k, "test"))
        maps = [np.multiply(*_terms(moments, peak)) for peak in peaks]
        return [
            [slice_mean(values, inside) if counts else (0.0, 0.0) for values in maps]
            for inside, counts in zip(insides, counted, strict=True)
        ]

    slices = list(map_slices(of_slice, len(reference)))
    return [
        [weighted_average(found[mask][peak] for found in slices) for peak in range(len(peaks))]
        for mask in range(len(masks))
    ]


def weighted_average(pairs) -> float:
    """Average of (value, weight) pairs; at least one weight is above zero."""
    values, weights = zip(*pairs, strict=True)
    return float(np.average(values, weights=weights))


def ssim_map(reference: np.ndarray, test: np.ndarray, peak: float) -> np.ndarray:
    """SSIM around each voxel, float32 [k, j, i] (computed in float64); borders reflect."""
    reference, test = checked_pair(reference, test)
    peak = checked_peak(peak)
    result = np.empty(reference.shape, np.float32)

    def of_slice(k: int) -> None:
        terms = similarity(float_slice(reference, k, "reference"), float_slice(test, k, "test"), peak)
        np.multiply(*terms, out=result[k], casting="same_kind")

    for _ in map_slices(of_slice, len(reference)):
        pass
    return result
