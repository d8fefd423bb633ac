"""Samples to codes and back: exact where promised, within the bound elsewhere, never wrapped."""

import json
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from MedCompressLib.errors import MedCompressError
from MedCompressLib.samples import Mapping, Statistics, choose_mapping, measure
from MedCompressLib.volume import SCALAR_TYPES

INTEGERS = [name for name in SCALAR_TYPES if "int" in name]
FLOATS = ["float32", "float64"]
NARROW = [(1, 1, 1), (1, 1, 9), (1, 7, 1), (1, 4, 5)]
SHAPES = st.sampled_from(NARROW) | hnp.array_shapes(min_dims=3, max_dims=3, max_side=5)


@st.composite
def any_samples(draw):
    """Arrays of every type, over its whole range or a narrow part of it, with NaN and infinity in floats."""
    dtype = np.dtype(draw(st.sampled_from(SCALAR_TYPES)))
    if dtype.kind == "f":
        return draw(hnp.arrays(dtype, draw(SHAPES), elements=draw(st.sampled_from([_floats(dtype), _whole(dtype)]))))
    info = np.iinfo(dtype)
    start = draw(st.integers(int(info.min), int(info.max)))
    stop = min(int(info.max), start + draw(st.sampled_from([0, 1, 255, 65535, 65536, 10**6, 2**64])))
    return draw(hnp.arrays(dtype, draw(SHAPES), elements=st.integers(start, stop)))


def _floats(dtype):
    return st.floats(width=8 * dtype.itemsize) | st.sampled_from([-0.0, math.nan, math.inf, -math.inf])


def _whole(dtype):
    return st.integers(-70000, 70000).map(float) | st.sampled_from([float(2**60), float(2**60 + 2**40)])


def finite_floats(dtype):
    """Finite values that share a magnitude, or do not: huge, tiny, denormal, and far from zero in a narrow range."""
    top = float(np.finfo(dtype).max)
    tiny = float(np.finfo(dtype).smallest_subnormal)
    width = np.dtype(dtype).itemsize * 8
    centered = st.tuples(st.sampled_from([1e8, 1e30, -1e30, 3000.1]), st.floats(-1e-3, 1e-3)).map(
        lambda pair: float(np.dtype(dtype).type(pair[0] * (1 + pair[1])))
    )
    return st.one_of(
        st.floats(-top, top, width=width),
        st.integers(-100000, 100000).map(lambda steps: steps * tiny),
        centered,
        st.sampled_from([top, -top, 0.0, -0.0]),
    )


def same_bits(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def through_json(mapping):
    return Mapping.from_dict(json.loads(json.dumps(mapping.as_dict())))


@given(any_samples())
@settings(max_examples=400, deadline=None)
def test_lossless_returns_every_bit(samples):
    mapping = through_json(choose_mapping(samples.dtype.name, measure(samples), lossless=True))
    codes = mapping.forward(samples)
    assert same_bits(mapping.inverse(codes), samples)
    assert mapping.exact and mapping.error_bound == 0 and codes.dtype.name == mapping.coded_type
    if mapping.kind == "raw":
        assert codes is samples
    else:
        low, high = (
            (-(2 ** (mapping.bits - 1)), 2 ** (mapping.bits - 1) - 1) if mapping.signed else (0, 2**mapping.bits - 1)
        )
        assert 1 <= mapping.bits <= 16 and low <= int(codes.min()) and int(codes.max()) <= high


@given(any_samples())
@settings(max_examples=300, deadline=None)
def test_integers_take_16_bits_whenever_their_range_allows(samples):
    values = samples[np.isfinite(samples)] if samples.dtype.kind == "f" else samples.ravel()
    whole = [int(value) for value in values if float(value).is_integer() and not (value == 0 and np.signbit(value))]
    fits = len(whole) == samples.size and max(whole) - min(whole) < 65536
    assert (choose_mapping(samples.dtype.name, measure(samples), lossless=True).kind != "raw") == fits


def errors(samples, back):
    """Exact absolute differences, in rational numbers."""
    return [
        abs(Fraction(a) - Fraction(b)) for a, b in zip(samples.ravel().tolist(), back.ravel().tolist(), strict=True)
    ]


@pytest.mark.parametrize("scalar_type", FLOATS)
@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_lossy_floats_stay_within_the_bound(scalar_type, data):
    samples = data.draw(hnp.arrays(scalar_type, SHAPES, elements=finite_floats(scalar_type)))
    mapping = through_json(choose_mapping(scalar_type, measure(samples), lossless=False))
    with np.errstate(all="raise", under="ignore"):
        back = mapping.inverse(mapping.forward(samples))
    assert back.dtype == samples.dtype and np.isfinite(back).all()
    assert max(errors(samples, back)) <= Fraction(mapping.error_bound)
    spread = Fraction(float(samples.max())) - Fraction(float(samples.min()))
    precision = Fraction(float(np.finfo(scalar_type).eps)) * Fraction(float(np.abs(samples).max()))
    tiny = Fraction(float(np.finfo(scalar_type).smallest_subnormal))
    assert Fraction(mapping.error_bound) <= spread / 65535 * Fraction(51, 100) + precision + 4 * tiny


@pytest.mark.parametrize("scalar_type", FLOATS)
@pytest.mark.parametrize("widest", [1, 2, 65534, 65536, 95000, 131071])
def test_denormal_samples_stay_within_a_few_of_their_steps(scalar_type, widest):
    tiny = np.finfo(scalar_type).smallest_subnormal
    samples = np.array([0, 1, widest // 3, widest // 2, widest - 1, widest], scalar_type) * tiny
    mapping = choose_mapping(scalar_type, measure(samples), lossless=False)
    worst = max(errors(samples, mapping.inverse(mapping.forward(samples))))
    assert worst <= Fraction(mapping.error_bound) and worst <= 2 * Fraction(float(tiny))


@pytest.mark.parametrize("scalar_type", ["int32", "uint32", "int64", "uint64"])
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_lossy_wide_integers_stay_within_the_bound(scalar_type, data):
    info = np.iinfo(scalar_type)
    around = data.draw(st.integers(int(info.min), int(info.max)))
    near = st.integers(max(int(info.min), around - 200000), min(int(info.max), around + 200000))
    elements = near | st.sampled_from([int(info.min), int(info.max)]) if data.draw(st.booleans()) else near
    samples = data.draw(hnp.arrays(scalar_type, SHAPES, elements=elements))
    mapping = through_json(choose_mapping(scalar_type, measure(samples), lossless=False))
    back = mapping.inverse(mapping.forward(samples))
    assert back.dtype == samples.dtype
    assert max(errors(samples, back)) <= mapping.error_bound
    assert mapping.error_bound <= (int(samples.max()) - int(samples.min())) / 65535 / 2 * (1 + 1e-9) + 1


@given(any_samples(), st.sampled_from(["int8", "uint8", "int16", "uint16", "int32", "float32", "float64"]), st.data())
@settings(max_examples=300, deadline=None)
def test_whatever_a_lossy_codec_returns_becomes_a_nearby_sample(samples, decoded_type, data):
    """Codes moved beyond the ends clip to the scalar type: the result is monotonic in the code, so nothing wrapped."""
    mapping = choose_mapping(samples.dtype.name, measure(samples), lossless=False, nan=0.0)
    limits = (
        (-70000.5, 70000.5) if "float" in decoded_type else (np.iinfo(decoded_type).min, np.iinfo(decoded_type).max)
    )
    moved = np.linspace(max(limits[0], -80000), min(limits[1], 80000), 301).astype(decoded_type)
    back = mapping.inverse(moved)
    assert back.dtype == samples.dtype and (back[1:] >= back[:-1]).all()
    if back.dtype.kind == "f":
        assert np.isfinite(back).all()


@given(any_samples(), st.integers(1, 4))
@settings(max_examples=150, deadline=None)
def test_statistics_of_slabs_add_up_and_slabs_map_as_the_whole(samples, thickness):
    slabs = [samples[k : k + thickness] for k in range(0, len(samples), thickness)]
    total = sum((measure(slab) for slab in slabs), Statistics())
    assert total == measure(samples)
    finite = samples[np.isfinite(samples)] if samples.dtype.kind == "f" else samples
    if finite.size:
        assert (total.minimum, total.maximum) == (finite.min().item(), finite.max().item())
    assert total.nonfinite == samples.size - finite.size
    mapping = choose_mapping(samples.dtype.name, total, lossless=False, nan=-1.0)
    assert same_bits(np.concatenate([mapping.forward(slab) for slab in slabs]), mapping.forward(samples))


def test_large_arrays_are_measured_in_blocks():
    samples = np.zeros((5, 700, 700), np.float32)
    samples[0, 0, 0], samples[2, 3, 4], samples[4, 699, 699], samples[3, 0, 0] = -7, np.nan, 9, np.inf
    assert measure(samples) == Statistics(-7.0, 9.0, 2, True)
    samples[1, 1, 1] = 0.5
    assert not measure(samples[:, ::-1]).integral


@pytest.mark.parametrize(
    ("values", "scalar_type", "kind", "bits", "signed"),
    [
        ([-1024, 3071], "int16", "direct", 13, True),
        ([0, 4095], "int32", "direct", 12, False),
        ([-1024.0, 3071.0], "float32", "direct", 13, True),
        ([-1, 0], "int64", "direct", 1, True),
        ([0, 0], "uint8", "direct", 1, False),
        ([-128, 127], "int8", "direct", 8, True),
        ([0, 65535], "uint16", "direct", 16, False),
        ([-1, 65534], "int32", "offset", 16, False),
        ([2**63, 2**63 + 100], "uint64", "offset", 7, False),
        ([-(2**63), -(2**63) + 65535], "int64", "offset", 16, False),
        ([-(2**63), 2**63 - 1], "int64", "raw", 64, True),
        ([0.0, -0.0], "float32", "raw", 32, True),
        ([0.5, 1.0], "float64", "raw", 64, True),
        ([1e300, 1e300], "float64", "offset", 1, False),
    ],
)
def test_the_smallest_precision_is_chosen(values, scalar_type, kind, bits, signed):
    mapping = choose_mapping(scalar_type, measure(np.array(values, scalar_type)), lossless=True)
    assert (mapping.kind, mapping.bits, mapping.signed) == (kind, bits, signed)


@pytest.mark.parametrize("scalar_type", FLOATS)
def test_nan_needs_a_value_or_lossless(scalar_type):
    samples = np.array([[[np.nan, 1.5, np.inf, -np.inf, 100.25]]], scalar_type)
    with pytest.raises(MedCompressError, match=r"3 samples are NaN.*--nan VALUE.*--lossless"):
        choose_mapping(scalar_type, measure(samples), lossless=False)
    mapping = through_json(choose_mapping(scalar_type, measure(samples), lossless=False, nan=-1000))
    back = mapping.inverse(mapping.forward(samples))
    assert not mapping.exact
    assert np.abs(back - [[[-1000, 1.5, -1000, -1000, 100.25]]]).max() <= mapping.error_bound < 0.01
    for wrong in (math.nan, math.inf, 1e300 if scalar_type == "float32" else -math.inf):
        with pytest.raises(MedCompressError, match="finite number"):
            choose_mapping(scalar_type, measure(samples), lossless=False, nan=wrong)


def test_nothing_but_nan():
    samples = np.full((2, 3, 4), np.nan, np.float32)
    samples.view(np.uint32)[0, 0, 0] = 0x7FC12345
    lossless = choose_mapping("float32", measure(samples), lossless=True)
    assert lossless.kind == "raw" and same_bits(lossless.inverse(lossless.forward(samples)), samples)
    lossy = choose_mapping("float32", measure(samples), lossless=False, nan=-5)
    assert (lossy.inverse(lossy.forward(samples)) == -5).all()


@pytest.mark.parametrize("scalar_type", SCALAR_TYPES)
@pytest.mark.parametrize("lossless", [True, False])
def test_empty_slabs_pass(scalar_type, lossless):
    empty = np.empty((0, 3, 4), scalar_type)
    mapping = choose_mapping(scalar_type, measure(empty), lossless)
    assert same_bits(mapping.inverse(mapping.forward(empty)), empty)


@pytest.mark.parametrize("scalar_type", ["int32", "float32"])
@pytest.mark.parametrize("known", [(-5, 100), (100000, 100200), (0, 10**6)])
def test_samples_outside_the_measured_range_are_refused(scalar_type, known):
    mapping = choose_mapping(scalar_type, measure(np.array(known, scalar_type)), lossless=False)
    for stranger in (-(10**8), 10**8):
        with pytest.raises(MedCompressError, match="measure the whole volume"):
            mapping.forward(np.array([known[0], stranger], scalar_type))
    with pytest.raises(MedCompressError, match="choose a mapping anew"):
        mapping.forward(np.array(known, "int64"))


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "pickle"},
        {"bits": 17},
        {"bits": 0},
        {"scale": 0.0},
        {"scale": math.nan},
        {"offset": math.inf},
        {"offset": "1"},
        {"scalar_type": "object"},
        {"coded_type": "float64"},
        {"coded_type": "int16"},
        {"extra": 1},
    ],
)
def test_impossible_mappings_are_refused(change):
    valid = choose_mapping("float32", measure(np.array([0.5, 7.25], "float32")), lossless=False).as_dict()
    assert Mapping.from_dict(valid).as_dict() == valid
    with pytest.raises(MedCompressError, match="sample mapping"):
        Mapping.from_dict(valid | change)
