"""What scripts call: nodes in, nodes out, MedCompressError and an untouched scene where that is impossible."""

import numpy as np
import pytest
from Harness import loadModule
from scenes import addPhantom, addVolume, dataNodes, samples


@pytest.fixture
def logic():
    import slicer

    loadModule("VolumeCompression")
    return slicer.util.getModuleLogic("VolumeCompression")


def test_every_line_of_the_help_runs(logic, tmp_path):
    """The console examples of the help text, with paths and names of this test, in their order."""
    import re

    import slicer

    addPhantom(name="CTChest")
    text = slicer.modules.volumecompression.helpText
    code = re.search("<pre>(.*)</pre>", text, re.DOTALL).group(1).replace("/tmp/", f"{tmp_path}/")
    assert code.count("\n") >= 6
    names = {"slicer": slicer}
    exec(code, names)
    original, restored = samples(slicer.util.getNode("CTChest")), samples(names["restored"])
    difference = samples(slicer.util.getNode("chest difference")).astype(int)
    assert difference.any() and np.array_equal(difference, restored.astype(int) - original)
    logic.removePreview()


def test_ratio_and_psnr_reach_their_target(logic, tmp_path):
    addPhantom((8, 128, 128))
    figures = logic.compress("CT", tmp_path / "ratio.mcz", ratio=12)
    assert abs(figures["ratio"] / 12 - 1) < 0.05
    assert logic.compress("CT", tmp_path / "psnr.mcz", psnr=50)["quality"]["psnr"] == pytest.approx(50, abs=0.5)
    with pytest.raises(Exception, match="both"):
        logic.compress("CT", tmp_path / "both.mcz", ratio=2, psnr=50)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["psnr.mcz", "ratio.mcz"]


def test_progress_and_cancellation_in_process(logic, tmp_path):
    from MedCompressLib.errors import Cancelled
    from MedCompressLib.jobs import Progress

    addPhantom((12, 64, 64))
    seen = []
    logic.compress("CT", tmp_path / "a.mcz", progress=Progress(lambda fraction, message: seen.append(fraction)))
    assert seen == sorted(seen) and seen[-1] == 1
    progress = Progress(lambda fraction, message: progress.cancel())
    with pytest.raises(Cancelled):
        logic.compress("CT", tmp_path / "b.mcz", progress=progress)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mcz"]


@pytest.mark.parametrize(
    ("kind", "components", "words"),
    [
        ("vtkMRMLScalarVolumeNode", 0, "empty"),
        ("vtkMRMLVectorVolumeNode", 3, "more than one number"),
        ("vtkMRMLModelNode", 0, "no scalar volume"),
    ],
)
def test_what_is_no_scalar_volume_is_refused(logic, tmp_path, kind, components, words):
    import slicer
    import vtk
    from MedCompressLib.errors import MedCompressError

    node = slicer.mrmlScene.AddNewNodeByClass(kind, "Strange")
    if components:
        image = vtk.vtkImageData()
        image.SetDimensions(4, 4, 4)
        image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, components)
        node.SetAndObserveImageData(image)
    before = dataNodes()
    with pytest.raises(MedCompressError, match=words):
        logic.compress(node, tmp_path / "a.mcz")
    with pytest.raises(MedCompressError, match=words):
        logic.preview(node, ratio=10)
    with pytest.raises(MedCompressError, match="no volume 'absent'"):
        logic.compress("absent", tmp_path / "a.mcz")
    assert dataNodes() == before and list(tmp_path.iterdir()) == []


def test_lossy_label_maps_are_refused(logic, tmp_path):
    from MedCompressLib.errors import MedCompressError

    addVolume(np.arange(64, dtype=np.uint8).reshape(4, 4, 4), "Labels", modality="SEG")
    with pytest.raises(MedCompressError, match="label map"):
        logic.compress("Labels", tmp_path / "a.mcz", ratio=10)
    with pytest.raises(MedCompressError, match="label map"):
        logic.preview("Labels", psnr=40)
    assert dataNodes() == ["Labels"] and list(tmp_path.iterdir()) == []


def test_difference_of_volumes_that_do_not_match(logic):
    from MedCompressLib.errors import MedCompressError

    addVolume(np.zeros((2, 3, 4), np.int16), "A")
    addVolume(np.zeros((2, 3, 5), np.int16), "B")
    addVolume(np.zeros((2, 3, 4), np.int16), "C", spacing=(1, 1, 1))
    for other in "BC":
        with pytest.raises(MedCompressError, match="differ"):
            logic.difference("A", other)
    assert dataNodes() == ["A", "B", "C"]


def test_difference_never_wraps_around(logic):
    import slicer

    addVolume(np.array([[[-32768, 32767]]], np.int16), "Low")
    addVolume(np.array([[[32767, -32768]]], np.int16), "High")
    assert samples(logic.difference("Low", "High")).tolist() == [[[65535, -65535]]]
    addVolume(np.array([[[2, 250]]], np.uint8), "Dark")
    addVolume(np.array([[[250, 2]]], np.uint8), "Bright")
    assert samples(logic.difference("Dark", "Bright")).tolist() == [[[248, -248]]]
    assert slicer.util.getNode("Bright difference").GetDisplayNode().GetWindow() == 496


def test_suggested_path_is_in_a_folder_of_the_user(logic, tmp_path, monkeypatch):
    import slicer

    monkeypatch.setattr(slicer.app, "temporaryPath", str(tmp_path / "temporary"))
    for folder in ("data", "scene", "temporary"):
        (tmp_path / folder).mkdir()
    slicer.mrmlScene.SetRootDirectory(str(tmp_path / "scene"))
    node = addVolume(np.zeros((2, 3, 4), np.int16), "a/b: 1")
    assert logic.suggestedPath(node) == tmp_path / "scene" / "a_b_ 1.mcz"
    for folder, expected in (("data", "data"), ("temporary", "scene")):
        slicer.util.saveNode(node, str(tmp_path / folder / "b.nrrd"))
        assert logic.suggestedPath(node).parent == tmp_path / expected
    slicer.util.saveNode(node, str(tmp_path / "data" / "b.nrrd"))
    node.SetAttribute("DICOM.instanceUIDs", "1.2.3")
    assert logic.suggestedPath(node).parent == tmp_path / "scene"
    slicer.mrmlScene.SetRootDirectory("")


def test_self_test_of_the_module(logic):
    import slicer

    slicer.modules.VolumeCompressionInstance.runTest()
    assert slicer.mrmlScene.GetFirstNodeByName("phantom") is not None
