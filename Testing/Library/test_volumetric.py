"""Volumetric coding: exact where promised, never worse than slice by slice, read as the page on the format says."""

import struct

import imagecodecs
import numpy as np
import pytest
from archives import textured
from hypothesis import given, settings
from hypothesis import strategies as st
from MedCompressLib.archive import Archive
from MedCompressLib.codecs import get_codec
from MedCompressLib.codecs.interface import Budget, Exact, Knob, SampleFormat
from MedCompressLib.codecs.volumetric import Volumetric, VolumetricJpeg2000
from MedCompressLib.codecs.volumetric_header import Header
from MedCompressLib.codecs.wavelet import forward_53, inverse_53, matrices_97
from MedCompressLib.compression import compress, decompress
from MedCompressLib.errors import MedCompressError
from MedCompressLib.phantom import abdominal_ct
from MedCompressLib.volume import Volume, read_volume

FORMATS = [(f"{sign}int{8 if bits <= 8 else 16}", bits) for sign in ("", "u") for bits in range(1, 17)]
CODECS = [Volumetric(), VolumetricJpeg2000()]
CT = SampleFormat("int16", 13)
HEADER = struct.Struct("<6Bid")


def squared_error(decoded, samples):
    return float(np.square(decoded.astype(float) - samples).mean())


def coded(codec, samples, setting, sample_format=CT):
    """Bytes and mean squared error."""
    chunk = codec.encode(samples, sample_format, setting)
    return len(chunk), squared_error(codec.decode(chunk, samples.shape, sample_format), samples)


@pytest.fixture(scope="module")
def phantom():
    """64 slices at 2.3 mm of a procedural CT with correlated noise."""
    return abdominal_ct((64, 128, 128))[0]


def noise_slices():
    """Slices that share nothing: the same structure would help a wavelet along them."""
    return np.random.default_rng(1).normal(0, 60, (32, 96, 96)).astype(np.int16)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(CODECS),
    st.sampled_from(FORMATS),
    st.tuples(st.integers(1, 40), st.integers(1, 20), st.integers(1, 20)),
    st.integers(0, 99),
)
def test_exact_for_every_type_range_and_size(codec, kind, shape, seed):
    dtype, bits = kind
    low = -(1 << bits - 1) if dtype[0] == "i" else 0
    samples = np.random.default_rng(seed).integers(low, low + (1 << bits), shape)
    samples.flat[0], samples.flat[-1] = low, low + (1 << bits) - 1
    samples = samples.astype(dtype)
    sample_format = SampleFormat(dtype, bits)
    back = codec.decode(codec.encode(samples, sample_format, Exact()), shape, sample_format)
    assert back.dtype == samples.dtype and (back == samples).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(0, 3), st.integers(1, 16), st.integers(0, 99))
def test_reversible_wavelet_is_reversible_and_the_one_of_the_standard(slices, levels, bits, seed):
    samples = np.random.default_rng(seed).integers(-(1 << bits), 1 << bits, (slices, 7)).astype(np.int32)
    coefficients = forward_53(samples, levels)
    assert (inverse_53(coefficients, levels) == samples).all()
    if slices > 2:
        x = np.pad(samples, [(2, 2), (0, 0)], mode="reflect")
        high = x.copy()
        high[1:-1] = x[1:-1] - np.floor((x[:-2] + x[2:]) / 2)
        low = x[1:-1] + np.floor((high[:-2] + high[2:] + 2) / 4)
        expected = np.concatenate([low[1:-1][::2], high[2:-2][1::2]])
        assert (forward_53(samples, 1) == expected).all()


@pytest.mark.parametrize("slices", [2, 3, 4, 5, 8, 13, 32, 33])
def test_irreversible_wavelet_is_that_of_pywavelets(slices):
    """Whole-sample symmetric extension is periodic extension of the slices followed by their mirror image."""
    pywt = pytest.importorskip("pywt", reason="PyWavelets is not installed")
    ours, _ = matrices_97(slices, 1)
    mirrored = np.concatenate([np.eye(slices), np.eye(slices)[-2:0:-1]])
    if len(mirrored) == 2:
        mirrored = np.concatenate([mirrored, mirrored])
    bands = pywt.dwt(mirrored, "bior4.4", mode="periodization", axis=0)
    theirs = np.concatenate(bands)
    theirs /= np.linalg.norm(theirs, axis=1, keepdims=True)
    agreement = np.abs(ours / np.linalg.norm(ours, axis=1, keepdims=True) @ theirs.T)
    assert agreement.max(axis=1) == pytest.approx(np.ones(slices), abs=1e-9)
    lows = -(-slices // 2)
    assert agreement[:lows].argmax(axis=1).max() < len(bands[0]) <= agreement[lows:].argmax(axis=1).min()


@pytest.mark.parametrize("slices", range(1, 41))
def test_irreversible_wavelet_inverts_and_weighs_all_errors_alike(slices):
    for levels in range(4):
        analysis, synthesis = matrices_97(slices, levels)
        assert synthesis @ analysis == pytest.approx(np.eye(slices), abs=1e-12)
        assert np.linalg.norm(synthesis, axis=0) == pytest.approx(np.ones(slices))


def in_equal_bytes(samples, size, sample_format):
    """Mean squared error of JPEG 2000, slice by slice, when each slice takes its share of so many bytes."""
    share = Budget(size // len(samples))
    plain = [coded(get_codec("jpeg2000"), plane[np.newaxis], share, sample_format)[1] for plane in samples]
    return sum(plain) / len(plain)


def at_equal_size(plain, samples, size):
    """Mean squared error of a codec with a quantization step when its chunks, slice by slice, take so many bytes."""
    low, high = 0.5, 5000.0
    for _ in range(12):
        step = (low * high) ** 0.5
        sizes, errors = zip(*(coded(plain, plane[np.newaxis], Knob(step)) for plane in samples), strict=True)
        low, high = (step, high) if sum(sizes) > size else (low, step)
    return sum(errors) / len(errors)


@pytest.mark.parametrize("step", [4.0, 30.0, 120.0])
def test_never_worse_than_slice_by_slice_at_equal_size(phantom, step):
    for samples, gain in ((phantom[16:48], 10**0.1), (noise_slices(), 0.98)):
        size, error = coded(VolumetricJpeg2000(), samples, Knob(step))
        assert error * gain < in_equal_bytes(samples, size, CT)
        size, error = coded(Volumetric(), samples, Knob(step))
        assert error * gain < 1.02 * at_equal_size(get_codec("htj2k"), samples, size)


def test_exact_coding_is_never_larger_than_slice_by_slice(phantom):
    for codec, plain in zip(CODECS, ("htj2k", "jpeg2000"), strict=True):
        for samples, gain in ((phantom[16:48], 1.03), (noise_slices(), 1.0)):
            slices = sum(len(get_codec(plain).encode(plane[np.newaxis], CT, Exact())) for plane in samples)
            assert gain * len(codec.encode(samples, CT, Exact())) < 1.002 * slices


def test_slices_that_share_nothing_are_not_transformed(phantom):
    for setting in (Exact(), Knob(40.0)):
        assert Header.unpack(Volumetric().encode(noise_slices(), CT, setting)).levels == 0
        assert Header.unpack(Volumetric().encode(phantom[:32], CT, setting)).levels >= 2


@pytest.mark.parametrize("slices", [1, 2, 5, 32])
def test_the_error_is_that_of_the_step(phantom, slices):
    for step in (3.0, 20.0, 100.0):
        error = coded(VolumetricJpeg2000(), phantom[:slices], Knob(step))[1]
        assert error == pytest.approx(step**2 / 12, rel=0.25)
        assert coded(Volumetric(), phantom[:slices], Knob(step))[1] < 3 * step**2 / 12


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_a_coarser_step_gives_smaller_chunks_and_larger_errors(phantom, codec):
    steps = [0.5, 2, 10, 50, 300, 4000]
    sizes, errors = zip(*(coded(codec, phantom[:32], Knob(step)) for step in steps), strict=True)
    assert list(sizes) == sorted(sizes, reverse=True) and list(errors) == sorted(errors)
    assert errors[0] < 0.1 and sizes[-1] < phantom[:32].nbytes / 900


@pytest.mark.parametrize(("dtype", "low", "high"), [("int16", -32768, 32767), ("uint16", 0, 65535), ("uint8", 0, 255)])
@pytest.mark.parametrize("step", [0.5, 64.0, 16384.0])
def test_the_ends_of_the_range_never_wrap_around(dtype, low, high, step):
    checks = np.random.default_rng(0).choice([low, high], (9, 24, 24)).astype(dtype)
    sample_format = SampleFormat(dtype, 8 * checks.itemsize)
    for codec in CODECS:
        _, error = coded(codec, checks, Knob(step), sample_format)
        assert error <= min(max(step, 8) ** 2, 0.3 * (high - low) ** 2)


def lifted(planes, levels, reversible):
    """The inverse wavelet as the format page words it."""
    lists, order, high = [list(range(len(planes)))], list(range(len(planes))), []
    while len(lists) <= levels and len(lists[-1]) >= 2:
        high = lists[-1][1::2] + high
        lists.append(lists[-1][::2])
        order = lists[-1] + high
    x = np.empty_like(planes)
    x[order] = planes
    weights = (-0.443506852043971, -0.882911075530934, 0.052980118572961, 1.586134342059924)
    for members in reversed(lists[:-1]):
        for line in range(2 if reversible else 4):
            for i in range(line % 2, len(members), 2):
                left = members[i - 1 if i else 1]
                right = members[i + 1 if i + 1 < len(members) else i - 1]
                both = x[left] + x[right]
                change = [-((both + 2) // 4), both // 2][line] if reversible else weights[line] * both
                x[members[i]] = x[members[i]] + change
    return x


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
@pytest.mark.parametrize("setting", [Exact(), Knob(20.0)], ids=["exact", "lossy"])
@pytest.mark.parametrize("slices", [1, 2, 3, 4])
def test_a_reader_made_from_the_format_page_agrees(phantom, codec, setting, slices):
    samples = phantom[30 : 30 + slices]
    chunk = codec.encode(samples, CT, setting)
    version, kind, levels, reversible, precision, _, offset, unit = HEADER.unpack_from(chunk)
    assert version == 1
    decode = (imagecodecs.jpeg2k_decode, imagecodecs.htj2k_decode)[kind]
    planes = decode(chunk[HEADER.size :], planar=True).reshape(samples.shape).astype(int)
    if reversible:
        assert (lifted(planes, levels, True) + offset == samples).all()
        return
    norms = np.linalg.norm(lifted(np.eye(slices), levels, False), axis=0)
    expected = np.rint(lifted(planes * (unit / norms)[:, None, None], levels, False) + offset)
    assert np.abs(codec.decode(chunk, samples.shape, CT) - expected).max() <= 1


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_a_false_header_is_refused(codec):
    samples = textured((5, 20, 24))
    chunk = codec.encode(samples, CT, Exact())
    fields = HEADER.unpack_from(chunk)
    false = [(0, 2), (1, 2), (2, 4), (3, 2), (3, 0, 7, 0.0), (4, 0), (4, 33), (4, 20), (5, 1), (6, 1 << 17), (7, 2.0)]
    false += [(3, 0, 7, unit) for unit in (-1.0, float("nan"), float("inf"), 1e300, 1e-300)]
    for changes in false:
        altered = list(fields)
        for place, value in zip(changes[::2], changes[1::2], strict=True):
            altered[place] = value
        with pytest.raises(MedCompressError, match="restore"):
            codec.decode(HEADER.pack(*altered) + chunk[HEADER.size :], samples.shape, CT)
    width = struct.Struct(">I").pack(24)
    huge = chunk.replace(width, struct.Struct(">I").pack(2**31 - 1))
    for damaged in (chunk[:5], chunk[: HEADER.size], chunk[: HEADER.size + 30], chunk[:-200], huge, b""):
        with pytest.raises(MedCompressError, match="restore"):
            codec.decode(damaged, samples.shape, CT)
    for shape in ((4, 20, 24), (6, 20, 24), (5, 24, 20), (5, 2000, 2400)):
        with pytest.raises(MedCompressError, match="restore"):
            codec.decode(chunk, shape, CT)


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_padding_costs_next_to_nothing_and_stays_exact(phantom, codec):
    image = phantom[:32]
    j, i = np.indices(image.shape[1:])
    outside = np.broadcast_to(np.hypot(j - 64, i - 64) > 60, image.shape)
    padded = np.where(outside, np.int16(-3024), image)
    for setting in (Exact(), Knob(20.0)):
        plain = codec.encode(np.where(outside, image[~outside].min(), image), CT, setting)
        chunk = codec.encode(padded, CT, setting)
        assert (plain[0], chunk[0]) == (1, 2) and len(chunk) < 1.02 * len(plain) + 300
        decoded = codec.decode(chunk, padded.shape, CT)
        assert ((decoded == -3024) == outside).all() and (isinstance(setting, Knob) or (decoded == padded).all())
        size = int.from_bytes(chunk[4:8], "little")
        assert int.from_bytes(chunk[2:4], "little") == 4096 - 3024 and chunk[8 + size :] == plain
        older = codec._encode_best(padded, CT, setting)
        assert older[0] == 1 and len(older) > len(chunk)
        assert np.abs(codec.decode(older, padded.shape, CT).astype(int) - padded).max() <= setting_error(setting)
    for damaged in (chunk[:8], chunk[:20], chunk[: 8 + size], chunk[:4] + b"\xff" * 4 + chunk[8:]):
        with pytest.raises(MedCompressError, match="restore"):
            codec.decode(damaged, padded.shape, CT)
    with pytest.raises(MedCompressError, match="restore"):
        codec.decode(chunk, padded.shape, SampleFormat("int16", 10))


def setting_error(setting):
    """More than the largest error of a sample that a setting makes."""
    return 0 if isinstance(setting, Exact) else 5 * setting.value


@pytest.mark.parametrize("codec", [codec.name for codec in CODECS])
def test_a_slab_is_that_part_of_the_volume(tmp_path, codec):
    volume = Volume(textured((70, 24, 20)))
    compress(volume, tmp_path / "a.mcz", codec)
    assert (decompress(tmp_path / "a.mcz").array == volume.array).all()
    with Archive(tmp_path / "a.mcz") as archive:
        assert archive.group_slices == 32
        for start, stop in ((0, 1), (31, 33), (60, 70)):
            assert (archive.read_slab(start, stop) == volume.array[start:stop]).all()


@pytest.mark.parametrize("name", ["cta_aorta/ct.nii.gz", "mr_abdomen_3mm/mr.nii.gz", "ct_abdomen_3mm/ct.nii.gz"])
def test_never_worse_than_slice_by_slice_on_real_volumes(data_folder, name):
    samples = read_volume(data_folder / name).array[:32].astype(np.int16)
    wide = SampleFormat("int16", 16)
    for step in (20.0, 200.0):
        size, error = coded(VolumetricJpeg2000(), samples, Knob(step), wide)
        assert error < in_equal_bytes(samples, size, wide)
