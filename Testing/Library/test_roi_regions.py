"""Region coder: every value and every outline comes back, whatever the shape; damage never passes unseen."""

import numpy as np
import pytest
from archives import textured
from hypothesis import given, settings
from hypothesis import strategies as st
from independent_regions import read_chunk
from MedCompressLib.errors import MedCompressError
from MedCompressLib.quality import entropy
from MedCompressLib.regions import chunk, distributions, outline, rans
from MedCompressLib.roi.fill import smooth_fill


@st.composite
def masks(draw, shape: tuple[int, int, int]) -> np.ndarray:
    """Empty, full, one voxel, a border, specks, or a block."""
    kind = draw(st.sampled_from(["empty", "full", "voxel", "border", "specks", "block"]))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    mask = np.zeros(shape, bool)
    if kind == "full":
        mask[:] = True
    elif kind == "voxel":
        mask[tuple(random.integers(0, shape))] = True
    elif kind == "border":
        mask[:, 0], mask[:, :, -1] = True, True
    elif kind == "specks":
        mask = random.random(shape) < 0.2
    elif kind == "block":
        low = random.integers(0, shape)
        mask[tuple(slice(a, int(random.integers(a, b)) + 1) for a, b in zip(low, shape, strict=True))] = True
    return mask


SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 40), st.integers(1, 40))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_values_inside_come_back(data):
    shape = data.draw(SHAPES)
    mask = data.draw(masks(shape))
    dtype = data.draw(st.sampled_from(["int8", "uint8", "int16", "uint16"]))
    error = data.draw(st.sampled_from([0, 0, 1, 2, 50]))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    limits = np.iinfo(dtype)
    spread = data.draw(st.sampled_from([0, 1, 30, 3000, limits.max - limits.min]))
    noise = random.integers(0, spread, shape, endpoint=True) + int(limits.min)
    codes = np.clip(noise, limits.min, limits.max).astype(dtype)

    found, values = chunk.decode(chunk.encode(codes, mask, error), shape, dtype, error)

    assert np.array_equal(found, mask)
    assert values.dtype == codes.dtype and not values[~mask].any()
    difference = np.abs(values[mask].astype(int) - codes[mask])
    assert not difference.size or difference.max() <= error


def test_smooth_tissue_takes_fewer_bits_than_the_entropy_of_its_values():
    codes = textured((16, 64, 64)).astype(np.int16)
    mask = np.zeros(codes.shape, bool)
    mask[2:14, 5:60, 8:55] = True
    size = len(chunk.encode(codes, mask))
    assert 8 * size / mask.sum() < 0.8 * entropy(codes, mask)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_outlines_come_back_and_cost_little(data):
    mask = data.draw(masks(data.draw(SHAPES)))
    coded = outline.encode(mask)
    assert np.array_equal(outline.decode(coded, mask.shape), mask)
    assert len(coded) <= mask.size / 8 + 40


def test_any_changed_byte_of_a_chunk_is_an_error_or_seen_by_its_checksum():
    """The archive's CRC catches all; the coder itself must at least never fail in another way than its own error."""
    codes = textured((4, 30, 30))
    mask = np.zeros(codes.shape, bool)
    mask[1:3, 4:25, 6:20] = True
    whole = chunk.encode(codes, mask)
    refused = 0
    for place in range(0, len(whole), 3):
        broken = bytearray(whole)
        broken[place] ^= 0x55
        try:
            chunk.decode(bytes(broken), codes.shape, "int16")
        except MedCompressError:
            refused += 1
    assert refused > len(whole) / 4
    for size in range(0, len(whole), 7):
        with pytest.raises(MedCompressError, match="damaged"):
            chunk.decode(whole[:size], codes.shape, "int16")


def test_entropy_coder_reaches_the_entropy_of_its_tables():
    random = np.random.default_rng(1)
    errors = np.rint(random.standard_t(5, 60000) * 12).astype(np.int64)
    chosen = distributions.table(*distributions.fit(errors))
    symbols, escaped = distributions.symbols_of(errors, chosen)
    assert escaped.mean() < 1e-3
    counts = np.unique(errors, return_counts=True)[1] / errors.size
    zeroth = -(counts * np.log2(counts)).sum() * errors.size / 8
    coder = rans.Encoder(rans.lane_count(errors.size))
    coder.put(chosen.starts[symbols], np.diff(chosen.starts)[symbols])
    assert len(coder.finish()) < 1.02 * zeroth


def test_tables_are_the_same_everywhere():
    """Frequencies that any IEEE 754 machine computes; written down once."""
    for shape in range(distributions.SHAPES):
        for scale in range(distributions.SCALES):
            chosen = distributions.table(shape, scale)
            assert chosen.starts[-1] == rans.SCALE and (np.diff(chosen.starts) >= 1).all()
    assert distributions.table(2, 20).starts[[10, 20, 28, 29, 40]].tolist() == [17, 542, 20746, 28580, 65172]


def test_checkerboard_of_extremes_comes_back():
    """Worst case of the predictions: they must not leave what an escape can hold."""
    codes = np.where(np.indices((3, 40, 40)).sum(axis=0) % 2, 32767, -32768).astype(np.int16)
    codes[1, 5:9] = np.random.default_rng(0).integers(-32768, 32768, (4, 40))
    mask = np.ones(codes.shape, bool)
    assert np.array_equal(chunk.decode(chunk.encode(codes, mask), codes.shape, "int16")[1], codes)


def test_empty_region_costs_four_bytes():
    assert len(chunk.encode(np.zeros((2, 3, 3), np.int16), np.zeros((2, 3, 3), bool))) == 4


def test_fill_keeps_what_is_outside_and_stays_between_its_neighbors():
    codes = textured((3, 41, 53), "int16")
    region = np.zeros(codes.shape, bool)
    region[0, 10:30, 12:40] = True
    region[1] = True
    filled = smooth_fill(codes, region)
    assert np.array_equal(filled[~region], codes[~region])
    assert codes[0].min() <= filled[0].min() and filled[0].max() <= codes[0].max()
    inner = filled[0, 12:28, 14:38].astype(float)
    assert np.abs(np.diff(inner, axis=1)).max() < 60
    assert len(np.unique(filled[1])) == 1


@pytest.mark.parametrize(("error", "spread"), [(0, 12), (2, 12), (0, 9000)])
def test_a_reader_written_from_the_specification_agrees(error, spread):
    shape = (5, 41, 38)
    random = np.random.default_rng(3)
    codes = (textured(shape) + random.normal(0, spread, shape)).astype(np.int16)
    codes[2, 20, 20] = 32767
    k, j, i = np.indices(shape)
    mask = ((j - 20) / 19) ** 2 + ((i - 18) / 17) ** 2 < 1
    found = read_chunk(chunk.encode(codes, mask, error), shape, error, -32768, 32767)
    ours = chunk.decode(chunk.encode(codes, mask, error), shape, "int16", error)[1]
    assert set(found) == set(zip(*(axis.tolist() for axis in np.nonzero(mask)), strict=True))
    assert all(ours[place] == value for place, value in found.items())
