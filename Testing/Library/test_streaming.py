"""Stacks larger than memory: the same bytes as through memory, bounded memory, targets whole or not there at all."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from archives import OBLIQUE, textured
from MedCompressLib import restoring, volume_files
from MedCompressLib.__main__ import main
from MedCompressLib.compression import compress, decompress, restore, verify
from MedCompressLib.errors import Cancelled, MedCompressError
from MedCompressLib.jobs import Progress
from MedCompressLib.preview import Preview
from MedCompressLib.read_ahead import in_order
from MedCompressLib.sources import open_source, opening
from MedCompressLib.targets import Lossless, Psnr, Ratio
from MedCompressLib.volume import IDENTITY, Geometry, Volume, read_volume, write_volume

ROOT = Path(__file__).resolve().parents[2]
TARGETS = [Lossless(), Ratio(4), Psnr(45)]


def few_values(shape):
    return (np.round(textured(shape) / 7) * 0.123).astype(np.float32)


VOLUMES = {
    "int16": textured((40, 60, 70)),
    "uint8": textured((40, 60, 70), "uint8"),
    "wide": textured((40, 60, 70)).astype("int32") * 1000,
    "few values": few_values((40, 60, 70)),
    "noise": np.random.default_rng(0).normal(size=(40, 60, 70)),
}


@pytest.mark.parametrize("target", TARGETS, ids=str)
@pytest.mark.parametrize("kind", VOLUMES)
def test_a_streamed_file_makes_the_same_archive_as_a_volume(tmp_path, monkeypatch, kind, target):
    volume = Volume(VOLUMES[kind], Geometry((0.5, 0.5, 2.0), (1.0, 2.0, 3.0)))
    write_volume(volume, tmp_path / "a.nrrd", compressed=False)
    compress(read_volume(tmp_path / "a.nrrd"), tmp_path / "memory.mcz", target=target, modality="mr")
    monkeypatch.setattr(opening, "WHOLE_LIMIT", 0)
    monkeypatch.setattr("MedCompressLib.sources.source.SLAB_BYTES", 20_000)
    compress(tmp_path / "a.nrrd", tmp_path / "streamed.mcz", target=target, modality="mr")
    assert (tmp_path / "memory.mcz").read_bytes() == (tmp_path / "streamed.mcz").read_bytes()


def test_nan_in_a_streamed_file(tmp_path, monkeypatch):
    array = textured((10, 40, 50), "float32") + np.float32(0.25)
    array[7, 3, 4] = np.nan
    write_volume(Volume(array), tmp_path / "a.nrrd", compressed=False)
    monkeypatch.setattr(opening, "WHOLE_LIMIT", 0)
    with pytest.raises(MedCompressError, match="NaN"):
        compress(tmp_path / "a.nrrd", tmp_path / "a.mcz", target=Ratio(4))
    compress(tmp_path / "a.nrrd", tmp_path / "a.mcz", target=Ratio(4), nan=-5000)
    compress(Volume(array), tmp_path / "b.mcz", target=Ratio(4), nan=-5000)
    assert (tmp_path / "a.mcz").read_bytes() == (tmp_path / "b.mcz").read_bytes()
    compress(tmp_path / "a.nrrd", tmp_path / "a.mcz")
    assert decompress(tmp_path / "a.mcz").array.tobytes() == array.tobytes()


def test_preview_of_a_source_is_that_of_its_volume(tmp_path, monkeypatch):
    write_volume(Volume(textured((12, 60, 70))), tmp_path / "a.nrrd", compressed=False)
    monkeypatch.setattr(opening, "WHOLE_LIMIT", 0)
    streamed = Preview(open_source(tmp_path / "a.nrrd")).try_target(Ratio(8), [2, 9])
    whole = Preview(read_volume(tmp_path / "a.nrrd")).try_target(Ratio(8), [2, 9])
    assert (streamed.psnr, streamed.ratio) == (whole.psnr, whole.ratio)
    np.testing.assert_array_equal(streamed.array, whole.array)


@pytest.fixture(params=["int16", "uint8", "few values", "noise"])
def archived(request, tmp_path, monkeypatch):
    """A volume and its archive, which is restored in many slabs."""
    monkeypatch.setattr(restoring, "_SLAB_BYTES", 50_000)
    volume = Volume(VOLUMES[request.param], OBLIQUE, "CT")
    compress(volume, tmp_path / "a.mcz")
    return volume, tmp_path / "a.mcz"


@pytest.mark.parametrize("compressed", [True, False])
def test_restored_nrrd_is_the_volume_for_itk_and_for_us(archived, tmp_path, compressed):
    volume, path = archived
    restore(path, tmp_path / "a.nrrd", compressed=compressed)
    image = SimpleITK.ReadImage(str(tmp_path / "a.nrrd"))
    assert SimpleITK.GetArrayFromImage(image).tobytes() == volume.array.tobytes()
    back = read_volume(tmp_path / "a.nrrd")
    assert back.array.dtype == volume.array.dtype
    volume_files.check_geometry(volume.geometry, back.geometry, path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.mcz", "a.nrrd"]


@pytest.mark.parametrize("name", ["b.ome.zarr", "b.zarr"])
def test_restored_ome_zarr_is_the_volume_and_names_its_scale(archived, tmp_path, name):
    zarr = pytest.importorskip("zarr")
    volume, path = archived
    restore(path, tmp_path / name)
    assert zarr.open_array(tmp_path / name / "0", mode="r")[:].tobytes() == volume.array.tobytes()
    multiscale = json.loads((tmp_path / name / ".zattrs").read_text())["multiscales"][0]
    assert [axis["name"] for axis in multiscale["axes"]] == ["z", "y", "x"]
    assert {axis["unit"] for axis in multiscale["axes"]} == {"millimeter"}
    scale = multiscale["datasets"][0]["coordinateTransformations"][0]
    assert scale == {"type": "scale", "scale": list(reversed(volume.geometry.spacing))}
    source = open_source(tmp_path / name)
    assert (source.geometry, source.modality) == (volume.geometry, "CT")
    restore(path, tmp_path / name)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.mcz", name]


def test_ome_zarr_translation_only_where_the_axes_are_those_of_the_patient(tmp_path):
    pytest.importorskip("zarr")
    for direction, kinds in [(IDENTITY, ["scale", "translation"]), (OBLIQUE.direction, ["scale"])]:
        compress(Volume(textured((3, 8, 9)), Geometry((1, 2, 3), (4, 5, 6), direction)), tmp_path / "a.mcz")
        restore(tmp_path / "a.mcz", tmp_path / "a.zarr")
        attributes = json.loads((tmp_path / "a.zarr" / ".zattrs").read_text())
        transforms = attributes["multiscales"][0]["datasets"][0]["coordinateTransformations"]
        assert [transform["type"] for transform in transforms] == kinds


@pytest.mark.parametrize("name", ["b.nrrd", "b.ome.zarr", "b.nii.gz", "b.mha"])
def test_the_command_writes_every_format(tmp_path, name, capsys):
    pytest.importorskip("zarr")
    volume = Volume(textured((6, 20, 30)), Geometry((0.5, 0.5, 2.0)))
    compress(volume, tmp_path / "a.mcz")
    assert main(["decompress", str(tmp_path / "a.mcz"), str(tmp_path / name)]) == 0
    source = open_source(tmp_path / name)
    np.testing.assert_array_equal(source.read(0, 6), volume.array)
    assert source.geometry.is_close(volume.geometry)


def cancelled_at(step):
    steps = iter(range(10_000))
    progress = Progress(lambda *_: next(steps) == step and progress.cancel())
    return progress


@pytest.mark.parametrize("name", ["b.nrrd", "b.zarr"])
def test_cancelled_and_damaged_restores_leave_what_was_there(tmp_path, monkeypatch, name):
    pytest.importorskip("zarr")
    monkeypatch.setattr(restoring, "_SLAB_BYTES", 20_000)
    volume = Volume(textured((40, 60, 70)))
    compress(volume, tmp_path / "a.mcz")
    restore(tmp_path / "a.mcz", tmp_path / name)
    content = bytearray((tmp_path / "a.mcz").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "c.mcz").write_bytes(content)
    with pytest.raises(Cancelled):
        restore(tmp_path / "a.mcz", tmp_path / name, progress=cancelled_at(3))
    with pytest.raises(MedCompressError, match="damaged"):
        restore(tmp_path / "c.mcz", tmp_path / name)
    np.testing.assert_array_equal(open_source(tmp_path / name).read(0, 40), volume.array)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.mcz", name, "c.mcz"]


def test_restoring_onto_what_is_something_else(tmp_path):
    pytest.importorskip("zarr")
    compress(Volume(textured((3, 8, 9))), tmp_path / "a.mcz")
    (tmp_path / "keep.zarr").mkdir()
    (tmp_path / "keep.zarr" / "thesis.txt").write_text("all of it")
    (tmp_path / "other.zarr").mkdir()
    (tmp_path / "other.zarr" / ".zgroup").write_text('{"zarr_format": 2}')
    (tmp_path / "keep.nrrd").mkdir()
    refusals = {"keep.zarr": "no OME-Zarr image", "other.zarr": "no OME-Zarr image", "keep.nrrd": "is a folder"}
    for name, words in {**refusals, "no/a.nrrd": "does not exist"}.items():
        with pytest.raises(MedCompressError, match=words):
            restore(tmp_path / "a.mcz", tmp_path / name)
    assert (tmp_path / "keep.zarr" / "thesis.txt").read_text() == "all of it"


def test_a_full_disk_is_reported(tmp_path, monkeypatch):
    compress(Volume(textured((3, 8, 9))), tmp_path / "a.mcz")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(MedCompressError, match="No space left"):
        restore(tmp_path / "a.mcz", tmp_path / "a.nrrd")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.mcz"]


def test_samples_that_change_on_the_way_to_the_disk_are_noticed(tmp_path, monkeypatch):
    compress(Volume(textured((3, 8, 9))), tmp_path / "a.mcz")
    sync = os.fsync

    def corrupting(descriptor):
        os.pwrite(descriptor, b"\xff", os.fstat(descriptor).st_size - 40)
        sync(descriptor)

    monkeypatch.setattr("os.fsync", corrupting)
    with pytest.raises(MedCompressError, match="not written"):
        restore(tmp_path / "a.mcz", tmp_path / "a.nrrd", compressed=False)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.mcz"]


def test_work_is_done_in_order_with_few_results_at_a_time():
    alive, most = set(), []

    def work(item):
        alive.add(item)
        most.append(len(alive))
        return item

    seen = []
    for result in in_order(work, range(200), 3):
        seen.append(result)
        alive.discard(result)
    assert seen == list(range(200)) and max(most) <= 4


def test_a_failure_in_the_work_ends_it():
    done = []

    def work(item):
        done.append(item)
        if item == 5:
            raise MedCompressError("five")
        return item

    with pytest.raises(MedCompressError, match="five"):
        list(in_order(work, range(1000), 2))
    assert len(done) < 20


PEAK = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import SimpleITK, glymur, numpy as np
from MedCompressLib.codecs.openjpeg import openjpeg
from MedCompressLib.__main__ import main
openjpeg()

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024

start = peak()
assert main(sys.argv[2:]) == 0
print("peak", start, peak())
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_peak_memory_stays_far_below_the_stack(tmp_path):
    shape = (300, 724, 724)
    assert np.prod(shape) * 2 > 300e6
    plane = np.add.outer(np.arange(724), np.arange(724) // 9).astype(np.int16)
    header = f"NRRD0004\ntype: short\ndimension: 3\nsizes: {shape[2]} {shape[1]} {shape[0]}\nencoding: raw\n"
    with open(tmp_path / "a.nrrd", "wb") as file:
        file.write((header + "endian: little\n\n").encode())
        for k in range(shape[0]):
            file.write(np.roll(plane, k, axis=0).tobytes())

    def grown(*arguments):
        command = [sys.executable, "-c", PEAK, str(ROOT / "MedCompress"), *map(str, arguments), "--threads", "2"]
        environment = {**os.environ, "MALLOC_ARENA_MAX": "2"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        _, start, peak = done.stdout.splitlines()[-1].split()
        return float(peak) - float(start)

    codec = ["--codec", "deflate"]
    assert grown("compress", tmp_path / "a.nrrd", tmp_path / "a.mcz", "--lossless", *codec) < 120
    assert grown("verify", tmp_path / "a.mcz") < 120
    assert grown("decompress", tmp_path / "a.mcz", tmp_path / "b.nrrd") < 120
    one, other = open_source(tmp_path / "a.nrrd"), open_source(tmp_path / "b.nrrd")
    assert all(np.array_equal(one.read(k, k + 1), other.read(k, k + 1)) for k in range(0, shape[0], 7))


def test_verify_decodes_everything_without_holding_it(tmp_path, monkeypatch):
    compress(Volume(textured((40, 60, 70))), tmp_path / "a.mcz")
    monkeypatch.setattr(restoring, "_SLAB_BYTES", 20_000)
    steps = []
    verify(tmp_path / "a.mcz", progress=Progress(lambda fraction, message: steps.append(message)))
    assert len(steps) == 20 and steps[-1] == "Decoding slice 40 of 40"
