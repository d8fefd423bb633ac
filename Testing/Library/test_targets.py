"""What is asked of a codec is what the archive holds: size, PSNR, largest error, quality; or an error that helps."""

import math

import numpy as np
import pytest
from archives import textured
from hypothesis import given, settings
from hypothesis import strategies as st
from MedCompressLib.archive.writer import archive_size
from MedCompressLib.codecs import codec_names, get_codec
from MedCompressLib.codecs.chunk_store import ChunkStore
from MedCompressLib.codecs.trend import Trend
from MedCompressLib.compression import compress, decompress
from MedCompressLib.encoding import encode, make_plan
from MedCompressLib.errors import MedCompressError
from MedCompressLib.phantom import abdominal_ct
from MedCompressLib.samples import bounded_mapping, measure
from MedCompressLib.sources import as_source
from MedCompressLib.targets import MaxError, Psnr, Quality, Ratio, target_as_dict, target_from_dict
from MedCompressLib.volume import Volume, read_volume

LOSSY = [name for name in codec_names() if get_codec(name).capabilities.lossy]
QUICK = [name for name in LOSSY if name != "hevc-slow"]


@pytest.fixture(scope="module")
def phantom():
    return Volume(abdominal_ct((24, 128, 128))[0], modality="CT")


def archived(volume, path, codec, target, **options):
    """Report as a dict and the samples that came back."""
    report = compress(volume, path / "a.mcz", codec, target, **options)
    return report.as_dict(), decompress(path / "a.mcz").array


@pytest.mark.parametrize("codec", QUICK)
@pytest.mark.parametrize("ratio", [4, 15, 60])
def test_ratio_of_the_file_is_met_within_2_percent(phantom, tmp_path, codec, ratio):
    document, _ = archived(phantom, tmp_path, codec, Ratio(ratio))
    assert document["ratio"] == pytest.approx(ratio, rel=0.02)
    assert document["file_size"] == (tmp_path / "a.mcz").stat().st_size


@pytest.mark.parametrize("codec", QUICK)
@pytest.mark.parametrize("decibels", [42, 55, 66])
def test_psnr_is_met_from_above_and_reported_as_measured(phantom, tmp_path, codec, decibels):
    document, array = archived(phantom, tmp_path, codec, Psnr(decibels))
    error = array.astype(float) - phantom.array
    measured = 10 * math.log10(4096**2 / np.mean(error**2))
    assert decibels <= measured <= decibels + 0.2
    assert document["quality"]["psnr"] == pytest.approx(measured)
    assert document["quality"]["max_error"] == np.abs(error).max()


@pytest.mark.parametrize("codec", codec_names())
@pytest.mark.parametrize("dtype, bound", [("int16", 3), ("uint8", 1), ("float32", 0.25), ("int32", 1.9)])
def test_maximum_error_is_never_exceeded(tmp_path, codec, dtype, bound):
    volume = Volume(textured((5, 40, 50), dtype) * np.dtype(dtype).type(1))
    document, array = archived(volume, tmp_path, codec, MaxError(bound))
    worst = np.abs(array.astype(float) - volume.array).max()
    assert 0.5 * math.floor(2 * bound) / 2 <= worst <= bound
    assert document["quality"]["max_error"] == worst and not document["lossless"]
    exact = compress(volume, tmp_path / "b.mcz", codec if dtype != "float32" else "deflate").file_size
    assert document["file_size"] < exact


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["int16", "uint16", "int32", "int64", "float32", "float64"]),
    st.floats(0.001, 1e6),
    st.floats(-1e6, 1e6),
    st.floats(1e-6, 1e9),
    st.integers(0, 999),
)
def test_bounded_mapping_keeps_its_bound_or_refuses(dtype, bound, start, span, seed):
    values = start + span * np.random.default_rng(seed).random(300)
    if np.dtype(dtype).kind != "f":
        values = np.clip(values, np.iinfo(dtype).min, np.iinfo(dtype).max)
    values = values.astype(dtype)
    try:
        mapping = bounded_mapping(dtype, measure(values), bound)
    except MedCompressError as error:
        assert "maximum error" in str(error)
        coarse = np.dtype(dtype).kind == "f" and bound < 8 * np.spacing(np.abs(values).max())
        assert coarse or np.ptp(values.astype(float)) / 65535 > 1.9 * math.floor(bound) or bound < 1
        return
    restored = mapping.inverse(mapping.forward(values))
    assert np.abs(restored.astype(np.longdouble) - values.astype(np.longdouble)).max() <= bound
    assert mapping.error_bound <= bound


def test_nan_needs_a_value_under_a_bound_too(tmp_path):
    array = textured((2, 20, 20), "float32")
    array[0, 3, 4] = np.nan
    with pytest.raises(MedCompressError, match="--nan"):
        compress(Volume(array), tmp_path / "a.mcz", "htj2k", MaxError(0.5))
    _, back = archived(Volume(array), tmp_path, "htj2k", MaxError(0.5), nan=-7)
    assert abs(back[0, 3, 4] + 7) <= 0.5
    assert np.nanmax(np.abs(back - array)) <= 0.5


@pytest.mark.parametrize("codec, fine, coarse", [("hevc", 5, 20), ("htj2k", 4, 60), ("jpeg2000", 60, 45)])
def test_quality_is_a_value_on_the_scale_of_the_codec(phantom, tmp_path, codec, fine, coarse):
    good, _ = archived(phantom, tmp_path, codec, Quality(fine))
    bad, _ = archived(phantom, tmp_path, codec, Quality(coarse))
    assert good["file_size"] > 1.3 * bad["file_size"] and good["quality"]["psnr"] > bad["quality"]["psnr"] + 3
    assert good["quality"]["knob"] == fine
    with pytest.raises(MedCompressError, match="scale of " + codec):
        compress(phantom, tmp_path / "a.mcz", codec, Quality(1e6))


@pytest.mark.parametrize("codec", ["jpegls", "jpegxl", "zstd"])
def test_codecs_without_a_lossy_mode_say_what_they_can(phantom, tmp_path, codec):
    for target in (Ratio(10), Psnr(50), Quality(1)):
        with pytest.raises(MedCompressError, match="maximum error"):
            compress(phantom, tmp_path / "a.mcz", codec, target)


@pytest.mark.parametrize("target", [Ratio(7.5), Psnr(45), MaxError(2), Quality(-3.5)])
def test_targets_survive_json(target):
    assert target_from_dict(target_as_dict(target)) == target
    assert f"{target.value:g}" in str(target)


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf])
def test_impossible_bounds_are_refused(value):
    with pytest.raises(MedCompressError, match="maximum error"):
        MaxError(value)


def test_wide_samples_go_through_hevc_exactly_and_unclipped(tmp_path):
    """16-bit samples: 12 bits in the pictures, the rest beside them."""
    random = np.random.default_rng(0)
    array = (textured((9, 60, 70), "int32") * 60 + random.integers(0, 60, (9, 60, 70))).clip(-32768, 32767)
    volume = Volume(array.astype(np.int16))
    for codec in ("hevc", "hevc-intra"):
        assert (archived(volume, tmp_path, codec, None)[1] == volume.array).all()
        document, _ = archived(volume, tmp_path, codec, Psnr(75))
        assert document["quality"]["psnr"] >= 75


def searched(source, codec, target):
    """Slices encoded in all, as multiples of the volume; ratio of the archive's bytes to come and PSNR."""
    plan, encoded = make_plan(source, codec, False), 0

    def try_group(start, stop, setting):
        nonlocal encoded
        encoded += stop - start
        return plan.try_group(start, stop, setting)

    with ChunkStore(len(plan.groups())) as chunks:
        manifest = encode(plan, target, chunks, 1, try_group=try_group)
    size = archive_size(manifest)
    return encoded / source.shape[0], plan.source_bytes / size, manifest.layers[0].quality["psnr"]


def assert_found_soon(volume, codec, target):
    cost, ratio, decibels = searched(as_source(volume), codec, target)
    assert cost <= 2.5
    if isinstance(target, Ratio):
        assert ratio == pytest.approx(target.value, rel=0.02)
    else:
        assert target.value <= decibels <= target.value + 0.2


@pytest.mark.parametrize("codec", ["hevc", "hevc-intra"])
@pytest.mark.parametrize("target", [Ratio(12), Ratio(40), Psnr(50)])
def test_the_search_costs_no_more_than_two_and_a_half_encodings(codec, target):
    assert_found_soon(Volume(abdominal_ct((96, 96, 96))[0], modality="CT"), codec, target)


@pytest.mark.parametrize("target", [Ratio(10), Ratio(20), Ratio(50), Psnr(45)])
@pytest.mark.parametrize("name", ["mr_abdomen_3mm/mr", "ct_abdomen_3mm/ct", "ct_abdomen_pelvis_3mm/ct"])
def test_the_search_costs_no_more_on_real_volumes_of_few_slices_and_many(data_folder, name, target):
    assert_found_soon(read_volume(data_folder / f"{name}.nii.gz"), "hevc", target)


@pytest.mark.parametrize(
    ("name", "target"),
    [("cta_aorta/ct", Ratio(10)), ("brats/brats_2013_pat0001_1_flair", Ratio(50)), ("cta_aorta/ct", Psnr(45))],
)
@pytest.mark.parametrize("codec", ["hevc", "volumetric"])
def test_the_search_costs_no_more_where_groups_differ(data_folder, codec, name, target):
    assert_found_soon(read_volume(data_folder / f"{name}.nii.gz"), codec, target)


def test_groups_without_an_error_weigh_nothing(tmp_path):
    """Two values alone come back exactly at all finer qualities, so no error says how far to go."""
    array = np.zeros((96, 16, 16), np.int16)
    array[::3, 4:9] = 3
    document, restored = archived(Volume(array), tmp_path, "hevc", Psnr(30))
    assert document["quality"]["max_error"] == 0 and (restored == array).all()


def smooth_phantom(slices=24):
    """Waves and a hill without any noise."""
    k, j, i = np.indices((slices, 96, 96)).astype(float)
    hill = 1000 * np.exp(-((j - 45) ** 2 + (i - 50) ** 2) / 900) * (1 + 0.2 * np.sin(k / 4))
    return np.rint(hill + 300 * np.sin(i / 13 + k / 5) * np.cos(j / 17)).astype(np.int16)


@pytest.mark.parametrize("codec", ["hevc", "hevc-cunha"])
@pytest.mark.parametrize("ratio", [8, 12, 14, 17, 25, 40, 70])
def test_smooth_volumes_reach_every_ratio(tmp_path, codec, ratio):
    document, _ = archived(Volume(smooth_phantom(), modality="CT"), tmp_path, codec, Ratio(ratio))
    assert document["ratio"] == pytest.approx(ratio, rel=0.02)


@settings(max_examples=100, deadline=None)
@given(st.floats(0.05, 0.95), st.floats(2, 40), st.floats(0.3, 3))
def test_trend_finds_the_place_on_any_smooth_rising_curve(place, slope, bend):
    def curve(position):
        return slope * position**bend

    trend, position = Trend(10.0), 0.4
    for _ in range(20):
        trend.add(position, curve(position))
        position = trend.find(curve(place))
        if abs(curve(position) - curve(place)) < 0.01:
            break
    assert abs(curve(position) - curve(place)) < 0.01
    assert len(trend.trials) <= 12


@pytest.mark.parametrize("codec", ["htj2k", "hevc", "jpegls", "jpegxl-fast", "zstd"])
def test_real_volumes_are_exact_and_within_bounds(data_folder, tmp_path, codec):
    for path in ("mr_abdomen_3mm/mr.nii.gz", "ct_abdomen_3mm/ct.nii.gz"):
        volume = read_volume(data_folder / path)
        assert (archived(volume, tmp_path, codec, None)[1] == volume.array).all()
        _, array = archived(volume, tmp_path, codec, MaxError(2))
        assert np.abs(array.astype(int) - volume.array).max() == 2
