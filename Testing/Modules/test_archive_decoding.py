"""Archives that someone made to hurt, and decoders that die: Slicer lives on, and nothing is left behind."""

import hashlib
import json
import os
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import slicer
from Harness import click, loadModule, messages, openFile, typeText, waitFor
from MedCompressLib.codecs import codec_names
from roi_scenes import addCt, addOrgans, quickly
from scenes import addPhantom, addVolume, dataNodes, samples

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Library"))

from archives import assembled, contents  # noqa: E402

HARM = "made to do harm"
DIES, HANGS = "import os; os.abort()", "import time; time.sleep(60)"


def leftovers() -> list[Path]:
    return list(Path(slicer.app.temporaryPath).glob("medcompress-*"))


def dooming(code: str, started: list):
    """A `Job` whose commands are real, but for `decompress`, in whose place the code runs."""
    from MedCompressLib.jobs import Job

    def start(command, **options):
        doomed = "decompress" in command
        started.append(subprocess.Popen([sys.executable, "-c", code] if doomed else command, **options))
        return started[-1]

    return lambda arguments, **options: Job(arguments, start=start, **options)


@pytest.fixture
def crafted(tmp_path) -> Path:
    """An archive with all checksums right, whose codestream makes OpenJPH read where nothing is."""
    node = addPhantom((1, 64, 80))
    logic = loadModule("VolumeCompression").widget.logic
    logic.compress(node, tmp_path / "sound.mcz", "htj2k")
    slicer.mrmlScene.RemoveNode(node)
    manifest, (chunk,) = contents(tmp_path / "sound.mcz")
    length = chunk.index(b"\xff\x5c") + 2
    chunk = chunk[:length] + b"\x00\x03" + chunk[length + 2 :]  # the marker segment QCD ends before its step sizes
    layer = manifest["layers"][0]
    layer["chunk_crc32"], layer["sha256"] = [zlib.crc32(chunk)], hashlib.sha256(chunk).hexdigest()
    (tmp_path / "Chest CT.mcz").write_bytes(assembled(json.dumps(manifest).encode(), [(layer["member"], chunk)]))
    return tmp_path / "Chest CT.mcz"


def test_a_codestream_that_crashes_its_decoder_is_one_sentence(crafted):
    from MedCompressLib.errors import MedCompressError

    before = slicer.mrmlScene.GetNumberOfNodes()
    with pytest.raises(RuntimeError, match=f"Chest CT.mcz could not be decoded.*{HARM}"):
        openFile(crafted)
    with pytest.raises(MedCompressError, match=HARM):
        slicer.util.getModuleLogic("VolumeCompression").open(crafted)
    assert slicer.mrmlScene.GetNumberOfNodes() == before and leftovers() == []


@pytest.mark.parametrize("codec", codec_names())
def test_every_codec_comes_back_as_the_library_decodes_it(tmp_path, codec):
    from MedCompressLib.compression import decompress
    from MedCompressSlicer.volumes import geometryFromNode

    logic = loadModule("VolumeCompression").widget.logic
    angles = np.sqrt([2, 3, 5]) / 7
    cosines, sines = np.cos(angles), np.sin(angles)
    turns = [
        [[1, 0, 0], [0, cosines[0], -sines[0]], [0, sines[0], cosines[0]]],
        [[cosines[1], 0, sines[1]], [0, 1, 0], [-sines[1], 0, cosines[1]]],
        [[cosines[2], -sines[2], 0], [sines[2], cosines[2], 0], [0, 0, 1]],
    ]
    direction = tuple(map(tuple, np.linalg.multi_dot(turns).tolist()))
    array = samples(addPhantom((10, 40, 48)))
    node = addVolume(array, "Oblique", (1 / 3, np.pi / 4, np.sqrt(2)), (-1e3 / 7, 1 / 3, 1e-7), direction)
    logic.compress(node, tmp_path / "a.mcz", codec)
    back, expected = logic.open(tmp_path / "a.mcz", "Back"), decompress(tmp_path / "a.mcz")
    assert back.GetName() == "Back" and back.GetAttribute("DICOM.Modality") == "CT"
    assert samples(back).tobytes() == expected.array.tobytes() == array.tobytes()
    assert samples(back).dtype == array.dtype
    assert geometryFromNode(back) == geometryFromNode(node) == expected.geometry
    assert leftovers() == []


def test_an_interrupted_wait_ends_the_child(tmp_path):
    from MedCompressSlicer.decoding import decode

    logic, started = loadModule("VolumeCompression").widget.logic, []
    logic.compress(addPhantom(), tmp_path / "a.mcz")

    def makeJob(arguments, **options):
        job = dooming(HANGS, started)(arguments, **options)

        def interrupted():
            raise KeyboardInterrupt

        job.wait = interrupted
        return job

    with pytest.raises(KeyboardInterrupt):
        decode(tmp_path / "a.mcz", makeJob)
    assert started[0].returncode and leftovers() == []


@pytest.fixture(params=["VolumeCompression", "RoiCompression"])
def panel(request, tmp_path):
    """A module, ready for a press on Compress; a ratio or quality that loses something is asked for."""
    addCt()
    addOrgans()
    loaded = loadModule(request.param)
    if request.param == "RoiCompression":
        quickly(loaded, tmp_path / "a.mcz")
    else:
        typeText(loaded.widget.ui.outputPathEdit, tmp_path / "a.mcz")
    return loaded


def test_a_press_whose_decoder_dies_leaves_the_archive_and_the_scene(panel, tmp_path):
    ui, before = panel.widget.ui, dataNodes()
    panel.widget.jobs._makeJob = dooming(DIES, [])
    click(ui.compressButton)
    waitFor(lambda: not panel.widget.jobs.running)
    assert "a.mcz was written and is whole" in ui.statusLabel.text and HARM in ui.statusLabel.text
    assert [text for level, text in messages if level == "ERROR"] == [ui.statusLabel.text]
    assert dataNodes() == before and leftovers() == [] and [path.name for path in tmp_path.iterdir()] == ["a.mcz"]
    assert ui.compressButton.enabled


def test_cancel_while_decoding_ends_the_child(panel, tmp_path):
    ui, before, started = panel.widget.ui, dataNodes(), []
    panel.widget.jobs._makeJob = dooming(HANGS, started)
    click(ui.compressButton)
    waitFor(lambda: len(started) == 2)
    waitFor(lambda: "Step 2 of" in ui.statusLabel.text)
    click(ui.cancelButton)
    assert started[1].poll() is not None
    with pytest.raises(ProcessLookupError):
        os.killpg(started[1].pid, 0)
    assert "a.mcz was written and is whole" in ui.statusLabel.text and "Cancelled" in ui.statusLabel.text
    assert not [text for level, text in messages if level == "ERROR"] and dataNodes() == before and leftovers() == []
    assert [path.name for path in tmp_path.iterdir()] == ["a.mcz"]
