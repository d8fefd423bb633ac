"""`medcompress segment`: what it reads, what it writes, what it says, and that failure leaves nothing behind."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from MedCompressLib.__main__ import main
from MedCompressLib.comparison import read_segmentation
from MedCompressLib.compression import compress
from MedCompressLib.errors import MedCompressError
from MedCompressLib.targets import Lossless
from MedCompressLib.volume import Volume, read_volume, write_volume

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("safetensors", reason="safetensors is not installed")

from MedCompressLib.unet.card import Label, ModelCard  # noqa: E402
from MedCompressLib.unet.inference import segment  # noqa: E402
from MedCompressLib.unet.model_file import load_model, save_model  # noqa: E402
from MedCompressLib.unet.networks import build_network  # noqa: E402
from MedCompressLib.unet.output import write_labels  # noqa: E402
from unet_models import GEOMETRY, UNCHANGED  # noqa: E402

LIVER = (
    "Segmentation category and type - 3D Slicer General Anatomy list~SCT^123037004^Anatomical Structure"
    "~SCT^10200004^Liver~^^~Anatomic codes - DICOM master list~^^~^^"
)
LABELS = Label(5, "Leber \u00e4", (0.25, 0.5, 1.0), LIVER), Label(1, "second", (1.0, 0.0, 0.125)), Label(9, "third")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A volume as NRRD and as archive, and a model with random weights."""
    folder = tmp_path_factory.mktemp("segment")
    samples = np.random.default_rng(2).integers(-30, 30, (6, 40, 36)).astype(np.int16)
    write_volume(Volume(samples, GEOMETRY, "CT"), folder / "in.nrrd")
    compress(folder / "in.nrrd", folder / "in.mcz", "htj2k", Lossless())
    torch.manual_seed(11)
    network = {"architecture": "elkhoury2d", "features": 4, "levels": 3}
    normalization = {**UNCHANGED, "std": 10.0}
    known = ModelCard("random", 2, network, (16, 16), LABELS, normalization=normalization)
    save_model(folder / "m.mcmodel", build_network(network, 1, known.outputs, 2), known)
    return folder


def run(folder, *arguments) -> list[str]:
    files = {".nrrd", ".mcz", ".mcmodel", ".mha"}
    return [str(folder / one) if os.path.splitext(one)[1] in files else one for one in arguments]


def test_it_writes_what_the_library_finds(folder, tmp_path, capsys):
    model, asked = load_model(folder / "m.mcmodel"), {"device": "cpu", "thread_count": 1}
    wanted = segment(read_volume(folder / "in.nrrd"), model, want_probability=True, **asked)
    out, share = str(tmp_path / "a.seg.nrrd"), str(tmp_path / "p.nrrd")
    command = ["segment", *run(folder, "in.mcz"), out, "--model", str(folder / "m.mcmodel"), "--probability", share]
    assert main([*command, "--json", "--progress", "json", "--threads", "1", "--device", "cpu"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    fractions = [line["fraction"] for line in lines[:-1]]
    assert fractions == sorted(fractions) and fractions[-1] == 1 and len(fractions) > 4
    found = read_segmentation(out)
    assert np.array_equal(found.layers[0], wanted.labels.array) and len(np.unique(found.layers[0])) > 2
    assert [(s.name, s.value) for s in found.segments] == [(label.name, label.value) for label in LABELS]
    assert found.segments[0].terminology == "SCT^123037004~SCT^10200004~~~" and found.geometry.is_close(GEOMETRY, 1e-9)
    assert np.array_equal(read_volume(share).array, wanted.probability.array)
    report = lines[-1]
    assert {label["name"]: label["voxels"] for label in report["labels"]} == {
        label.name: int((wanted.labels.array == label.value).sum()) for label in LABELS
    }
    assert report["labels"][0]["milliliters"] == pytest.approx(report["labels"][0]["voxels"] * 0.7 * 0.8 * 2.5 / 1000)
    assert report["device"].startswith("cpu") and report["model"] == "random"


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha", "a.nii.gz"])
def test_label_maps_in_other_formats(folder, tmp_path, name, capsys):
    assert main(["segment", *run(folder, "in.nrrd"), str(tmp_path / name), "--model", str(folder / "m.mcmodel")]) == 0
    found = read_volume(tmp_path / name)
    wanted = segment(read_volume(folder / "in.nrrd"), load_model(folder / "m.mcmodel")).labels
    assert np.array_equal(found.array, wanted.array) and found.geometry.is_close(GEOMETRY, 1e-4)
    assert "Leber" in capsys.readouterr().out


def write_color(path):
    import SimpleITK

    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.zeros((4, 5, 6, 3), np.uint8), isVector=True), str(path))


def write_four_axes(path):
    import SimpleITK

    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.zeros((2, 4, 5, 6), np.uint8), isVector=False), str(path))


def write_nan(path):
    write_volume(Volume(np.full((4, 5, 6), np.nan, np.float32)), path)


@pytest.mark.parametrize(
    "make, text",
    [(write_color, "3 components"), (write_four_axes, "4 axes"), (write_nan, "NaN"), (lambda path: None, "not exist")],
)
def test_what_cannot_be_segmented_is_named_and_nothing_is_written(folder, tmp_path, make, text, capsys):
    path, out = tmp_path / "bad.nrrd", tmp_path / "out"
    make(path)
    out.mkdir()
    assert main(["segment", str(path), str(out / "a.seg.nrrd"), "--model", str(folder / "m.mcmodel")]) == 2
    assert text in capsys.readouterr().err and list(out.iterdir()) == []


@pytest.mark.parametrize(
    "arguments, text",
    [
        (["a.txt"], "choose one of these extensions"),
        (["gone/a.nrrd"], "does not exist; create it first"),
        (["a.nrrd", "--model", "none-such"], "no model none-such"),
        (["a.nrrd", "--probability", "p.seg.nrrd"], "is for segmentations"),
        (["a.nrrd", "--probability", "a.nrrd"], "another name"),
        (["a.nrrd", "--device", "tpu"], "choose auto, cpu or cuda"),
        (["a.nrrd", "--probability-label", "third"], "give --probability"),
        (["a.nrrd", "--threads", "0"], "0 threads"),
        (["a.nrrd", "--probability", "p.txt"], "choose one of these extensions"),
    ],
)
def test_wrong_requests_fail_before_the_work(folder, tmp_path, monkeypatch, arguments, text, capsys):
    monkeypatch.chdir(tmp_path)
    model = [] if "--model" in arguments else ["--model", str(folder / "m.mcmodel")]
    assert main(["segment", str(folder / "in.nrrd"), *arguments, *model]) == 2
    assert text in capsys.readouterr().err and list(tmp_path.iterdir()) == []


def test_without_torch_the_remedy_is_named(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)
    out = str(tmp_path / "a.nrrd")
    assert main(["segment", str(folder / "in.nrrd"), out, "--model", str(folder / "m.mcmodel")]) == 2
    assert "pip install" in capsys.readouterr().err and list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_older_file(tmp_path, monkeypatch):
    labels = Volume(np.arange(60, dtype=np.uint8).reshape(3, 4, 5), GEOMETRY, "SEG")
    path = tmp_path / "a.seg.nrrd"
    write_labels(labels, LABELS, path)
    before = path.read_bytes()
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(MedCompressError, match="No space left"):
        write_labels(labels, LABELS[:1], path)
    assert path.read_bytes() == before and [entry.name for entry in tmp_path.iterdir()] == ["a.seg.nrrd"]


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_terminated_command_leaves_nothing(folder, tmp_path):
    samples = np.zeros((200, 256, 256), np.int16)
    write_volume(Volume(samples), tmp_path / "big.nrrd", compressed=False)
    out = tmp_path / "out"
    out.mkdir()
    library = os.path.dirname(os.path.dirname(sys.modules["MedCompressLib"].__file__))
    command = [sys.executable, "-m", "MedCompressLib", "segment", str(tmp_path / "big.nrrd"), str(out / "a.seg.nrrd")]
    process = subprocess.Popen(
        [*command, "--model", str(folder / "m.mcmodel"), "--flips", "--progress", "json"],
        env={**os.environ, "PYTHONPATH": library, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    for line in process.stdout:
        if json.loads(line)["message"].startswith("Window"):
            break
    process.terminate()
    errors = process.communicate(timeout=300)[1]
    assert process.returncode == 2 and "cancelled: nothing was written" in errors
    assert list(out.iterdir()) == []
