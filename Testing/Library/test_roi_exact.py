"""Archives with regions: what was promised inside is exact, layer by layer, from a pipe, and damage shows."""

import hashlib
import io
import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from archives import OBLIQUE, altered, textured
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from killed import killed
from MedCompressLib.archive import Archive, Manifest, read_progressively
from MedCompressLib.commands import build_parser
from MedCompressLib.compression import decompress, info, restore, verify
from MedCompressLib.errors import MedCompressError
from MedCompressLib.jobs import Progress, silent
from MedCompressLib.quality import psnr
from MedCompressLib.roi import Region, compress_roi, from_labels
from MedCompressLib.targets import Lossless, Psnr, Quality, Ratio
from MedCompressLib.volume import SCALAR_TYPES, Geometry, Volume, read_volume, write_volume
from test_comparison_reading import write_seg_nrrd
from test_roi_regions import masks

MODULES = os.path.join(os.path.dirname(__file__), "..", "..", "MedCompress")


def phantom(shape=(20, 48, 56), dtype="int16") -> tuple[Volume, np.ndarray]:
    mask = np.zeros(shape, bool)
    mask[3:17, 10:30, 12:40] = True
    return Volume(textured(shape, dtype), OBLIQUE, "CT"), mask


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_region_is_bit_exact_for_any_mask_and_type(tmp_path, data):
    shape = data.draw(st.tuples(st.integers(1, 20), st.integers(9, 24), st.integers(9, 24)))
    dtype = data.draw(st.sampled_from(SCALAR_TYPES))
    shifts = {"32": [0, 0, 1000000], "64": [0, 0, 1000000, 2**62 if "int" in dtype else 0]}.get(dtype[-2:], [0])
    shift = data.draw(st.sampled_from(shifts))
    volume = Volume((textured(shape, "uint16").astype("int64") + shift).astype(dtype), OBLIQUE, "CT")
    mask = data.draw(masks(shape))
    target = data.draw(st.sampled_from([Psnr(40.0), Lossless()]))
    path = tmp_path / "a.mcz"
    if not mask.any():
        with pytest.raises(MedCompressError, match="empty"):
            compress_roi(volume, path, mask, codec="jpeg2000", target=target)
        return
    report = compress_roi(
        volume, path, mask, codec="jpeg2000", target=target, restore=data.draw(st.booleans()), figures=False
    )
    result = decompress(path)
    assert result.array.dtype == volume.array.dtype and result.geometry == volume.geometry
    assert result.array[mask].tobytes() == volume.array[mask].tobytes()
    if report.manifest.lossless:
        assert result.array.tobytes() == volume.array.tobytes()
    elif not mask.all():
        assert psnr(volume.array, result.array, 4096, ~mask) >= 40 - 1e-6


@pytest.mark.parametrize("codec", ["jpeg2000", "htj2k", "hevc"])
def test_layers_come_front_to_back_through_a_pipe(tmp_path, codec):
    if codec == "hevc":
        pytest.importorskip("av")
    volume, mask = phantom()
    path = tmp_path / "a.mcz"
    compress_roi(volume, path, mask, codec=codec, target=Psnr(45), restore=True, figures=False)
    read, write = os.pipe()

    def send():
        with os.fdopen(write, "wb") as end:
            end.write(path.read_bytes())

    sender = threading.Thread(target=send)
    sender.start()
    with os.fdopen(read, "rb") as end:
        stages = list(read_progressively(end))
    sender.join()
    assert [stage.layer.role for stage in stages] == ["region", "base", "restore"]
    assert all(np.array_equal(stage.volume.array[mask], volume.array[mask]) for stage in stages)
    errors = [np.square(stage.volume.array - volume.array.astype(float)).mean() for stage in stages]
    assert errors[0] > errors[1] > errors[2] == 0
    for stage, error in zip(stages, errors, strict=True):
        assert stage.layer.quality["mse"] == pytest.approx(error)
        assert stage.layer.quality["inside"] == {"voxels": int(mask.sum()), "mse": 0.0, "max_error": 0.0, "psnr": None}
        assert stage.layer.exact == (error == 0)


def test_regions_with_qualities_of_their_own(tmp_path):
    volume, liver = phantom()
    tumor = np.zeros_like(liver)
    tumor[8:11, 15:20, 20:26] = True
    path = tmp_path / "a.mcz"
    regions = [Region(tumor, 0, "tumor"), Region(liver, 2, "liver")]
    report = compress_roi(volume, path, regions, codec="jpeg2000", target=Psnr(40))
    result = decompress(path).array
    assert np.array_equal(result[tumor], volume.array[tumor])
    difference = np.abs(result.astype(int) - volume.array)[liver]
    assert difference.max() == 2
    assert report.as_dict()["layers"][1]["name"] == "liver" and report.figures["roi_max_error"] == 2
    exact = compress_roi(volume, path, liver, codec="jpeg2000", target=Psnr(40), figures=False)
    assert sum(exact.manifest.layers[0].sizes) > 1.2 * sum(sum(part.sizes) for part in report.manifest.layers[:2])
    compress_roi(volume, path, regions, codec="jpeg2000", target=Psnr(40), restore=True, figures=False)
    assert np.array_equal(decompress(path).array, volume.array)


def test_ratio_is_that_of_the_whole_file(tmp_path):
    volume, mask = phantom((24, 96, 96))
    path = tmp_path / "a.mcz"
    report = compress_roi(volume, path, mask, codec="jpeg2000", target=Ratio(8), figures=False)
    assert volume.array.nbytes / path.stat().st_size == report.ratio == pytest.approx(8, rel=0.02)
    small, region = phantom((12, 48, 48))
    for method in ("exact", "diffusion"):
        report = compress_roi(small, path, region, method, "jpeg2000", Ratio(5), figures=False)
        assert report.ratio == pytest.approx(5, rel=0.02)
    with pytest.raises(MedCompressError, match="leave room for at most"):
        compress_roi(volume, path, mask, codec="jpeg2000", target=Ratio(1000))


def test_two_qualities(tmp_path):
    volume, mask = phantom()
    path = tmp_path / "a.mcz"
    report = compress_roi(volume, path, mask, "two-quality", "jpeg2000", Psnr(35))
    result = decompress(path).array
    box = np.zeros_like(mask)
    box[3:17, 10:30, 12:40] = True
    assert 35 <= psnr(volume.array, result, 4096, ~box) < 36
    assert psnr(volume.array, result, 4096, box) >= 55
    assert [layer.role for layer in report.manifest.layers] == ["box", "base"]
    with Archive(path) as archive:
        assert np.array_equal(archive.read_slab(5, 9), result[5:9])
    with pytest.raises(MedCompressError, match="two qualities"):
        compress_roi(volume, path, mask, "two-quality", "jpeg2000", Lossless())
    with pytest.raises(MedCompressError, match="not on the scale"):
        compress_roi(volume, path, mask, "two-quality", "jpeg2000", Quality(400))
    with pytest.raises(MedCompressError, match="bounds no error"):
        compress_roi(volume, path, [Region(mask, 2)], "two-quality", "jpeg2000", Psnr(35))


@pytest.mark.parametrize(("codec", "value"), [("jpeg2000", 40.0), ("htj2k", 500.0), ("hevc", 30.0)])
def test_box_is_finer_by_a_tenth_of_the_quantizer_on_every_scale(tmp_path, codec, value):
    volume, mask = phantom()
    path = tmp_path / "a.mcz"
    compress_roi(volume, path, mask, "two-quality", codec, Quality(value), figures=False)
    result = decompress(path).array
    finer = psnr(volume.array, result, 4096, mask) - psnr(volume.array, result, 4096, ~mask)
    assert 6 < finer < 26


def test_diffused_volume_is_exact_where_nothing_may_change(tmp_path):
    pytest.importorskip("torch")
    volume, mask = phantom()
    path = tmp_path / "a.mcz"
    report = compress_roi(volume, path, mask, "diffusion", "jpeg2000", Lossless())
    result = decompress(path).array
    assert np.array_equal(result[mask], volume.array[mask]) and not np.array_equal(result, volume.array)
    assert not report.manifest.lossless and report.manifest.layers[0].quality["inside"]["max_error"] == 0
    plain = tmp_path / "b.mcz"
    compress_roi(volume, plain, mask, "exact", "jpeg2000", Lossless(), figures=False)
    assert path.stat().st_size < plain.stat().st_size


def test_slabs_are_those_of_the_whole(tmp_path):
    volume, mask = phantom((37, 20, 22))
    path = tmp_path / "a.mcz"
    compress_roi(volume, path, mask, codec="jpeg2000", target=Psnr(45), figures=False)
    whole = decompress(path).array
    with Archive(path) as archive:
        for start, stop in ((0, 1), (15, 18), (31, 37), (0, 37)):
            assert np.array_equal(archive.read_slab(start, stop), whole[start:stop])


def test_damage_anywhere_is_found(tmp_path):
    volume, mask = phantom((5, 20, 22))
    mask[1:4, 4:9, 4:9] = True
    path = tmp_path / "a.mcz"
    compress_roi(volume, path, mask, codec="jpeg2000", target=Psnr(45), restore=True, figures=False)
    content = path.read_bytes()
    for place in range(0, len(content), 13):
        broken = bytearray(content)
        broken[place] ^= 1 << place % 8
        path.write_bytes(broken)
        with pytest.raises(MedCompressError):
            decompress(path)
        with pytest.raises(MedCompressError):
            list(read_progressively(io.BytesIO(broken)))
    for size in range(0, len(content), 97):
        with pytest.raises(MedCompressError):
            list(read_progressively(io.BytesIO(content[:size])))


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m["layers"].reverse(),
        lambda m: m["layers"][0].pop("fill"),
        lambda m: m["layers"][0].update(error=-1),
        lambda m: m["layers"][0].update(fill=40000),
        lambda m: m["layers"][0].update(codec="deflate"),
        lambda m: m["layers"][0].update(role="hologram"),
        lambda m: m["layers"][1].update(role="region"),
        lambda m: m["layers"].append(m["layers"][1]),
        lambda m: m["layers"][1].update(bits=3),
        lambda m: m.update(version=1),
    ],
)
def test_impossible_manifests_are_refused(tmp_path, change):
    volume, mask = phantom((3, 20, 42))
    path = tmp_path / "a.mcz"
    mask[1, 3, 3] = True
    compress_roi(volume, path, mask, codec="jpeg2000", target=Psnr(45), figures=False)
    path.write_bytes(altered(path, change))
    with pytest.raises(MedCompressError):
        decompress(path)


def test_golden_file_of_version_2_stays_readable():
    """Written once by make_golden_regions.py; the sum was taken of the source, inside, and of the decoded base."""
    folder = Path(__file__).parent / "golden_regions"
    facts = json.loads((folder / "golden.json").read_text())
    with open(folder / "regions.mcz", "rb") as stream:
        stages = list(read_progressively(stream))
    sums = [hashlib.sha256(stage.volume.array.tobytes()).hexdigest() for stage in stages]
    assert sums == facts["stages"]
    assert [stage.layer.role for stage in stages] == ["region", "region", "base", "restore"]


def test_later_versions_are_refused_with_advice():
    with pytest.raises(MedCompressError, match="update MedCompress"):
        Manifest.from_json(json.dumps({"format": "MedCompress archive", "version": 3}).encode())


def test_samples_that_cannot_be_exact_are_refused(tmp_path):
    volume, mask = phantom((3, 20, 42), "float32")
    mask[:] = True
    with pytest.raises(MedCompressError, match="whole numbers"):
        compress_roi(replace(volume, array=volume.array + np.float32(0.5)), tmp_path / "a.mcz", mask, target=Psnr(45))
    volume.array[0, 0, :3] = np.nan
    with pytest.raises(MedCompressError, match=r"NaN or infinite samples \(3\)"):
        compress_roi(volume, tmp_path / "a.mcz", mask, target=Psnr(45))


def command(*arguments: object, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "MedCompressLib", *map(str, arguments)], cwd=MODULES, capture_output=True, **options
    )


def test_command_line(tmp_path):
    volume, mask = phantom()
    write_volume(volume, tmp_path / "v.nrrd")
    write_volume(Volume(np.where(mask, 5, 1).astype(np.uint8), volume.geometry), tmp_path / "m.nrrd")
    arguments = ["--roi", tmp_path / "m.nrrd", "--roi-labels", "5", "--margin", "1", "--modality", "CT", "--json"]
    out = tmp_path / "a.mcz"
    done = command("compress", tmp_path / "v.nrrd", out, *arguments, "--psnr", 45, "--codec", "jpeg2000", "--restore")
    result = json.loads(done.stdout)
    assert result["roi_max_error"] == 0 and result["inside"]["psnr_4096"] is None and result["lossless"]
    assert result["roi_voxels"] > mask.sum() and result["entropy_before"] > 0
    with open(out, "rb") as stream:
        done = command("decompress", "-", tmp_path / "b.nrrd", "--layers", "--json", "--progress", "json", stdin=stream)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert ["region exact" in line["message"] for line in lines[:-1]] == [True, True, False]
    assert [stage["exact"] for stage in lines[-1]["stages"]] == [False, False, True]
    assert np.array_equal(read_volume(tmp_path / "b.nrrd").array, volume.array)
    rest, whole = tmp_path / "rest.nrrd", out.read_bytes()
    arrived = whole[: -len(whole) // 4]
    cut = command("decompress", "-", rest, "--layers", input=arrived)
    assert cut.returncode == 2 and b"holds layer 2 of 3, region exact" in cut.stderr
    assert np.array_equal(read_volume(rest).array[mask], volume.array[mask])
    arguments[3] = "9"
    wrong = command("compress", tmp_path / "v.nrrd", out, *arguments, "--psnr", 45)
    assert wrong.returncode == 2 and b"holds 1, 5" in wrong.stderr and len(wrong.stderr.splitlines()) == 1
    assert verify(out).manifest == info(out).manifest


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_termination_while_the_pipe_stalls_says_which_layer_is_there(tmp_path):
    volume, mask = phantom()
    path, out = tmp_path / "a.mcz", tmp_path / "b.nrrd"
    compress_roi(volume, path, mask, codec="jpeg2000", target=Psnr(45), restore=True, figures=False)
    whole = path.read_bytes()
    arguments = ["decompress", "-", str(out), "--layers", "--progress", "json"]
    with subprocess.Popen(
        [sys.executable, "-m", "MedCompressLib", *arguments],
        cwd=MODULES, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as child:  # fmt: skip
        child.stdin.write(whole[: -len(whole) // 4])
        child.stdin.flush()
        assert b"Layer 1 of 3" in child.stdout.readline() and b"Layer 2 of 3" in child.stdout.readline()
        child.terminate()
        assert child.wait(300) == 2
        assert b"cancelled: " in (said := child.stderr.read()) and b"b.nrrd holds layer 2 of 3, region exact" in said
    assert np.array_equal(read_volume(out).array[mask], volume.array[mask])


@pytest.mark.parametrize("restoring", [False, True])
def test_a_wish_to_cancel_that_comes_while_it_is_written_comes_too_late(tmp_path, restoring):
    volume, mask = phantom()
    path, out = tmp_path / "a.mcz", tmp_path / "b.nii.gz"
    progress = Progress(lambda fraction, message: progress.cancel() if message.startswith("Writing") else None)
    written = Progress() if restoring else progress
    compress_roi(volume, path, mask, codec="jpeg2000", target=Psnr(45), figures=False, progress=written)
    assert verify(path).manifest == info(path).manifest
    if restoring:
        restore(path, out, progress=progress)
        assert np.array_equal(read_volume(out).array[mask], volume.array[mask])


def test_overlapping_segments_have_qualities_of_their_own(tmp_path):
    """From the command line, in this process: the tumor exact, the liver around it at most 2 off, the rest at 40 dB."""
    volume, liver = phantom()
    volume = replace(volume, geometry=Geometry((0.5, 0.75, 2.0)))
    tumor = np.zeros_like(liver)
    tumor[8:11, 15:20, 20:26] = True
    write_volume(volume, tmp_path / "v.nrrd")
    write_seg_nrrd(tmp_path / "s.seg.nrrd", [liver, tumor], [("liver", 1, 0, ""), ("tumor", 1, 1, "")])

    def run(*arguments):
        given = ["compress", tmp_path / "v.nrrd", tmp_path / "a.mcz", "--codec", "jpeg2000", "--psnr", 40, *arguments]
        options = build_parser().parse_args([str(argument) for argument in given])
        return options.run(options, silent)[0]

    report = run("--roi", tmp_path / "s.seg.nrrd", "--roi-labels", "tumor,liver:2")
    result = decompress(tmp_path / "a.mcz").array
    assert np.array_equal(result[tumor], volume.array[tumor])
    assert np.abs(result.astype(int) - volume.array)[liver].max() == 2
    assert [layer["name"] for layer in report["layers"][:2]] == ["ROI", "liver"] and report["notes"] == []
    assert info(tmp_path / "a.mcz").as_dict().keys() <= report.keys() and report["roi_voxels"] == liver.sum()
    assert run("--roi", tmp_path / "s.seg.nrrd")["roi_max_error"] == 0
    with pytest.raises(MedCompressError, match="choose by name among liver, tumor"):
        run("--roi", tmp_path / "s.seg.nrrd", "--roi-labels", "1")
    for wrong in (
        ["--roi", "otsu", "--scheduler", "tcp://a:1"],
        ["--roi", ""],
        ["--roi", "otsu", "--in-plane"],
        ["--in-plane"],
        ["--roi", "otsu", "--roi-labels", "1"],
    ):
        with pytest.raises(MedCompressError):
            run(*wrong)


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
@pytest.mark.parametrize(
    "step", ["Adjusting: slice group 9 of", "Encoding ROI: group 1 of", "Measuring the quality", "Writing a.mcz"]
)
def test_a_kill_leaves_the_old_file(tmp_path, step):
    volume, mask = phantom()
    write_volume(volume, tmp_path / "v.nrrd", compressed=False)
    write_volume(Volume(mask.astype(np.uint8), volume.geometry), tmp_path / "m.nrrd")
    out = tmp_path / "a.mcz"
    out.write_bytes(b"the old file")
    options = ["--roi", tmp_path / "m.nrrd", "--psnr", 50, "--codec", "jpeg2000"]
    killed(step, "compress", tmp_path / "v.nrrd", out, *options)
    assert out.read_bytes() == b"the old file"


def test_liver_of_a_patient(data_folder, tmp_path):
    volume = read_volume(data_folder / "ct_liver_dicom_j2k")
    liver = from_labels(read_volume(data_folder / "ct_liver_dicom_j2k_labels.nrrd"), [5], volume).array
    path = tmp_path / "a.mcz"
    report = compress_roi(volume, path, liver, codec="jpeg2000", target=Psnr(46), figures=False)
    assert np.array_equal(decompress(path).array[liver], volume.array[liver])
    assert report.ratio > 25 and report.roi_bits_per_voxel < 5.4
