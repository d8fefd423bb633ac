"""The tabs Train and Fine-Tune of U-Net Segmentation, by real clicks: checked cases, live curves, Cancel and go on."""

import csv
import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from children import pausing
from Harness import answer, choose, click, loadModule, messages, typeText, waitFor
from unet_scenes import CONFIG, GRID, addPairs, ball, cell, nodeNames, writeCases, writeModel

pytestmark = pytest.mark.skipif(
    not (find_spec("torch") and find_spec("monai")), reason="networks need the packages torch and monai"
)


@pytest.fixture
def panel(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    panel = loadModule("UNetSegmentation")
    panel.window.resize(520, 1000)
    panel.widget.ui.tabs.setCurrentIndex(1)
    return panel


@pytest.fixture
def ui(panel, tmp_path):
    """The widgets, four cases, a small configuration and an output chosen."""
    ui = panel.widget.ui
    (tmp_path / "small.toml").write_text(CONFIG)
    typeText(ui.folderEdit, writeCases(tmp_path / "cases"))
    choose(ui.presetComboBox, "From a TOML file")
    typeText(ui.configPathEdit, tmp_path / "small.toml")
    typeText(ui.outputPathEdit, tmp_path / "balls")
    return ui


def finish(panel, seconds=300):
    waitFor(lambda: not panel.widget.jobs.running, seconds)


def half(folder) -> list[str]:
    """What is half written, here and in the temporary folder."""
    import slicer

    found = [path.name for path in Path(folder).rglob(".*")]
    return found + [path.name for path in Path(slicer.app.temporaryPath).glob("medcompress-*")]


def curves(panel) -> dict[str, list[float]]:
    table = panel.widget._parameterNode.curves
    return {
        table.GetColumnName(number): [float(table.GetCellText(row, number)) for row in range(table.GetNumberOfRows())]
        for number in range(table.GetNumberOfColumns())
    }


def test_two_epochs_by_one_press(panel, ui, tmp_path):
    from MedCompressLib.unet.model_file import read_card

    assert ui.epochsSpinBox.value == 2 and ui.foldsSpinBox.value == 2 and ui.patchEdit.text == "8, 16, 16"
    assert "dynunet in 3D" in ui.configLabel.text
    seen, tell = [], panel.widget.tell
    panel.widget.tell = lambda label, text: seen.append(text) or tell(label, text)
    click(ui.trainButton)
    assert not ui.trainButton.enabled and not ui.segmentButton.enabled
    finish(panel)
    card = read_card(tmp_path / "balls.mcmodel")
    assert card.training["epochs"] == 2 and card.training["cases"] == 2 and card.training["seed"] == 1
    assert [text[:17] for text in seen if ": loss " in text] == ["Epoch 1 of 2: los", "Epoch 2 of 2: los"], "live"
    assert "2 epochs on 2 cases" in ui.epochLabel.text and "validation Dice" in ui.epochLabel.text
    with open(tmp_path / "balls.training" / "curves.csv", newline="") as file:
        written = list(csv.DictReader(file))
    shown = curves(panel)
    assert shown["Epoch"] == [1.0, 2.0] and len(written) == 2
    assert shown["Training loss"] == pytest.approx([float(row["loss"]) for row in written], abs=1e-4)
    assert shown["Validation Dice"] == pytest.approx([float(row["validation_dice"]) for row in written], abs=1e-4)
    chart = panel.widget._parameterNode.chart
    lines = [chart.GetNthPlotSeriesNode(number) for number in range(chart.GetNumberOfPlotSeriesNodes())]
    assert [line.GetYColumnName() for line in lines] == ["Training loss", "Validation Dice"]
    assert {line.GetTableNode() for line in lines} == {panel.widget._parameterNode.curves}
    assert half(tmp_path) == [] and not ui.problemTable.isVisible() and "4 cases, no problems" in ui.checkLabel.text
    assert panel.widget._parameterNode.chosenModel() == str(tmp_path / "balls.mcmodel")


def test_cancel_leaves_nothing_half_written_and_the_training_goes_on(panel, ui, tmp_path):
    import qt
    from MedCompressLib.unet.model_file import read_card

    makeJob, panel.widget.jobs._makeJob = panel.widget.jobs._makeJob, pausing("train", 0.5)
    ui.epochsSpinBox.value = 30
    click(ui.trainButton)
    waitFor(lambda: ui.epochLabel.text.startswith("Epoch "), 300)
    click(ui.cancelButton)
    done = len(curves(panel)["Epoch"])
    assert f"Stopped after epoch {done};" in ui.statusLabel.text and not (tmp_path / "balls.mcmodel").exists()
    assert half(tmp_path) == [] and ui.trainButton.enabled
    assert not [text for level, text in messages if level == "ERROR"]
    panel.widget.jobs._makeJob = makeJob
    answer(qt.QMessageBox.Cancel)
    click(ui.trainButton)
    assert not panel.widget.jobs.running
    answer(qt.QMessageBox.Yes)
    click(ui.trainButton)
    finish(panel)
    assert any(f"has reached epoch {done}." in text for _level, text in messages)
    assert curves(panel)["Epoch"] == list(range(1, 31))
    assert read_card(tmp_path / "balls.mcmodel").training["epochs"] == 30 and half(tmp_path) == []


def test_cancel_after_the_last_epoch_delivers_the_model_and_all_curves(panel, ui, tmp_path):
    jobs = panel.widget.jobs
    click(ui.trainButton)
    waitFor(lambda: ui.statusLabel.text.startswith("Step 2 of 2"))
    jobs._timer.stop()
    jobs._job._process.wait()
    click(ui.cancelButton)
    assert curves(panel)["Epoch"] == [1, 2] and "2 epochs on 2 cases" in ui.epochLabel.text
    assert (tmp_path / "balls.mcmodel").exists() and half(tmp_path) == [] and ui.trainButton.enabled


def test_problems_are_listed_and_nothing_is_trained(panel, ui, tmp_path):
    from MedCompressLib.volume import Geometry, Volume, write_volume

    moved = Volume(ball(1)[1], Geometry(**{**GRID, "origin": (30.0, 0.0, 0.0)}))
    write_volume(moved, tmp_path / "cases" / "labels" / "case1.nrrd")
    write_volume(Volume(0 * ball(2)[1], Geometry(**GRID)), tmp_path / "cases" / "labels" / "case2.nrrd")
    click(ui.trainButton)
    finish(panel)
    table = panel.widget._parameterNode.problems
    assert ui.problemTable.isVisible() and table.GetNumberOfRows() == 2
    assert cell(table, 0, "Case") == "case1" and "different places" in cell(table, 0, "Problem")
    assert "resample" in cell(table, 0, "What to do") and cell(table, 0, "Usable") == "no"
    assert cell(table, 1, "Case") == "case2" and cell(table, 1, "Usable") == "yes"
    assert "problems to solve: 1" in ui.statusLabel.text and "not started" in ui.statusLabel.text
    assert not (tmp_path / "balls.training").exists() and half(tmp_path) == []
    (tmp_path / "cases" / "labels" / "case3.nrrd").unlink()
    click(ui.checkButton)
    finish(panel)
    assert table.GetNumberOfRows() == 1 and "case3 has no label map" in cell(table, 0, "Problem")


def test_cases_without_the_labels_of_the_configuration_are_listed(panel, ui, tmp_path):
    (tmp_path / "liver.toml").write_text(CONFIG + '[[labels]]\nvalue = 1\nname = "liver"\nsources = [5]\n')
    typeText(ui.configPathEdit, tmp_path / "liver.toml")
    click(ui.checkButton)
    finish(panel)
    table = panel.widget._parameterNode.problems
    assert table.GetNumberOfRows() == 4 and "none of the labels, only [1, 2]" in cell(table, 0, "Problem")
    assert {cell(table, row, "Usable") for row in range(4)} == {"yes"} and half(tmp_path) == []
    logic = panel.widget.logic
    same = logic.check(tmp_path / "cases", config=tmp_path / "liver.toml")
    assert same.GetNumberOfRows() == 4 and cell(same, 0, "Problem") == cell(table, 0, "Problem")
    assert logic.check(tmp_path / "cases").GetNumberOfRows() == 0


def test_wrong_settings_are_named_before_anything_runs(panel, ui, tmp_path):
    for field, text, good, words in (
        (ui.patchEdit, "8, x", "8, 16, 16", "is no size"),
        (ui.outputPathEdit, tmp_path / "gone" / "a.mcmodel", tmp_path / "a", "missing or cannot be written"),
    ):
        typeText(field, text)
        click(ui.trainButton)
        assert words in ui.statusLabel.text and not panel.widget.jobs.running
        typeText(field, good)
    (tmp_path / "small.toml").write_text("epoch = 3")
    typeText(ui.configPathEdit, tmp_path / "small.toml")
    click(ui.trainButton)
    assert "has no 'epoch'" in ui.statusLabel.text and ("ERROR", ui.statusLabel.text) in messages
    ui.folderEdit.currentPath = ""
    assert not ui.trainButton.enabled and "folder" in ui.trainButton.toolTip


def test_failure_shows_the_last_lines(panel, ui, tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text("import sys\nprint('first line', file=sys.stderr)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "balls.training").mkdir()
    (tmp_path / "balls.training" / "checkpoint.safetensors").write_bytes(b"damaged")
    import qt

    answer(qt.QMessageBox.Yes)
    click(ui.trainButton)
    finish(panel)
    assert "no checkpoint or damaged" in ui.statusLabel.text and ui.logEdit.isVisible()
    assert "first line" in ui.logEdit.plainText and "damaged" in ui.logEdit.plainText


def test_pairs_of_the_scene_train_a_model_with_their_names(panel, tmp_path):
    import slicer
    from MedCompressLib.unet.model_file import read_card
    from MedCompressLib.volume import read_volume
    from MedCompressSlicer.unet_pairs import chosenPairs, exportPairs

    ui = panel.widget.ui
    addPairs(3)
    choose(ui.sourceComboBox, "Segmentations in the scene")
    assert not ui.checkButton.enabled and "Tick" in ui.checkButton.toolTip
    for row in range(3):
        click(ui.pairTable.cellWidget(row, 0))
    choose(ui.pairTable.cellWidget(2, 1), "CT 0")
    pairs = chosenPairs(panel.widget._parameterNode.parameterNode)
    assert [volume.GetName() for volume, _segmentation in pairs] == ["CT 0", "CT 1", "CT 0"]
    choose(ui.pairTable.cellWidget(2, 1), "CT 2")
    pairs[1][1].GetSegmentation().GetNthSegment(0).SetName("spleen")
    pairs[1][1].GetSegmentation().GetNthSegment(1).SetName("liver")
    pairs = chosenPairs(panel.widget._parameterNode.parameterNode)
    labels = exportPairs(pairs, tmp_path / "out")
    assert [(label["value"], label["name"]) for label in labels] == [(1, "liver"), (2, "spleen")]
    for number, swap in enumerate(([0, 1, 2], [0, 2, 1], [0, 1, 2])):
        samples, truth = ball(number)
        image, map_ = (
            read_volume(tmp_path / "out" / kind / f"{number + 1:03d}_CT_{number}.nrrd") for kind in ("images", "labels")
        )
        assert np.array_equal(image.array, samples) and np.array_equal(map_.array, np.array(swap)[truth])
        assert map_.geometry.is_close(image.geometry, 1e-6)
    click(ui.checkButton)
    finish(panel)
    assert "3 cases, no problems" in ui.checkLabel.text
    (tmp_path / "small.toml").write_text(CONFIG)
    logic = panel.widget.logic
    path = logic.train(pairs, tmp_path / "scene.mcmodel", tmp_path / "small.toml", epochs=1)
    card = read_card(path)
    assert [(label.value, label.name) for label in card.labels] == [(1, "liver"), (2, "spleen")]
    assert card.labels[0].color == pytest.approx(pairs[0][1].GetSegmentation().GetNthSegment(0).GetColor(), abs=1e-4)
    assert nodeNames("vtkMRMLPlotChartNode") == ["scene: training"]
    pairs[0][1].GetSegmentation().GetNthSegment(0).SetName("kidney")
    with pytest.raises(Exception, match="'kidney', which the model does not have"):
        logic.fineTune(path, pairs, tmp_path / "tuned.mcmodel")
    assert not list(Path(slicer.app.temporaryPath).glob("medcompress-*"))


def test_fine_tuning_on_compressed_copies(panel, tmp_path):
    from MedCompressLib.unet.model_file import read_card

    ui = panel.widget.ui
    ui.tabs.setCurrentIndex(2)
    typeText(ui.folderEdit, writeCases(tmp_path / "cases"))
    choose(ui.startComboBox, "From a file or folder")
    assert ui.folderEdit.isVisible() and not ui.tuneButton.enabled and "model" in ui.tuneButton.toolTip
    typeText(ui.startPathEdit, writeModel(tmp_path / "tiny.mcmodel"))
    typeText(ui.tunedPathEdit, tmp_path / "tiny.mcmodel")
    click(ui.tuneButton)
    assert "would replace the one it starts from" in ui.statusLabel.text
    typeText(ui.tunedPathEdit, tmp_path / "tough.mcmodel")
    typeText(ui.ratiosEdit, "1")
    click(ui.tuneButton)
    assert "above 1" in ui.statusLabel.text and not panel.widget.jobs.running
    typeText(ui.ratiosEdit, "2, 4")
    typeText(ui.tuneEpochsSpinBox, "1")
    typeText(ui.foldsSpinBox, "2")
    click(ui.tuneButton)
    finish(panel)
    card, start = read_card(tmp_path / "tough.mcmodel"), read_card(tmp_path / "tiny.mcmodel")
    assert card.labels == start.labels and card.network == start.network and card.name == "tough"
    compress = card.training["configuration"]["compress"]
    assert compress == {"codec": "jpeg2000", "ratios": [2.0, 4.0], "probability": 0.5}
    copies = [path.name for path in (tmp_path / "tough.training" / "prepared").glob("*.npy")]
    assert any("jpeg2000-2" in name for name in copies) and any("jpeg2000-4" in name for name in copies)
    assert curves(panel)["Epoch"] == [1.0]


def test_configurations_go_through_toml_unchanged():
    import tomllib

    from MedCompressLib.unet.training.config import presets
    from MedCompressSlicer.unet_config import toml, trainingConfig

    loadModule("UNetSegmentation")
    for name in ["", *presets()]:
        document = trainingConfig(name)
        assert tomllib.loads(toml(document)) == json.loads(json.dumps(document))
