"""JPEG 2000: our codestreams in other decoders, theirs in ours, and which OpenJPEG library does the work."""

import os
import subprocess
import sys
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from archives import textured
from hypothesis import given, settings
from hypothesis import strategies as st
from MedCompressLib.codecs import openjpeg
from MedCompressLib.codecs.interface import Budget, Distortion, Exact, SampleFormat
from MedCompressLib.codecs.jpeg2000 import Jpeg2000
from MedCompressLib.errors import MedCompressError

LIBRARY = Path(openjpeg.__file__).resolve().parents[2]
FORMATS = [(f"{sign}int{8 if bits <= 8 else 16}", bits) for sign in ("", "u") for bits in range(1, 17)]


def plane(dtype, bits, shape, seed):
    """Noise over the whole range of `bits`, and both ends of it."""
    low = -(1 << bits - 1) if dtype[0] == "i" else 0
    samples = np.random.default_rng(seed).integers(low, low + (1 << bits), (1, *shape))
    samples.flat[0], samples.flat[-1] = low, low + (1 << bits) - 1
    return samples.astype(dtype), SampleFormat(dtype, bits)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(FORMATS), st.integers(1, 40), st.integers(1, 40), st.integers(0, 99))
def test_exact_codestreams_come_back_here_and_elsewhere(kind, height, width, seed):
    samples, sample_format = plane(*kind, (height, width), seed)
    codec = Jpeg2000()
    chunk = codec.encode(samples, sample_format, Exact())
    assert codec.decode(chunk, samples.shape, sample_format).tobytes() == samples.tobytes()
    elsewhere = imagecodecs.jpeg2k_decode(chunk).reshape(samples.shape)
    assert elsewhere.dtype.kind == samples.dtype.kind and (elsewhere == samples).all()


@pytest.mark.parametrize(("dtype", "bits"), [("int16", 12), ("int16", 16), ("uint16", 16), ("uint8", 8), ("int8", 6)])
@pytest.mark.parametrize("setting", [Budget(900), Distortion(20.0)])
def test_lossy_codestreams_decode_alike_elsewhere(dtype, bits, setting):
    image = textured((1, 61, 90)) * ((1 << bits - 1) / 400)
    limits = np.iinfo(dtype)
    samples = np.clip(image + (1 << bits - 1) * (dtype[0] == "u"), *_range(dtype, bits)).astype(dtype)
    chunk = Jpeg2000().encode(samples, SampleFormat(dtype, bits), setting)
    ours = Jpeg2000().decode(chunk, samples.shape, SampleFormat(dtype, bits))
    theirs = imagecodecs.jpeg2k_decode(chunk)[np.newaxis]
    assert np.abs(ours.astype(int) - theirs).max() <= 1
    assert limits.min <= ours.min() and ours.max() <= limits.max
    if isinstance(setting, Budget):
        assert len(chunk) <= 1.05 * setting.size


def _range(dtype, bits):
    low = -(1 << bits - 1) if dtype[0] == "i" else 0
    return low, low + (1 << bits) - 1


@pytest.mark.parametrize(
    ("dtype", "bits"), [("int16", 16), ("uint16", 16), ("uint8", 8), ("uint16", 12), ("int16", 12)]
)
def test_codestreams_of_imagecodecs_decode_here(dtype, bits):
    samples, sample_format = plane(dtype, bits, (33, 47), 5)
    chunk = imagecodecs.jpeg2k_encode(samples[0], codecformat="j2k", reversible=True, level=0, bitspersample=bits)
    assert Jpeg2000().decode(chunk, samples.shape, sample_format).tobytes() == samples.tobytes()


@pytest.mark.parametrize(("dtype", "bits"), [("int16", 16), ("int16", 13), ("uint16", 16), ("uint8", 8)])
def test_a_dicom_reader_decodes_our_codestreams(tmp_path, dtype, bits):
    """GDCM within SimpleITK, on the same codestream as an image of Transfer Syntax 1.2.840.10008.1.2.4.90."""
    import SimpleITK

    samples, sample_format = plane(dtype, bits, (32, 46), 6)
    chunk = Jpeg2000().encode(samples, sample_format, Exact())
    (tmp_path / "a.dcm").write_bytes(_dicom(chunk, 32, 46, dtype, bits))
    image = SimpleITK.ReadImage(str(tmp_path / "a.dcm"))
    assert (SimpleITK.GetArrayFromImage(image) == samples).all()


def _dicom(chunk, rows, columns, dtype, bits):
    def element(group, number, kind, value):
        value += (b"\0" if kind == "UI" else b" ") * (len(value) % 2) if isinstance(value, bytes) else b""
        head = group.to_bytes(2, "little") + number.to_bytes(2, "little") + kind.encode()
        return head + len(value).to_bytes(2, "little") + value

    def short(number, value):
        return element(0x28, number, "US", value.to_bytes(2, "little"))

    secondary = b"1.2.840.10008.5.1.4.1.1.7"
    meta = b"".join(
        [
            element(2, 2, "UI", secondary),
            element(2, 3, "UI", b"1.2.3.4"),
            element(2, 16, "UI", b"1.2.840.10008.1.2.4.90"),
        ]
    )
    body = b"".join(
        [
            element(8, 0x16, "UI", secondary),
            element(8, 0x18, "UI", b"1.2.3.4"),
            short(2, 1),
            element(0x28, 4, "CS", b"MONOCHROME2"),
            short(0x10, rows),
            short(0x11, columns),
            short(0x100, 8 * np.dtype(dtype).itemsize),
            short(0x101, bits),
            short(0x102, bits - 1),
            short(0x103, int(dtype[0] == "i")),
        ]
    )
    chunk += b"\0" * (len(chunk) % 2)
    item, end = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0" + bytes(4)
    pixels = b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff" + item + bytes(4)
    pixels += item + len(chunk).to_bytes(4, "little") + chunk + end
    length = element(2, 0, "UL", len(meta).to_bytes(4, "little"))
    return bytes(128) + b"DICM" + length + meta + body + pixels


@pytest.mark.parametrize(
    ("shape", "sample_format"),
    [
        ((1, 20, 31), SampleFormat("int16", 12)),
        ((1, 30, 20), SampleFormat("int16", 12)),
        ((1, 20, 30), SampleFormat("uint16", 12)),
        ((1, 20, 30), SampleFormat("int16", 13)),
        ((1, 1 << 30, 1 << 30), SampleFormat("int16", 12)),
    ],
)
def test_a_codestream_of_another_image_is_refused(shape, sample_format):
    samples, own_format = plane("int16", 12, (20, 30), 1)
    chunk = Jpeg2000().encode(samples, own_format, Exact())
    with pytest.raises(MedCompressError, match="expected"):
        Jpeg2000().decode(chunk, shape, sample_format)


def test_a_codestream_that_is_cut_or_none_is_refused():
    samples, sample_format = plane("int16", 12, (40, 50), 1)
    chunk = Jpeg2000().encode(samples, sample_format, Exact())
    for piece in (b"", b"nothing", chunk[:20], chunk[:200], chunk[: len(chunk) // 2]):
        with pytest.raises(MedCompressError, match="restore"):
            Jpeg2000().decode(piece, samples.shape, sample_format)


def test_the_library_is_searched_in_the_promised_order(tmp_path, monkeypatch):
    for name in ("bin/libopenjp2.so", "lib/Slicer-5.12/libopenjp2.so.7"):
        path = tmp_path / "slicer" / name
        path.parent.mkdir(parents=True)
        path.touch()
    monkeypatch.setenv("SLICER_HOME", str(tmp_path / "slicer"))
    monkeypatch.delenv(openjpeg.SETTING, raising=False)
    monkeypatch.setattr("ctypes.util.find_library", lambda name: "system-openjp2")
    found = list(openjpeg.candidates())
    assert found[0] == str(tmp_path / "slicer/bin/libopenjp2.so") and "Slicer-5.12" in found[1]
    assert found[2] == "system-openjp2"
    wheels = [name for name in found[3:] if "imagecodecs" in name or "pillow" in name.lower()]
    assert wheels == found[3:] and "imagecodecs" in wheels[0]
    monkeypatch.setattr(openjpeg, "library_version", lambda path: {"system-openjp2": (2, 5, 0)}.get(path))
    assert openjpeg.find_library() == "system-openjp2"
    monkeypatch.setattr(openjpeg, "library_version", lambda path: (2, 1, 0) if path == "system-openjp2" else (2, 5))
    assert openjpeg.find_library() == found[0]


def test_no_library_is_an_error_with_a_remedy(monkeypatch):
    monkeypatch.delenv(openjpeg.SETTING, raising=False)
    monkeypatch.setattr(openjpeg, "candidates", lambda: iter(["missing.so"]))
    with pytest.raises(MedCompressError, match=r"not found.*pip install imagecodecs.*apt-get install"):
        openjpeg.find_library()


def test_a_wrong_setting_is_named(monkeypatch, tmp_path):
    (tmp_path / "text.so").write_text("no library")
    for path in ("/missing/libopenjp2.so", str(tmp_path / "text.so")):
        monkeypatch.setenv(openjpeg.SETTING, path)
        with pytest.raises(MedCompressError, match=f"{openjpeg.SETTING} names {path}"):
            openjpeg.find_library()


def bound_library(environment):
    """In a fresh process: the library that the codec is bound to, or its error."""
    code = (
        "from MedCompressLib.codecs.openjpeg import openjpeg\n"
        "from MedCompressLib.errors import MedCompressError\n"
        "try: print(openjpeg().OPENJP2._name)\n"
        "except MedCompressError as error: print('error', error)\n"
    )
    everything = {**os.environ, "PYTHONPATH": str(LIBRARY), **environment}
    return subprocess.run([sys.executable, "-c", code], env=everything, capture_output=True, text=True).stdout.strip()


def test_the_setting_and_glymurs_own_file_are_honored(tmp_path):
    wanted = [path for path in openjpeg.candidates() if Path(path).is_file()][-1]
    assert bound_library({openjpeg.SETTING: wanted}) == wanted
    settings_file = tmp_path / "glymur" / "glymurrc"
    settings_file.parent.mkdir()
    settings_file.write_text(f"[library]\nopenjp2: {wanted}\n")
    home = {"XDG_CONFIG_HOME": str(tmp_path), openjpeg.SETTING: ""}
    assert bound_library(home) == wanted
    settings_file.write_text("[library]\nopenjp2: /missing/libopenjp2.so\n")
    found = bound_library(home)
    assert found.startswith("error") and "glymurrc" in found
