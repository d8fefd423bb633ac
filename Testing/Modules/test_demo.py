"""The demonstration from end to end on a small phantom, as a user starts it, and its scene opened again elsewhere."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

DEMO = Path(__file__).resolve().parents[1] / "Demo" / "demo.py"
SHAPE = (12, 96, 96)
SEGMENTS = all(map(find_spec, ("torch", "monai", "safetensors")))

READ_SCENE = """
import sys
import numpy, slicer, vtk
from vtk.util.numpy_support import vtk_to_numpy
scene, cache, inout = slicer.vtkMRMLScene(), slicer.vtkCacheManager(), slicer.vtkDataIOManager()
cache.SetRemoteCacheDirectory(sys.argv[2])
inout.SetCacheManager(cache)
scene.SetCacheManager(cache)
scene.SetDataIOManager(inout)
assert scene.ReadFromMRB(sys.argv[1], True, slicer.vtkMRMLMessageCollection())
arrays = {}
for index in range(scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")):
    node = scene.GetNthNodeByClass(index, "vtkMRMLScalarVolumeNode")
    image, display = node.GetImageData(), node.GetDisplayNode()
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    name = node.GetName()
    arrays[name] = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1])
    arrays[name + "/matrix"] = numpy.array([[matrix.GetElement(r, c) for c in range(4)] for r in range(4)])
    arrays[name + "/window"] = numpy.array([display.GetWindow(), display.GetLevel()])
for index in range(scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")):
    node = scene.GetNthNodeByClass(index, "vtkMRMLSegmentationNode")
    segmentation, names = node.GetSegmentation(), []
    for number in range(segmentation.GetNumberOfSegments()):
        segment = segmentation.GetNthSegment(number)
        names.append(segment.GetName())
        image = segment.GetRepresentation("Binary labelmap")
        voxels = vtk_to_numpy(image.GetPointData().GetScalars())
        count = (voxels == segment.GetLabelValue()).sum()
        arrays[node.GetName() + "/" + names[-1]] = numpy.array([count, segment.GetColor()[0]])
composite = scene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode")
arrays["behind"] = numpy.array(scene.GetNodeByID(composite.GetBackgroundVolumeID()).GetName())
arrays["before"] = numpy.array(scene.GetNodeByID(composite.GetForegroundVolumeID()).GetName())
numpy.savez(sys.argv[3], **arrays)
"""


def run_demo(*arguments):
    command = [sys.executable, str(DEMO), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=600)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    pytest.importorskip("matplotlib")
    pytest.importorskip("glymur")
    output = tmp_path_factory.mktemp("demo")
    done = run_demo("--output", output, "--shape", *SHAPE)
    assert done.returncode == 0, done.stderr
    return output, done.stdout


def test_table_says_what_was_asked_and_reached(finished):
    _, printed = finished
    rows = [line.split() for line in printed.splitlines() if re.match(r" *(lossless|10:1|50:1) ", line)]
    assert [cells[0] for cells in rows] == ["lossless", "10:1", "50:1"]
    ratios = [float(cells[1].removesuffix(":1")) for cells in rows]
    assert 1 < ratios[0] < ratios[1] < ratios[2]
    assert ratios[1] == pytest.approx(10, rel=0.15)
    assert rows[0][4] == "exact" and rows[0][6] == "0"
    assert float(rows[1][4]) > float(rows[2][4]) > 20
    assert "peak" in printed


def test_page_is_whole_and_needs_no_network(finished):
    output, _ = finished
    page = (output / "index.html").read_text("utf-8")
    pictures = 3 * 6 + 1 + (3 if SEGMENTS else 0)
    assert page.count("data:image/png;base64,") == pictures
    assert "$" not in re.sub('base64,[^"]*', "", page)
    assert not re.search(r"https?://|<script|<link", page)
    assert "every voxel identical" in page and "HU" in page


def test_scene_opens_again_with_equal_voxels_and_geometry(finished, tmp_path):
    pytest.importorskip("slicer")
    from MedCompressLib import phantom
    from MedCompressLib.compression import decompress
    from MedCompressLib.volume import read_volume

    output, _ = finished
    command = [sys.executable, "-c", READ_SCENE, output / "demo.mrb", tmp_path / "cache", tmp_path / "read.npz"]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    read = np.load(tmp_path / "read.npz")

    original, _ = phantom.abdominal_ct(SHAPE)
    restored = decompress(output / "ratio-50.mcz").array
    np.testing.assert_array_equal(read["original"], original)
    np.testing.assert_array_equal(read["ratio-50 restored"], restored)
    np.testing.assert_array_equal(read["ratio-50 difference"], restored.astype(int) - original)
    assert read["original"].dtype == np.int16
    expected = np.diag([*(np.array(phantom.spacing(SHAPE)) * (-1, -1, 1)), 1.0])
    expected[:3, 3] = np.array(phantom.origin(SHAPE)) * (-1, -1, 1)
    for name in ("original", "ratio-10 restored", "ratio-10 difference", "ratio-50 restored", "ratio-50 difference"):
        np.testing.assert_allclose(read[name + "/matrix"], expected, atol=1e-9)
    np.testing.assert_allclose(read["original/window"], (400, 40))
    assert (str(read["behind"]), str(read["before"])) == ("original", "ratio-50 restored")
    if SEGMENTS:
        assert (read["liver exact restored"] != original).any()
        for time in ("before", "after"):
            labels = read_volume(output / f"{time}.seg.nrrd").array
            for value, organ in phantom.LABELS.items():
                count, red = read[f"segmentation {time} compression/{organ}"]
                assert count == (labels == value).sum() and 0 < red < 1


@pytest.mark.skipif(not SEGMENTS, reason="PyTorch, MONAI or safetensors is not installed")
def test_liver_is_exact_and_found_again(finished):
    """The archive gives back the liver bit for bit; the printed Dice are those of the files."""
    from MedCompressLib import phantom
    from MedCompressLib.compression import decompress
    from MedCompressLib.volume import read_volume

    output, printed = finished
    original, truth = phantom.abdominal_ct(SHAPE)
    before, after = (read_volume(output / f"{time}.seg.nrrd").array == 1 for time in ("before", "after"))
    restored = decompress(output / "liver-exact.mcz").array
    np.testing.assert_array_equal(restored[before], original[before])
    assert (restored != original).mean() > 0.3
    row = next(line.split() for line in printed.splitlines() if re.match(r" *liver +\d", line))
    for pair, said in zip(((before, after), (truth == 1, before), (truth == 1, after)), row[1::2], strict=True):
        assert 2 * (pair[0] & pair[1]).sum() / (pair[0].sum() + pair[1].sum()) == pytest.approx(float(said), abs=6e-5)
    assert float(row[1]) > 0.95 and float(row[3]) > 0.8
    assert "bit for bit equal" in printed


def test_without_pytorch_the_segmentation_is_left_out_and_said_so(tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    pytest.importorskip("glymur")
    monkeypatch.syspath_prepend(str(DEMO.parent))
    import demo
    import segmentation

    monkeypatch.setattr(segmentation, "find_spec", lambda name: None if name == "torch" else find_spec(name))
    assert demo.main(["--output", str(tmp_path), "--shape", "8", "64", "64"]) == 0
    reason = "segmentation left out: PyTorch is not installed"
    assert reason in capsys.readouterr().out and reason in (tmp_path / "index.html").read_text("utf-8")
    assert not list(tmp_path.glob("*.seg.nrrd"))


def test_own_volume_without_modality_and_too_small_for_a_ratio(tmp_path):
    pytest.importorskip("matplotlib")
    pytest.importorskip("glymur")
    from MedCompressLib.volume import Geometry, Volume, write_volume

    array = np.random.default_rng(0).integers(0, 4000, (6, 40, 50)).astype(np.uint16)
    geometry = Geometry((1, 1.5, 3), (5, 6, 7), ((-1, 0, 0), (0, -1, 0), (0, 0, 1)))
    write_volume(Volume(array, geometry), tmp_path / "own.nrrd")
    done = run_demo("--input", tmp_path / "own.nrrd", "--output", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "out" / "index.html").read_text("utf-8")
    assert "units of the image" in page
    for reason in ("50:1 left out: ", "segmentation left out: the model"):
        assert reason in page and reason in done.stdout


def test_missing_input_is_one_line_and_no_trace(tmp_path):
    done = run_demo("--input", tmp_path / "nothing.nrrd", "--output", tmp_path / "out")
    assert done.returncode == 2
    assert done.stderr.startswith("demo: ") and "Traceback" not in done.stderr


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, -1, 1), (1, -1, -1)])
def test_page_shows_the_same_slice_however_the_axes_are_stored(order, signs, monkeypatch):
    """Stored in any order and direction of the axes, a volume gives the picture of its LPS twin."""
    monkeypatch.syspath_prepend(str(DEMO.parent))
    from MedCompressLib.volume import Geometry, Volume
    from pictures import View

    upright = np.random.default_rng(1).integers(0, 1000, (9, 12, 15)).astype(np.int16)
    turned = np.transpose(upright[:: signs[2], :: signs[1], :: signs[0]], order).copy()
    direction = np.zeros((3, 3))
    for array_axis, source in enumerate(order):
        patient_axis = 2 - source
        direction[patient_axis, 2 - array_axis] = signs[patient_axis]
    seen, stored = Volume(upright), Volume(turned, Geometry(direction=tuple(map(tuple, direction))))
    np.testing.assert_array_equal(View(stored).of(stored), View(seen).of(seen))
