"""Every codec gives back what it was given: any integer type, range, sign and size; and says so when it cannot."""

import bz2
import gzip
import lzma
import struct
import time
import types
import zlib
from concurrent.futures import ThreadPoolExecutor

import av
import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from MedCompressLib.codecs import codec_names, get_codec
from MedCompressLib.codecs.group_search import encode_to
from MedCompressLib.codecs.interface import Budget, Distortion, Exact, Knob, Near, SampleFormat
from MedCompressLib.codecs.padding import find_range
from MedCompressLib.codecs.residual import pack_residual, unpack_residual
from MedCompressLib.errors import MedCompressError
from MedCompressLib.phantom import abdominal_ct

CODECS = [name for name in codec_names() if not name.startswith("volumetric")]
EXAMPLES = {"hevc": 25, "hevc-slow": 8, "hevc-intra": 12, "hevc-cunha": 12, "jpegxl": 15}
SHAPES = [(1, 1, 1), (1, 1, 70), (1, 33, 1), (2, 64, 64), (3, 13, 17), (5, 65, 67), (9, 8, 24), (17, 5, 9)]
LOSSY = [name for name in CODECS if get_codec(name).capabilities.lossy and name != "hevc-slow"]
CT = SampleFormat("int16", 12)


@st.composite
def groups(draw):
    """Samples of 1 to 16 bit, signed or not, that use all of their range, some of it, or one value of it."""
    bits = draw(st.integers(1, 16))
    signed = draw(st.booleans())
    dtype = f"{'' if signed else 'u'}int{8 if bits <= 8 else 16}"
    lowest = -(1 << (bits - 1)) if signed else 0
    highest = lowest + (1 << bits) - 1
    shape = draw(st.sampled_from(SHAPES))
    random = np.random.default_rng(draw(st.integers(0, 999)))
    kind = draw(st.sampled_from(["noise", "constant", "extremes", "smooth", "padded"]))
    if kind == "constant":
        samples = np.full(shape, draw(st.sampled_from([lowest, highest, (lowest + highest) // 2])))
    elif kind == "extremes":
        samples = random.choice([lowest, highest], shape)
    else:
        samples = random.integers(lowest, highest, shape, endpoint=True)
    if kind in ("smooth", "padded"):
        samples = lowest + (samples - lowest) // 16 + (np.indices(shape).sum(axis=0) * (highest - lowest)) // 200
        samples = np.minimum(samples, highest)
    if kind == "padded":
        samples[random.random(shape) < 0.4] = draw(st.sampled_from([lowest, highest]))
    return samples.astype(dtype), SampleFormat(dtype, bits)


def back(codec, chunk, samples, sample_format):
    decoded = codec.decode(chunk, samples.shape, sample_format)
    assert decoded.dtype == samples.dtype and decoded.shape == samples.shape
    return decoded


def slab(samples, codec):
    """As many slices as the codec takes at once."""
    return samples[: codec.capabilities.slices or len(samples)]


@pytest.fixture(scope="module")
def phantom():
    return np.clip(abdominal_ct((16, 192, 192))[0], -1024, 1023)


@pytest.mark.parametrize("name", CODECS)
def test_exact_for_every_type_range_sign_and_size(name):
    codec = get_codec(name)

    @settings(max_examples=EXAMPLES.get(name, 50), deadline=None)
    @given(groups())
    def check(group):
        samples, sample_format = slab(group[0], codec), group[1]
        before = samples.copy()
        chunk = codec.encode(samples, sample_format, Exact())
        assert (back(codec, chunk, samples, sample_format) == samples).all()
        assert (samples == before).all() and chunk == codec.encode(samples, sample_format, Exact())

    check()


@pytest.mark.parametrize("name", [name for name in LOSSY if not name.startswith("jpeg2000")])
def test_lossy_error_is_bounded_by_the_knob_for_every_type(name):
    """A fine setting makes a small error: nothing wraps around, nothing is clipped, whatever the range is."""
    codec = get_codec(name)

    @settings(max_examples=EXAMPLES.get(name, 40), deadline=None)
    @given(groups(), st.sampled_from([0.05, 0.25, 0.6]))
    def check(group, position):
        samples, sample_format = slab(group[0], codec), group[1]
        value = codec.capabilities.scale.at(position)
        decoded = back(codec, codec.encode(samples, sample_format, Knob(value)), samples, sample_format)
        step = value if name == "htj2k" else 13 * 2 ** (value / 6)
        rms = np.sqrt(np.mean((decoded.astype(float) - samples) ** 2))
        assert rms <= min(1.5 * max(step, 4 if sample_format.bits > 14 else 1), 1 << sample_format.bits)

    check()


@pytest.mark.parametrize("name", [name for name in CODECS if not name.startswith("hevc-")])
def test_a_slice_of_4000_by_4000(name):
    codec = get_codec(name)
    shape = (1, 4000, 4000)
    samples = np.zeros(shape, np.int16)
    samples[:, 1000:3000, 1500:2500] = np.random.default_rng(0).integers(-800, 1200, (2000, 1000))
    samples[0, :, 7] = 1200
    chunk = codec.encode(samples, CT, Exact())
    assert (back(codec, chunk, samples, CT) == samples).all()
    assert len(chunk) < 0.2 * samples.nbytes


@pytest.mark.parametrize("name", LOSSY)
def test_quality_falls_and_chunks_shrink_along_the_scale(name, phantom):
    codec = get_codec(name)
    group = slab(phantom, codec)
    sizes, errors = [], []
    for position in (0.2, 0.35, 0.5, 0.65):
        chunk = codec.encode(group, CT, Knob(codec.capabilities.scale.at(position)))
        sizes.append(len(chunk))
        errors.append(float(np.mean((back(codec, chunk, group, CT).astype(float) - group) ** 2)))
    assert sizes == sorted(sizes, reverse=True) and len(set(sizes)) == 4
    assert errors == sorted(errors)


@pytest.mark.parametrize("name", ["hevc", "hevc-intra"])
def test_the_quality_scale_of_hevc_is_continuous(name, phantom):
    codec = get_codec(name)
    sizes = [len(codec.encode(phantom[:8], CT, Knob(value))) for value in np.arange(10, 13.1, 0.25)]
    steps = np.diff(np.log(sizes))
    assert (steps < 0.005).all() and (steps > -0.08).all()


@pytest.mark.parametrize("name", ["hevc", "hevc-cunha"])
def test_sizes_beyond_the_finest_qp_come_without_steps_even_where_all_is_smooth(name):
    codec = get_codec(name)
    k, j, i = np.indices((12, 96, 96)).astype(float)
    hill = 900 * np.exp(-((j - 45) ** 2 + (i - 50) ** 2) / 900)
    smooth = np.rint(hill + 200 * np.sin(i / 13 + k / 5)).astype(np.int16)
    values = np.arange(0, -21.01, -0.25)
    chunks = [codec.encode(smooth, CT, Knob(value)) for value in values]
    steps = np.diff(np.log([len(chunk) for chunk in chunks]))
    assert steps.min() > -0.03
    steepest = steps.argmax()
    between = np.linspace(values[steepest], values[steepest + 1], 17)
    parts = np.diff(np.log([len(codec.encode(smooth, CT, Knob(value))) for value in between]))
    assert parts.max() < 0.07
    errors = [float(np.mean((back(codec, chunk, smooth, CT) - smooth.astype(float)) ** 2)) for chunk in chunks]
    assert all(after < 1.06 * before for before, after in zip(errors, errors[1:], strict=False)) and errors[-1] < 0.2


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 999), st.sampled_from([0.2, 1, 3, 20, 300, 20000]), st.floats(1, 700))
def test_a_residual_comes_back_to_half_a_step(seed, spread, step):
    residual = np.rint(np.random.default_rng(seed).normal(0, spread, (3, 17, 19))).astype(np.int32).clip(-32767, 32767)
    packed = pack_residual(residual, step)
    change = unpack_residual(packed, residual.shape) if packed else np.zeros_like(residual)
    assert np.abs(residual - change).max() <= (step + 1) / 2
    for damaged in (packed[:5], packed[:-3], packed[:12] + bytes(9), b"x" * len(packed)) if packed else ():
        with pytest.raises(MedCompressError, match="damaged"):
            unpack_residual(damaged, residual.shape)


@pytest.mark.parametrize("name", LOSSY)
def test_a_group_meets_a_size_and_an_error(name, phantom):
    codec = get_codec(name)
    group = slab(phantom, codec)
    size = group.nbytes // 12
    assert len(encode_to(codec, group, CT, Budget(size))) == pytest.approx(size, rel=0.05)
    decoded = back(codec, encode_to(codec, group, CT, Distortion(25.0)), group, CT)
    assert np.mean((decoded.astype(float) - group) ** 2) == pytest.approx(25, rel=0.1)


@settings(max_examples=40, deadline=None)
@given(groups(), st.integers(1, 300))
def test_near_lossless_jpegls_keeps_its_bound(group, error):
    codec = get_codec("jpegls")
    samples, sample_format = group[0][:1], group[1]
    decoded = back(codec, codec.encode(samples, sample_format, Near(error)), samples, sample_format)
    assert np.abs(decoded.astype(int) - samples).max() <= error


def test_chunks_are_what_the_page_on_the_format_says(phantom):
    """Decoded by the libraries alone, as another reader would."""
    plane = phantom[0]
    chunk = {name: get_codec(name).encode(phantom[:1], CT, Exact()) for name in CODECS}
    assert (imagecodecs.jpegls_decode(chunk["jpegls"]).astype(int) - 2048 == plane).all()
    assert chunk["jpegls"][:4] == b"\xff\xd8\xff\xf7"
    assert (imagecodecs.jpegxl_decode(chunk["jpegxl"]).astype(int) - 2048 == plane).all()
    assert chunk["jpegxl"][:2] == b"\xff\x0a"
    assert (imagecodecs.htj2k_decode(chunk["htj2k"]) == plane).all()
    unsigned = get_codec("htj2k").encode((phantom[:1] + 1024).astype(np.uint16), SampleFormat("uint16", 12), Exact())
    assert (imagecodecs.htj2k_decode(unsigned).astype(int) + 2048 - 1024 == plane).all()
    unpackers = {"gzip": gzip.decompress, "bzip2": bz2.decompress, "lzma": lzma.decompress}
    for name, unpack in {**unpackers, "zstd": imagecodecs.zstd_decode}.items():
        low, high = np.frombuffer(unpack(chunk[name]), np.uint8).reshape(2, -1).astype(np.uint16)
        assert ((low | high << 8).view(np.int16).reshape(plane.shape) == plane).all()
    wide = phantom[:5] * 7
    header = struct.Struct("<BxHHHdII")
    hevc = get_codec("hevc").encode(wide, SampleFormat("int16", 14), Exact())
    flags, lowest, highest, _, scale, mask, low_size = header.unpack_from(hevc)
    assert (flags, lowest, highest, scale, mask) == (0, wide.min() + 8192, wide.max() + 8192, 1, 0)
    low = np.frombuffer(zlib.decompress(hevc[header.size : header.size + low_size]), np.uint8).reshape(wide.shape)
    decoder = av.CodecContext.create("hevc", "r")
    packets = [*decoder.parse(hevc[header.size + low_size :]), *decoder.parse(b""), None]
    frames = [frame for packet in packets for frame in decoder.decode(packet)]
    pictures = np.stack([np.frombuffer(frame.planes[0], np.uint16).reshape(192, -1)[:, :192] for frame in frames])
    shift = int(highest - lowest).bit_length() - 12
    assert (lowest + (pictures.astype(int) << shift) + low - 8192 == wide).all()


@pytest.mark.parametrize("name", CODECS)
def test_damage_is_an_error_or_other_samples_but_never_a_crash(name, phantom):
    codec = get_codec(name)
    group = slab(phantom, codec)[:3, 60:130, 50:140]
    chunk = codec.encode(group, CT, Exact())
    random = np.random.default_rng(3)
    broken = [b"", chunk[:3], chunk[: len(chunk) // 2], chunk[:-1], chunk + b"x", bytes(len(chunk))]
    for _ in range(20):
        damaged = bytearray(chunk)
        damaged[random.integers(0, min(len(chunk), 200))] ^= 1 << random.integers(0, 8)
        broken.append(bytes(damaged))
    for piece in broken:
        try:
            assert codec.decode(piece, group.shape, CT).shape == group.shape
        except MedCompressError as error:
            assert "damaged" in str(error) or "copy" in str(error)
    with pytest.raises(MedCompressError):
        codec.decode(chunk, (len(group), 71, 90), CT)


def test_padding_is_found_only_where_it_is(phantom):
    samples = (phantom + 4000).astype(np.uint16)
    assert find_range(samples).padding is None
    samples[:, :30] = 1000
    assert find_range(samples).padding == 1000 and find_range(samples).lowest == phantom.min() + 4000
    samples[:, :30] = 60000
    assert find_range(samples).padding == 60000


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, 4095), min_size=1, max_size=6), st.integers(1, 400), st.integers(0, 99))
def test_padding_is_what_the_definition_says(values, size, seed):
    random = np.random.default_rng(seed)
    samples = random.choice(np.array(values, np.uint16), (1, 1, size), p=random.dirichlet([0.3] * len(values)))
    found, expected = np.unique(samples).astype(int), None
    for outer, inner, far in ((0, 1, -1), (-1, -2, 0)) if len(found) > 2 else ():
        gap, rest = abs(found[outer] - found[inner]), abs(found[inner] - found[far])
        if expected is None and 64 * (samples == found[outer]).sum() >= size and 8 * gap > rest:
            expected = (*sorted((found[inner], found[far])), found[outer])
    result = find_range(samples)
    assert (result.lowest, result.highest, result.padding) == (expected or (found[0], found[-1], None))


def test_padding_costs_hevc_next_to_nothing_and_stays_exact(phantom):
    codec, wide = get_codec("hevc"), SampleFormat("int16", 13)
    padded = phantom.copy()
    j, i = np.indices(phantom.shape[1:])
    outside = np.hypot(j - 96, i - 96) > 90
    padded[:, outside] = -3024
    plain = len(codec.encode(np.where(outside, phantom.min(), phantom), wide, Knob(12)))
    chunk = codec.encode(padded, wide, Knob(12))
    assert len(chunk) < 1.02 * plain + 300
    decoded = codec.decode(chunk, padded.shape, wide)
    assert ((decoded == -3024) == outside).all()


def test_a_missing_package_is_named_with_its_remedy(monkeypatch):
    import builtins
    import sys

    real = builtins.__import__

    def without(name, *rest):
        if name.split(".")[0] in ("av", "imagecodecs"):
            raise ImportError(f"No module named {name!r}")
        return real(name, *rest)

    for name in list(sys.modules):
        if name.split(".")[0] in ("av", "imagecodecs"):
            monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(builtins, "__import__", without)
    samples = np.zeros((1, 8, 8), np.int16)
    samples[0, 0, 0] = 1
    for name, package in [("htj2k", "imagecodecs"), ("jpegls", "imagecodecs"), ("hevc", "av"), ("zstd", "imagecodecs")]:
        with pytest.raises(MedCompressError, match=f"pip install {package}"):
            get_codec(name).encode(samples, CT, Exact())


def test_first_calls_of_openjph_run_alone(monkeypatch):
    """Its tables are filled by the first calls without a lock: slices that were begun together came out damaged."""
    inside, together = [], []

    def watched(function):
        def call(*arguments, **options):
            inside.append(1)
            together.append(len(inside))
            time.sleep(0.01)
            result = function(*arguments, **options)
            inside.pop()
            return result

        return call

    coders = {name: watched(getattr(imagecodecs, name)) for name in ("htj2k_encode", "htj2k_decode")}
    fake = types.SimpleNamespace(HTJ2K=imagecodecs.HTJ2K, **coders)
    monkeypatch.setattr("MedCompressLib.codecs.packages._package", lambda name, codec: fake)
    plane = np.arange(64, dtype=np.int16).reshape(1, 8, 8)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: get_codec("htj2k").encode(plane, CT, Knob(100.0)), range(4)))
    assert together[:8] == [1] * 8 and len(together) == 12
