"""The panel of RoiCompression, by real clicks: what a user gets, also when things go wrong."""

from pathlib import Path

import numpy as np
import pytest
import slicer
from children import pausing
from Harness import choose, click, drag, loadModule, messages, waitFor
from roi_scenes import addCt, addOrgans, ball, finish, outlined, outlineNode, quickly, regionSays, vessel
from scenes import addNoise, dataNodes, samples


@pytest.fixture
def panel(tmp_path):
    """The running module with a small CT and a segmentation, an archive in an empty folder chosen."""
    addCt()
    addOrgans()
    loaded = loadModule("RoiCompression")
    quickly(loaded, tmp_path / "a.mcz")
    return loaded


def tableOf(view) -> list[dict[str, str]]:
    node = view.mrmlTableNode()
    titles = [node.GetColumnName(number) for number in range(node.GetNumberOfColumns())]
    return [
        {title: node.GetCellText(row, number) for number, title in enumerate(titles)}
        for row in range(node.GetNumberOfRows())
    ]


def leftovers() -> list[Path]:
    return list(Path(slicer.app.temporaryPath).glob("medcompress-*"))


def test_press_with_one_segment_and_a_margin(panel, tmp_path):
    import qt
    from MedCompressLib.compression import decompress
    from scipy.ndimage import distance_transform_edt

    ui, original = panel.widget.ui, slicer.util.getNode("CT")
    regionSays(panel, ball() | vessel())
    assert [ui.segmentList.item(row).text() for row in range(ui.segmentList.count)] == ["tumor", "vessel"]
    assert not ui.segmentList.enabled
    click(ui.visibleSegmentsCheckBox)
    ui.segmentList.item(1).setCheckState(qt.Qt.Unchecked)
    drag(ui.marginSlider, 3)
    mask = distance_transform_edt(~ball(), sampling=(2.0, 1.0, 1.5)) <= 3
    regionSays(panel, mask)
    assert np.array_equal(outlined(), mask)
    click(ui.compressButton)
    finish(panel)
    restored = samples(slicer.util.getNode("CT restored"))
    assert np.array_equal(decompress(tmp_path / "a.mcz").array, restored)
    assert np.array_equal(restored[mask], samples(original)[mask]) and (restored != samples(original)).any()
    difference = samples(slicer.util.getNode("CT difference"))
    assert np.array_equal(difference, restored.astype(int) - samples(original))
    figures = {row.pop("Figure"): row for row in tableOf(ui.resultTable)}
    assert figures["Largest error"]["Region"] == "0 HU" and figures["PSNR (peak 4096)"]["Region"] == "exact"
    assert figures["Voxels"]["Region"] == f"{mask.sum():,}"
    assert 39.5 < float(figures["PSNR (peak 4096)"]["Around it"].removesuffix(" dB")) < 41.5
    size = (tmp_path / "a.mcz").stat().st_size
    assert float(figures["Ratio"]["Whole"].removesuffix(":1")) == pytest.approx(restored.nbytes / size, abs=1e-3)
    assert "region exact" in ui.summaryLabel.text and "Done in" in ui.statusLabel.text
    assert leftovers() == [] and [path.name for path in tmp_path.iterdir()] == ["a.mcz"]
    panel.reload()
    assert tableOf(panel.widget.ui.resultTable)[1]["Region"] == "0 HU", "results and choices are in the scene"
    regionSays(panel, mask)


def test_press_with_a_new_box_and_a_last_layer(panel, tmp_path):
    from MedCompressLib.compression import decompress, info

    ui = panel.widget.ui
    choose(ui.sourceComboBox, "ROI box")
    assert not ui.compressButton.enabled and "ROI box" in ui.compressButton.toolTip and not ui.segmentList.isVisible()
    click(ui.newBoxButton)
    mask = np.zeros((10, 40, 48), bool)
    mask[2:8, 10:30, 12:36] = True
    regionSays(panel, mask)
    assert np.array_equal(outlined(), mask), "half the volume along each axis"
    click(ui.restoreCheckBox)
    click(ui.compressButton)
    finish(panel)
    layers = info(tmp_path / "a.mcz").manifest.layers
    assert [layer.role for layer in layers] == ["region", "base", "restore"]
    assert np.array_equal(decompress(tmp_path / "a.mcz").array, samples(slicer.util.getNode("CT")))
    assert slicer.util.getNode("CT restored") and "around it exact" in ui.summaryLabel.text


def test_threshold_has_the_range_of_the_volume(panel):
    ui, array = panel.widget.ui, samples(slicer.util.getNode("CT"))
    choose(ui.sourceComboBox, "Threshold")
    assert (ui.lowerSlider.minimum, ui.upperSlider.maximum) == (array.min(), array.max())
    drag(ui.lowerSlider, 40)
    drag(ui.upperSlider, 90)
    regionSays(panel, (array >= 40) & (array <= 90))
    assert np.array_equal(outlined(), (array >= 40) & (array <= 90))
    drag(ui.lowerSlider, 95)
    waitFor(lambda: "empty" in ui.regionLabel.text)
    assert outlineNode() is None
    click(ui.compressButton)
    finish(panel)
    assert "empty" in ui.statusLabel.text and dataNodes() == ["CT"] and leftovers() == []


def test_methods_are_compared(panel, tmp_path):
    ui = panel.widget.ui
    click(ui.methodsButton)
    assert not ui.compressButton.enabled and "running" in ui.methodsButton.toolTip
    finish(panel)
    rows = tableOf(ui.methodsTable)
    assert [row["Method"] for row in rows] == ["Exact", "Diffusion", "Two qualities"]
    assert [row["ROI PSNR"] == "exact" for row in rows] == [True, True, False]
    ratios = [float(row["Ratio"].removesuffix(":1")) for row in rows]
    assert ["smallest" in row["Size"] for row in rows] == [ratio == max(ratios) for ratio in ratios]
    assert rows[ratios.index(max(ratios))]["Method"] in ui.methodsLabel.text
    assert list(tmp_path.iterdir()) == [] and leftovers() == []
    assert set(dataNodes()) == {"CT", "ROI methods"} and ui.compressButton.enabled
    first = ui.methodsTable.mrmlTableNode()
    click(ui.methodsButton)
    click(ui.cancelButton)
    assert ui.methodsTable.mrmlTableNode() is first and leftovers() == [] and ui.statusLabel.text == "Cancelled"


def test_cancel_leaves_nothing(panel, tmp_path):
    addNoise()
    ui = panel.widget.ui
    choose(ui.inputSelector, "Noise")
    choose(ui.sourceComboBox, "Otsu's threshold")
    (tmp_path / "old.mcz").write_bytes(b"old")
    panel.widget.jobs._makeJob = pausing("compress", 0.01)
    click(ui.compressButton)
    waitFor(lambda: ui.progressBar.value > 0)
    click(ui.cancelButton)
    assert [path.name for path in tmp_path.iterdir()] == ["old.mcz"] and leftovers() == []
    assert dataNodes() == ["CT", "Noise"] and ui.statusLabel.text == "Cancelled, nothing was written"
    assert ui.compressButton.enabled and not [level for level, _text in messages if level == "ERROR"]


@pytest.mark.parametrize("end", ["close", "reload"])
def test_press_and_outline_end_with_the_scene_and_with_the_module(panel, tmp_path, end):
    from MedCompressLib.compression import verify

    ui = panel.widget.ui
    regionSays(panel, ball() | vessel())
    click(ui.compressButton)
    slicer.mrmlScene.Clear(False) if end == "close" else panel.reload()
    assert not panel.widget.jobs.running and leftovers() == []
    for path in tmp_path.iterdir():
        verify(path)  # written before the end came, so it is whole
    assert panel.widget.ui.compressButton.enabled is (end == "reload")
    if end == "close":
        assert outlineNode() is None and "closed" in ui.statusLabel.text and ui.summaryLabel.text == ""
    else:
        regionSays(panel, ball() | vessel())


def test_goals_follow_method_and_codec(panel):
    ui = panel.widget.ui

    def possible():
        flags = __import__("qt").Qt.UserRole - 1
        combo = ui.goalComboBox
        return [combo.itemText(n) for n in range(combo.count) if combo.itemData(n, flags) == 33]

    assert possible() == ["Lossless", "Compression ratio", "Quality (PSNR)", "Codec's own scale"]
    choose(ui.goalComboBox, "Lossless")
    assert not ui.restoreCheckBox.isVisible() and not ui.psnrSlider.isVisible()
    choose(ui.methodComboBox, "Two qualities")
    assert possible() == ["Quality (PSNR)", "Codec's own scale"] and ui.goalComboBox.currentText == "Quality (PSNR)"
    choose(ui.codecComboBox, "Zstandard")
    assert possible() == [] and not ui.compressButton.enabled and not ui.methodsButton.enabled
    assert "choose" in ui.compressButton.toolTip
    choose(ui.methodComboBox, "Diffused background")
    assert possible() == ["Lossless"] and ui.compressButton.enabled and "lossy codec" not in ui.compressButton.toolTip


def test_missing_packages_are_asked_for_and_missing_pytorch_is_said(panel, monkeypatch, tmp_path):
    import sys

    ui = panel.widget.ui
    pytorch = sys.modules["MedCompressSlicer.pytorch"]
    monkeypatch.setattr(pytorch.ensureTorch, "__defaults__", (lambda name: None,))
    choose(ui.methodComboBox, "Diffused background")
    click(ui.compressButton)
    assert "extension PyTorch" in ui.statusLabel.text and list(tmp_path.iterdir()) == []
    assert [method.value for method in panel.widget.logic.possibleMethods("jpeg2000")] == ["exact", "two-quality"]


def test_input_and_segmentation_removed_while_a_press_runs(panel):
    click(panel.widget.ui.compressButton)
    for name in ("CT", "organs"):
        slicer.mrmlScene.RemoveNode(slicer.util.getNode(name))
    finish(panel)
    assert slicer.util.getNode("CT restored") and "Done in" in panel.widget.ui.statusLabel.text
