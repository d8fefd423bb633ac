"""The procedural CT: the same everywhere, labeled as it is drawn, and as hard to compress as a real one."""

import numpy as np
import pytest
from MedCompressLib import phantom

SMALL = (16, 64, 64)
MEDIUM = (20, 256, 256)
RECORDED_BLOCKS = [119.0, 114.44, 102.95, 117.16, 88.41, 41.38, -51.27, 21.33, 2.72, -14.62, -22.27, 46.61]
RECORDED_COUNTS = [58173, 4387, 92, 590, 395, 323, 588, 453, 535]


@pytest.fixture(scope="module")
def medium():
    return phantom.abdominal_ct(MEDIUM, seed=0)


def test_same_seed_same_voxels_and_another_seed_another_patient():
    ct, labels = phantom.abdominal_ct(SMALL, seed=3)
    again, labels_again = phantom.abdominal_ct(SMALL, seed=3)
    other, other_labels = phantom.abdominal_ct(SMALL, seed=4)
    assert ct.tobytes() == again.tobytes() and labels.tobytes() == labels_again.tobytes()
    assert (ct != other).mean() > 0.5 and (labels != other_labels).any()


def test_small_phantom_is_the_one_that_was_recorded():
    """Means of 4 x 4 x 4 blocks along the middle: coarser than what machines may differ in, finer than any edit."""
    ct, labels = phantom.abdominal_ct(SMALL, seed=0)
    blocks = ct.reshape(4, 4, 16, 4, 16, 4).mean(axis=(1, 3, 5))
    np.testing.assert_allclose(blocks[2, 7, 2:14], RECORDED_BLOCKS, atol=0.5)
    np.testing.assert_allclose(np.bincount(labels.ravel()), RECORDED_COUNTS, atol=2)


@pytest.mark.parametrize("shape", [SMALL, (3, 40, 90), MEDIUM])
def test_shape_types_range_and_geometry(shape):
    ct, labels = phantom.abdominal_ct(shape)
    assert ct.shape == labels.shape == shape
    assert ct.dtype == np.int16 and labels.dtype == np.uint8
    assert ct.min() == -1024 and ct.max() <= 3071
    spacing, origin = np.array(phantom.spacing(shape)), np.array(phantom.origin(shape))
    np.testing.assert_allclose(spacing * shape[::-1], phantom.FIELD_OF_VIEW)
    np.testing.assert_allclose(origin + spacing * (np.array(shape[::-1]) - 1) / 2, 0, atol=1e-9)
    assert set(np.unique(labels)) <= {0, *phantom.LABELS}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_label_is_present_down_to_the_small_shape(seed):
    _, labels = phantom.abdominal_ct(SMALL, seed)
    assert set(np.unique(labels)) == {0, *phantom.LABELS}


def test_labels_agree_with_hounsfield_units(medium):
    ct, labels = medium
    ranges = {
        "liver": (95, 115),
        "liver tumor": (30, 85),
        "vessels": (130, 180),
        "left kidney": (150, 210),
        "right kidney": (150, 210),
        "spine": (150, 400),
        "spleen": (110, 135),
        "stomach": (0, 60),
    }
    assert set(ranges) == set(phantom.LABELS.values())
    for value, name in phantom.LABELS.items():
        low, high = ranges[name]
        assert low < np.median(ct[labels == value]) < high, name


def test_sides_follow_lps(medium):
    _, labels = medium
    center_i = {name: np.argwhere(labels == value)[:, 2].mean() for value, name in phantom.LABELS.items()}
    center_j = {name: np.argwhere(labels == value)[:, 1].mean() for value, name in phantom.LABELS.items()}
    assert center_i["liver"] < center_i["spine"] < center_i["spleen"]
    assert center_i["right kidney"] < center_i["left kidney"]
    assert center_j["stomach"] < center_j["spine"]


def test_anatomy_is_volumetric(medium):
    """No slice repeats its neighbor, and none jumps: the liver's area changes in steps of a smooth solid."""
    _, labels = medium
    area = (np.isin(labels, (1, 2))).sum(axis=(1, 2)).astype(float)
    steps = np.abs(np.diff(area)) / area.max()
    assert steps.min() > 0 and steps.max() < 0.25


def test_noise_is_that_of_a_scanner(medium):
    """About 10 to 15 HU in the liver, correlated within the slice, and less in the air."""
    ct, labels = medium
    window = (slice(9, 13), slice(110, 130), slice(66, 86))
    patch = ct[window].astype(float)
    patch -= patch.mean(axis=(1, 2), keepdims=True)
    liver = labels[window] == 1
    assert liver.mean() > 0.6
    sd = patch[liver].std()
    assert 9 < sd < 17
    both = liver[:, :, 1:] & liver[:, :, :-1]
    assert np.corrcoef(patch[:, :, 1:][both], patch[:, :, :-1][both])[0, 1] > 0.3
    air = ct[:, 12:30, 110:146].std()
    assert 1 < air < 0.7 * sd


def test_lossless_size_is_that_of_a_real_abdomen(data_folder):
    """JPEG 2000 reversible, bits per voxel, against 20 slices of a patient: within 15 %."""
    sitk = pytest.importorskip("SimpleITK")
    imagecodecs = pytest.importorskip("imagecodecs")
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(data_folder / "ct_liver_dicom_j2k"))
    real = sitk.GetArrayFromImage(sitk.ReadImage(names))

    def bits(slices):
        packed = (
            imagecodecs.jpeg2k_encode((s.astype(np.int32) + 1024).astype(np.uint16), level=0, reversible=True)
            for s in slices
        )
        return 8 * sum(map(len, packed)) / slices.size

    ct, _ = phantom.abdominal_ct((6, 512, 512))
    assert bits(ct) == pytest.approx(bits(real[::4]), rel=0.15)
