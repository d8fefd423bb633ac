"""Mean squared error, maximum error and PSNR against exact integer arithmetic and scikit-image."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from MedCompressLib.errors import MedCompressError
from MedCompressLib.quality import ErrorSum, choose_peak, compare, max_error, mse, psnr
from skimage.metrics import peak_signal_noise_ratio

INTEGER_TYPES = [np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64]


@st.composite
def integer_pairs(draw):
    dtype = draw(st.sampled_from(INTEGER_TYPES))
    shape = draw(hnp.array_shapes(min_dims=3, max_dims=3, max_side=5))
    return draw(hnp.arrays(dtype, shape)), draw(hnp.arrays(dtype, shape))


@settings(max_examples=60, deadline=None)
@given(integer_pairs())
def test_errors_of_integers_equal_exact_arithmetic(pair):
    reference, test = pair
    differences = [int(a) - int(b) for a, b in zip(reference.flat, test.flat, strict=True)]
    exact = Fraction(sum(d * d for d in differences), len(differences))

    assert max_error(reference, test) == float(max(map(abs, differences)))
    assert mse(reference, test) == pytest.approx(float(exact), rel=1e-14)
    if exact:
        assert psnr(reference, test, 4096) == pytest.approx(10 * math.log10(4096**2 / exact), abs=1e-10)
    else:
        assert psnr(reference, test, 4096) == math.inf


@settings(max_examples=40, deadline=None)
@given(integer_pairs(), st.data())
def test_slabs_add_up_to_the_volume_and_the_mask_divides_it(pair, data):
    reference, test = pair
    cut = data.draw(st.integers(0, len(reference)))
    by_slab = ErrorSum()
    by_slab.add(reference[:cut], test[:cut])
    by_slab.add(reference[cut:], test[cut:])
    assert by_slab.max_error == max_error(reference, test)
    assert by_slab.mse == pytest.approx(mse(reference, test), rel=1e-14)
    assert by_slab.count == reference.size

    mask = data.draw(hnp.arrays(np.bool_, reference.shape))
    inside, outside = ErrorSum(), ErrorSum()
    inside.add(reference, test, mask)
    outside.add(reference, test, ~mask)
    inside.merge(outside)
    assert inside.mse == pytest.approx(by_slab.mse, rel=1e-14)
    if mask.any():
        pairs = zip(reference[mask].tolist(), test[mask].tolist(), strict=True)
        exact = Fraction(sum((a - b) ** 2 for a, b in pairs), int(mask.sum()))
        assert mse(reference, test, mask) == pytest.approx(float(exact), rel=1e-14)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("peak", [255.0, 4096.0, 65535.0])
def test_psnr_equals_scikit_image(dtype, peak):
    rng = np.random.default_rng(1)
    reference, test = (rng.integers(0, 255, (3, 20, 30)).astype(dtype) for _ in range(2))
    expected = peak_signal_noise_ratio(reference.astype(float), test.astype(float), data_range=peak)
    assert psnr(reference, test, peak) == pytest.approx(expected, abs=1e-10)


def test_unsigned_extremes_do_not_wrap_around():
    black, white = np.zeros((1, 2, 2), np.uint16), np.full((1, 2, 2), 65535, np.uint16)
    assert max_error(black, white) == 65535
    assert psnr(black, white, 65535) == pytest.approx(0, abs=1e-12)


def test_errors_between_values_that_float64_cannot_tell_apart_are_exact():
    top = np.iinfo(np.int64).max
    reference = np.array([[[top, top - 1, -top]]], np.int64)
    test = np.array([[[top - 3, top, -top]]], np.int64)
    report = compare(reference, test)
    assert (report.max_error, report.mse, report.peak) == (3, 10 / 3, float(2 * top))
    assert choose_peak("MR", reference[:, :, :2]).value == 1


@pytest.mark.parametrize(
    ("modality", "value", "words"),
    [
        ("CT", 4096, "4096, the CT convention"),
        ("ct ", 4096, "CT"),
        ("MR", 1873, "1873, data range of the reference (MR)"),
        ("PT", 1873, "PT"),
        (None, 1873, "modality unknown"),
    ],
)
def test_the_peak_follows_the_modality(modality, value, words):
    image = np.linspace(-73, 1800, 24).reshape(2, 3, 4).astype(np.int16)
    peak = choose_peak(modality, image)
    assert peak.value == value
    assert words in peak.reason


def test_the_peak_of_a_full_range_or_constant_image_is_defined():
    full = np.array([[[-32768, 32767]]], np.int16)
    assert choose_peak("MR", full).value == 65535
    constant = choose_peak("MR", np.full((2, 2, 2), 7, np.uint8))
    assert constant.value == 1
    assert "constant" in constant.reason


def test_an_empty_sum_says_what_to_do():
    with pytest.raises(MedCompressError, match="add a slab"):
        _ = ErrorSum().mse
    with pytest.raises(MedCompressError, match=r"\(2, 3\).*\(3, 2\)"):
        ErrorSum().add(np.zeros((2, 3)), np.zeros((3, 2)))
