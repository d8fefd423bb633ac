"""The panel of VolumeCompression, by real clicks: what a user gets, also when things go wrong."""

import os
from pathlib import Path

import numpy as np
import pytest
from children import pausing
from Harness import answer, choose, click, drag, loadModule, messages, typeText, waitFor
from scenes import addNoise, addPhantom, addVolume, dataNodes, samples


@pytest.fixture
def panel():
    """The running module with a small CT."""
    addPhantom()
    return loadModule("VolumeCompression")


@pytest.fixture
def ui(panel, tmp_path):
    """The widgets, an archive in an empty folder chosen."""
    typeText(panel.widget.ui.outputPathEdit, tmp_path / "a.mcz")
    return panel.widget.ui


def finish(panel):
    waitFor(lambda: not panel.widget.jobs.running)


def leftovers(folder) -> list[str]:
    """Temporary files of this press, beside the archive and in the temporary folder."""
    import slicer

    hidden = [path.name for path in Path(folder).iterdir() if path.name.startswith(".")]
    return hidden + [path.name for path in Path(slicer.app.temporaryPath).glob("medcompress-*")]


def isAlive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def tableOf(ui) -> dict[str, str]:
    node = ui.resultTable.mrmlTableNode()
    return {node.GetCellText(row, 0): node.GetCellText(row, 1) for row in range(node.GetNumberOfRows())}


def test_lossless_press(panel, ui, tmp_path):
    import slicer
    from MedCompressLib.compression import decompress

    original = slicer.util.getNode("CT")
    click(ui.compressButton)
    finish(panel)
    restored, difference = slicer.util.getNode("CT restored"), slicer.util.getNode("CT difference")
    assert np.array_equal(decompress(tmp_path / "a.mcz").array, samples(original))
    assert np.array_equal(samples(restored), samples(original)) and not samples(difference).any()
    assert tableOf(ui)["Lossless"] == "yes" and tableOf(ui)["PSNR"].startswith("infinite")
    assert "Done in" in ui.statusLabel.text and "a.mcz" in ui.summaryLabel.text
    assert ui.compressButton.enabled and not ui.cancelButton.isVisible()
    assert leftovers(tmp_path) == []
    chart = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLPlotChartNode")
    assert chart.GetNumberOfPlotSeriesNodes() == 1 and chart.GetTitle() == "CT: quality against ratio"


def test_ratio_press(panel, ui):
    import slicer

    choose(ui.goalComboBox, "Compression ratio")
    drag(ui.ratioSlider, 8)
    click(ui.compressButton)
    finish(panel)
    original, restored = (samples(slicer.util.getNode(name)) for name in ("CT", "CT restored"))
    assert 7 < float(tableOf(ui)["Ratio"].removesuffix(":1")) < 10
    difference = samples(slicer.util.getNode("CT difference")).astype(int)
    assert difference.any() and np.array_equal(difference, restored.astype(int) - original.astype(int))
    assert float(tableOf(ui)["Largest error"].removesuffix(" HU")) == np.abs(difference).max()
    said = f"lossy, largest error {np.abs(difference).max()} HU"
    assert ui.summaryLabel.text.startswith("a.mcz: JPEG 2000, ") and ui.summaryLabel.text.endswith(said)
    assert slicer.util.getNode("CT restored").GetDescription() in ui.summaryLabel.text


def test_existing_archive_is_replaced_only_after_a_yes(panel, ui, tmp_path):
    import qt

    (tmp_path / "a.mcz").write_bytes(b"old")
    answer(qt.QMessageBox.No)
    click(ui.compressButton)
    assert (tmp_path / "a.mcz").read_bytes() == b"old" and not panel.widget.jobs.running
    answer(qt.QMessageBox.Yes)
    click(ui.compressButton)
    finish(panel)
    assert (tmp_path / "a.mcz").read_bytes().startswith(b"PK")


@pytest.mark.parametrize(("name", "words"), [("", "names no file"), ("gone/a.mcz", "missing or cannot be written")])
def test_impossible_path(panel, ui, tmp_path, name, words):
    typeText(ui.outputPathEdit, tmp_path / name)
    click(ui.compressButton)
    assert words in ui.statusLabel.text and ("ERROR", ui.statusLabel.text) in messages
    assert dataNodes() == ["CT"] and list(tmp_path.iterdir()) == [] and leftovers(tmp_path) == []


def test_suffix_is_completed(panel, ui, tmp_path):
    typeText(ui.outputPathEdit, tmp_path / "scan.v2")
    click(ui.compressButton)
    finish(panel)
    assert ui.outputPathEdit.currentPath == str(tmp_path / "scan.v2.mcz") and (tmp_path / "scan.v2.mcz").is_file()


def test_archive_is_named_after_the_volume_until_the_user_names_it(panel, tmp_path):
    ui = panel.widget.ui
    addVolume(np.zeros((2, 3, 4), np.uint8), "Head/T1")
    choose(ui.inputSelector, "Head/T1")
    assert Path(ui.outputPathEdit.currentPath).name == "Head_T1.mcz"
    panel.reload()
    ui = panel.widget.ui
    choose(ui.inputSelector, "CT")
    assert Path(ui.outputPathEdit.currentPath).name == "CT.mcz"
    typeText(ui.outputPathEdit, tmp_path / "mine.mcz")
    choose(ui.inputSelector, "Head/T1")
    assert Path(ui.outputPathEdit.currentPath).name == "mine.mcz"


def test_cancel_ends_the_process_tree_and_leaves_the_old_file(panel, ui, tmp_path):
    import qt

    addNoise()
    choose(ui.inputSelector, "Noise")
    (tmp_path / "a.mcz").write_bytes(b"old")
    answer(qt.QMessageBox.Yes)
    panel.widget.jobs._makeJob = pausing("compress", 0.06)
    click(ui.compressButton)
    waitFor(lambda: ui.progressBar.value > 5)
    group = panel.widget.jobs._job.process_id
    assert isAlive(group)
    click(ui.cancelButton)
    assert not isAlive(group)
    assert (tmp_path / "a.mcz").read_bytes() == b"old"
    assert leftovers(tmp_path) == [] and [path.name for path in tmp_path.iterdir()] == ["a.mcz"]
    assert dataNodes() == ["CT", "Noise"] and ui.statusLabel.text == "Cancelled, nothing was written"
    assert ui.compressButton.enabled and not [level for level, _text in messages if level == "ERROR"]


def test_cancel_between_two_steps_cancels_what_follows(panel, ui, tmp_path):
    from MedCompressLib.compression import verify

    jobs = panel.widget.jobs
    click(ui.compressButton)
    jobs._timer.stop()
    jobs._job._process.wait()
    click(ui.cancelButton)
    assert not jobs.running and verify(tmp_path / "a.mcz").manifest.lossless
    assert "a.mcz was written and is whole" in ui.statusLabel.text and "Cancelled" in ui.statusLabel.text
    assert dataNodes() == ["CT"] and leftovers(tmp_path) == [] and ui.compressButton.enabled
    assert not [text for level, text in messages if level == "ERROR"]


def test_failure_of_the_child_shows_its_last_meaningful_line(panel, ui, tmp_path):
    array = np.ones((4, 16, 16), np.float32)
    array[1, 2, 3] = np.nan
    addVolume(array, "Hole")
    choose(ui.inputSelector, "Hole")
    choose(ui.goalComboBox, "Compression ratio")
    click(ui.compressButton)
    finish(panel)
    assert ui.statusLabel.text.startswith("1 samples are NaN") and "lossless" in ui.statusLabel.text
    assert dataNodes() == ["CT", "Hole"] and list(tmp_path.iterdir()) == [] and leftovers(tmp_path) == []


def test_what_only_lossless_coding_can_hold_is_compressed_without_a_curve(panel, ui):
    import slicer

    array = np.linspace(0, 1, 4 * 16 * 16, dtype=np.float32).reshape(4, 16, 16)
    array[1, 2, 3] = np.nan
    addVolume(array, "Hole", modality=None)
    choose(ui.inputSelector, "Hole")
    click(ui.compressButton)
    finish(panel)
    restored = samples(slicer.util.getNode("Hole restored"))
    assert restored.tobytes() == array.tobytes() and "Done" in ui.statusLabel.text
    assert "NaN" in ui.summaryLabel.text and tableOf(ui)["Lossless"] == "yes" and "PSNR" not in tableOf(ui)
    assert dataNodes() == ["CT", "Hole", "Hole difference", "Hole restored", "Quality figures"]


def test_label_map_is_lossless_and_comes_back_as_a_label_map(panel, ui):
    import slicer

    choose(ui.goalComboBox, "Compression ratio")
    labels = np.zeros((4, 16, 16), np.uint8)
    labels[1:3, 4:9, 4:9] = 3
    addVolume(labels, "Liver", modality="SEG")
    choose(ui.inputSelector, "Liver")
    assert ui.goalComboBox.currentText == "Lossless" and not ui.goalComboBox.enabled
    assert "Label maps" in ui.goalComboBox.toolTip
    click(ui.compressButton)
    finish(panel)
    restored = slicer.util.getNode("Liver restored")
    assert restored.IsA("vtkMRMLLabelMapVolumeNode") and np.array_equal(samples(restored), labels)


def test_settings_and_volume_may_change_while_a_press_runs(panel, ui, tmp_path):
    import slicer
    from MedCompressLib.compression import info

    node = slicer.util.getNode("CT")
    before = samples(node)
    click(ui.compressButton)
    assert not ui.compressButton.enabled and not ui.previewCheckBox.enabled and "running" in ui.compressButton.toolTip
    choose(ui.goalComboBox, "Compression ratio")
    typeText(ui.outputPathEdit, tmp_path / "other.mcz")
    slicer.util.arrayFromVolume(node)[:] = 7
    slicer.util.arrayFromVolumeModified(node)
    node.SetSpacing(9, 9, 9)
    assert not ui.compressButton.enabled
    finish(panel)
    assert info(tmp_path / "a.mcz").manifest.lossless and not (tmp_path / "other.mcz").exists()
    assert np.array_equal(samples(slicer.util.getNode("CT restored")), before)
    assert not samples(slicer.util.getNode("CT difference")).any()


def test_input_removed_while_a_press_runs(panel, ui):
    import slicer

    click(ui.compressButton)
    slicer.mrmlScene.RemoveNode(slicer.util.getNode("CT"))
    finish(panel)
    assert slicer.util.getNode("CT restored") and "Done" in ui.statusLabel.text


def test_press_goes_on_while_another_module_is_open(panel, ui, tmp_path):
    import slicer

    click(ui.compressButton)
    panel.window.exit()
    waitFor(lambda: slicer.mrmlScene.GetFirstNodeByName("CT restored") is not None)
    panel.window.enter()
    assert ui.compressButton.enabled and tableOf(ui)["Lossless"] == "yes"


@pytest.mark.parametrize("end", ["close", "reload"])
def test_press_ends_with_the_scene_and_with_the_module(panel, ui, tmp_path, end):
    import slicer

    addNoise()
    choose(ui.inputSelector, "Noise")
    panel.widget.jobs._makeJob = pausing("compress", 0.01)
    click(ui.compressButton)
    waitFor(lambda: ui.progressBar.value > 0)
    group = panel.widget.jobs._job.process_id
    slicer.mrmlScene.Clear(False) if end == "close" else panel.reload()
    assert not isAlive(group) and list(tmp_path.iterdir()) == [] and leftovers(tmp_path) == []
    assert not panel.widget.jobs.running and not panel.widget.ui.cancelButton.isVisible()
    assert panel.widget.ui.compressButton.enabled is (end == "reload")
    assert "closed" in ui.statusLabel.text or end == "reload"


def test_curve_button_compares_codecs_and_writes_nothing(panel, ui, tmp_path):
    import slicer

    addPhantom((16, 128, 128), "Larger")
    choose(ui.inputSelector, "Larger")
    typeText(ui.outputPathEdit, tmp_path / "a.mcz")
    choose(ui.codecComboBox, "Volumetric JPEG 2000")
    click(ui.curveButton)
    waitFor(lambda: not panel.widget.jobs.running)
    assert list(tmp_path.iterdir()) == [] and leftovers(tmp_path) == []
    chart = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLPlotChartNode")
    lines = [chart.GetNthPlotSeriesNode(index) for index in range(chart.GetNumberOfPlotSeriesNodes())]
    expected = ["JPEG 2000", "HTJ2K", "Volumetric HTJ2K", "HEVC (x265)", "Volumetric JPEG 2000"]
    assert [line.GetName() for line in lines] == expected
    assert chart.GetXAxisLogScale(), "equal steps for equal factors"
    assert len({line.GetColor() for line in lines}) == len(lines)
    for line in lines:
        columns = line.GetXColumnName(), line.GetYColumnName()
        ratios, psnrs = (slicer.util.arrayFromTableColumn(line.GetTableNode(), column) for column in columns)
        assert len(ratios) == 5 and (np.diff(ratios) > 0).all() and (np.diff(psnrs) <= 0).all()
        assert psnrs[0] > psnrs[3]


def test_packages_are_asked_for_at_the_press(panel, ui, tmp_path, monkeypatch):
    import qt
    import slicer

    module = panel.widget.logic.ensurePackages.__func__.__globals__
    requirements = __import__("sys").modules[module["ensurePackages"].__module__]
    monkeypatch.setattr(requirements, "missingPackages", lambda *a: ["medcompress-absent>=1"])
    answer(qt.QMessageBox.Cancel)
    click(ui.compressButton)
    assert not panel.widget.jobs.running and list(tmp_path.iterdir()) == []
    answer(qt.QMessageBox.Cancel)
    click(ui.previewCheckBox)
    assert not ui.previewCheckBox.checked and slicer.mrmlScene.GetFirstNodeByName("CT preview") is None


def test_vector_and_empty_volumes_are_not_offered():
    import slicer

    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "Color")
    panel = loadModule("VolumeCompression")
    assert panel.widget._parameterNode.inputVolume is None and not panel.widget.ui.compressButton.enabled
    choose(panel.widget.ui.inputSelector, "Empty")
    click(panel.widget.ui.compressButton)
    assert "empty" in panel.widget.ui.statusLabel.text
