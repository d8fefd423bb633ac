"""What the preview promises of a slice is what an archive then holds."""

import math

import numpy as np
import pytest
from MedCompressLib.compression import compress, decompress
from MedCompressLib.errors import MedCompressError
from MedCompressLib.phantom import abdominal_ct
from MedCompressLib.preview import Preview
from MedCompressLib.targets import Lossless, Psnr, Ratio
from MedCompressLib.volume import Volume


@pytest.fixture(scope="module")
def volume():
    return Volume(abdominal_ct((12, 160, 160))[0], modality="CT")


def test_lossless_trial_is_the_slice(volume):
    trial = Preview(volume).try_target(Lossless(), [3, 7])
    assert np.array_equal(trial.array, volume.array[[3, 7]])
    assert trial.psnr == math.inf and trial.max_error == 0 and trial.ratio > 1.5


def test_trial_figures_are_measured_on_the_slice(volume):
    trial = Preview(volume).try_target(Ratio(12), [5])
    error = trial.array[0].astype(float) - volume.array[5]
    assert trial.psnr == pytest.approx(10 * math.log10(4096**2 / np.mean(error**2)))
    assert trial.max_error == np.abs(error).max()
    assert trial.peak.value == 4096


@pytest.mark.parametrize("target", [Ratio(8), Psnr(52)])
def test_trial_predicts_the_archive(volume, target, tmp_path):
    trial = Preview(volume).try_target(target, range(len(volume.array)))
    report = compress(volume, tmp_path / "volume.mcz", target=target)
    assert trial.ratio == pytest.approx(report.ratio, rel=0.06)
    assert trial.psnr == pytest.approx(report.as_dict()["quality"]["psnr"], abs=0.4)
    worst = np.abs(decompress(tmp_path / "volume.mcz").array.astype(int) - volume.array).max()
    assert report.as_dict()["quality"]["max_error"] == worst


def test_curve_falls_and_reports_progress(volume):
    seen = []
    from MedCompressLib.jobs import Progress

    points = Preview(volume).curve((4, 8, 16, 32), most_slices=3, progress=Progress(lambda f, m: seen.append((f, m))))
    ratios, decibels = zip(*points, strict=True)
    assert ratios == pytest.approx((4, 8, 16, 32), rel=0.05)
    assert list(decibels) == sorted(decibels, reverse=True)
    assert [fraction for fraction, _ in seen] == [0, 0.25, 0.5, 0.75] and "3 slices" in seen[0][1]


def test_nan_is_refused_as_the_archive_would(volume):
    broken = volume.array.astype(np.float32)
    broken[0, 0, 0] = np.nan
    with pytest.raises(MedCompressError, match="--nan"):
        Preview(Volume(broken)).try_target(Ratio(5), [1])
    assert np.isfinite(Preview(Volume(broken), nan=-1024).try_target(Ratio(5), [0]).array).all()


@pytest.mark.parametrize("codec", ["htj2k", "volumetric"])
def test_curve_of_a_codec_without_a_size_control_comes_near_each_ratio(volume, codec):
    pytest.importorskip("imagecodecs")
    ratios, decibels = zip(*Preview(volume, codec).curve((4, 8, 16, 32)), strict=True)
    assert ratios == pytest.approx((4, 8, 16, 32), rel=0.15)
    assert list(decibels) == sorted(decibels, reverse=True)


def test_neighbors_are_slices_of_one_chunk(volume):
    assert list(Preview(volume).neighbors(5)) == [5]
    groups = [Preview(volume, "volumetric").neighbors(k) for k in range(12)]
    assert all(k in group and len(group) == 8 and 0 <= group[0] and group[-1] < 12 for k, group in enumerate(groups))
