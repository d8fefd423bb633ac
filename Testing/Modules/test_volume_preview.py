"""The live preview: the right slice at the right place, gone without a trace afterwards."""

import itertools

import numpy as np
import pytest
from Harness import choose, click, drag, loadModule, typeText, waitFor
from scenes import addPhantom, addSliceView, addVolume, dataNodes, removeSliceViews, samples, showSlice


@pytest.fixture
def panel():
    addPhantom((8, 64, 64))
    yield loadModule("VolumeCompression")
    removeSliceViews()


def preview():
    import slicer

    return slicer.mrmlScene.GetFirstNodeByName("CT preview")


def switchOn(panel, ratio=20):
    choose(panel.widget.ui.goalComboBox, "Compression ratio")
    drag(panel.widget.ui.ratioSlider, ratio)
    click(panel.widget.ui.previewCheckBox)
    waitFor(lambda: preview() is not None and panel.widget.ui.previewLabel.text)


def shownSlice() -> int:
    """Which slice of the CT lies where the preview lies, from the two nodes' own matrices."""
    import slicer
    import vtk

    toRas, toIjk = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    preview().GetIJKToRASMatrix(toRas)
    slicer.util.getNode("CT").GetRASToIJKMatrix(toIjk)
    corners = [toIjk.MultiplyPoint(toRas.MultiplyPoint([i, j, 0, 1])) for i, j in ((0, 0), (63, 63))]
    assert np.allclose([corner[:2] for corner in corners], [(0, 0), (63, 63)], atol=1e-9)
    assert np.allclose(corners[0][2], corners[1][2], atol=1e-9)
    assert abs(corners[0][2] - round(corners[0][2])) < 1e-9
    return round(corners[0][2])


def test_preview_follows_slice_and_slider(panel):
    import slicer

    original = slicer.util.getNode("CT")
    red, _composite = addSliceView()
    showSlice(red, original, 5)
    switchOn(panel)
    waitFor(lambda: shownSlice() == 5)
    error = np.abs(samples(preview())[0].astype(int) - samples(original)[5])
    assert 0 < error.max() < 500, "a lossy copy of this very slice"
    showSlice(red, original, 2)
    label = panel.widget.ui.previewLabel
    waitFor(lambda: shownSlice() == 2 and label.text.startswith("Slice 2: "))
    drag(panel.widget.ui.ratioSlider, 5)
    waitFor(lambda: label.text.startswith(("Slice 2: 5.", "Slice 2: 4.9")))
    choose(panel.widget.ui.goalComboBox, "Lossless")
    waitFor(lambda: panel.widget.ui.previewLabel.text.endswith("exact"))
    assert np.array_equal(samples(preview())[0], samples(original)[2])


def test_preview_keeps_up_while_the_slider_is_dragged(panel):
    """Changes that come faster than the delay must not put the preview off until the hand rests."""
    switchOn(panel)
    ratios, texts = itertools.cycle(range(10, 70)), set()

    def manyAreShownWhileItMoves():
        panel.widget._parameterNode.ratio = float(next(ratios))
        texts.add(panel.widget.ui.previewLabel.text)
        return len([text for text in texts if ":1" in text]) > 3

    waitFor(manyAreShownWhileItMoves)


def test_preview_has_the_transform_and_window_of_the_volume(panel):
    import slicer
    import vtk

    node = slicer.util.getNode("CT")
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(0, 3, 40)
    matrix.SetElement(2, 3, -500)
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(matrix)
    node.SetAndObserveTransformNodeID(transform.GetID())
    node.GetDisplayNode().SetAutoWindowLevel(False)
    node.GetDisplayNode().SetWindowLevel(350, 50)
    red, _composite = addSliceView()
    showSlice(red, node, 6)
    placed = vtk.vtkMatrix4x4()
    vtk.vtkMatrix4x4.Multiply4x4(matrix, red.GetSliceToRAS(), placed)
    red.GetSliceToRAS().DeepCopy(placed)
    red.Modified()
    switchOn(panel)
    waitFor(lambda: shownSlice() == 6)
    assert preview().GetParentTransformNode() is transform and preview().GetDisplayNode().GetWindow() == 350


def test_views_show_afterwards_what_they_showed_before(panel):
    import slicer

    _red, composite = addSliceView()
    _green, other = addSliceView("Green")
    pet = addVolume(np.zeros((4, 4, 4), np.int16), "PET")
    composite.SetForegroundVolumeID(pet.GetID())
    composite.SetForegroundOpacity(0.3)
    switchOn(panel)
    assert composite.GetForegroundVolumeID() == other.GetForegroundVolumeID() == preview().GetID()
    other.SetForegroundVolumeID(pet.GetID())
    click(panel.widget.ui.previewCheckBox)
    assert preview() is None and panel.widget.ui.previewLabel.text == ""
    assert composite.GetForegroundVolumeID() == pet.GetID() and composite.GetForegroundOpacity() == pytest.approx(0.3)
    assert other.GetForegroundVolumeID() == pet.GetID(), "what the user chose meanwhile stays"
    assert dataNodes() == ["CT", "PET"] and slicer.util.getNode("CT")


@pytest.mark.parametrize("end", ["leave", "remove", "close", "press"])
def test_preview_ends_with_what_it_shows(panel, tmp_path, end):
    import slicer

    _red, composite = addSliceView()
    switchOn(panel)
    if end == "leave":
        panel.window.exit()
    elif end == "remove":
        slicer.mrmlScene.RemoveNode(slicer.util.getNode("CT"))
    elif end == "close":
        slicer.mrmlScene.Clear(False)
    else:
        typeText(panel.widget.ui.outputPathEdit, tmp_path / "a.mcz")
        click(panel.widget.ui.compressButton)
    assert preview() is None
    assert not panel.widget.jobs.running or composite.GetForegroundVolumeID() is None
    waitFor(lambda: not panel.widget.jobs.running)
    assert preview() is None
    if end == "leave":
        panel.window.enter()
        waitFor(lambda: preview() is not None)


@pytest.mark.parametrize("extension", ["mrml", "mrb"])
def test_preview_is_not_saved_with_the_scene(panel, tmp_path, extension):
    import slicer

    _red, composite = addSliceView()
    pet = addVolume(np.zeros((4, 4, 4), np.int16), "PET")
    for node in (pet, slicer.util.getNode("CT")):
        slicer.util.saveNode(node, str(tmp_path / f"{node.GetName()}.nrrd"))
    composite.SetForegroundVolumeID(pet.GetID())
    composite.SetForegroundOpacity(0.3)
    switchOn(panel)
    path = str(tmp_path / f"scene.{extension}")
    assert slicer.util.saveScene(path)
    assert preview() is not None
    panel.window.exit()
    slicer.mrmlScene.Clear(False)
    slicer.util.loadScene(path)
    assert dataNodes() == ["CT", "PET"]
    (composite,) = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    shown = slicer.mrmlScene.GetNodeByID(composite.GetForegroundVolumeID())
    assert shown.GetName() == "PET" and composite.GetForegroundOpacity() == pytest.approx(0.3)


def test_impossible_target_is_said_and_nothing_is_shown(panel):
    array = np.ones((4, 16, 16), np.float32)
    array[1, 2, 3] = np.nan
    addVolume(array, "Hole")
    switchOn(panel)
    choose(panel.widget.ui.inputSelector, "Hole")
    waitFor(lambda: "NaN" in panel.widget.ui.previewLabel.text)
    assert preview() is None and dataNodes() == ["CT", "Hole"]


def test_codec_that_is_lossless_only_changes_the_goal(panel):
    switchOn(panel)
    ui = panel.widget.ui
    choose(ui.codecComboBox, "Deflate (ZIP)")
    assert ui.goalComboBox.currentText == "Lossless" and not ui.ratioSlider.isVisible()
    waitFor(lambda: ui.previewLabel.text.endswith("exact"))
    choose(ui.codecComboBox, "JPEG 2000")
    choose(ui.goalComboBox, "Compression ratio")
    waitFor(lambda: "largest error" in ui.previewLabel.text)
    assert ui.previewLabel.text.endswith(" HU")


@pytest.mark.parametrize("codec", ["Volumetric HTJ2K", "HEVC (x265)"])
def test_codec_of_groups_shows_the_slice_of_its_group(panel, codec):
    import slicer

    original = slicer.util.getNode("CT")
    red, _composite = addSliceView()
    showSlice(red, original, 5)
    choose(panel.widget.ui.codecComboBox, codec)
    switchOn(panel, 8)
    label = panel.widget.ui.previewLabel
    waitFor(lambda: label.text.startswith("Slices 0 to 7: ") and "slice 5 is shown" in label.text)
    assert samples(preview()).shape[0] == 1 and shownSlice() == 5
    others = [np.abs(samples(preview())[0].astype(int) - plane).mean() for plane in samples(original)]
    assert np.argmin(others) == 5 and others[5] > 0
    figures = label.text.split(" (")[0]
    showSlice(red, original, 2)
    waitFor(lambda: "slice 2 is shown" in label.text)
    assert shownSlice() == 2 and label.text.startswith(figures), "the same trial, another slice of it"


def test_slow_codec_leaves_the_panel_usable(panel, monkeypatch):
    """The trial waits for the test, which goes on clicking meanwhile."""
    import threading

    from MedCompressLib.preview import Preview

    goOn, quick = threading.Event(), Preview.try_target
    monkeypatch.setattr(Preview, "try_target", lambda *given: goOn.wait(120) and quick(*given))
    ui = panel.widget.ui
    choose(ui.goalComboBox, "Compression ratio")
    click(ui.previewCheckBox)
    waitFor(lambda: ui.previewLabel.text == "Trying JPEG 2000 on slice 4 ...")
    drag(ui.ratioSlider, 15)
    assert preview() is None
    goOn.set()
    waitFor(lambda: ": 15." in ui.previewLabel.text or ": 14." in ui.previewLabel.text)
    goOn.clear()
    drag(ui.ratioSlider, 12)
    waitFor(lambda: ui.previewLabel.text.startswith("Trying"))
    click(ui.previewCheckBox)
    goOn.set()
    assert preview() is None and ui.previewLabel.text == ""
    click(ui.previewCheckBox)
    waitFor(lambda: ": 12." in ui.previewLabel.text or ": 11." in ui.previewLabel.text)
