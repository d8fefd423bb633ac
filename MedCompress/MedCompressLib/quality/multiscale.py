"""MS-SSIM within each slice, after Wang, Simoncelli, Bovik 2003, Asilomar Conf. Signals Syst. Comput., 1398-1402."""

from collections.abc import Iterator

import numpy as np

from .checks import checked_mask, checked_pair, checked_peak, float_slice, mask_slice
from .slices import map_slices
from .structural_similarity import RADIUS, similarity, slice_mean, weighted_average

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def ms_ssim_scales(shape: tuple[int, ...]) -> int:
    """How many of the five scales a volume of shape [k, j, i] has: those on which a slice holds an 11x11 window.

    Five from 176 pixels on; at least one, and then MS-SSIM is SSIM.
    """
    shortest = min(shape[-2:])
    return max(1, sum(shortest >> scale > 2 * RADIUS for scale in range(len(WEIGHTS))))


def scale_weights(count: int) -> np.ndarray:
    """The published exponents of five scales; those of the first `count` renormalized to sum to one where fewer."""
    weights = np.array(WEIGHTS[:count])
    return weights if count == len(WEIGHTS) else weights / weights.sum()


def halved(image: np.ndarray) -> np.ndarray:
    """Means of 2x2 pixels of a slice [j, i]; an odd last row or column is repeated."""
    image = np.pad(image, [(0, n % 2) for n in image.shape], mode="edge")
    return 0.25 * (image[::2, ::2] + image[1::2, ::2] + image[::2, 1::2] + image[1::2, 1::2])


def scale_terms(
    reference: np.ndarray, test: np.ndarray, peak: float, count: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Luminance and contrast-structure maps of two slices [j, i], from full resolution to coarsest."""
    for scale in range(count):
        if scale:
            reference, test = halved(reference), halved(test)
        yield similarity(reference, test, peak)


def slice_similarity(
    reference: np.ndarray, test: np.ndarray, peak: float, regions: list[np.ndarray | None]
) -> list[tuple[float, float, float]]:
    """(SSIM, MS-SSIM, voxels that count) of two slices [j, i] in each region (booleans [j, i], None for all).

    Wang 2003, eq. 7, with the means of the maps as factors as in its authors' code; negative factors count as 0.
    """
    count = ms_ssim_scales(reference.shape)
    exponents = scale_weights(count)
    result = [[0.0, 1.0, 0.0] for _ in regions]
    for scale, (luminance, structure) in enumerate(scale_terms(reference, test, peak, count)):
        if scale:
            regions = [None if region is None else halved(region.astype(np.float64)) for region in regions]
        complete = luminance * structure if scale in (0, count - 1) else None
        for row, region in zip(result, regions, strict=True):
            if scale == 0:
                row[0], row[2] = slice_mean(complete, region)
            factor = slice_mean(complete if scale == count - 1 else structure, region)[0]
            row[1] *= max(factor, 0.0) ** exponents[scale]
    return [tuple(row) for row in result]


def ms_ssim(reference: np.ndarray, test: np.ndarray, peak: float, mask: np.ndarray | None = None) -> float:
    """Mean multi-scale structural similarity of two images [k, j, i], 0 to 1: in-plane, averaged over the slices.

    Five scales, fewer with renormalized exponents for slices below 176 pixels (`ms_ssim_scales`).
    L = peak, as in `ssim`: report both.
    With a mask each factor is the mean over the mask at its scale, slices are weighted by their voxels in the mask.
    """
    reference, test = checked_pair(reference, test)
    mask, peak = checked_mask(mask, reference.shape), checked_peak(peak)

    def of_slice(k: int) -> tuple[float, float]:
        inside = mask_slice(mask, k)
        if inside is not None and not inside.any():
            return 0.0, 0.0
        images = float_slice(reference, k, "reference"), float_slice(test, k, "test")
        return slice_similarity(*images, peak, [inside])[0][1:]

    return weighted_average(map_slices(of_slice, len(reference)))


def ms_ssim_map(reference: np.ndarray, test: np.ndarray, peak: float) -> np.ndarray:
    """MS-SSIM around each voxel, float32 [k, j, i], 0 to 1: eq. 7 voxel by voxel.

    Coarse maps are brought to full resolution by linear interpolation between pixel centers; negative factors count
    as 0. `ms_ssim` is a product of means, so it is not the mean of this map.
    For display, as in Cunha et al. 2023, fig. 8.
    """
    reference, test = checked_pair(reference, test)
    peak, count = checked_peak(peak), ms_ssim_scales(reference.shape)
    exponents = scale_weights(count)
    result = np.empty(reference.shape, np.float32)

    def of_slice(k: int) -> None:
        images = float_slice(reference, k, "reference"), float_slice(test, k, "test")
        product = np.ones(reference.shape[1:])
        for scale, (luminance, structure) in enumerate(scale_terms(*images, peak, count)):
            factor = structure if scale < count - 1 else luminance * structure
            product *= np.maximum(enlarged(factor, scale, product.shape), 0) ** exponents[scale]
        result[k] = product

    for _ in map_slices(of_slice, len(reference)):
        pass
    return result


def enlarged(image: np.ndarray, scale: int, shape: tuple[int, ...]) -> np.ndarray:
    """A map [j, i] of a coarser scale on the full grid of the given shape, by linear interpolation."""
    from scipy.ndimage import affine_transform

    if scale == 0:
        return image
    step = 0.5**scale
    return affine_transform(image, [step, step], (step - 1) / 2, output_shape=shape, order=1, mode="nearest")
