"""The command line: what it prints, what it returns, one line for a failure."""

import json
import math
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import MedCompressLib
import numpy as np
import pytest
from archives import OBLIQUE, textured
from MedCompressLib.__main__ import main
from MedCompressLib.archive import Archive
from MedCompressLib.errors import MedCompressError
from MedCompressLib.volume import Volume, read_volume, write_volume

ARRAY = textured((5, 40, 50))
LIBRARY = Path(MedCompressLib.__file__).resolve().parent.parent


@pytest.fixture
def source(tmp_path):
    write_volume(Volume(ARRAY, OBLIQUE), tmp_path / "ct.nrrd")
    return tmp_path / "ct.nrrd"


@pytest.fixture
def run(capsys):
    """Runs a command in this process; gives (exit code, standard output, standard error)."""

    def call(*arguments):
        capsys.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as exit:
            code = exit.code
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


def check_report(document, path):
    assert document["ratio"] == ARRAY.nbytes / os.path.getsize(path)
    assert document["bits_per_voxel"] == pytest.approx(8 * os.path.getsize(path) / ARRAY.size)
    assert document["shape"] == list(ARRAY.shape) and document["scalar_type"] == "int16"
    geometry = OBLIQUE.as_dict()
    assert document["spacing"] == pytest.approx(geometry["spacing"])
    assert document["origin"] == pytest.approx(geometry["origin"])
    assert np.allclose(np.ravel(document["direction"]), geometry["direction"])
    assert document["codec"] == "jpeg2000"


def test_compress_info_verify_and_decompress(run, source, tmp_path):
    path = tmp_path / "ct.mcz"
    code, out, err = run("compress", source, path, "--ratio", 4, "--modality", "ct", "--json")
    compressed = json.loads(out)
    assert (code, err) == (0, "")
    check_report(compressed, path)
    assert compressed["target"] == {"kind": "ratio", "value": 4.0} and compressed["lossless"] is False
    assert (compressed["modality"], compressed["peak"]) == ("CT", 4096)

    code, out, err = run("info", path, "--json")
    assert (code, err, json.loads(out)) == (0, "", compressed)
    code, out, err = run("verify", path, "--json")
    assert (code, err, json.loads(out)) == (0, "", {"verified": True, **compressed})

    code, out, err = run("decompress", path, tmp_path / "back.nrrd", "--json")
    assert (code, err) == (0, "") and json.loads(out)["shape"] == list(ARRAY.shape)
    back = read_volume(tmp_path / "back.nrrd")
    assert back.geometry.is_close(OBLIQUE)

    code, out, err = run("quality", source, tmp_path / "back.nrrd", "--peak", 4096, "--json")
    quality = json.loads(out)
    assert (code, err) == (0, "")
    as_ct = json.loads(run("quality", source, tmp_path / "back.nrrd", "--modality", "ct", "--json")[1])
    assert as_ct.pop("peak_reason") != quality["peak_reason"]
    assert as_ct == {name: value for name, value in quality.items() if name != "peak_reason"}
    difference = ARRAY.astype(float) - back.array
    assert quality["mse"] == pytest.approx((difference**2).mean()) == pytest.approx(compressed["quality"]["mse"])
    assert quality["max_error"] == np.abs(difference).max()
    assert quality["psnr"] == pytest.approx(10 * math.log10(4096**2 / quality["mse"]))
    assert quality["peak"] == 4096 and 0 < quality["ssim"] < 1


def test_lossless_and_psnr_and_text(run, source, tmp_path):
    code, out, _ = run("compress", source, tmp_path / "a.mcz", "--lossless", "--json")
    document = json.loads(out)
    assert code == 0 and document["lossless"] and document["quality"]["psnr"] is None
    check_report(document, tmp_path / "a.mcz")
    assert run("decompress", tmp_path / "a.mcz", tmp_path / "a.nrrd")[0] == 0
    assert read_volume(tmp_path / "a.nrrd").array.tobytes() == ARRAY.tobytes()
    for name in ("raw.nrrd", "raw.mha"):
        assert run("decompress", tmp_path / "a.mcz", tmp_path / name, "--uncompressed")[0] == 0
        assert (tmp_path / name).read_bytes().endswith(ARRAY.tobytes())
    code, out, _ = run("quality", source, tmp_path / "a.mcz", "--json")
    assert code == 0 and json.loads(out)["psnr"] is None
    code, out, _ = run("compress", source, tmp_path / "b.mcz", "--psnr", 45)
    assert code == 0 and "PSNR 45." in out and out.count("\n") == 1
    code, out, _ = run("info", tmp_path / "b.mcz")
    assert code == 0 and "50 x 40 x 5" in out


def test_curve_gives_a_point_for_each_ratio(run, source):
    code, out, err = run("curve", source, "--ratios", "3,6", "--json")
    points = json.loads(out)["points"]
    assert (code, err) == (0, "")
    assert points[0]["ratio"] < points[1]["ratio"] and points[0]["psnr"] > points[1]["psnr"]


def test_progress_is_lines_of_json_that_rise_to_one(run, source, tmp_path):
    code, out, _ = run("compress", source, tmp_path / "a.mcz", "--ratio", 4, "--progress", "json", "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and "ratio" in lines[-1]
    fractions = [line["fraction"] for line in lines[:-1]]
    assert fractions[0] == 0 and fractions[-1] == 1 and all(0 <= fraction <= 1 for fraction in fractions)
    assert all(isinstance(line["message"], str) for line in lines[:-1])


def test_salvage_writes_what_is_whole_and_names_what_is_lost(run, source, tmp_path):
    path = tmp_path / "a.mcz"
    run("compress", source, path, "--lossless")
    with Archive(path) as archive:
        place = archive._offsets[0][2] + 20
    data = bytearray(path.read_bytes())
    data[place] ^= 8
    path.write_bytes(data)
    code, out, err = run("decompress", path, tmp_path / "b.nrrd")
    assert (code, out, err.count("\n")) == (2, "", 1) and "--salvage" in err and "chunk 2" in err
    assert not (tmp_path / "b.nrrd").exists()
    code, out, err = run("decompress", path, tmp_path / "b.nrrd", "--salvage", "--json")
    assert code == 0 and json.loads(out)["lost_slices"] == [2] and "1 slices were lost" in err
    saved = read_volume(tmp_path / "b.nrrd").array
    assert (saved[2] == 0).all() and np.delete(saved, 2, 0).tobytes() == np.delete(ARRAY, 2, 0).tobytes()


def test_nan_is_kept_or_needs_a_number(run, tmp_path):
    array = ARRAY.astype(np.float32)
    array[1, 2, 3] = np.nan
    write_volume(Volume(array, OBLIQUE), tmp_path / "pet.nrrd")
    assert run("compress", tmp_path / "pet.nrrd", tmp_path / "a.mcz", "--lossless")[0] == 0
    run("decompress", tmp_path / "a.mcz", tmp_path / "back.nrrd")
    assert read_volume(tmp_path / "back.nrrd").array.tobytes() == array.tobytes()
    code, out, err = run("compress", tmp_path / "pet.nrrd", tmp_path / "b.mcz", "--psnr", 40)
    assert (code, out, err.count("\n")) == (2, "", 1) and "--nan" in err and not (tmp_path / "b.mcz").exists()
    assert run("compress", tmp_path / "pet.nrrd", tmp_path / "b.mcz", "--psnr", 40, "--nan", 0)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "COMMAND"),
        (["dance"], "invalid choice"),
        (["compress", "{source}", "{folder}/a.mcz"], "--lossless"),
        (["compress", "{source}", "{folder}/a.mcz", "--ratio", "4", "--lossless"], "not allowed"),
        (["compress", "{source}", "{folder}/a.mcz", "--ratio", "ten"], "invalid float"),
        (["compress", "{source}", "{folder}/a.mcz", "--ratio", "0.5"], "at least 1"),
        (["compress", "{source}", "{folder}/a.mcz", "--ratio", "nan"], "at least 1"),
        (["compress", "{source}", "{folder}/a.mcz", "--psnr", "-3"], "200 dB"),
        (["compress", "{source}", "{folder}/a.mcz", "--ratio", "100000"], "the limit is"),
        (["compress", "{source}", "{folder}/a.mcz", "--ratio", "4", "--codec", "deflate"], "lossless codec"),
        (["compress", "{source}", "{folder}/a.mcz", "--psnr", "40", "--peak", "0"], "peak"),
        (["compress", "{source}", "{folder}/a.mcz", "--lossless", "--codec", "mp3"], "invalid choice"),
        (["compress", "{source}", "{folder}/a.zip", "--lossless"], ".mcz"),
        (["compress", "{source}", "{folder}/no/a.mcz", "--lossless"], "folder"),
        (["compress", "{folder}/missing.nrrd", "{folder}/a.mcz", "--lossless"], "missing.nrrd"),
        (["compress", "{source}", "{folder}/a.mcz", "--lossless", "--series", "1"], "series"),
        (["compress", "{source}", "{folder}/a.mcz", "--psnr", "40", "--roi", "otsu", "--series", "1"], "series"),
        (["compress", "{source}", "{folder}/a.mcz", "--psnr", "9", "--roi", "otsu", "--scheduler", "a"], "leave --sch"),
        (["info", "{source}"], "no MedCompress archive"),
        (["verify", "{folder}/missing.mcz"], "cannot be read"),
        (["decompress", "{source}", "{folder}/a.nrrd"], "no MedCompress archive"),
        (["quality", "{source}", "{folder}/missing.nrrd"], "missing.nrrd"),
        (["curve", "{source}", "--ratios", "3,x"], "--ratios"),
    ],
)
def test_every_failure_is_exit_code_2_and_one_line(run, source, tmp_path, arguments, words):
    before = sorted(tmp_path.iterdir())
    code, out, err = run(*(argument.format(source=source, folder=tmp_path) for argument in arguments))
    assert (code, out) == (2, "")
    assert err.endswith("\n") and err.count("\n") == 1 and words in err and "Traceback" not in err
    assert sorted(tmp_path.iterdir()) == before


def test_a_disk_that_fails_is_one_line(run, source, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError(5, "Input/output error", str(source))

    monkeypatch.setattr("MedCompressLib.compression.compress", fail)
    code, out, err = run("compress", source, tmp_path / "a.mcz", "--lossless")
    assert (code, out, err.count("\n")) == (2, "", 1) and "Input/output error" in err and "ct.nrrd" in err


def test_a_package_that_is_missing_is_one_line(run, source, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    code, out, err = run("compress", source, tmp_path / "a.mcz", "--lossless")
    assert (code, out, err.count("\n")) == (2, "", 1) and "pip install SimpleITK" in err


def test_a_closed_pipe_is_no_traceback(source):
    command = [sys.executable, "-m", "MedCompressLib", "curve", str(source), "--ratios", "3", "--progress", "json"]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(LIBRARY)})
    os.close(write)
    assert (done.returncode, done.stderr) == (2, b"")


class Callback:
    def __del__(self):
        signal.raise_signal(signal.SIGTERM)


def swallowed(progress):
    """The interpreter has no place for an exception in such a callback."""
    Callback()


def among_threads(progress):
    """An exception in a wait for a thread breaks its locks."""
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: os.kill(os.getpid(), signal.SIGTERM) or progress._cancelled.wait(300)).result()


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("terminated", [swallowed, among_threads])
def test_a_termination_that_cannot_end_a_command_at_once_ends_it_at_its_next_step(
    run, source, tmp_path, monkeypatch, terminated
):
    monkeypatch.setattr("MedCompressLib.__main__._AGAIN_SECONDS", 300)
    passed = []

    def compress(*_, progress, **__):
        terminated(progress)
        passed.append("termination")
        progress(0.5, "Encoding")
        passed.append("step")

    monkeypatch.setattr("MedCompressLib.compression.compress", compress)
    before = signal.getsignal(signal.SIGTERM), sys.unraisablehook
    code, out, err = run("compress", source, tmp_path / "a.mcz", "--lossless")
    assert (code, out, err, passed) == (2, "", "medcompress: cancelled: nothing was written\n", ["termination"])
    assert (signal.getsignal(signal.SIGTERM), sys.unraisablehook) == before


def stalled(progress):
    """Neither a wait nor a step comes after the wait for a thread."""
    among_threads(progress)
    read, write = os.pipe()
    help_it = threading.Timer(60, os.write, (write, b"too late"))
    help_it.start()
    try:
        os.read(read, 1)
    finally:
        help_it.cancel()


def endless(progress):
    """The wait for a thread does not end."""
    with ThreadPoolExecutor(1) as pool:
        over = threading.Event()
        waiting = pool.submit(over.wait, 60)
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
        try:
            waiting.result()
        finally:
            over.set()


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("terminated", [stalled, endless])
def test_a_termination_ends_a_command_that_takes_no_step(run, source, tmp_path, monkeypatch, terminated):
    def compress(*_, progress, **__):
        terminated(progress)
        raise MedCompressError("it went on")

    monkeypatch.setattr("MedCompressLib.compression.compress", compress)
    code, _, err = run("compress", source, tmp_path / "a.mcz", "--lossless")
    assert (code, err) == (2, "medcompress: cancelled: nothing was written\n")


def test_the_library_starts_without_heavy_packages():
    code = (
        "import sys, MedCompressLib.__main__, MedCompressLib.compression\n"
        "heavy = {'scipy', 'SimpleITK', 'glymur', 'imagecodecs', 'PIL', 'torch', 'slicer', 'vtk', 'qt'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(LIBRARY)},
    )
    assert done.stdout.strip() == "[]", done.stderr
