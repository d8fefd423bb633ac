"""DICOM folders: order, spacing and values as the tags say, and every irregular series refused by name."""

import re
import shutil
import struct

import numpy as np
import pytest
import SimpleITK as sitk
from MedCompressLib.errors import MedCompressError
from MedCompressLib.volume import read_volume

CT, PT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.128"
AXIAL = (1, 0, 0, 0, 1, 0)
ORIGIN = np.array([-10.5, 20.25, -300])
DEFAULT = {
    "0008,0016": ("UI", CT), "0008,0018": ("UI", "1.2.3.4"), "0008,0060": ("CS", "CT"), "0008,103e": ("LO", "thorax"),
    "0018,0050": ("DS", "5"), "0020,000d": ("UI", "1.2.3"), "0020,000e": ("UI", "1.2.3.100"), "0020,0011": ("IS", "3"),
    "0028,0030": ("DS", "0.5\\0.7"), "0028,1052": ("DS", "0"), "0028,1053": ("DS", "1"),
}  # fmt: skip


def element(tag, vr, value):
    if vr == "US":
        data = struct.pack("<H", value)
    elif isinstance(value, bytes):
        data = value
    else:
        data = str(value).encode()
        data += (b"\0" if vr == "UI" else b" ") * (len(data) % 2)
    head = struct.pack("<HH", *(int(part, 16) for part in tag.split(",")))
    length = struct.pack("<2xI" if vr in ("OW", "OB") else "<H", len(data))
    return head + vr.encode() + length + data


def write_slice(path, pixels, position=None, orientation=AXIAL, **changed):
    """A DICOM file, explicit little endian. pixels: int16 [j, i], [frame, j, i] or uint8 [j, i, 3];
    changed: t<group>_<element>=(VR, value), or None to leave the tag out."""
    color = pixels.dtype == np.uint8
    tags = DEFAULT | {
        "0028,0002": ("US", 3 if color else 1),
        "0028,0004": ("CS", "RGB" if color else "MONOCHROME2"),
        "0028,0010": ("US", pixels.shape[-3 if color else -2]),
        "0028,0011": ("US", pixels.shape[-2 if color else -1]),
        "0028,0100": ("US", 8 * pixels.itemsize),
        "0028,0101": ("US", 8 * pixels.itemsize),
        "0028,0102": ("US", 8 * pixels.itemsize - 1),
        "0028,0103": ("US", 0 if color else 1),
        "7fe0,0010": ("OB" if color else "OW", pixels.tobytes()),
    }
    if color:
        tags["0028,0006"] = ("US", 0)
    if position is not None:
        tags["0020,0032"] = ("DS", "\\".join(f"{value:.10g}" for value in position))
        tags["0020,0037"] = ("DS", "\\".join(f"{value:.10g}" for value in orientation))
    tags |= {name[1:].replace("_", ","): value for name, value in changed.items()}
    body = b"".join(element(tag, *tags[tag]) for tag in sorted(tags) if tags[tag])
    meta = element("0002,0001", "OB", b"\0\1") + element("0002,0002", "UI", tags["0008,0016"][1])
    meta += element("0002,0003", "UI", "1.2.3.4") + element("0002,0010", "UI", "1.2.840.10008.1.2.1")
    meta = b"\2\0\0\0UL\4\0" + struct.pack("<I", len(meta)) + meta
    path.write_bytes(bytes(128) + b"DICM" + meta + body)


def planes(count=6, shape=(5, 7)):
    return np.random.default_rng(3).integers(-1000, 3000, (count, *shape)).astype(np.int16)


def write_series(
    folder, pixels, heights=None, orientation=AXIAL, origin=(-10.5, 20.25, -300), prefix="slice", **changed
):
    """Slices at `heights` mm along the normal; names run against the positions."""
    folder.mkdir(exist_ok=True)
    heights = 2.5 * np.arange(len(pixels)) if heights is None else heights
    normal = np.cross(orientation[:3], orientation[3:])
    for k, height in enumerate(heights):
        name = f"{prefix}{len(pixels) - k:03d}.dcm"
        write_slice(folder / name, pixels[k], ORIGIN + height * normal, orientation, **changed)
    return folder


def fails(match, path, **named):
    with pytest.raises(MedCompressError, match=match) as caught:
        read_volume(path, **named)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def by_itk(folder):
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return reader.Execute()


def turned(angles):
    """Image Orientation (Patient) turned about x, y and z."""
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        i, j = [n for n in range(3) if n != axis]
        turn = np.eye(3)
        turn[[i, i, j, j], [i, j, i, j]] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
        matrix = matrix @ turn
    return tuple(np.concatenate([matrix[:, 0], matrix[:, 1]]).tolist())


CORONAL, SAGITTAL, FLIPPED = (1, 0, 0, 0, 0, -1), (0, 1, 0, 0, 0, -1), (-1, 0, 0, 0, 1, 0)


@pytest.mark.parametrize("orientation", [AXIAL, CORONAL, SAGITTAL, FLIPPED, turned((0.3, -0.7, 2.0))])
def test_slices_lie_where_their_tags_say_and_where_itk_puts_them(tmp_path, orientation):
    pixels = planes()
    volume = read_volume(write_series(tmp_path / "series", pixels, orientation=orientation))
    assert volume.array.dtype == np.int16 and np.array_equal(volume.array, pixels)
    assert (volume.modality, volume.name) == ("CT", "thorax")
    geometry = volume.geometry
    np.testing.assert_allclose(geometry.spacing, (0.7, 0.5, 2.5), atol=1e-9)
    np.testing.assert_allclose(geometry.origin, ORIGIN, atol=1e-9)
    normal = np.cross(orientation[:3], orientation[3:])
    np.testing.assert_allclose(
        np.array(geometry.direction), np.column_stack([orientation[:3], orientation[3:], normal]), atol=1e-9
    )
    image = by_itk(tmp_path / "series")
    assert np.array_equal(sitk.GetArrayFromImage(image), volume.array)
    np.testing.assert_allclose(image.GetOrigin(), geometry.origin, atol=1e-6)
    np.testing.assert_allclose(image.GetSpacing(), geometry.spacing, atol=1e-6)
    np.testing.assert_allclose(image.GetDirection(), np.ravel(geometry.direction), atol=1e-6)


@pytest.mark.parametrize("name", ["ct_liver_dicom_j2k", "ct_chest_dicom"])
def test_real_series_as_itk_reads_them_and_as_their_tags_say(data_folder, name):
    folder = data_folder / name
    volume, image = read_volume(folder), by_itk(folder)
    assert volume.modality == "CT"
    assert np.array_equal(volume.array, sitk.GetArrayFromImage(image))
    assert volume.scalar_type == "int16", "what the files store; ITK may widen it"
    np.testing.assert_allclose(volume.geometry.origin, image.GetOrigin(), atol=1e-6)
    np.testing.assert_allclose(volume.geometry.spacing, image.GetSpacing(), atol=1e-6)
    np.testing.assert_allclose(np.ravel(volume.geometry.direction), image.GetDirection(), atol=1e-6)
    positions = []
    for path in sorted(folder.iterdir()):
        found = re.search(rb"\x20\x00\x32\x00DS..([-+0-9.eE\\]+)", path.read_bytes(), re.DOTALL)
        if found:
            positions.append([float(part) for part in found[1].split(b"\\")])
    positions = np.array(sorted(positions, key=lambda position: position[2]))
    k = np.arange(len(volume.array))[:, None]
    step = volume.geometry.spacing[2] * np.array(volume.geometry.direction)[:, 2]
    np.testing.assert_allclose(np.array(volume.geometry.origin) + k * step, positions, atol=0.01)


def test_one_of_several_series_is_chosen(tmp_path):
    first, second = planes(4), planes(3) + 1
    folder = write_series(tmp_path / "study", first)
    other = {"t0020_000e": ("UI", "1.2.3.201"), "t0020_0011": ("IS", "12"), "t0008_0060": ("CS", "PT")}
    write_series(folder, second, prefix="other", t0008_103e=("LO", "fused"), **other)
    message = fails("2 series.*--series.*series=", folder)
    assert '1: 1.2.3.100 "thorax" CT, 4 slices' in message and '2: 1.2.3.201 "fused" PT, 3 slices' in message
    for choice in ("1.2.3.100", "1.2.3.1", "100", "1", "00"):
        assert np.array_equal(read_volume(folder, series=choice).array, first)
    for choice in ("1.2.3.201", "201", "2", ".2.3.201"):
        volume = read_volume(folder, series=choice)
        assert np.array_equal(volume.array, second) and (volume.modality, volume.name) == ("PT", "fused")
    for wrong in ("1.2.3.", "3", "", "9.9"):
        assert "1.2.3.201" in fails("fits (no|more than one) series", folder, series=wrong)


def test_a_missing_slice_is_named(tmp_path):
    folder = write_series(tmp_path / "series", planes(8))
    (folder / "slice004.dcm").unlink()
    message = fails("not evenly spaced, 2.5 mm is usual", folder)
    assert "slice005.dcm (-292.5 mm) and slice003.dcm (-287.5 mm)" in message


def test_duplicates_are_named(tmp_path):
    folder = write_series(tmp_path / "series", planes(5))
    shutil.copy(folder / "slice002.dcm", folder / "again.dcm")
    message = fails("1 slices lie where another one does", folder)
    assert "again.dcm (-292.5 mm) and slice002.dcm (-292.5 mm)" in message


@pytest.mark.parametrize(("offset", "accepted"), [(0.02, True), (0.03, False), (-0.3, False)])
def test_positions_may_be_off_by_one_percent(tmp_path, offset, accepted):
    heights = 2.5 * np.arange(6)
    heights[3] += offset
    folder = write_series(tmp_path / "series", planes(), heights)
    if accepted:
        assert read_volume(folder).geometry.spacing[2] == pytest.approx(2.5)
    else:
        assert "slice003.dcm" in fails("not evenly spaced", folder)


def test_a_tilted_gantry_is_refused(tmp_path):
    folder = tmp_path / "series"
    folder.mkdir()
    for k, pixels in enumerate(planes()):
        write_slice(folder / f"{k}.dcm", pixels, (0, 0.4 * k, 2 * k))
    assert "5.dcm" in fails("sheared .tilted gantry.*2 mm beside.*resample", folder)


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("orientation", {"orientation": turned((0.05, 0, 0))}),
        ("pixel spacing", {"t0028_0030": ("DS", "0.5\\0.71")}),
        ("size", {"shape": (5, 8)}),
    ],
)
def test_a_stranger_among_the_slices_is_named(tmp_path, what, change):
    folder = write_series(tmp_path / "series", planes())
    pixels = planes(1, change.pop("shape", (5, 7)))[0]
    write_slice(folder / "scout.dcm", pixels, ORIGIN - (0, 0, 3), **change)
    assert fails(f"{what} differs", folder).startswith("scout.dcm (-3")
    write_slice(folder / "scout.dcm", pixels)
    fails("scout.dcm: (no Image Position|size differs)", folder)


def test_slope_and_intercept_of_each_slice_are_applied(tmp_path):
    pixels = planes(4)
    slopes, intercepts = [0.37, 0.5, 2, 1.25], [-3, 0, 1, 0.5]
    folder = tmp_path / "pet"
    folder.mkdir()
    for k in range(4):
        rescale = {"t0028_1053": ("DS", slopes[k]), "t0028_1052": ("DS", intercepts[k]), "t0008_0016": ("UI", PT)}
        write_slice(folder / f"{k}.dcm", pixels[k], (0, 0, 3 * k), t0008_0060=("CS", "PT"), **rescale)
    volume = read_volume(folder)
    assert volume.modality == "PT" and volume.array.dtype.kind == "f"
    expected = pixels * np.array(slopes)[:, None, None] + np.array(intercepts)[:, None, None]
    np.testing.assert_allclose(volume.array, expected, rtol=1e-6, atol=1e-4)


def test_integer_rescaling_stays_integer(tmp_path):
    pixels = planes(3)
    volume = read_volume(write_series(tmp_path / "series", pixels, t0028_1052=("DS", "-1024")))
    assert volume.array.dtype.kind == "i" and np.array_equal(volume.array, pixels.astype(int) - 1024)


def test_other_files_in_the_folder_do_not_matter(tmp_path):
    pixels = planes()
    folder = write_series(tmp_path / "series", pixels)
    (folder / "README.md").write_text("# about\n" * 100)
    (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1" + bytes(500))
    (folder / "._slice001.dcm").write_bytes(b"\0\5\26\7" + bytes(500))
    (folder / "empty").write_bytes(b"")
    write_series(folder / "deeper", pixels[:2])
    meta = element("0002,0002", "UI", "1.2.840.10008.5.1.4.1.1.481.3") + element(
        "0002,0010", "UI", "1.2.840.10008.1.2.1"
    )
    report = bytes(128) + b"DICM" + meta + element("0008,0060", "CS", "RTSTRUCT")
    (folder / "structures.dcm").write_bytes(report)
    (folder / "DICOMDIR").write_bytes(report)
    assert np.array_equal(read_volume(folder).array, pixels)


@pytest.mark.parametrize("keep", [0, 0.1, 0.3, 0.8, 0.99])
def test_a_cut_off_slice_is_an_error_wherever_it_lies(tmp_path, keep):
    folder = write_series(tmp_path / "series", planes())
    last = folder / "slice001.dcm"
    whole = last.read_bytes()
    last.write_bytes(whole[: int(keep * len(whole))])
    assert "slice001.dcm" in fails("cut off.*copy it again", folder)


def test_dicom_without_preamble_is_read(tmp_path):
    folder, pixels = write_series(tmp_path / "series", planes()), planes()
    for path in folder.iterdir():
        whole = path.read_bytes()
        path.with_suffix("").write_bytes(whole[whole.index(b"\x08\0\x16\0") :])
        path.unlink()
    assert np.array_equal(read_volume(folder).array, pixels)


def test_a_color_image_spoils_only_its_own_series(tmp_path):
    pixels = planes()
    folder = write_series(tmp_path / "series", pixels)
    picture = np.zeros((5, 7, 3), np.uint8)
    write_slice(folder / "picture.dcm", picture, t0020_000e=("UI", "1.9"), t0020_0011=("IS", "99"))
    assert np.array_equal(read_volume(folder, series="1").array, pixels)
    fails("picture.dcm is a color image", folder, series="2")
    fails("color image", folder / "picture.dcm")


@pytest.mark.parametrize(
    ("tags", "spacing"),
    [
        ({"t0018_0088": ("DS", "3.5")}, 3.5),
        ({}, 5),
        ({"t0018_0050": None}, 1),
        ({"t0018_0050": ("DS", "0")}, 1),
    ],
)
def test_a_single_slice_takes_its_thickness_from_its_tags(tmp_path, tags, spacing):
    pixels = planes(1)
    path = tmp_path / "CT.1.2.3.4"
    write_slice(path, pixels[0], (1, 2, 3), CORONAL, **tags)
    for source in (path, tmp_path):
        volume = read_volume(source)
        assert np.array_equal(volume.array, pixels) and volume.modality == "CT"
        assert volume.geometry.spacing == pytest.approx((0.7, 0.5, spacing)) and volume.geometry.origin == (1, 2, 3)
        np.testing.assert_allclose(volume.geometry.direction, [[1, 0, 0], [0, 0, 1], [0, -1, 0]], atol=1e-12)


def test_frames_of_one_file_are_slices(tmp_path):
    pixels = planes(4)
    frames = {"t0028_0008": ("IS", 4), "t0008_0016": ("UI", "1.2.840.10008.5.1.4.1.1.7.3")}
    write_slice(tmp_path / "frames.dcm", pixels, t0008_0060=None, **frames)
    volume = read_volume(tmp_path / "frames.dcm")
    assert np.array_equal(volume.array, pixels) and volume.modality is None
    write_slice(tmp_path / "more.dcm", pixels, **frames)
    fails("4 frames.*open that file alone", tmp_path)
