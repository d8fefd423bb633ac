"""Entropy against scipy and scikit-image, weighted total variation against equation 7 written out."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from MedCompressLib.quality import entropy, weighted_total_variation
from skimage.measure import label, regionprops, shannon_entropy

TYPES = [np.bool_, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64, np.float32, np.float64]


@st.composite
def images(draw):
    dtype = np.dtype(draw(st.sampled_from(TYPES)))
    shape = draw(hnp.array_shapes(min_dims=3, max_dims=3, max_side=6))
    elements = {"allow_nan": False, "allow_infinity": False} if dtype.kind == "f" else None
    return draw(hnp.arrays(dtype, shape, elements=elements))


@settings(max_examples=150, deadline=None)
@given(images(), st.data())
def test_entropy_equals_scipy_for_every_type(image, data):
    counts = np.unique(image, return_counts=True)[1]
    assert entropy(image) == pytest.approx(scipy.stats.entropy(counts, base=2), abs=1e-12)
    mask = data.draw(hnp.arrays(np.bool_, image.shape))
    if mask.any():
        counts = np.unique(image[mask], return_counts=True)[1]
        assert entropy(image, mask) == pytest.approx(scipy.stats.entropy(counts, base=2), abs=1e-12)


def test_entropy_of_a_larger_image_equals_scikit_image_in_either_way_of_counting():
    image = np.random.default_rng(0).normal(0, 300, (50, 150, 170)).astype(np.int16)
    expected = shannon_entropy(image)
    assert entropy(image) == pytest.approx(expected, abs=1e-10)
    assert entropy(image.astype(np.float32) / 8) == pytest.approx(expected, abs=1e-10)


def test_entropy_of_constant_and_of_even_images():
    assert entropy(np.full((2, 3, 4), -7, np.int16)) == 0
    assert entropy(np.arange(256, dtype=np.uint8).reshape(1, 16, 16)) == 8


def equation_7(image, top, left, height, width):
    """Cunha et al. 2023, eq. 7, loop by loop; beyond the image nothing changes."""
    rows, columns = image.shape
    total = 0.0
    for i in range(top, top + height):
        for j in range(left, left + width):
            here = float(image[i, j])
            below = float(image[i + 1, j]) if i + 1 < rows else here
            beside = float(image[i, j + 1]) if j + 1 < columns else here
            total += math.sqrt((below - here) ** 2 + (beside - here) ** 2)
    return total / (height * width)


@settings(max_examples=40, deadline=None)
@given(hnp.array_shapes(min_dims=3, max_dims=3, max_side=9), st.floats(0.05, 0.95), st.integers(0, 10**6))
def test_total_variation_is_equation_7_averaged_over_the_boxes(shape, filled, seed):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 65536, shape).astype(np.uint16)
    annotation = (rng.random(shape) < filled) * 5
    annotation.flat[0] = 5
    values = []
    for part, marked in zip(image, annotation, strict=True):
        for region in regionprops(label(marked != 0, connectivity=2)):
            top, left, bottom, right = region.bbox
            values.append(equation_7(part, top, left, bottom - top, right - left))
    assert weighted_total_variation(image, annotation) == pytest.approx(np.mean(values), rel=1e-12)
    whole = np.mean([equation_7(part, 0, 0, *part.shape) for part in image])
    assert weighted_total_variation(image) == pytest.approx(whole, rel=1e-12)


def test_total_variation_of_a_ramp_is_its_slope():
    j, i = np.mgrid[:20, :30]
    ramp = (3.0 * j + 4.0 * i)[None]
    annotation = np.zeros(ramp.shape, bool)
    annotation[0, 5:9, 10:14] = True
    assert weighted_total_variation(ramp, annotation) == pytest.approx(5)
