"""Volumes in files: every sample and the geometry come back, and nothing damaged passes as whole."""

import gzip
import itertools
import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import MedCompressLib
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from MedCompressLib.errors import MedCompressError
from MedCompressLib.volume import SCALAR_TYPES, Geometry, Volume, read_volume, write_volume

WRITTEN = [".nrrd", ".mha", ".nii", ".nii.gz"]
TIGHT = 1e-12


def rotation(x, y, z):
    """Rotation matrix from three angles in rad."""
    (a, b, c), (d, e, f) = np.cos([x, y, z]), np.sin([x, y, z])
    about_x, about_y = [[1, 0, 0], [0, a, -d], [0, d, a]], [[b, 0, e], [0, 1, 0], [-e, 0, b]]
    return np.array(about_x) @ about_y @ [[c, -f, 0], [f, c, 0], [0, 0, 1]]


def geometry(spacing=(0.7, 0.8, 2.5), origin=(-120.5, 33.25, 1000 / 3), matrix=None):
    matrix = rotation(0.1, -0.2, 2.5) if matrix is None else matrix
    return Geometry(spacing, origin, tuple(map(tuple, np.array(matrix).tolist())))


def pattern(scalar_type="int16", shape=(4, 5, 6)):
    """Random samples with the extremes of the type, or with NaN payload, infinity and negative zero."""
    dtype = np.dtype(scalar_type)
    rng = np.random.default_rng(7)
    if dtype.kind == "f":
        array = rng.normal(0, 1000, shape).astype(dtype)
        array.flat[:4] = np.inf, -np.inf, -0.0, np.finfo(dtype).smallest_subnormal
        array.reshape(-1)[4:5].view(f"u{dtype.itemsize}")[:] = 0x7FC12345 if dtype.itemsize == 4 else 0x7FF8000012345678
        return array
    info = np.iinfo(dtype)
    array = rng.integers(info.min, info.max, shape, dtype, endpoint=True)
    array.flat[:2] = info.min, info.max
    return array


def smooth(shape=(8, 30, 40)):
    return np.random.default_rng(1).integers(0, 40, shape).astype(np.int16)


def same_samples(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def fails(match, call, *arguments, **named):
    """The call fails with one line that says `match`."""
    with pytest.raises(MedCompressError, match=match) as caught:
        call(*arguments, **named)
    assert "\n" not in str(caught.value)
    return str(caught.value)


finite = st.floats(-1e4, 1e4, allow_subnormal=False)
angles = st.tuples(*[st.floats(-3.2, 3.2)] * 3)
geometries = st.builds(
    lambda spacing, origin, turn, mirror: geometry(spacing, origin, rotation(*turn) @ np.diag([1, 1, mirror])),
    st.tuples(*[st.floats(0.01, 50)] * 3),
    st.tuples(finite, finite, finite),
    angles,
    st.sampled_from([1, -1]),
)


@given(geometries)
def test_geometry_survives_json_to_the_last_bit(wanted):
    values = json.loads(json.dumps(wanted.as_dict()))
    assert Geometry.from_dict(values) == wanted
    assert [len(values[name]) for name in ("spacing", "origin", "direction")] == [3, 3, 9]
    image = sitk.Image(1, 1, 1, sitk.sitkInt8)
    image.SetDirection(values["direction"])
    assert image.TransformContinuousIndexToPhysicalPoint((1, 0, 0)) == tuple(row[0] for row in wanted.direction)


@pytest.mark.parametrize(
    "wrong",
    [
        {"spacing": (1, 0, 1)},
        {"spacing": (1, 1, -1)},
        {"spacing": (1, 1)},
        {"origin": (0, np.nan, 0)},
        {"origin": "abc"},
        {"direction": ((1, 0, 0), (1, 0, 0), (0, 0, 1))},
        {"direction": ((2, 0, 0), (0, 1, 0), (0, 0, 1))},
        {"direction": ((1, 0, 0), (0, 1, 0))},
    ],
)
def test_impossible_geometries_are_refused(wrong):
    fails(".", Geometry, **wrong)
    valid = Geometry().as_dict()
    fails("geometry", Geometry.from_dict, valid | {"direction": [1, 0, 0]})
    fails("geometry", Geometry.from_dict, {"spacing": [1, 1, 1]})


def test_close_geometries():
    one, other = Geometry((1, 1, 1)), Geometry((1, 1, 1.001))
    assert one.is_close(other, 0.002) and not one.is_close(other, 0.0005)
    one.assert_close(other, 0.002)
    fails("spacing .* by 0.001", one.assert_close, other, 0.0005)
    fails("direction", one.assert_close, Geometry(direction=((1, 0, 0), (0, 1, 0), (0, 0, -1))))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 5)),
        np.zeros((2, 3, 4, 5)),
        np.zeros((3, 0, 4)),
        np.zeros((3, 4, 5), complex),
        np.zeros((3, 4, 5), bool),
        np.zeros((3, 4, 5), np.float16),
        np.zeros((3, 4, 5), [("r", "u1"), ("g", "u1")]),
        np.zeros((3, 4, 5), np.dtype("i2").newbyteorder()),
        [[[1]]],
    ],
)
def test_what_is_not_a_scalar_volume_is_refused(array):
    fails("; ", Volume, array) if isinstance(array, np.ndarray) and array.ndim == 3 else fails(".", Volume, array)


@pytest.mark.parametrize("extension", WRITTEN)
@pytest.mark.parametrize("scalar_type", SCALAR_TYPES)
@pytest.mark.parametrize("shape", [(4, 5, 6), (1, 4, 9), (3, 1, 2), (1, 1, 5)])
def test_every_type_and_shape_comes_back_bit_for_bit(tmp_path, extension, scalar_type, shape):
    volume = Volume(pattern(scalar_type, shape), geometry(), "CT")
    path = tmp_path / f"scan{extension}"
    write_volume(volume, path)
    back = read_volume(path)
    assert same_samples(back.array, volume.array)
    assert (back.scalar_type, back.modality, back.name) == (scalar_type, None, "scan")
    back.geometry.assert_close(volume.geometry, TIGHT if ".nii" not in extension else 1e-4)
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("extension", WRITTEN)
@given(wanted=geometries)
@settings(max_examples=40, deadline=None)
def test_every_orientation_comes_back(tmp_path_factory, extension, wanted):
    path = tmp_path_factory.mktemp("orientation") / f"scan{extension}"
    write_volume(Volume(pattern("uint8", (2, 2, 2)), wanted), path)
    found = read_volume(path).geometry
    precision = 2.0**-22 if ".nii" in extension else 2.0**-49
    differences = wanted.differences(found)
    assert differences["spacing"] <= precision * max(wanted.spacing)
    assert differences["origin"] <= precision * max(map(abs, wanted.origin)) + 1e-30
    assert differences["direction"] <= max(precision, 1e-15)
    if extension == ".mha":
        assert (found.spacing, found.origin) == (wanted.spacing, wanted.origin)
    if ".nii" not in extension:
        image = sitk.ReadImage(str(path))
        assert (image.GetSpacing(), image.GetOrigin()) == (found.spacing, found.origin)


@pytest.mark.parametrize("extension", [".nii", ".nii.gz"])
def test_nifti_refuses_a_sheared_volume_and_keeps_the_old_file(tmp_path, extension):
    path = tmp_path / f"scan{extension}"
    path.write_bytes(b"old")
    sheared = np.array([[1, 0, 0], [0, 1, 0.6], [0, 0, 0.8]])
    volume = Volume(smooth(), geometry(matrix=sheared))
    fails("cannot hold the direction.*write .nrrd or .mha", write_volume, volume, path)
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == [path.name]
    write_volume(volume, tmp_path / "scan.nrrd")
    read_volume(tmp_path / "scan.nrrd").geometry.assert_close(volume.geometry, TIGHT)


def test_views_and_fortran_order_are_written_right(tmp_path):
    array = np.asfortranarray(smooth())[::-1, ::2, ::-1]
    write_volume(Volume(array), tmp_path / "scan.nrrd")
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "scan.nrrd"))), array)


def test_refused_targets(tmp_path):
    volume = Volume(smooth())
    fails("choose one of these extensions", write_volume, volume, tmp_path / "scan.tif")
    fails("choose one of these extensions", write_volume, volume, tmp_path / "scan.mhd")
    fails("create it first", write_volume, volume, tmp_path / "no" / "scan.nrrd")
    fails("32767.*write .nrrd", write_volume, Volume(np.zeros((1, 1, 32768), np.uint8)), tmp_path / "scan.nii")
    (tmp_path / "folder.nrrd").mkdir()
    fails("is a folder", write_volume, volume, tmp_path / "folder.nrrd")


@pytest.mark.skipif(os.name == "nt", reason="file size limits are POSIX")
@pytest.mark.parametrize("extension", WRITTEN)
def test_a_full_disk_leaves_the_old_file(tmp_path, extension):
    code = (
        "import resource, signal, sys; import numpy as np\n"
        "from MedCompressLib.volume import Volume, write_volume\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000))\n"
        "write_volume(Volume(np.random.default_rng(0).integers(0, 60000, (40, 50, 60)).astype('u2')), sys.argv[1])\n"
    )
    path = tmp_path / f"scan{extension}"
    path.write_bytes(b"old")
    package = str(Path(MedCompressLib.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": package}
    )
    assert "MedCompressError" in done.stderr and "check the free space" in done.stderr.splitlines()[-1]
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == [path.name]


def written(path, volume):
    """Writes what a test then damages; returns the file that holds the samples."""
    image = sitk.GetImageFromArray(volume.array)
    name, packed = path.name.removeprefix("raw-"), not path.name.startswith("raw-")
    sitk.WriteImage(image, str(path), packed)
    data = {"nhdr": ".raw.gz" if packed else ".raw", "mhd": ".zraw" if packed else ".raw"}.get(name.rsplit(".")[-1])
    return path.with_suffix(data) if data else path


FILES = ["scan.nrrd", "raw-scan.nrrd", "scan.nhdr", "raw-scan.nhdr", "scan.mha", "raw-scan.mha", "scan.mhd"]
FILES += ["raw-scan.mhd", "scan.nii.gz", "scan.nii"]


@pytest.mark.parametrize("name", FILES)
def test_a_cut_off_file_is_an_error_at_every_length(tmp_path, name, capfd):
    path = tmp_path / name
    data = written(path, Volume(smooth()))
    whole = data.read_bytes()
    assert same_samples(read_volume(path).array, smooth())
    for length in (0, 10, 100, 340, 360, len(whole) // 2, len(whole) - 1500, *range(len(whole) - 20, len(whole))):
        data.write_bytes(whole[:length])
        fails("cut off", read_volume, path)


@pytest.mark.parametrize("name", [name for name in FILES if not name.startswith("raw") and name != "scan.nii"])
def test_a_changed_byte_in_compressed_samples_is_an_error(tmp_path, name, capfd):
    path = tmp_path / name
    data = written(path, Volume(smooth()))
    whole = data.read_bytes()
    for place in (len(whole) // 2, len(whole) * 2 // 3, len(whole) - 3, len(whole) - 6):
        changed = bytearray(whole)
        changed[place] ^= 0x55
        data.write_bytes(changed)
        try:
            assert same_samples(read_volume(path).array, smooth())
        except MedCompressError as error:
            assert "damaged" in str(error)
        else:
            assert place > len(whole) - 8, "only the checksum itself may differ unnoticed"


def test_compressed_files_of_other_writers_are_read(tmp_path):
    """Big-endian samples, several gzip members, bytes to skip: all legal, none ITK's own habit."""
    array = smooth()
    swapped = array.astype(">i2").tobytes()
    fields = "NRRD0004\ntype: short\ndimension: 3\nsizes: 40 30 8\nendian: big\nencoding: gzip\n"
    one, two = gzip.compress(swapped[:3000]), gzip.compress(swapped[3000:])
    (tmp_path / "a.nrrd").write_bytes(fields.encode() + b"\n" + gzip.compress(swapped))
    (tmp_path / "b.nrrd").write_bytes(fields.encode() + b"\n" + one + two)
    (tmp_path / "c.nrrd").write_bytes(fields.encode() + b"byte skip: -1\n\n" + gzip.compress(b"header" + swapped))
    for name in ("a.nrrd", "b.nrrd", "c.nrrd"):
        assert same_samples(read_volume(tmp_path / name).array, array)


def nifti_header(path, **fields):
    """Change fields of an uncompressed NIfTI file: name -> (offset, struct format, values)."""
    data = bytearray(path.read_bytes())
    for offset, layout, *values in fields.values():
        struct.pack_into(layout, data, offset, *values)
    path.write_bytes(data)


@pytest.mark.parametrize("scalar_type", SCALAR_TYPES)
def test_nifti_scaling_is_applied_as_itk_does(tmp_path, scalar_type):
    path = tmp_path / "scan.nii"
    sitk.WriteImage(sitk.GetImageFromArray(np.arange(1, 61).reshape(3, 4, 5).astype(scalar_type)), str(path))
    nifti_header(path, scaling=(112, "<ff", 0.1, -3.5))
    array = read_volume(path).array
    assert array.dtype == (np.float64 if np.dtype(scalar_type).itemsize > 4 or "int32" in scalar_type else np.float32)
    np.testing.assert_allclose(array, sitk.GetArrayFromImage(sitk.ReadImage(str(path))), rtol=1e-6, atol=1e-6)
    nifti_header(path, scaling=(112, "<ff", 1.0, 0.0))
    assert read_volume(path).scalar_type == scalar_type


def test_nifti_big_endian_time_axis_of_one_and_extension(tmp_path):
    array = smooth((3, 4, 5))
    header = bytearray(352)
    struct.pack_into(">i", header, 0, 348)
    struct.pack_into(">8h", header, 40, 4, 5, 4, 3, 1, 1, 1, 1)
    struct.pack_into(">2h", header, 70, 4, 16)
    struct.pack_into(">8f", header, 76, 1, 0.5, 0.6, 0.7, 1, 1, 1, 1)
    struct.pack_into(">3f", header, 108, 352 + 16, 1, 0)
    header[123] = 2
    header[344:348] = b"n+1\0"
    path = tmp_path / "scan.nii"
    path.write_bytes(bytes(header) + bytes(16) + array.astype(">i2").tobytes())
    volume = read_volume(path)
    assert same_samples(volume.array, array)
    np.testing.assert_allclose(volume.geometry.spacing, (0.5, 0.6, 0.7), rtol=1e-6)


def test_nifti_gz_beside_an_uncompressed_namesake(tmp_path):
    write_volume(Volume(np.full((2, 3, 4), 7, np.int16)), tmp_path / "scan.nii.gz")
    write_volume(Volume(np.full((2, 3, 4), 9, np.int16)), tmp_path / "scan.nii")
    assert (read_volume(tmp_path / "scan.nii.gz").array == 7).all()
    assert (read_volume(tmp_path / "scan.nii").array == 9).all()


def test_nifti_that_promises_more_than_it_can_hold(tmp_path):
    path = tmp_path / "scan.nii"
    sitk.WriteImage(sitk.GetImageFromArray(smooth()), str(path))
    nifti_header(path, dim=(40, "<8h", 3, 32767, 32767, 32767, 1, 1, 1, 1))
    fails("cut off", read_volume, path)
    packed = tmp_path / "packed.nii.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    fails("cut off", read_volume, packed)


@pytest.mark.parametrize("extension", WRITTEN)
def test_files_without_one_scalar_volume_are_refused(tmp_path, extension):
    path = str(tmp_path / f"scan{extension}")
    plane, solid = sitk.GetImageFromArray(smooth()[0]), sitk.GetImageFromArray(smooth())
    sitk.WriteImage(plane, path)
    fails("2 axes.*a volume has 3", read_volume, path)
    sitk.WriteImage(sitk.JoinSeries([solid, solid]), path)
    fails("4 axes.*split time points|components", read_volume, path)
    sitk.WriteImage(sitk.Compose([sitk.Cast(solid, sitk.sitkUInt8)] * 3), path)
    fails("component|RGB", read_volume, path)
    if extension != ".mha":
        sitk.WriteImage(sitk.RealAndImaginaryToComplex(*[sitk.Cast(solid, sitk.sitkFloat32)] * 2), path)
        fails("complex", read_volume, path)


def test_overlapping_segments_are_refused_one_layer_is_read(tmp_path):
    path = tmp_path / "scan.seg.nrrd"
    layers = sitk.GetImageFromArray(np.zeros((3, 4, 5, 2), np.uint8), isVector=True)
    sitk.WriteImage(layers, str(path))
    fails("overlapping segments.*one label map", read_volume, path)
    write_volume(Volume(np.ones((3, 4, 5), np.uint8)), path)
    assert read_volume(path).array.sum() == 60


def test_unreadable_paths(tmp_path, capfd):
    fails("does not exist; check the path", read_volume, tmp_path / "no.nrrd")
    fails("no DICOM images", read_volume, tmp_path)
    (tmp_path / "notes.txt").write_text("not an image " * 100)
    fails("unknown extension.*nrrd.*DICOM", read_volume, tmp_path / "notes.txt")
    fails("no DICOM images", read_volume, tmp_path)
    for extension in (".nrrd", ".nhdr", ".mha", ".mhd", ".nii", ".nii.gz", ".dcm"):
        path = tmp_path / f"wrong{extension}"
        path.write_text("not an image " * 100)
        message = fails("; (copy|export)|copy it again", read_volume, path)
        assert path.name in message
    fails("leave the series out", read_volume, tmp_path / "wrong.nrrd", series="1")


REAL = ["brats", "ct_abdomen_3mm", "ct_abdomen_pelvis_3mm", "cta_aorta", "mr_abdomen_3mm"]


def real_files(folder):
    yield from itertools.chain.from_iterable(sorted((folder / name).glob("*.nii.gz")) for name in REAL)
    yield folder / "ct_liver_dicom_j2k_labels.nrrd"
    yield folder / "ct_liver_dicom_j2k"
    for kind in ("images", "labels"):
        yield from sorted((folder / "hippocampus" / kind).glob("*.nii.gz"))[::20]


def test_real_volumes_pass_through_every_format(data_folder, tmp_path):
    files = [path for path in real_files(data_folder) if path.exists()]
    assert len(files) > 20
    for path in files:
        volume = read_volume(path)
        if path.is_file():
            assert np.array_equal(volume.array, sitk.GetArrayFromImage(sitk.ReadImage(str(path))))
        for extension in (".nrrd", ".mha", ".nii"):
            copy = tmp_path / f"copy{extension}"
            write_volume(volume, copy)
            back = read_volume(copy)
            assert same_samples(back.array, volume.array), path
            back.geometry.assert_close(volume.geometry, 1e-4 if extension == ".nii" else TIGHT)


def test_an_impossible_direction_is_named(tmp_path):
    header = "NRRD0004\ntype: short\ndimension: 3\nsizes: 2 3 4\nspace: left-posterior-superior\nencoding: raw\n"
    directions = "endian: little\nspace directions: (1,0,0) (1,0,0) (0,0,1)\nspace origin: (0,0,0)\n\n"
    (tmp_path / "a.nrrd").write_bytes((header + directions).encode() + bytes(48))
    fails("direction", read_volume, tmp_path / "a.nrrd")
