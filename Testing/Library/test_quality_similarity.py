"""SSIM against scikit-image, MS-SSIM against the papers' formulas written with scipy.signal."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from MedCompressLib.quality import ms_ssim, ms_ssim_map, ms_ssim_scales, ssim, ssim_map, ssims
from scipy.ndimage import gaussian_filter
from scipy.signal import convolve2d
from skimage.metrics import structural_similarity

WANG_2003 = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]


def textured(shape, dtype=np.int16, seed=0, low=-1000, high=3000):
    rng = np.random.default_rng(seed)
    image = gaussian_filter(rng.normal(size=shape), 2)
    image = (image - image.min()) / max(np.ptp(image), 1e-9) * (high - low) + low
    noisy = image + rng.normal(0, 0.05 * (high - low), shape)
    return image.astype(dtype), np.clip(noisy, low, high).astype(dtype)


def scikit_ssim(reference, test, peak):
    """Mean and map of one slice."""
    return structural_similarity(
        reference.astype(float),
        test.astype(float),
        data_range=peak,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )


def paper_terms(reference, test, peak, mode):
    """Luminance and contrast-structure of Wang 2004, eqs. 6, 9, 13, in a 2D window; borders mirrored or left out."""
    grid = np.mgrid[-5:6, -5:6]
    window = np.exp(-(grid**2).sum(0) / (2 * 1.5**2))
    window /= window.sum()
    if mode == "mirror":
        reference, test = (np.pad(image, 5, mode="symmetric") for image in (reference, test))

    def mean(image):
        return convolve2d(image, window, mode="valid")

    x, y = mean(reference), mean(test)
    variances = mean(reference**2) - x**2 + mean(test**2) - y**2
    covariance = mean(reference * test) - x * y
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    return (2 * x * y + c1) / (x**2 + y**2 + c1), (2 * covariance + c2) / (variances + c2)


def paper_ms_ssim(reference, test, peak, scales):
    """Wang 2003, eq. 7, of one slice: windows inside the slice, low-pass by 2x2 means."""
    weights = np.array(WANG_2003[:scales])
    if scales < 5:
        weights /= weights.sum()
    result = 1.0
    for scale in range(scales):
        luminance, structure = paper_terms(reference, test, peak, "valid")
        factor = (luminance * structure).mean() if scale == scales - 1 else structure.mean()
        result *= factor ** weights[scale]
        reference, test = (
            np.pad(image, [(0, n % 2) for n in image.shape], mode="symmetric") for image in (reference, test)
        )
        reference, test = (
            convolve2d(image, np.full((2, 2), 0.25), mode="valid")[::2, ::2] for image in (reference, test)
        )
    return result


@pytest.mark.parametrize(
    ("dtype", "low", "high", "peak"),
    [
        (np.int16, -1000, 3000, 4096.0),
        (np.uint16, 0, 65535, 65535.0),
        (np.uint8, 0, 255, 255.0),
        (np.int32, 0, 1_700_000, 1.7e6),
        (np.float32, -1, 1, 2.0),
    ],
)
def test_ssim_and_its_map_equal_scikit_image(dtype, low, high, peak):
    reference, test = textured((3, 61, 48), dtype, low=low, high=high)
    expected = [scikit_ssim(a, b, peak) for a, b in zip(reference, test, strict=True)]
    assert ssim(reference, test, peak) == pytest.approx(np.mean([mean for mean, _ in expected]), abs=1e-10)
    np.testing.assert_allclose(ssim_map(reference, test, peak), [full for _, full in expected], atol=1e-6)


@pytest.mark.parametrize("side", [200, 193, 97, 30, 11])
def test_ms_ssim_equals_the_paper(side):
    reference, test = textured((2, side, side + 9))
    scales = ms_ssim_scales(reference.shape)
    assert scales == {200: 5, 193: 5, 97: 4, 30: 2, 11: 1}[side]
    expected = [
        paper_ms_ssim(a.astype(float), b.astype(float), 4096.0, scales) for a, b in zip(reference, test, strict=True)
    ]
    assert ms_ssim(reference, test, 4096) == pytest.approx(np.mean(expected), abs=1e-10)


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 1, 40), (3, 7, 5), (1, 40, 10)])
def test_small_slices_mirror_at_the_border(shape):
    reference, test = textured(shape, np.float64, low=0, high=100)
    tiled = [np.pad(image, [(0, 0), (20, 20), (20, 20)], mode="symmetric") for image in (reference, test)]
    expected = np.stack(
        [np.prod(paper_terms(a, b, 100.0, "mirror"), axis=0)[20:-20, 20:-20] for a, b in zip(*tiled, strict=True)]
    )
    np.testing.assert_allclose(ssim_map(reference, test, 100), expected, atol=1e-6)
    counted = expected[(slice(None), *(slice(5, n - 5) if n >= 11 else slice(None) for n in shape[1:]))]
    assert ssim(reference, test, 100) == pytest.approx(counted.mean(), abs=1e-10)
    assert ms_ssim(reference, test, 100) == pytest.approx(ssim(reference, test, 100), abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(
    st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(1, 40)),
    st.sampled_from([np.uint8, np.uint16, np.int16, np.float32]),
    st.integers(0, 1000),
)
def test_equal_images_have_similarity_one_and_order_does_not_matter(shape, dtype, seed):
    rng = np.random.default_rng(seed)
    reference, test = (rng.integers(0, 200, shape).astype(dtype) for _ in range(2))
    for measure in (ssim, ms_ssim):
        assert measure(reference, reference, 200) == pytest.approx(1, abs=1e-15)
        assert measure(reference, test, 200) == pytest.approx(measure(test, reference, 200), abs=1e-12)
        assert -1 <= measure(reference, test, 200) <= 1
        assert measure(reference, test, 200, np.ones(shape)) == pytest.approx(measure(reference, test, 200), abs=1e-12)
    assert (ms_ssim_map(reference, reference, 200) == 1).all()


def test_constant_images_differ_in_luminance_only():
    reference, test = np.full((1, 20, 20), 1000, np.int16), np.full((1, 20, 20), 500, np.int16)
    c1 = (0.01 * 4096) ** 2
    expected = (2 * 1000 * 500 + c1) / (1000**2 + 500**2 + c1)
    assert ssim(reference, test, 4096) == pytest.approx(expected, abs=1e-12)


def test_a_large_offset_does_not_cancel_the_variance():
    reference, test = textured((1, 40, 40), np.float64, low=0, high=1)
    shifted = ssim_map(reference + 1e7, test + 1e7, 1.0)
    structure = paper_terms(reference[0], test[0], 1.0, "mirror")[1]
    np.testing.assert_allclose(shifted[0], structure, atol=1e-5)


def test_a_mask_averages_the_map_inside_it():
    reference, test = textured((4, 60, 70))
    test[:, 20:35, 30:50] = reference[:, 20:35, 30:50]
    inside = np.zeros(reference.shape, np.uint8)
    inside[1, 26:29, 36:44] = 3
    inside[2, 10:50, 10:60] = 1
    expected = ssim_map(reference, test, 4096)[inside != 0].mean(dtype=float)
    assert ssim(reference, test, 4096, inside) == pytest.approx(expected, abs=1e-6)

    kept = np.zeros(reference.shape, bool)
    kept[:, 26:29, 36:44] = True
    assert ssim(reference, test, 4096, kept) == pytest.approx(1, abs=1e-12)
    assert ms_ssim(reference, test, 4096, kept) > ms_ssim(reference, test, 4096)

    corner = np.zeros(reference.shape, bool)
    corner[0, :3, :3] = True
    assert ssim(reference, test, 4096, corner) == pytest.approx(
        ssim_map(reference, test, 4096)[corner].mean(dtype=float), abs=1e-6
    )


def test_the_multiscale_map_shows_where_the_damage_is():
    reference, _ = textured((1, 190, 203))
    test = reference.copy()
    rng = np.random.default_rng(5)
    test[0, 40:80, 120:170] += rng.normal(0, 400, (40, 50)).astype(np.int16)
    shown = ms_ssim_map(reference, test, 4096)
    assert shown.shape == reference.shape
    assert shown.min() >= 0
    assert shown.max() <= 1
    assert shown[0, 45:75, 125:165].mean() < 0.95
    assert shown[0, 160:, :40].min() > 0.999
    damage = 1 - shown[0].astype(float)
    center = [np.average(axis, weights=damage) for axis in np.indices(damage.shape)]
    np.testing.assert_allclose(center, [59.5, 144.5], atol=3)


def test_the_multiscale_map_of_an_even_difference_is_even():
    reference, test = np.full((1, 176, 181), 900.0), np.full((1, 176, 181), 600.0)
    c1 = (0.01 * 4096) ** 2
    expected = ((2 * 900 * 600 + c1) / (900**2 + 600**2 + c1)) ** 0.1333
    np.testing.assert_allclose(ms_ssim_map(reference, test, 4096), expected, rtol=2e-4)
    assert ms_ssim(reference, test, 4096) == pytest.approx(expected, rel=2e-4)


def test_many_masks_and_peaks_at_once_are_each_what_they_are_alone():
    reference, test = textured((3, 24, 30))
    some = np.zeros(reference.shape, bool)
    some[1, 5:9, 8:14] = True
    masks, peaks = [some, ~some, None], (4096.0, 65535.0)
    expected = [[ssim(reference, test, peak, mask) for peak in peaks] for mask in masks]
    assert ssims(reference, test, peaks, masks) == expected
    assert len({value for row in expected for value in row}) == 6
