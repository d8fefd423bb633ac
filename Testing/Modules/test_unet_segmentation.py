"""The tab Segment of U-Net Segmentation, by real clicks: one segmentation with the model's names and colors."""

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from children import pausing
from Harness import choose, click, loadModule, messages, typeText, waitFor
from scenes import addVolume, samples
from unet_scenes import GRID, TERMINOLOGY, addPairs, ball, nodeNames, writeModel

pytestmark = pytest.mark.skipif(
    not (find_spec("torch") and find_spec("monai")), reason="networks need the packages torch and monai"
)


@pytest.fixture
def panel(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    addVolume(ball(0)[0], "CT", **GRID)
    panel = loadModule("UNetSegmentation")
    choose(panel.widget.ui.modelComboBox, "From a file or folder")
    return panel


@pytest.fixture
def ui(panel, tmp_path):
    """The widgets, with a model of two levels chosen."""
    typeText(panel.widget.ui.modelPathEdit, writeModel(tmp_path / "tiny.mcmodel"))
    return panel.widget.ui


def finish(panel, seconds=300):
    waitFor(lambda: not panel.widget.jobs.running, seconds)


def expected(path, **options):
    """Label map and probability as the library gives them."""
    from MedCompressLib.unet.inference import segment
    from MedCompressLib.unet.model_file import load_model
    from MedCompressLib.volume import Geometry, Volume

    volume = Volume(ball(0)[0], Geometry(**GRID), "CT", "CT")
    found = segment(volume, load_model(path), want_probability=True, thread_count=1, **options)
    return found.labels.array, found.probability.array


def labelMap(segmentation, volume) -> np.ndarray:
    """All segments on the grid of the volume, with their own values."""
    import slicer
    import vtk
    from vtk.util.numpy_support import vtk_to_numpy

    image, ids, values = slicer.vtkOrientedImageData(), vtk.vtkStringArray(), vtk.vtkIntArray()
    found = segmentation.GetSegmentation()
    for number in range(found.GetNumberOfSegments()):
        ids.InsertNextValue(found.GetNthSegmentID(number))
        values.InsertNextValue(found.GetNthSegment(number).GetLabelValue())
    mode = found.EXTENT_UNION_OF_EFFECTIVE_SEGMENTS
    logic = slicer.modules.segmentations.logic()
    logic.GenerateMergedLabelmapInReferenceGeometry(segmentation, volume, ids, mode, image, values)
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1])


def test_one_press_gives_one_segmentation_as_the_library_does(panel, ui, tmp_path):
    import slicer
    import vtk

    volume, matrix = slicer.util.getNode("CT"), vtk.vtkMatrix4x4()
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode", "moved")
    matrix.SetElement(0, 3, 50.0)
    transform.SetMatrixTransformToParent(matrix)
    volume.SetAndObserveTransformNodeID(transform.GetID())
    assert "Balls, for tests" in ui.modelLabel.text and "liver, spleen" in ui.modelLabel.text
    click(ui.probabilityCheckBox)
    click(ui.surfaceCheckBox)
    click(ui.segmentButton)
    assert not ui.segmentButton.enabled and "running" in ui.segmentButton.toolTip
    finish(panel)
    node, map_ = panel.widget._parameterNode.segmentation, panel.widget._parameterNode.probabilityVolume
    assert nodeNames("vtkMRMLSegmentationNode") == ["CT tiny"]
    labels, probability = expected(tmp_path / "tiny.mcmodel")
    assert len(np.unique(labels)) == 3 and np.array_equal(labelMap(node, volume), labels)
    assert np.allclose(samples(map_), probability, atol=1e-4)
    first, second = (node.GetSegmentation().GetNthSegment(number) for number in range(2))
    assert (first.GetName(), second.GetName()) == ("liver", "spleen") and first.GetColor() == (0.8, 0.4, 0.2)
    entry = vtk.reference("")
    assert first.GetTag("TerminologyEntry", entry) and str(entry) == TERMINOLOGY
    assert node.GetTransformNodeID() == map_.GetTransformNodeID() == transform.GetID()
    assert node.GetSegmentation().GetNumberOfLayers() == 1, "one label map for all segments"
    assert node.GetSegmentation().ContainsRepresentation("Closed surface")
    assert "liver" in ui.resultLabel.text and " ml" in ui.resultLabel.text and "cpu" in ui.resultLabel.text
    assert not list(Path(slicer.app.temporaryPath).glob("medcompress-*"))


def test_script_gives_the_same(panel, tmp_path):
    import slicer

    path = writeModel(tmp_path / "tiny.mcmodel")
    logic, volume = panel.widget.logic, slicer.util.getNode("CT")
    node = logic.segment("CT", path, device="cpu", keepLargest=True)
    labels, _probability = expected(path, keep_largest=True)
    assert np.array_equal(labelMap(node, volume), labels)
    devices = logic.devices()
    assert devices[-1]["device"] == "cpu" and devices[-1]["memory"] > 2**28


@pytest.mark.parametrize("model", ["abdomen-phantom", "hippocampus-t1"])
def test_segments_of_sample_models_carry_codes_that_slicer_reads(panel, model):
    import slicer
    import vtk
    from MedCompressLib.unet.training import read_config

    node, logic = panel.widget.logic.segment("CT", model, device="cpu"), slicer.vtkSlicerTerminologiesModuleLogic()
    for number, label in enumerate(read_config(model).labels):
        segment, text = node.GetSegmentation().GetNthSegment(number), vtk.reference("")
        assert segment.GetName() == label.name and segment.GetTag("TerminologyEntry", text)
        entry = slicer.vtkSlicerTerminologyEntry()
        assert logic.DeserializeTerminologyEntry(str(text), entry) and str(text) == label.terminology
        parts = entry.GetCategoryObject(), entry.GetTypeObject()
        assert all(part.GetCodingSchemeDesignator() == "SCT" and part.GetCodeValue().isdigit() for part in parts)
        assert entry.GetTypeObject().GetCodeMeaning()


def test_model_of_two_channels_asks_for_two_volumes(panel, tmp_path):
    ui = panel.widget.ui
    assert not ui.volumeSelector2.isVisible()
    typeText(ui.modelPathEdit, writeModel(tmp_path / "two.mcmodel", ("T1", "FLAIR")))
    assert ui.volumeLabel1.text == "T1:" and ui.volumeLabel2.text == "FLAIR:" and ui.volumeSelector2.isVisible()
    assert not ui.segmentButton.enabled and "channel" in ui.segmentButton.toolTip
    choose(ui.volumeSelector2, "CT")
    assert ui.segmentButton.enabled
    node = panel.widget.logic.segment(["CT", "CT"], tmp_path / "two.mcmodel")
    assert node.GetSegmentation().GetNumberOfSegments() == 2


def test_buttons_say_why_not(panel, tmp_path):
    ui = panel.widget.ui
    assert not ui.segmentButton.enabled and "model" in ui.segmentButton.toolTip
    typeText(ui.modelPathEdit, tmp_path / "gone.mcmodel")
    assert "there is no model" in ui.modelLabel.text
    (tmp_path / "bad.mcmodel").write_bytes(b"PK no model")
    typeText(ui.modelPathEdit, tmp_path / "bad.mcmodel")
    assert "damaged" in ui.modelLabel.text
    click(ui.segmentButton)
    finish(panel)
    assert "damaged" in ui.statusLabel.text and nodeNames("vtkMRMLSegmentationNode") == []
    choose(ui.volumeSelector1, "None")
    assert not ui.segmentButton.enabled and "volume" in ui.segmentButton.toolTip


def test_cancel_and_scene_close_leave_nothing(panel, ui):
    import slicer

    panel.widget.jobs._makeJob = pausing("segment", 0)
    click(ui.segmentButton)
    click(ui.cancelButton)
    assert ui.statusLabel.text == "Cancelled" and ui.segmentButton.enabled
    click(ui.segmentButton)
    slicer.mrmlScene.Clear(False)
    assert not panel.widget.jobs.running and "closed" in ui.statusLabel.text
    assert nodeNames("vtkMRMLSegmentationNode") == []
    assert not list(Path(slicer.app.temporaryPath).glob("medcompress-*"))
    assert not [level for level, _text in messages if level == "ERROR"]


def test_devices_are_shown(panel):
    ui = panel.widget.ui
    assert "PyTorch" in ui.deviceLabel.text and "Detect" in ui.deviceLabel.text
    click(ui.deviceButton)
    finish(panel)
    cuda = ui.deviceComboBox.findText("GPU (CUDA)")
    assert bool(ui.deviceComboBox.model().item(cuda).isEnabled()) == ("cuda:0" in ui.deviceLabel.text)
    assert "cpu: " in ui.deviceLabel.text and "GiB" in ui.deviceLabel.text


def test_module_starts_without_pytorch(tmp_path):
    """In a fresh process: what the panel needs at start does not import torch or MONAI."""
    import subprocess

    code = (
        "import sys; sys.path[:0] = sys.argv[1:]; import Harness; Harness.boot(); import slicer;"
        "loaded = Harness.loadModule('UNetSegmentation'); found = {'torch', 'monai'} & set(sys.modules);"
        "loaded.close(); assert not found, found"
    )
    testing = Path(__file__).resolve().parent.parent
    done = subprocess.run(
        [sys.executable, "-c", code, str(testing), str(testing.parent / "MedCompress")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("missing", ["extension", "declined", "packages"])
def test_pytorch_is_asked_for_at_the_press(panel, tmp_path, monkeypatch, missing):
    """PyTorch comes from its extension alone; where it is declined nothing runs."""
    import types

    import slicer
    from MedCompressSlicer import unet_packages

    ui, asked = panel.widget.ui, []
    typeText(ui.modelPathEdit, tmp_path / "any.mcmodel")

    class PyTorchUtilsLogic:
        def installTorch(self, **options):
            asked.append(options)
            return None if missing == "declined" else types.ModuleType("torch")

    if missing != "extension":
        monkeypatch.setattr(slicer.modules, "pytorchutils", object(), raising=False)
        utilities = types.SimpleNamespace(PyTorchUtilsLogic=PyTorchUtilsLogic)
        monkeypatch.setitem(sys.modules, "PyTorchUtils", utilities)
    absent = {"torch", "monai"}
    installed = []

    def install(requirements, constraints=None):
        installed.append((requirements, constraints.read_text() if constraints else None))
        return not requirements

    def find(name):
        return None if name in absent else object()

    monkeypatch.setattr(unet_packages, "ensurePackages", lambda find: True)
    ensure = unet_packages.ensureNetworks
    monkeypatch.setattr(type(panel.widget.logic), "ensureNetworks", lambda self: ensure(find, install=install))
    assert unet_packages.torchState(find).startswith("PyTorch is not installed yet; it will be asked for")
    click(ui.segmentButton)
    assert not panel.widget.jobs.running and nodeNames("vtkMRMLSegmentationNode") == []
    if missing == "extension":
        assert "install the extension PyTorch" in ui.statusLabel.text and ("ERROR", ui.statusLabel.text) in messages
    else:
        assert asked == [{"askConfirmation": True}]
    if missing == "packages":
        assert [names for names, _text in installed] == [["monai>=1.3"]]
        assert installed[0][1].startswith("torch=="), "pip must not replace the PyTorch of the extension"


def test_settings_are_saved_with_the_scene(panel, tmp_path):
    import slicer

    ui = panel.widget.ui
    typeText(ui.modelPathEdit, tmp_path / "any.mcmodel")
    addPairs(1)
    click(ui.flipsCheckBox)
    ui.tabs.setCurrentIndex(1)
    choose(ui.sourceComboBox, "Segmentations in the scene")
    click(ui.pairTable.cellWidget(0, 0))
    model = ui.modelPathEdit.currentPath
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(False)
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    assert ui.flipsCheckBox.checked and ui.modelPathEdit.currentPath == model and ui.tabs.currentIndex == 1
    assert ui.pairTable.cellWidget(0, 0).checked and ui.pairTable.cellWidget(0, 1).currentText == "CT 0"


def test_self_test():
    import sys

    loadModule("UNetSegmentation")
    sys.modules["UNetSegmentation"].UNetSegmentationTest().runTest()
    assert not [text for level, text in messages if level == "ERROR"]
