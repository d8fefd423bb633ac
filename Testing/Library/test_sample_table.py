"""Few distinct values of a wide or fractional type become ranks, and come back bit for bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from MedCompressLib.compression import compress, decompress
from MedCompressLib.errors import MedCompressError
from MedCompressLib.sample_mapping import Mapping
from MedCompressLib.sample_table import decode_table, distinct_values, encode_table
from MedCompressLib.samples import table_mapping
from MedCompressLib.volume import Volume

WIDE = ["float32", "float64", "int32", "int64", "uint32", "uint64"]


@st.composite
def few_values(draw):
    """Volumes [k, j, i] of a wide type with few distinct bit patterns, NaN payloads and negative zeros among them."""
    dtype = np.dtype(draw(st.sampled_from(WIDE)))
    patterns = draw(hnp.arrays(f"u{dtype.itemsize}", draw(st.integers(1, 20))))
    if dtype.kind == "f":
        patterns[0] = np.array(-0.0, dtype).view(patterns.dtype)
    picks = draw(hnp.arrays(np.int64, (4, 12, 9), elements=st.integers(0, len(patterns) - 1)))
    return patterns[picks].view(dtype)


@settings(max_examples=150, deadline=None)
@given(few_values())
def test_ranks_give_every_bit_pattern_back(array):
    mapping = Mapping.from_dict(table_mapping(array, array.dtype.name, array.size).as_dict())
    codes = mapping.forward(array)
    assert codes.dtype.name == mapping.coded_type and int(codes.max()) < 1 << mapping.bits
    assert mapping.inverse(codes).tobytes() == array.tobytes()


@settings(max_examples=100, deadline=None)
@given(few_values())
def test_order_of_finite_values_is_kept(array):
    values = distinct_values(array, array.dtype)
    finite = values[np.isfinite(values)]
    assert (np.diff(finite.astype(object)) >= 0).all()
    assert len({value.tobytes() for value in values}) == len(values) == len(np.unique(array.view(f"u{array.itemsize}")))


def test_scaled_scanner_values_beat_the_general_codec(tmp_path):
    k, j, i = np.mgrid[0:8, 0:64, 0:64]
    noise = np.random.default_rng(0).normal(0, 2, i.shape)
    counts = (200 + 100 * np.sin(i / 9) * np.cos(j / 7) + k + noise).astype(int)
    volume = Volume((counts * 7.8522).astype(np.float32))
    report = compress(volume, tmp_path / "scaled.mcz")
    assert report.as_dict()["mapping"] == "table" and report.as_dict()["codec"] == "jpeg2000"
    assert decompress(tmp_path / "scaled.mcz").array.tobytes() == volume.array.tobytes()
    general = compress(volume, tmp_path / "general.mcz", codec="deflate")
    assert report.file_size < general.file_size


def test_too_many_values_for_a_table():
    assert table_mapping(np.random.default_rng(0).normal(size=(4, 32, 32)), "float64", 4096) is None


@pytest.mark.parametrize(
    "text", ["", "!!!", "AAAA", encode_table(np.array([1.0, 1.0])), encode_table(np.array([2.0, 1.0]))]
)
def test_tables_that_no_writer_makes_are_refused(text):
    with pytest.raises(MedCompressError, match="malformed"):
        decode_table(text, "float64")


def test_rank_beyond_the_table_is_damage():
    mapping = table_mapping(np.repeat([0.5, 1.5, 2.5], 64).reshape(3, 8, 8), "float64", 192)
    with pytest.raises(MedCompressError, match="beyond the table"):
        mapping.inverse(np.full((1, 2, 2), 3, mapping.coded_type))
