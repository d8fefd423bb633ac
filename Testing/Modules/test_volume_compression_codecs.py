"""Codecs and goals in the panel of VolumeCompression: what can be chosen, and what then comes out."""

from pathlib import Path

import numpy as np
import pytest
from Harness import answer, choose, click, drag, loadModule, typeText, waitFor
from scenes import addPhantom, dataNodes, samples


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


def tableOf(ui) -> dict[str, str]:
    node = ui.resultTable.mrmlTableNode()
    return {node.GetCellText(row, 0): node.GetCellText(row, 1) for row in range(node.GetNumberOfRows())}


def press(panel, codec, goal=None):
    """Choose, compress, and give the figures of the result and the largest error of what the archive holds."""
    import slicer
    from MedCompressLib.compression import decompress

    choose(panel.widget.ui.codecComboBox, codec)
    if goal:
        choose(panel.widget.ui.goalComboBox, goal)
    click(panel.widget.ui.compressButton)
    waitFor(lambda: not panel.widget.jobs.running)
    restored = decompress(panel.widget.ui.outputPathEdit.currentPath).array
    return tableOf(panel.widget.ui), int(np.abs(samples(slicer.util.getNode("CT")).astype(int) - restored).max())


def test_htj2k_to_a_ratio(panel, ui):
    choose(ui.goalComboBox, "Compression ratio")
    drag(ui.ratioSlider, 6)
    figures, error = press(panel, "HTJ2K")
    assert figures["Codec"] == "HTJ2K" and error > 0
    assert float(figures["Ratio"].removesuffix(":1")) == pytest.approx(6, rel=0.05)


@pytest.mark.parametrize("codec", ["Volumetric HTJ2K", "HEVC (x265)", "HEVC, slow"])
def test_codec_of_groups_to_a_quality(panel, ui, codec):
    choose(ui.goalComboBox, "Quality (PSNR)")
    drag(ui.psnrSlider, 52)
    figures, error = press(panel, codec)
    assert figures["Codec"] == codec and error > 0
    assert 52 <= float(figures["PSNR"].removesuffix(" dB")) <= 52.25


def test_jpegls_exactly_and_within_an_error(panel, ui):
    import qt

    figures, error = press(panel, "JPEG-LS")
    exact = float(figures["Ratio"].removesuffix(":1"))
    assert figures["Codec"] == "JPEG-LS" and error == 0
    choose(ui.goalComboBox, "Maximum error")
    assert ui.maxErrorSlider.suffix == " HU" and ui.maxErrorSlider.decimals == 0
    typeText(ui.maxErrorSlider, 4)
    answer(qt.QMessageBox.Yes)
    figures, error = press(panel, "JPEG-LS")
    assert 0 < error <= 4 and float(figures["Ratio"].removesuffix(":1")) > exact


def test_quality_on_the_scale_of_each_codec(panel, ui, tmp_path):
    from MedCompressLib.compression import info

    choose(ui.codecComboBox, "HTJ2K")
    choose(ui.goalComboBox, "Codec's own scale")
    assert ui.qualityLabel.text == "Quantization step:" and ui.qualitySlider.minimum == 1
    choose(ui.codecComboBox, "HEVC (x265)")
    assert ui.qualityLabel.text == "QP:" and ui.qualitySlider.minimum < 0
    begin = ui.qualitySlider.value
    typeText(ui.qualitySlider, 24)
    figures, error = press(panel, "HEVC (x265)")
    assert error > 0 and info(tmp_path / "a.mcz").as_dict()["target"] == {"kind": "quality", "value": 24}
    choose(ui.codecComboBox, "JPEG 2000")
    choose(ui.codecComboBox, "HEVC (x265)")
    assert ui.qualitySlider.value == begin != 24, "a number on another scale is forgotten"


def test_goals_that_a_codec_cannot_meet_are_not_offered(panel, ui):
    import qt

    def offered():
        flags = [ui.goalComboBox.model().index(row, 0).flags() for row in range(ui.goalComboBox.count)]
        return [bool(flag & qt.Qt.ItemIsEnabled) for flag in flags]

    assert all(offered())
    choose(ui.goalComboBox, "Codec's own scale")
    choose(ui.codecComboBox, "JPEG XL")
    assert offered() == [True, False, False, True, False] and ui.goalComboBox.currentText == "Lossless"
    assert "JPEG XL has no lossy mode" in ui.goalComboBox.itemData(1, qt.Qt.ToolTipRole)
    choose(ui.codecComboBox, "Volumetric HTJ2K")
    assert all(offered()) and not ui.goalComboBox.itemData(1, qt.Qt.ToolTipRole)


def test_recommendation_is_for_this_volume(panel, ui, tmp_path):
    import slicer
    from MedCompressLib.recommendation import recommend
    from MedCompressLib.volume import read_volume, write_volume
    from MedCompressSlicer.volumes import volumeFromNode

    before = ui.recommendationLabel.text
    assert "press Recommend" in before
    click(ui.recommendButton)
    waitFor(lambda: not panel.widget.jobs.running)
    text = ui.recommendationLabel.text
    assert text.startswith("On slices 0 to 7, fast: ") and "dense: " in text and "exact: " in text
    assert not list(Path(slicer.app.temporaryPath).glob("medcompress-*"))
    assert dataNodes() == ["CT"] and ui.recommendButton.enabled
    node = slicer.util.getNode("CT")
    write_volume(volumeFromNode(node), tmp_path / "CT.nrrd")  # whose oblique direction has other last digits
    said = recommend(read_volume(tmp_path / "CT.nrrd"))
    assert text.endswith(f", {said.lossless[said.exact]:.2f}:1.")
    figures = panel.widget.logic.recommend(node)
    assert figures["exact"] == said.exact
    assert figures["lossless"][figures["exact"]] == max(figures["lossless"].values())
    addPhantom(name="Other")
    choose(ui.inputSelector, "Other")
    assert ui.recommendationLabel.text == before


def test_each_codec_has_a_name_and_asks_for_its_package():
    """A codec asks for the package without which it does not run, and for no other."""
    import sys

    loadModule("VolumeCompression")
    from MedCompressLib.codecs import SampleFormat, codec_names, get_codec
    from MedCompressLib.codecs.interface import Exact
    from MedCompressLib.errors import MedCompressError
    from MedCompressSlicer.codec_choices import codecLabel, codecTip
    from MedCompressSlicer.requirements import missingPackages, packageOf

    assert len({codecLabel(name) for name in codec_names()}) == len(codec_names())
    assert all(codecTip(name) not in ("", name) for name in codec_names())
    for name in codec_names():
        needed = set()
        group = np.random.default_rng(1).integers(0, 4000, (1, 32, 32)).astype(np.int16)
        for package in ("av", "imagecodecs"):
            with pytest.MonkeyPatch.context() as patch:
                patch.setitem(sys.modules, package, None)
                try:
                    get_codec(name).encode(group, SampleFormat("int16", 13), Exact())
                except MedCompressError as error:
                    assert package in str(error)
                    needed.add(package)
        assert needed == set(filter(None, [packageOf(name)])), name
    asked = missingPackages(lambda package: None, ["htj2k", "hevc"])
    assert {text.split(">=")[0] for text in asked} >= {"av", "imagecodecs", "glymur", "scipy"}


def test_curves_without_the_packages_that_were_declined(panel, ui, monkeypatch):
    import qt
    import slicer
    from MedCompressSlicer import requirements

    present = requirements.missingPackages

    def withoutAv(find=None, codecs=()):
        return present(codecs=codecs) + (["medcompress-absent>=1"] if "hevc" in codecs else [])

    monkeypatch.setattr(requirements, "missingPackages", withoutAv)
    monkeypatch.setattr("MedCompressSlicer.codec_advice.missingPackages", withoutAv)
    answer(qt.QMessageBox.Cancel)
    click(ui.curveButton)
    waitFor(lambda: not panel.widget.jobs.running)
    names = [node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLPlotSeriesNode")]
    assert names == ["JPEG 2000", "HTJ2K", "Volumetric HTJ2K"]
