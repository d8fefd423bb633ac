"""The whole report: equal to the single measures, ready for JSON, clear about wrong input, modest in memory."""

import json
import math
import tracemalloc

import numpy as np
import pytest
from MedCompressLib import quality
from MedCompressLib.errors import Cancelled, MedCompressError
from MedCompressLib.quality import compare


@pytest.fixture
def pair():
    rng = np.random.default_rng(3)
    reference = rng.integers(-1000, 2000, (6, 50, 40)).astype(np.int16)
    return reference, (reference + rng.integers(-40, 41, reference.shape)).astype(np.int16)


@pytest.fixture
def mask(pair):
    mask = np.zeros(pair[0].shape, np.uint8)
    mask[2:4, 10:30, 10:22] = 1
    return mask


def test_the_report_equals_the_single_measures(pair, mask):
    report = compare(*pair, modality="CT", mask=mask)
    for measures, region in ((report, None), (report.inside, mask), (report.outside, mask == 0)):
        assert measures.voxels == (pair[0].size if region is None else region.sum())
        assert measures.psnr == pytest.approx(quality.psnr(*pair, 4096, region), abs=1e-10)
        assert measures.mse == pytest.approx(quality.mse(*pair, region), rel=1e-12)
        assert measures.max_error == quality.max_error(*pair, region)
        assert measures.ssim == pytest.approx(quality.ssim(*pair, 4096, region), abs=1e-12)
        assert measures.ms_ssim == pytest.approx(quality.ms_ssim(*pair, 4096, region), abs=1e-12)
        assert measures.entropy_reference == pytest.approx(quality.entropy(pair[0], region), abs=1e-12)
        assert measures.entropy_test == pytest.approx(quality.entropy(pair[1], region), abs=1e-12)
    assert report.total_variation_reference == quality.weighted_total_variation(pair[0], mask)
    assert report.total_variation_test == quality.weighted_total_variation(pair[1], mask)
    assert (report.peak, report.peak_reason) == (4096, "4096, the CT convention")
    assert report.ms_ssim_scales == 2


def test_the_report_survives_json(pair, mask):
    report = compare(*pair, peak=65535, mask=mask)
    values = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert values == report.as_dict()
    assert {"psnr", "peak", "peak_reason", "ssim", "max_error", "mse"} <= values.keys()
    assert values["peak"] == 65535
    assert values["inside"]["psnr"] == report.inside.psnr


def test_equal_images_have_infinite_psnr_which_json_writes_as_null(pair):
    report = compare(pair[0], pair[0].copy(), modality="MR")
    assert (report.psnr, report.mse, report.max_error) == (math.inf, 0, 0)
    assert (report.ssim, report.ms_ssim) == (1, 1)
    assert json.loads(json.dumps(report.as_dict(), allow_nan=False))["psnr"] is None


def test_a_region_kept_exact_is_seen_as_such(pair, mask):
    reference, test = pair
    test = np.where(mask, reference, test)
    report = compare(reference, test, modality="CT", mask=mask)
    assert report.inside.psnr == math.inf
    assert report.inside.max_error == 0
    assert report.outside.max_error == report.max_error > 0


def test_a_mask_of_everything_has_no_outside(pair):
    report = compare(*pair, modality="CT", mask=np.ones(pair[0].shape))
    assert report.outside is None
    assert report.inside.ssim == pytest.approx(report.ssim, abs=1e-12)


def test_types_may_differ_between_the_images(pair):
    reference, test = pair
    as_float = compare(reference.astype(np.float32), test.astype(np.int32), modality="CT")
    as_short = compare(reference, test, modality="CT")
    for name in ("psnr", "mse", "max_error", "ssim", "ms_ssim", "entropy_reference", "entropy_test"):
        assert getattr(as_float, name) == pytest.approx(getattr(as_short, name), rel=1e-12)


def test_progress_rises_to_one_and_can_cancel(pair):
    seen = []
    compare(*pair, modality="CT", progress=lambda fraction, message: seen.append((fraction, message)))
    fractions = [fraction for fraction, _ in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert all(message for _, message in seen)

    def cancel(fraction, message):
        raise Cancelled

    with pytest.raises(Cancelled):
        compare(*pair, modality="CT", progress=cancel)


def wrong_inputs():
    image = np.zeros((2, 12, 13), np.float32)
    hole = image.copy()
    hole[1, 3, 4] = np.nan
    endless = image.copy()
    endless[0, 0, 0] = np.inf
    return {
        "shape": (image, image[:, :, 1:], {}, r"\(2, 12, 13\).*\(2, 12, 12\)"),
        "empty": (image[:0], image[:0], {}, "empty"),
        "axes": (image[0], image[0], {}, r"\[k, j, i\]"),
        "complex": (image.astype(complex), image, {}, "reference.*complex"),
        "nan": (image, hole, {}, "test image holds NaN.*--nan VALUE"),
        "inf": (endless, image, {}, "reference image holds NaN or infinite"),
        "mask shape": (image, image, {"mask": np.ones((2, 12, 12))}, r"mask.*\(2, 12, 12\).*\(2, 12, 13\)"),
        "mask empty": (image, image, {"mask": np.zeros(image.shape)}, "mask is empty"),
        "peak zero": (image, image, {"peak": 0}, "peak is 0.*above zero"),
        "peak nan": (image, image, {"peak": math.nan}, "peak is nan"),
    }


@pytest.mark.parametrize("case", wrong_inputs())
def test_wrong_input_is_named_with_its_remedy(case):
    reference, test, options, message = wrong_inputs()[case]
    options = {"peak": 4096} | options
    with pytest.raises(MedCompressError, match=message):
        compare(reference, test, **options)
    peak, mask = options["peak"], options.get("mask")
    for measure in (quality.psnr, quality.ssim, quality.ms_ssim):
        with pytest.raises(MedCompressError, match=message):
            measure(reference, test, peak, mask)


def test_memory_stays_below_one_copy_of_the_volume():
    reference = np.random.default_rng(0).integers(0, 4096, (500, 96, 96)).astype(np.uint16)
    test = reference ^ 5
    compare(reference[:2], test[:2], modality="CT")
    tracemalloc.start()
    try:
        compare(reference, test, modality="CT")
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < reference.nbytes


def test_a_real_ct_off_by_one(data_folder):
    SimpleITK = pytest.importorskip("SimpleITK")
    files = sorted((data_folder / "ct_liver_dicom_j2k").glob("CT.*"))[:4] or pytest.skip("no CT slices in the folder")
    image = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage([str(file) for file in files])).astype(np.int16)
    report = compare(image, image + np.int16(1), modality="CT")
    assert report.psnr == pytest.approx(20 * math.log10(4096), abs=1e-9)
    assert report.max_error == report.mse == 1
    assert 0.999 < report.ssim < 1
    assert report.entropy_test == pytest.approx(report.entropy_reference, abs=1e-12)
    assert report.ms_ssim_scales == 5


def test_values_too_large_to_square_are_refused_in_one_sentence():
    huge = np.random.default_rng(0).normal(size=(2, 12, 12)) * 1e200
    with pytest.raises(MedCompressError, match="too large"):
        compare(huge, huge)
