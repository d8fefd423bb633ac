"""The reader study by real clicks and keys: two linked views, nothing to tell the sides by, answers that stay."""

import csv
import math

import numpy as np
import pytest
import vtk
from Harness import answer, choose, click, grab, loadModule, messages, typeText, waitFor
from offscreen import SliceView, chartImage, savePicture
from scenes import addVolume, dataNodes, removeSliceViews
from test_segmentation_comparison_pictures import near, pictures  # noqa: F401

SLICES, DAMAGE = 12, {1.0: 0, 5.0: 40, 50.0: 400}


@pytest.fixture
def views():
    """What Slicer's main window has: a layout, and the logics of its slice views."""
    import slicer

    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(slicer.mrmlScene)
    layout = slicer.vtkMRMLLayoutLogic()
    layout.SetMRMLScene(slicer.mrmlScene)
    layout.GetLayoutNode().SetViewArrangement(layout.GetLayoutNode().SlicerLayoutFourUpView)
    opened = [SliceView(name, (240, 240)) for name in ("Red", "ReaderLeft", "ReaderRight")]
    logics = vtk.vtkCollection()
    for view in opened:
        logics.AddItem(view.logic)
    slicer.app.applicationLogic().SetSliceLogics(logics)
    yield layout.GetLayoutNode(), *opened
    slicer.app.applicationLogic().SetSliceLogics(None)
    for view in opened:
        view.close()
    layout.SetMRMLScene(None)
    removeSliceViews()
    slicer.mrmlScene.RemoveNode(slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode"))


@pytest.fixture
def panel(views):
    """A CT of which each slice has a gray value of its own, and versions that are brighter by a known amount."""
    import slicer

    samples = np.zeros((SLICES, 40, 50), np.int16)
    samples[1:-1, 5:-5, 5:-5] = 1000 + 10 * np.arange(1, SLICES - 1)[:, None, None]
    original = addVolume(samples, "CT")
    original.GetDisplayNode().SetAutoWindowLevel(False)
    original.GetDisplayNode().SetWindowLevel(1600, 800)
    gray = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLColorTableNode", "Gray")
    gray.SetTypeToGrey()
    original.GetDisplayNode().SetAndObserveColorNodeID(gray.GetID())
    addVolume(samples + (samples > 0) * np.int16(40), "CT 5:1")
    restored = addVolume(samples + (samples > 0) * np.int16(400), "restored")
    restored.SetDescription("htj2k, 50.00:1, lossy, largest error 400")
    addVolume(samples[:5], "CT 20:1")
    loaded = loadModule("SegmentationComparison")
    loaded.window.resize(560, 1400)
    study = loaded.widget.readerStudy
    choose(study.ui.originalSelector, "CT")
    waitFor(lambda: study.ui.versionTable.rowCount == 2)
    yield loaded
    loaded.close()


def start(panel, path, reader="Ann", pairs=4):
    ui = panel.widget.readerStudy.ui
    typeText(ui.readerLineEdit, reader)
    waitFor(lambda: ui.startButton.enabled)
    typeText(ui.pairsSpinBox, pairs)
    answer(str(path))
    click(ui.startButton)


def press(panel, key):
    import slicer
    from PySide6 import QtCore, QtTest

    panel.window.activateWindow()
    waitFor(lambda: panel.window.isActiveWindow)
    QtTest.QTest.keyClick(panel.window, getattr(QtCore.Qt.Key, f"Key_{key}"))
    slicer.app.processEvents()


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def shown(views):
    """The two nodes on the screen, left and right."""
    import slicer

    return [slicer.mrmlScene.GetNodeByID(view.composite.GetBackgroundVolumeID()) for view in views[2:]]


def test_pairs_are_shown_side_by_side_and_answers_saved(panel, views, tmp_path):
    import slicer

    path, layout = tmp_path / "ann.csv", views[0]
    ui, before = panel.widget.readerStudy.ui, dataNodes()
    start(panel, path)
    assert len(rows(path)) == 3 * 4 and ui.progressLabel.text == "Pair 1 of 12"
    assert layout.GetViewArrangement() != layout.SlicerLayoutFourUpView and not ui.startButton.isEnabled()
    chosen = {"left": ui.leftButton, "undecided": ui.undecidedButton, "right": ui.rightButton}
    for number, (said, trial) in enumerate(zip(list(chosen) * 4, rows(path), strict=True)):
        for node, level in zip(shown(views), (trial["left"], trial["right"]), strict=True):
            picture = slicer.util.arrayFromVolume(node)
            assert picture.shape == (1, 40, 50)
            assert picture.max() == 1000 + 10 * int(trial["slice"]) + DAMAGE[float(level)]
        gray = [view.image(fit=False).max() for view in views[2:]]
        assert (gray[0] < gray[1]) == (float(trial["left"]) < float(trial["right"])), "drawn where it is"
        click(chosen[said])
        assert [row["answer"] for row in rows(path)][: number + 2] == (list(chosen) * 4)[: number + 1] + [""] * (
            number < 11
        )
    assert "All 12 pairs are answered" in ui.progressLabel.text and ui.startButton.isEnabled()
    assert layout.GetViewArrangement() == layout.SlicerLayoutFourUpView and dataNodes() == before
    assert views[1].composite.GetBackgroundVolumeID() is None, "the user's own views are as they were"


def test_nothing_tells_the_sides_apart(panel, views, tmp_path):
    import slicer

    start(panel, tmp_path / "a.csv")
    left, right = shown(views)
    assert [left.GetName(), right.GetName()] == ["Left", "Right"]
    for _number in range(11):
        for node in (left, right):
            names = set(node.GetAttributeNames()) - {"DICOM.Modality"}
            assert not names and not node.GetDescription() and node.GetStorageNode() is None
            assert not node.GetSaveWithScene()
        displays = [node.GetDisplayNode() for node in (left, right)]
        assert {(d.GetWindow(), d.GetLevel(), d.GetAutoWindowLevel()) for d in displays} == {(1600, 800, 0)}
        assert len({d.GetColorNodeID() for d in displays}) == 1 and left.GetOrigin() == right.GetOrigin()
        press(panel, "Right")
        assert shown(views) == [left, right]
    texts = panel.widget.readerStudy.ui.progressLabel.text
    assert "5" not in texts and "50" not in texts, "no ratio is said"
    displays[1].SetWindowLevel(300, 1100)
    assert (displays[0].GetWindow(), displays[0].GetLevel()) == (300, 1100), "whichever side the reader changes"
    assert [slicer.util.getNode("CT").GetDisplayNode().GetWindow()] == [1600]


def test_views_are_linked_and_keep_the_zoom(panel, views, tmp_path):
    start(panel, tmp_path / "a.csv")
    red, left, right = views[1:]
    before = red.node.GetFieldOfView()
    assert left.node.GetSliceToRAS().Determinant() and left.node.GetFieldOfView() == right.node.GetFieldOfView()
    left.logic.StartSliceNodeInteraction(left.node.FieldOfViewFlag)
    left.node.SetFieldOfView(12, 12, 1)
    left.logic.EndSliceNodeInteraction()
    assert right.node.GetFieldOfView()[:2] == (12, 12) and red.node.GetFieldOfView() == before
    press(panel, "Left")
    assert left.node.GetFieldOfView()[:2] == right.node.GetFieldOfView()[:2] == (12, 12)


def test_keys_answer_and_take_back(panel, views, tmp_path):
    path = tmp_path / "keys"
    start(panel, path)
    path = path.with_suffix(".csv")
    for key in ("Left", "Down", "Right", "Right", "Backspace"):
        press(panel, key)
    assert [row["answer"] for row in rows(path)][:5] == ["left", "undecided", "right", "", ""]
    click(panel.widget.readerStudy.ui.stopButton)
    press(panel, "Left")
    assert [row["answer"] for row in rows(path)].count("") == 9, "keys are Slicer's again"


def test_a_session_is_resumed_by_its_reader_alone(panel, views, tmp_path):
    import slicer

    path, ui = tmp_path / "ann.csv", panel.widget.readerStudy.ui
    start(panel, path)
    click(ui.leftButton)
    slicer.mrmlScene.RemoveNode(slicer.util.getNode("CT 20:1"))
    click(ui.stopButton)
    panel.reload()
    ui = panel.widget.readerStudy.ui
    choose(ui.originalSelector, "CT")
    typeText(ui.readerLineEdit, "Bob")
    waitFor(lambda: ui.resumeButton.enabled)
    answer(str(path))
    click(ui.resumeButton)
    assert "session of Ann" in messages[-1][1] and panel.widget.readerStudy.study is None
    typeText(ui.readerLineEdit, "Ann")
    answer(str(path))
    click(ui.startButton)
    assert "resume that session" in messages[-1][1]
    answer(str(path))
    click(ui.resumeButton)
    assert ui.progressLabel.text == "Pair 2 of 12"
    click(ui.stopButton)
    click(panel.widget.readerStudy._versions.rows[0].checkBox)
    answer(str(path))
    click(ui.resumeButton)
    assert "needs 5:1 too" in messages[-1][1]


def test_results_of_two_readers(panel, views, tmp_path, pictures):  # noqa: F811
    import slicer

    ui = panel.widget.readerStudy.ui
    for reader in ("Ann", "Bob"):
        start(panel, tmp_path / f"{reader}.csv", reader, 10)
        for row in rows(tmp_path / f"{reader}.csv"):
            levels = float(row["left"]), float(row["right"])
            unsure = reader == "Bob" and max(levels) < 50
            press(panel, "Down" if unsure else "Left" if levels[0] < levels[1] else "Right")
    answer([str(tmp_path / "Ann.csv"), str(tmp_path / "Bob.csv")])
    click(ui.resultsButton)
    study = panel.widget.readerStudy
    table = {
        name: slicer.util.arrayFromTableColumn(study.table, name).tolist()
        for name in ("Lower ratio", "Higher ratio", "Spearman", "Score", "Pairs", "Undecided")
    }
    assert table["Lower ratio"] == [1, 1, 5] * 2 and table["Higher ratio"] == [5, 50, 50] * 2
    assert [x for x in table["Spearman"] if not math.isnan(x)] == [1] * 5 and math.isnan(table["Spearman"][3])
    assert table["Score"] == [1, 1, 1, 0, 1, 1] and table["Undecided"] == [0, 0, 0, 10, 0, 0]
    assert ui.studyTable.model().rowCount() == 6 and study.chart.GetNumberOfPlotSeriesNodes() == 4
    lines = [study.chart.GetNthPlotSeriesNode(number) for number in range(4)]
    assert [line.GetName() for line in lines] == ["against 1:1", "against 5:1", "Ann", "Bob"]
    ys = [slicer.util.arrayFromTableColumn(line.GetTableNode(), "Spearman").tolist() for line in lines]
    ys[1] = ys[1][:1]
    assert ys == [[0.5, 1], [1], [1, 1, 1], [0, 1, 1]], "means over the readers, and each of them"
    image = chartImage(study.chart)
    savePicture(image, pictures / "reader_study_plot.png")
    grab(panel.window, pictures / "reader_study_panel.png")
    assert near(image, (0.12, 0.47, 0.71), 40).sum() > 30, "the second line is drawn"
    answer([str(tmp_path / "Ann.csv")])
    click(ui.resultsButton)
    charts = slicer.util.getNodesByClass("vtkMRMLPlotChartNode")
    assert charts == [study.chart] and ui.studyTable.model().rowCount() == 3, "the old results are gone"


def test_from_the_console(panel, views, tmp_path):
    from MedCompressLib.errors import MedCompressError

    logic, path = panel.widget.logic, tmp_path / "ann.csv"
    study = logic.readerStudy(["CT", "CT 5:1", "restored"], "Ann", path, 2)
    study.answer("left")
    study.answer("undecided")
    study.takeBack()
    study.close()
    assert logic.readerStudy({1: "CT", 5: "CT 5:1", 50: "restored"}, "Ann", path).session.position == 1
    with pytest.raises(MedCompressError, match="differ in size"):
        logic.readerStudy(["CT", "CT 20:1"], "Ann", tmp_path / "b.csv")
    with pytest.raises(MedCompressError, match="ratio of 'CT' is not known"):
        logic.readerStudy(["restored", "CT"], "Ann", tmp_path / "b.csv")
    assert not (tmp_path / "b.csv").exists()


def test_leaving_the_module_or_the_scene_stops_the_session(panel, views, tmp_path):
    import slicer

    start(panel, tmp_path / "a.csv")
    panel.window.exit()
    assert panel.widget.readerStudy.study is None and views[0].GetViewArrangement() == views[0].SlicerLayoutFourUpView
    panel.window.enter()
    answer(str(tmp_path / "a.csv"))
    click(panel.widget.readerStudy.ui.resumeButton)
    assert panel.widget.readerStudy.study is not None
    slicer.mrmlScene.Clear(False)
    study = panel.widget.readerStudy
    assert study.study is None and "saved" in study.ui.progressLabel.text
    waitFor(lambda: study.ui.versionTable.rowCount == 0)
    assert not study.ui.startButton.isEnabled()


def test_without_views_it_says_so(panel, views, tmp_path):
    import slicer

    slicer.mrmlScene.RemoveNode(views[0])
    start(panel, tmp_path / "a.csv")
    assert "needs slice views" in messages[-1][1] and not (tmp_path / "a.csv").exists()
