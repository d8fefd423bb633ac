"""Sources give slab by slab what the readers of whole volumes give, and refuse what is cut off or no scalar stack."""

import json
import shutil

import numpy as np
import pytest
import SimpleITK
from archives import OBLIQUE, textured
from MedCompressLib.compression import compress, decompress
from MedCompressLib.errors import MedCompressError
from MedCompressLib.sources import as_source, open_source, opening
from MedCompressLib.sources.blocks import BlockReader
from MedCompressLib.sources.dicom import DicomSource
from MedCompressLib.sources.raw import RawSource
from MedCompressLib.volume import Geometry, Volume, read_volume, write_volume

tifffile = pytest.importorskip("tifffile")
zarr = pytest.importorskip("zarr")


@pytest.fixture(autouse=True)
def everything_is_large(monkeypatch):
    monkeypatch.setattr(opening, "WHOLE_LIMIT", 0)


def assert_is(source, array, geometry=None):
    """The source holds this array, in slabs of any bounds and more than once."""
    slices = len(array)
    assert (source.shape, source.scalar_type) == (array.shape, array.dtype.name)
    for start, stop in [(0, slices), (slices - 1, slices), (0, 1), (slices // 3, slices // 3 + 2), (0, slices)]:
        slab = source.read(start, stop)
        assert slab.dtype == array.dtype and slab.dtype.isnative
        np.testing.assert_array_equal(slab, array[start:stop])
    if geometry is not None:
        assert source.geometry.is_close(geometry, 1e-9)
    source.close()


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64", "float32", "float64"])
@pytest.mark.parametrize("name", ["a.nrrd", "a.mha", "a.nii"])
def test_uncompressed_files_are_read_in_place(tmp_path, name, dtype):
    volume = Volume(textured((5, 6, 7), "int16").astype(dtype), OBLIQUE)
    write_volume(volume, tmp_path / name, compressed=False)
    source = open_source(tmp_path / name)
    assert isinstance(source, RawSource)
    assert_is(source, volume.array, read_volume(tmp_path / name).geometry)


NRRD = "NRRD0004\ntype: short\ndimension: 3\nsizes: 7 6 5\nspace: LPS\nspace origin: (1,2,3)\n"
NRRD += "space directions: (0.5,0,0) (0,0.5,0) (0,0,2)\nencoding: raw\n"


@pytest.mark.parametrize("endian, order", [("little", "<"), ("big", ">")])
@pytest.mark.parametrize("skip, before", [("", b""), ("byte skip: 11\n", b"eleven byte"), ("byte skip: -1\n", b"any")])
def test_detached_nrrd_of_any_byte_order_and_offset(tmp_path, endian, order, skip, before):
    array = textured((5, 6, 7))
    (tmp_path / "a.bin").write_bytes(before + array.astype(f"{order}i2").tobytes())
    (tmp_path / "a.nhdr").write_text(f"{NRRD}endian: {endian}\n{skip}data file: a.bin\n")
    source = open_source(tmp_path / "a.nhdr")
    assert isinstance(source, RawSource)
    np.testing.assert_array_equal(read_volume(tmp_path / "a.nhdr").array, array)
    assert_is(source, array, Geometry((0.5, 0.5, 2), (1, 2, 3)))


def test_detached_metaimage_of_either_byte_order(tmp_path):
    array = textured((5, 6, 7))
    (tmp_path / "a.raw").write_bytes(b"1234" + array.astype(">i2").tobytes())
    header = "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = True\nHeaderSize = 4\n"
    header += "DimSize = 7 6 5\nElementSpacing = 1 1 3\nElementType = MET_SHORT\nElementDataFile = a.raw\n"
    (tmp_path / "a.mhd").write_text(header)
    source = open_source(tmp_path / "a.mhd")
    assert isinstance(source, RawSource)
    np.testing.assert_array_equal(read_volume(tmp_path / "a.mhd").array, array)
    assert_is(source, array, Geometry((1, 1, 3)))


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha", "a.nii.gz"])
def test_compressed_files_are_read_whole(tmp_path, name):
    volume = Volume(textured((5, 6, 7)), OBLIQUE)
    write_volume(volume, tmp_path / name)
    assert_is(open_source(tmp_path / name), volume.array)


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha", "a.nii", "a.tif", "a.ome.tif"])
@pytest.mark.parametrize("lost", [40, 300])
def test_cut_off_files_are_refused(tmp_path, name, lost):
    array = textured((5, 6, 7))
    if "tif" in name:
        tifffile.imwrite(tmp_path / name, array, metadata={"axes": "ZYX"})
    else:
        write_volume(Volume(array), tmp_path / name, compressed=False)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[:-lost])
    with pytest.raises(MedCompressError, match="cut off"):
        open_source(tmp_path / name).read(0, 5)


def dicom_folder(folder, array, slope="1", modality="CT"):
    """An uncompressed DICOM series whose file names are not in the order of the slices."""
    folder.mkdir()
    writer = SimpleITK.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for k, plane in enumerate(array):
        image = SimpleITK.GetImageFromArray(plane[np.newaxis])
        image.SetSpacing((0.7, 0.7, 2.5))
        tags = {"0008|0060": modality, "0020|000e": "1.2.3", "0020|0032": f"-10\\-20\\{2.5 * k}", "0028|1053": slope}
        tags |= {"0020|0037": "1\\0\\0\\0\\1\\0", "0008|0018": f"1.2.3.{k}", "0028|1052": "0", "0020|0013": str(k)}
        for tag, value in tags.items():
            image.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"{(7 * k) % len(array):03d}.dcm"))
        writer.Execute(image)
    return folder


def test_dicom_folder_slice_by_slice_as_the_whole_volume(tmp_path):
    folder = dicom_folder(tmp_path / "series", textured((9, 16, 18)))
    volume, source = read_volume(folder), open_source(folder)
    assert isinstance(source, DicomSource) and source.modality == "CT"
    assert_is(source, volume.array, volume.geometry)


def test_dicom_folder_with_a_gap_is_refused(tmp_path):
    folder = dicom_folder(tmp_path / "series", textured((9, 16, 18)))
    (folder / "001.dcm").unlink()
    with pytest.raises(MedCompressError, match="not evenly spaced"):
        open_source(folder)


@pytest.mark.parametrize("name", ["ct_liver_dicom_j2k", "ct_chest_dicom"])
def test_real_dicom_folders(data_folder, name):
    volume = read_volume(data_folder / name)
    assert_is(open_source(data_folder / name), volume.array, volume.geometry)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_ome_tiff_with_its_pixel_sizes(tmp_path, compression, dtype, byteorder):
    array = textured((5, 60, 70), "int16").astype(dtype)
    sizes = {"PhysicalSizeX": 0.65, "PhysicalSizeY": 650, "PhysicalSizeYUnit": "nm", "PhysicalSizeZ": 2.0}
    metadata = {"axes": "ZYX", **sizes}
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, array, compression=compression, metadata=metadata, byteorder=byteorder)
    assert_is(open_source(path), array, Geometry((0.00065, 0.00065, 0.002)))


def test_imagej_stack_with_its_voxel_size(tmp_path):
    array = textured((4, 20, 30), "int16").astype("uint16")
    metadata = {"axes": "ZYX", "spacing": 3.0, "unit": "um"}
    tifffile.imwrite(tmp_path / "a.tif", array, imagej=True, resolution=(2, 4), metadata=metadata)
    assert_is(open_source(tmp_path / "a.tif"), array, Geometry((0.0005, 0.00025, 0.003)))


def test_folder_of_tiffs_in_the_order_of_their_numbers(tmp_path):
    array = textured((12, 20, 30))
    for k, plane in enumerate(array):
        tifffile.imwrite(tmp_path / f"slice{k}.tif", plane, compression="zlib" if k % 2 else None)
    assert_is(open_source(tmp_path), array)
    tifffile.imwrite(tmp_path / "slice5.tif", array[5, 1:])
    with pytest.raises(MedCompressError, match=r"slice5\.tif"):
        open_source(tmp_path).read(4, 7)


def test_folder_of_tiffs_with_a_gap_in_its_numbers(tmp_path):
    for k in (0, 2, 4, 8):
        tifffile.imwrite(tmp_path / f"scan7_z{k:03d}.tif", textured((1, 20, 30))[0])
    with pytest.raises(MedCompressError, match="missing between .*z004.tif and scan7_z008.tif"):
        open_source(tmp_path)
    (tmp_path / "scan7_z008.tif").unlink()
    assert open_source(tmp_path).shape == (3, 20, 30)


def test_dicom_folder_with_a_picture_in_it_stays_a_dicom_folder(tmp_path):
    folder = dicom_folder(tmp_path / "series", textured((9, 16, 18)))
    tifffile.imwrite(folder / "screenshot.tif", np.zeros((20, 30, 3), np.uint8))
    assert isinstance(open_source(folder), DicomSource)


@pytest.mark.parametrize(
    "shape, options",
    [((5, 6, 3), {"photometric": "rgb"}), ((2, 3, 6, 7), {"metadata": {"axes": "TZYX"}})],
    ids=["color", "time points"],
)
def test_tiffs_that_are_no_scalar_volume(tmp_path, shape, options):
    tifffile.imwrite(tmp_path / "a.ome.tif", np.zeros(shape, np.uint8), **options)
    with pytest.raises(MedCompressError, match="one channel and one time point"):
        open_source(tmp_path / "a.ome.tif")


def ome_zarr(path, array, version, chunks, axes="zyx", scale=(2.0, 0.5, 0.25), unit="micrometer"):
    """An image as other programs write it; scale and translation in the order of the last three axes."""
    extra = [1.0] * (len(axes) - 3)
    transforms = [{"type": "scale", "scale": extra + list(scale)}]
    transforms.append({"type": "translation", "translation": [0.0] * len(extra) + [30.0, 20.0, 10.0]})
    named = [{"name": a, "type": "space", "unit": unit} if a in "zyx" else {"name": a} for a in axes]
    image = {"axes": named, "datasets": [{"path": "s0", "coordinateTransformations": transforms}]}
    content = {"version": "0.4", **image} if version == 2 else image
    attributes = {"multiscales": [content]} if version == 2 else {"ome": {"version": "0.5", "multiscales": [content]}}
    group = zarr.create_group(path, zarr_format=version, attributes=attributes)
    group.create_array("s0", data=array, chunks=chunks)
    return path


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("chunks", [(1, 20, 30), (4, 8, 8), (5, 20, 30)])
@pytest.mark.parametrize("dtype", ["int16", ">u2"])
def test_ome_zarr_of_both_versions(tmp_path, version, chunks, dtype):
    array = textured((10, 20, 30)).astype(dtype)
    source = open_source(ome_zarr(tmp_path / "a.ome.zarr", array, version, chunks))
    native = array.astype(array.dtype.newbyteorder("="))
    assert_is(source, native, Geometry((0.00025, 0.0005, 0.002), (0.01, 0.02, 0.03)))


def test_ome_zarr_with_axes_of_length_one_and_with_channels(tmp_path):
    array = textured((3, 20, 30))
    path = ome_zarr(tmp_path / "a.zarr", array[np.newaxis, np.newaxis], 3, (1, 1, 2, 20, 30), "tczyx")
    assert_is(open_source(path), array)
    path = ome_zarr(tmp_path / "b.zarr", np.stack([array, array]), 3, (1, 2, 20, 30), "czyx")
    with pytest.raises(MedCompressError, match="one channel and one time point"):
        open_source(path)


def test_zarr_that_is_no_image_or_damaged(tmp_path):
    zarr.create_group(tmp_path / "group.zarr", zarr_format=3)
    with pytest.raises(MedCompressError, match="no OME-Zarr image"):
        open_source(tmp_path / "group.zarr")
    path = ome_zarr(tmp_path / "a.zarr", textured((4, 20, 30)), 2, (4, 20, 30))
    chunk = next(entry for entry in (path / "s0").rglob("*") if entry.is_file() and not entry.name.startswith("."))
    chunk.write_bytes(chunk.read_bytes()[:20])
    with pytest.raises(MedCompressError, match="damaged in slices"):
        open_source(path).read(0, 4)
    attributes = json.loads((path / ".zattrs").read_text())
    attributes["multiscales"][0]["axes"] = attributes["multiscales"][0]["axes"][1:]
    (path / ".zattrs").write_text(json.dumps(attributes))
    with pytest.raises(MedCompressError, match="no OME-Zarr image"):
        open_source(path)


@pytest.mark.parametrize("name, content", [("a.tif", b"II*\0 and nothing"), ("a.tif", b""), ("a.nrrd", b"NRRD0004\n")])
def test_files_that_are_not_what_their_name_says(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MedCompressError, match="copy or export it again"):
        open_source(tmp_path / name)


def test_missing_path_and_empty_folder(tmp_path):
    with pytest.raises(MedCompressError, match="does not exist"):
        open_source(tmp_path / "a.nrrd")
    with pytest.raises(MedCompressError, match="no DICOM images"):
        open_source(tmp_path)


def test_archive_as_a_source_of_another(tmp_path):
    volume = Volume(textured((5, 40, 50)), OBLIQUE, "CT")
    compress(volume, tmp_path / "a.mcz")
    source = open_source(tmp_path / "a.mcz")
    assert source.modality == "CT"
    assert_is(source, volume.array, OBLIQUE)
    compress(tmp_path / "a.mcz", tmp_path / "a.mcz", "deflate")
    assert decompress(tmp_path / "a.mcz").array.tobytes() == volume.array.tobytes()
    content = bytearray((tmp_path / "a.mcz").read_bytes())
    content[-400] ^= 1
    (tmp_path / "b.mcz").write_bytes(content)
    with pytest.raises(MedCompressError, match="damaged"):
        open_source(tmp_path / "b.mcz")


def test_blocks_are_read_once_when_slices_are_asked_for_one_by_one():
    array, reads = textured((50, 4, 5)), []

    def read(start, stop):
        reads.append((start, stop))
        return array[start:stop]

    reader = BlockReader(read, 50, 16, 40)
    np.testing.assert_array_equal(np.concatenate([reader(k, k + 1) for k in range(50)]), array)
    assert reads == [(0, 16), (16, 32), (32, 48), (48, 50)]


def test_a_file_that_shrinks_while_it_is_read(tmp_path):
    write_volume(Volume(textured((5, 6, 7))), tmp_path / "a.nrrd", compressed=False)
    source = open_source(tmp_path / "a.nrrd")
    shutil.copy(tmp_path / "a.nrrd", tmp_path / "b.nrrd")
    (tmp_path / "a.nrrd").write_bytes((tmp_path / "b.nrrd").read_bytes()[:-10])
    with pytest.raises(MedCompressError, match="shorter"):
        source.read(3, 5)


def test_a_volume_is_a_source_as_it_is():
    volume = Volume(textured((5, 6, 7)), OBLIQUE, "MR", "knee")
    source = as_source(volume)
    assert (source.modality, source.name, as_source(source) is source) == ("MR", "knee", True)
    assert_is(source, volume.array, OBLIQUE)
