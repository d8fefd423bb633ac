"""The panel of a reader study: asks for volumes and a file, and takes the reader's answers from buttons and keys."""

from __future__ import annotations

from pathlib import Path

import qt
import slicer
from MedCompressLib.errors import MedCompressError
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from .comparison_plot import removeChart
from .reader_study import ReaderStudy
from .reader_study_results import readResults, resultsChart, resultsTable
from .version_table import VersionTable

_KEYS = {"leftButton": "Left", "rightButton": "Right", "undecidedButton": "Down", "takeBackButton": "Backspace"}
"""Buttons and the keys that press them, wherever in Slicer the focus is."""
_FILES = "CSV (*.csv)"


class ReaderStudyPanel(VTKObservationMixin):
    """Controller of the widgets of ReaderStudy.ui.

    study: the session that is running, None while there is none. table, chart: the results shown last.
    """

    def __init__(self, ui, parent):
        VTKObservationMixin.__init__(self)
        self.ui, self.study, self._parent = ui, None, parent
        self.table = self.chart = None
        self._versions = VersionTable(ui.versionTable)
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.connect("timeout()", self.refresh)
        ui.originalSelector.connect("currentNodeChanged(vtkMRMLNode*)", self._onNodesChanged)
        ui.readerLineEdit.connect("textChanged(QString)", self._onNodesChanged)
        ui.startButton.connect("clicked(bool)", self.onStart)
        ui.resumeButton.connect("clicked(bool)", self.onResume)
        ui.leftButton.connect("clicked(bool)", lambda *_unused: self.onAnswer("left"))
        ui.undecidedButton.connect("clicked(bool)", lambda *_unused: self.onAnswer("undecided"))
        ui.rightButton.connect("clicked(bool)", lambda *_unused: self.onAnswer("right"))
        ui.takeBackButton.connect("clicked(bool)", self.onTakeBack)
        ui.stopButton.connect("clicked(bool)", self.onStop)
        ui.resultsButton.connect("clicked(bool)", self.onResults)
        self._shortcuts = [self._shortcut(button, key) for button, key in _KEYS.items()]
        scene = slicer.mrmlScene
        for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndBatchProcessEvent):
            self.addObserver(scene, event, self._onNodesChanged)
        self.refresh()

    def cleanup(self) -> None:
        self.onStop()
        self._timer.stop()
        self.removeObservers()
        for shortcut in self._shortcuts:
            shortcut.setParent(None)
            shortcut.deleteLater()

    def refresh(self) -> None:
        """Show what can be done now."""
        running = self.study is not None
        if not running:
            self._versions.fill(self.ui.originalSelector.currentNode())
        self.ui.studyInputs.enabled = not running
        self.ui.studyAnswers.enabled = running
        for shortcut in self._shortcuts:
            shortcut.setEnabled(running)
        reason = ""
        if not self._versions.rows:
            reason = _("Choose a volume of which the scene has compressed versions")
        elif not self.ui.readerLineEdit.text.strip():
            reason = _("Enter the name of the reader first")
        for button in (self.ui.startButton, self.ui.resumeButton):
            button.enabled = not reason
        self.ui.startButton.toolTip = reason or _("Choose a new file for the answers, and begin")
        self.ui.resumeButton.toolTip = reason or _("Choose the file of a session that was stopped, and go on")

    def onStart(self, *_unused) -> None:
        reader = self.ui.readerLineEdit.text.strip()
        path = qt.QFileDialog.getSaveFileName(self._parent, _("New session"), f"{reader}.csv", _FILES)
        self._run(path, True)

    def onResume(self, *_unused) -> None:
        self._run(qt.QFileDialog.getOpenFileName(self._parent, _("Resume a session"), "", _FILES), False)

    def onAnswer(self, answer: str) -> None:
        if self.study is not None:
            self._do(lambda: self.study.answer(answer))

    def onTakeBack(self, *_unused) -> None:
        if self.study is not None:
            self._do(self.study.takeBack)

    def onStop(self, *_unused) -> None:
        """Leave the session, to be resumed from its file."""
        if self.study is not None:
            self.study.close()
            self.study = None
            self.ui.progressLabel.text = _("Stopped. All answers are saved")
            self.refresh()

    def onResults(self, *_unused) -> None:
        paths = qt.QFileDialog.getOpenFileNames(self._parent, _("Sessions of all readers"), "", _FILES)
        if paths:
            self._do(lambda: self._showResults(paths))

    def _showResults(self, paths) -> None:
        results = readResults(list(paths))
        if self.chart is not None and self.chart.GetScene() is not None:
            removeChart(self.chart)
        kept = self.table if self.table is not None and self.table.GetScene() is not None else None
        self.table, self.chart = resultsTable(results, kept), resultsChart(results)
        self.ui.studyTable.setMRMLTableNode(self.table)
        self.ui.studyTable.resizeColumnsToContents()
        if slicer.app.layoutManager() is not None:
            slicer.modules.plots.logic().ShowChartInLayout(self.chart)

    def _run(self, path: str, new: bool) -> None:
        if path:
            self._do(lambda: self._begin(path, new))

    def _begin(self, path: str, new: bool) -> None:
        if new and Path(path).exists():
            raise MedCompressError(f"{path} exists: resume that session, or choose another name")
        versions = {1.0: self.ui.originalSelector.currentNode(), **self._versions.chosen()}
        reader = self.ui.readerLineEdit.text.strip()
        self.study = ReaderStudy(versions, reader, path, int(self.ui.pairsSpinBox.value))

    def _do(self, action) -> None:
        """Do something that may be refused, then show how far the session is."""
        with slicer.util.tryWithErrorDisplay(_("The reader study cannot go on.")):
            try:
                action()
            except MedCompressError as error:
                slicer.util.errorDisplay(str(error), windowTitle=_("Reader study"))
        self._showProgress()
        self.refresh()

    def _showProgress(self) -> None:
        if self.study is None:
            return
        position, count = self.study.session.position, len(self.study.session.trials)
        if position < count:
            self.ui.progressLabel.text = _("Pair {number} of {count}").format(number=position + 1, count=count)
            return
        path, self.study = self.study.session.path, None
        self.ui.progressLabel.text = _("All {count} pairs are answered: {path}").format(count=count, path=path)

    def _shortcut(self, button: str, key: str):
        shortcut = qt.QShortcut(self._parent)
        shortcut.setKey(qt.QKeySequence(key))
        shortcut.setContext(qt.Qt.ApplicationShortcut)
        shortcut.connect("activated()", getattr(self.ui, button).click)
        return shortcut

    def _onNodesChanged(self, *_unused) -> None:
        """Soon, when new volumes have their images."""
        if not self._timer.isActive():
            self._timer.start()
