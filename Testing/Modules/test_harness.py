"""The harness keeps its law: a small module behaves in it as in Slicer; whatever is unknown or fails is an error."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from Harness import (
    answer,
    choose,
    click,
    closeAll,
    drag,
    installs,
    loadModule,
    messages,
    openFile,
    takeErrors,
    typeText,
    waitFor,
)
from sample_module import MODULE, WIDGETS, panel


@pytest.fixture
def sample(tmp_path):
    """Path of the sample module in its own folder."""
    (tmp_path / "Resources" / "UI").mkdir(parents=True)
    (tmp_path / "Resources" / "UI" / "Sample.ui").write_text(panel(WIDGETS))
    path = tmp_path / "Sample.py"
    path.write_text(MODULE)
    return path


def addVolume(name="CT", kind="vtkMRMLScalarVolumeNode"):
    import slicer

    return slicer.mrmlScene.AddNewNodeByClass(kind, name)


def test_user_input_reaches_the_parameter_node(sample):
    loaded = loadModule(sample)
    ui, parameters = loaded.widget.ui, loaded.widget.parameters
    drag(ui.ratioSlider, 20)
    typeText(ui.countBox, 7)
    click(ui.verboseBox)
    choose(ui.speedBox, "FAST")
    choose(ui.codecBox, "htj2k")
    typeText(ui.noteEdit, "chest")
    assert abs(parameters.ratio - 20) < 0.1 and parameters.count == 7 and parameters.verbose is True
    assert (parameters.speed.name, parameters.codec, parameters.note) == ("FAST", "htj2k", "chest")


def test_the_parameter_node_reaches_the_widgets(sample):
    loaded = loadModule(sample)
    ui, parameters = loaded.widget.ui, loaded.widget.parameters
    assert (ui.ratioSlider.value, ui.countBox.value, ui.speedBox.currentText) == (10.0, 3, "DENSE")
    parameters.ratio, parameters.count, parameters.verbose, parameters.note = 42.5, 9, True, "text"
    parameters.speed, parameters.codec = type(parameters.speed).FAST, "htj2k"
    assert (ui.ratioSlider.value, ui.countBox.value, ui.verboseBox.checked, ui.noteEdit.text) == (42.5, 9, True, "text")
    assert (ui.speedBox.currentText, ui.codecBox.currentText) == ("FAST", "htj2k")
    with pytest.raises(ValueError):
        parameters.ratio = 101.0
    with pytest.raises(TypeError):
        parameters.count = "many"
    with pytest.raises(ValueError):
        parameters.codec = "gif"


def test_parameters_are_stored_under_the_keys_of_slicer(sample):
    node = loadModule(sample).widget.parameters.parameterNode
    addVolume()
    stored = {name: node.GetParameter(name) for name in node.GetParameterNames()}
    expected = dict(volume="", ratio="10.0", count="3", verbose="False", speed="DENSE", codec="hevc", note="")
    assert stored == expected
    assert node.GetNodeReferenceID("volume") == "vtkMRMLScalarVolumeNode1"
    assert node.GetSingletonTag() == node.GetAttribute("ModuleName") == "Sample"


def test_node_selector_follows_the_scene(sample):
    import slicer

    loaded = loadModule(sample)
    ui, parameters = loaded.widget.ui, loaded.widget.parameters
    assert ui.volumeSelector.currentNode() is None and not ui.applyButton.enabled
    ct = addVolume()
    assert parameters.volume is ct and ui.applyButton.enabled
    other = addVolume("Head")
    choose(ui.volumeSelector, "Head")
    assert parameters.volume is other
    choose(ui.volumeSelector, "CT")
    slicer.mrmlScene.RemoveNode(ct)
    assert parameters.volume is other
    slicer.mrmlScene.Clear(False)
    assert loaded.widget.parameters.volume is None and not ui.applyButton.enabled


@pytest.mark.parametrize("extension", ["mrml", "mrb"])
def test_parameters_persist_in_a_saved_scene(sample, tmp_path, extension):
    import slicer

    path = str(tmp_path / f"scene.{extension}")
    loaded = loadModule(sample)
    loaded.widget.parameters.ratio = 33.0
    loaded.widget.parameters.volume = slicer.util.addVolumeFromArray(__import__("numpy").ones((2, 3, 4)), name="CT")
    slicer.util.saveNode(loaded.widget.parameters.volume, str(tmp_path / "CT.nrrd"))
    assert slicer.util.saveScene(path)
    slicer.mrmlScene.Clear(False)
    assert loaded.widget.parameters.ratio == 10.0
    slicer.util.loadScene(path)
    loaded.widget.enter()
    assert loaded.widget.parameters.ratio == loaded.widget.ui.ratioSlider.value == 33.0
    assert loaded.widget.parameters.volume.GetName() == loaded.widget.ui.volumeSelector.currentNode().GetName() == "CT"


def test_click_reaches_the_slot_and_only_what_a_user_can_reach(sample):
    loaded = loadModule(sample)
    with pytest.raises(AssertionError, match="disabled"):
        click(loaded.widget.ui.applyButton)
    addVolume()
    click(loaded.widget.ui.applyButton)
    assert loaded.widget.pressed == [10.0]
    loaded.widget.ui.applyButton.visible = False
    with pytest.raises(AssertionError, match="hidden"):
        click(loaded.widget.ui.applyButton)


def test_reload_uses_the_changed_source_and_keeps_the_parameters(sample):
    import slicer

    loaded = loadModule(sample)
    addVolume()
    loaded.widget.parameters.ratio = 50.0
    old = loaded.widget
    sample.write_text(MODULE.replace("self.pressed.append(self.parameters.ratio)", "self.pressed.append('new')"))
    loaded.reload()
    assert loaded.widget is not old and slicer.modules.SampleWidget is loaded.widget
    assert loaded.widget.ui.ratioSlider.value == 50.0
    click(loaded.widget.ui.applyButton)
    assert loaded.widget.pressed == ["new"] and old.pressed == []


def test_slicer_finds_the_module(sample):
    import slicer

    loaded = loadModule(sample)
    assert slicer.util.getModuleWidget("Sample") is loaded.widget
    assert slicer.util.getModuleLogic("Sample") is loaded.widget.logic
    assert slicer.modules.sample.path == slicer.util.modulePath("Sample") == str(sample)
    loaded.close()
    assert not hasattr(slicer.modules, "sample")


def test_unknown_method_of_a_reader_is_an_error(sample):
    sample.write_text(MODULE.replace("    def load(self", "    def read(self"))
    with pytest.raises(NotImplementedError, match="read"):
        loadModule(sample)


def test_reader_and_writer(sample, tmp_path):
    import slicer

    loadModule(sample)
    path = tmp_path / "a.sample"
    path.write_text("hello")
    (nodeID,) = openFile(path)
    node = slicer.mrmlScene.GetNodeByID(nodeID)
    assert node.GetName() == "hello"
    node.SetName("world")
    assert slicer.util.saveNode(node, str(path)) and path.read_text() == "world"
    assert slicer.util.loadNodeFromFile(str(path), "SampleFile").GetName() == "world"
    with pytest.raises(RuntimeError):
        openFile(tmp_path / "a.unknown")


def test_failures_in_slots_and_observers_are_kept(sample):
    import qt
    import vtk

    loaded = loadModule(sample)
    loaded.widget.onApply = None
    loaded.widget.ui.verboseBox.toggled.connect(lambda on: 1 / 0)
    click(loaded.widget.ui.verboseBox)
    assert "ZeroDivisionError" in takeErrors()[0]
    node = addVolume()
    node.AddObserver("ModifiedEvent", lambda caller, event: missing)  # noqa: F821
    node.SetName("x")
    node.RemoveAllObservers()
    assert "NameError" in takeErrors()[0]
    vtk.vtkXMLPolyDataReader(file_name="no-such-file.vtp").Update()
    assert takeErrors()[0].startswith("VTK: ")
    qt.QVBoxLayout(qt.QVBoxLayout(loaded.window).parentWidget())
    assert "QLayout" in takeErrors()[0]
    answer(qt.QMessageBox.Ok)
    assert "no dialog asked" in takeErrors()[0]


def test_a_hidden_failure_fails_the_test(tmp_path):
    here = Path(__file__).parent
    (tmp_path / "conftest.py").write_text((here / "conftest.py").read_text())
    (tmp_path / "test_it.py").write_text(
        "def test_it():\n    import qt\n    button = qt.QPushButton()\n"
        "    button.connect('clicked()', lambda: 1 / 0)\n    button.click()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(here.parent)}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", str(tmp_path)]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 1 and "ZeroDivisionError" in run.stdout, run.stdout + run.stderr


def test_a_leaked_observer_is_reported(sample):
    sample.write_text(MODULE.replace("        self.removeObservers()\n", ""))
    loaded = loadModule(sample)
    with pytest.raises(AssertionError, match="still observes"):
        loaded.close()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("qMRMLVolumePropertyNodeWidget x -", "qMRMLVolumePropertyNodeWidget"),
        ("QPushbutton x -", "QPushbutton"),
        ("QPushButton x - txet=string:Apply", "txet"),
        ("ctkSliderWidget x - maximun=double:3", "maximun"),
        ("QLineEdit x absent", "absent"),
        ("QSpinBox noteEdit note", "QSpinBox"),
    ],
)
def test_unknown_things_in_a_panel(sample, line, message):
    ui = sample.parent / "Resources" / "UI" / "Sample.ui"
    ui.write_text(panel(WIDGETS.replace("QLineEdit noteEdit note\n", "") + line))
    try:
        loadModule(sample)
    except (AttributeError, LookupError, ValueError, RuntimeError) as error:
        assert message in str(error)
    else:
        assert message in takeErrors()[0]
    closeAll()
    takeErrors()


def test_unknown_connections_in_a_panel(sample):
    ui = sample.parent / "Resources" / "UI" / "Sample.ui"
    for name in ("mrmlSceneChanged", "setMRMLScene"):
        ui.write_text(panel(WIDGETS).replace(name, name + "s"))
        loadModule(sample).close()
        assert f"{name}s" in takeErrors()[0]


def test_unknown_attributes_and_signals(sample):
    import ctk
    import qt
    import slicer

    loaded = loadModule(sample)
    button, slider = loaded.widget.ui.applyButton, loaded.widget.ui.ratioSlider
    for thing in (button, slider, loaded.widget.ui.volumeSelector, loaded.widget.parent):
        with pytest.raises(AttributeError):
            thing.enabeld = True
        with pytest.raises(AttributeError):
            thing.notThere  # noqa: B018
        with pytest.raises(AttributeError):
            thing.connect("notThere(int)", print)
    for owner in (qt, ctk, slicer, slicer.app, slicer.modules, slicer.util):
        with pytest.raises(AttributeError):
            owner.notThere  # noqa: B018
    with pytest.raises(AttributeError):
        slicer.modules.sample.tittle = "x"
    with pytest.raises(TypeError):
        ctk.ctkRangeWidget()
    with pytest.raises(AttributeError):
        button.width = 3


def test_unknown_parameter_type():
    from slicer.parameterNodeWrapper import parameterNodeWrapper

    with pytest.raises(Exception, match="complex|member"):

        @parameterNodeWrapper
        class Parameters:
            value: complex


def test_pythonqt_manners():
    import qt
    import slicer

    calls = []

    class Receiver:
        def noArguments(self):
            calls.append(())

        def oneArgument(self, checked):
            calls.append((checked,))

    button = qt.QPushButton("text")
    button.connect("clicked()", lambda: calls.append("text"))
    button.clicked.connect(Receiver().noArguments)
    receiver = Receiver()
    button.clicked.connect(receiver.oneArgument)
    button.click()
    assert sorted(map(str, calls)) == ["()", "(False,)", "text"]
    button.clicked.disconnect(receiver.oneArgument)
    button.checkable, button.toolTip, button.name = True, "tip", "named"
    assert (button.text, button.toolTip, button.objectName, button.isEnabled()) == ("text", "tip", "named", True)
    ticks, timer = [], qt.QTimer()
    timer.singleShot, timer.interval = True, 1
    timer.connect("timeout()", lambda: ticks.append(1))
    timer.start()
    qt.QTimer.singleShot(1, lambda: ticks.append(2))
    waitFor(lambda: sorted(ticks) == [1, 2])
    process = qt.QProcess()
    process.connect("finished(int,QProcess::ExitStatus)", lambda code, status: ticks.append(code))
    process.start(sys.executable, ["-c", "raise SystemExit(3)"])
    waitFor(lambda: 3 in ticks)
    assert slicer.util.findChild(button, "") is button


def test_dialogs_are_answered_or_fail():
    import qt
    import slicer

    answer(qt.QMessageBox.Ok)
    assert slicer.util.confirmOkCancelDisplay("Really?")
    assert ("DIALOG", "Really?") in messages
    with pytest.raises(AssertionError, match="Really"):
        slicer.util.confirmOkCancelDisplay("Really?")
    slicer.util.errorDisplay("No space left")
    assert ("ERROR", "No space left") in messages
    answer("/tmp/a.mcz")
    assert qt.QFileDialog.getSaveFileName(None, "Save", "", "*.mcz") == "/tmp/a.mcz"


def test_installing_is_recorded_only():
    import slicer

    slicer.util.pip_install("no-such-package>=1 other")
    assert installs == ["no-such-package>=1 other"]


def test_every_test_starts_with_an_empty_scene(sample):
    import slicer

    before = slicer.mrmlScene.GetNumberOfNodes()
    loadModule(sample)
    addVolume()
    closeAll()
    assert slicer.mrmlScene.GetNumberOfNodes() == before
    assert not slicer.util.getNodesByClass("vtkMRMLVolumeNode")
