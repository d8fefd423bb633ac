"""What the panels of all modules share: parameter node, scene, reload, one press of work at a time, its errors."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager

import slicer
import vtk
from MedCompressLib.errors import MedCompressError
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleWidget
from slicer.util import VTKObservationMixin

from .job_panel import JobPanel
from .reloading import forgetPackages
from .steps import Steps


class ModuleWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """Base of a module's widget. The .ui file has a progressBar, a statusLabel and a cancelButton.

    A module's own setup calls `loadPanel`, connects its widgets, and calls `initializeParameterNode` last. It overrides
    `updatePanel`, and where it needs to `suggestInputs`, `onUnbound` and `clearResults`.
    """

    def __init__(self, parent=None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self._parameterNode = None
        self._parameterNodeGuiTag = None
        self._steps: Steps | None = None

    def loadPanel(self, logic) -> None:
        """Show the module's .ui file as self.ui, and follow the scene."""
        ScriptedLoadableModuleWidget.setup(self)
        panel = slicer.util.loadUI(self.resourcePath(f"UI/{self.moduleName}.ui"))
        self.layout.addWidget(panel)
        self.ui = slicer.util.childWidgetVariables(panel)
        panel.setMRMLScene(slicer.mrmlScene)
        self.logic = logic
        self.jobs = JobPanel(self.ui.progressBar, self.ui.statusLabel, self.ui.cancelButton)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneChanged)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneChanged)

    def updatePanel(self) -> None:
        """Show what follows from the parameters; called at each change, and only while there are parameters."""

    def suggestInputs(self) -> None:
        """Choose inputs where the user has chosen none; called when the panel is shown and when the scene changed."""

    def onUnbound(self) -> None:
        """Take away what is shown only while the panel is; called when it is left, and before the scene closes."""

    def clearResults(self) -> None:
        """Forget results whose nodes go with the scene."""

    def followNodes(self) -> None:
        """Call `updatePanel` also when nodes come and go."""
        scene = slicer.mrmlScene
        for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent):
            self.addObserver(scene, event, self.onNodesChanged)

    def cleanup(self) -> None:
        self.stopWork()
        self.setParameterNode(None)
        self.removeObservers()

    def enter(self) -> None:
        self.initializeParameterNode()

    def exit(self) -> None:
        """Running work goes on."""
        self.setParameterNode(None)

    def onReload(self) -> None:
        """Reload the library and the shared package with the module, so that no old code stays behind."""
        forgetPackages()
        ScriptedLoadableModuleWidget.onReload(self)

    def onSceneStartClose(self, caller, event) -> None:
        self.stopWork(_("Stopped, because the scene was closed"))
        self.setParameterNode(None)
        self.clearResults()

    def onSceneChanged(self, caller, event) -> None:
        self.setParameterNode(None)
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onNodesChanged(self, caller, event) -> None:
        if not slicer.mrmlScene.IsBatchProcessing():
            self.onParametersModified()

    def initializeParameterNode(self) -> None:
        self.setParameterNode(self.logic.getParameterNode())
        self.suggestInputs()

    def setParameterNode(self, parameterNode) -> None:
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParametersModified)
        self._parameterNode = parameterNode
        if self._parameterNode:
            self._parameterNodeGuiTag = self._parameterNode.connectGui(self.ui)
            self.addObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParametersModified)
        else:
            self.onUnbound()
        self.onParametersModified()

    def onParametersModified(self, caller=None, event=None) -> None:
        if self._parameterNode:
            self.updatePanel()

    def startSteps(self, steps: Steps, done: Callable[[Steps], None]) -> None:
        """Run the steps of a press; later `done(steps)`, or the message of what went wrong."""
        self._steps = steps
        self.jobs.say(_("Preparing"))
        with slicer.util.WaitCursor():
            steps.start(self.jobs, done, self.onFailed)
        self.onParametersModified()

    def stopWork(self, reason: str = "") -> None:
        """End the running press without a trace."""
        self.jobs.stop(reason)
        if self._steps:
            self._steps.discard()
            self._steps = None

    def allow(self, reason: str, *widgets: tuple) -> None:
        """Enable (widget, tooltip) unless there is a reason against it, which is the tooltip then."""
        if self.jobs.running:
            reason = _("Wait for the running work, or cancel it")
        for widget, text in widgets:
            widget.enabled = not reason
            widget.toolTip = reason or text

    @contextmanager
    def failing(self, text: str):
        """Say what went wrong: the library's errors in their own words, others with this text."""
        with slicer.util.tryWithErrorDisplay(text):
            try:
                yield
            except MedCompressError as error:
                self.onFailed(str(error))

    def onFailed(self, message: str) -> None:
        self.jobs.say(message)
        self.onParametersModified()
        if not self.jobs.wasCancelled:
            slicer.util.errorDisplay(message, windowTitle=slicer.util.getModule(self.moduleName).title)
