"""Slicer module: compress a volume, open archives, see what compression did to the image."""

import enum
from pathlib import Path
from typing import Annotated

import slicer
import vtk
from MedCompressLib.codecs import codec_names
from MedCompressLib.errors import MedCompressError
from MedCompressLib.jobs import silent
from MedCompressLib.preview import Preview
from MedCompressLib.targets import Lossless, Psnr, Ratio, Target
from MedCompressSlicer import archives, results, volumes
from MedCompressSlicer.archive_plugins import ArchiveFileReader as VolumeCompressionFileReader  # noqa: F401
from MedCompressSlicer.archive_plugins import ArchiveFileWriter as VolumeCompressionFileWriter  # noqa: F401
from MedCompressSlicer.compression_steps import CompressionSteps
from MedCompressSlicer.job_panel import JobPanel
from MedCompressSlicer.reloading import forgetPackages
from MedCompressSlicer.requirements import ensurePackages
from MedCompressSlicer.sample_data import registerSampleData
from MedCompressSlicer.slice_follower import SliceFollower
from MedCompressSlicer.slice_preview import SlicePreview
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


class VolumeCompression(ScriptedLoadableModule):
    """Declaration of the module."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("Volume Compression")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Compression")]
        parent.dependencies = []
        parent.contributors = ["MedCompress developers"]
        parent.helpText = _(
            "Compresses a volume into a verified .mcz archive, lossless or to a chosen ratio or quality, and shows what"
            " compression did to the image. In the Python console:"
            "<pre>logic = slicer.util.getModuleLogic('VolumeCompression')\n"
            "logic.compress('CTChest', '/tmp/chest.mcz', ratio=10)   # Compress\n"
            "restored = logic.open('/tmp/chest.mcz')                 # open an archive\n"
            "logic.difference('CTChest', restored)                   # difference volume\n"
            "logic.quality('CTChest', restored)                      # table of figures\n"
            "logic.curve('CTChest')                                  # ratio against PSNR\n"
            "logic.preview('CTChest', ratio=20)                      # live preview</pre>"
        )
        parent.acknowledgementText = _("Built on OpenJPEG, glymur, SimpleITK and NumPy.")
        slicer.app.connect("startupCompleted()", registerSamples)


def registerSamples() -> None:
    """Offer sample volumes in the module Sample Data."""
    registerSampleData(Path(__file__).parent / "Resources" / "SampleData" / "VolumeCompression.json")


class Goal(enum.Enum):
    """What the user asks for."""

    LOSSLESS = "lossless"
    RATIO = "ratio"
    PSNR = "psnr"

    def label(self) -> str:
        return {
            Goal.LOSSLESS: _("Lossless"),
            Goal.RATIO: _("Compression ratio"),
            Goal.PSNR: _("Quality (PSNR)"),
        }[self]


@parameterNodeWrapper
class VolumeCompressionParameterNode:
    """Choices of the user, saved with the scene.

    ratio: source bytes to file bytes. psnr: in dB. preview: try the target on the slice in view while it changes.
    suggestedPath: the output path that was proposed and gives way to the next proposal while the user keeps it.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    codec: Annotated[str, Choice(codec_names())] = codec_names()[0]
    goal: Goal = Goal.LOSSLESS
    ratio: Annotated[float, WithinRange(1.5, 200)] = 10.0
    psnr: Annotated[float, WithinRange(20, 100)] = 50.0
    outputPath: Path
    suggestedPath: Path
    preview: bool = False

    def target(self) -> Target:
        return {Goal.LOSSLESS: Lossless(), Goal.RATIO: Ratio(self.ratio), Goal.PSNR: Psnr(self.psnr)}[self.goal]


class VolumeCompressionWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel: asks and shows."""

    def __init__(self, parent=None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self._parameterNode = None
        self._parameterNodeGuiTag = None
        self._steps = None

    def setup(self) -> None:
        ScriptedLoadableModuleWidget.setup(self)
        panel = slicer.util.loadUI(self.resourcePath("UI/VolumeCompression.ui"))
        self.layout.addWidget(panel)
        self.ui = slicer.util.childWidgetVariables(panel)
        panel.setMRMLScene(slicer.mrmlScene)
        self.logic = VolumeCompressionLogic()
        self.ui.resultTable.horizontalHeader().setStretchLastSection(True)
        self.ui.resultTable.verticalHeader().setVisible(False)
        self.ui.resultTable.verticalHeader().setDefaultSectionSize(20)
        self.ui.resultTable.visible = False
        self.jobs = JobPanel(self.ui.progressBar, self.ui.statusLabel, self.ui.cancelButton)
        self._slices = SliceFollower(self.updatePreview)
        self.ui.compressButton.connect("clicked(bool)", self.onCompress)
        self.ui.curveButton.connect("clicked(bool)", self.onCurve)
        self.ui.previewCheckBox.connect("clicked(bool)", self.onPreviewClicked)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneChanged)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneChanged)
        self.initializeParameterNode()

    def cleanup(self) -> None:
        self.stopWork()
        self.setParameterNode(None)
        self.removeObservers()

    def enter(self) -> None:
        self.initializeParameterNode()

    def exit(self) -> None:
        """Running work goes on; the preview comes back with the panel."""
        self.setParameterNode(None)

    def onReload(self) -> None:
        """Reload the library and the shared package with the module, so that no old code stays behind."""
        forgetPackages()
        ScriptedLoadableModuleWidget.onReload(self)

    def onSceneStartClose(self, caller, event) -> None:
        self.stopWork(_("Stopped, because the scene was closed"))
        self.ui.resultTable.setMRMLTableNode(None)
        self.ui.resultTable.visible = False
        self.ui.summaryLabel.text = ""
        self.setParameterNode(None)

    def onSceneChanged(self, caller, event) -> None:
        self.logic.removePreview()
        if self.parent.isEntered:
            self.initializeParameterNode()

    def stopWork(self, reason: str = "") -> None:
        self.jobs.stop(reason)
        if self._steps:
            self._steps.discard()
            self._steps = None

    def initializeParameterNode(self) -> None:
        self.setParameterNode(self.logic.getParameterNode())
        if not self._parameterNode.inputVolume:
            first = self.logic.firstVolume()
            if first:
                self._parameterNode.inputVolume = first

    def setParameterNode(self, parameterNode) -> None:
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParametersModified)
        self._parameterNode = parameterNode
        if self._parameterNode:
            self._parameterNodeGuiTag = self._parameterNode.connectGui(self.ui)
            self.addObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParametersModified)
            self.onParametersModified()
        else:
            self.endPreview()

    def onParametersModified(self, caller=None, event=None) -> None:
        parameters = self._parameterNode
        if parameters is None:
            return
        lossy = self.logic.canBeLossy(parameters.inputVolume, parameters.codec)
        if not lossy:
            parameters.goal = Goal.LOSSLESS
        self.ui.goalComboBox.enabled = lossy
        self.ui.goalComboBox.toolTip = (
            _("What is asked of the archive") if lossy else _("This codec and label maps are lossless only")
        )
        self.ui.ratioSlider.visible = self.ui.ratioLabel.visible = parameters.goal is Goal.RATIO
        self.ui.psnrSlider.visible = self.ui.psnrLabel.visible = parameters.goal is Goal.PSNR
        self.suggestOutput()
        self.updateButtons()
        if parameters.preview and parameters.inputVolume:
            self._slices.start()
        else:
            self.endPreview()

    def suggestOutput(self) -> None:
        """Name the archive after the volume until the user has named it otherwise."""
        parameters = self._parameterNode
        if parameters.inputVolume and parameters.outputPath in (Path(), parameters.suggestedPath):
            suggestion = self.logic.suggestedPath(parameters.inputVolume)
            if suggestion != parameters.outputPath:
                parameters.suggestedPath = suggestion
                parameters.outputPath = suggestion

    def endPreview(self) -> None:
        self._slices.stop()
        self.logic.removePreview()
        self.ui.previewLabel.text = ""

    def updatePreview(self) -> None:
        parameters = self._parameterNode
        if not (parameters and parameters.preview and parameters.inputVolume) or self.jobs.running:
            return
        try:
            text = self.logic.previewText(parameters.inputVolume, parameters.codec, parameters.target())
        except MedCompressError as error:
            self.logic.removePreview()
            text = str(error)
        self.ui.previewLabel.text = text

    def updateButtons(self) -> None:
        reason = ""
        if self.jobs.running:
            reason = _("Wait for the running work, or cancel it")
        elif not (self._parameterNode and self._parameterNode.inputVolume):
            reason = _("Choose a volume first")
        for button, text in (
            (self.ui.compressButton, _("Write the archive, verify it, and show what came back")),
            (self.ui.curveButton, _("Try several ratios on slices spread over the volume; writes nothing")),
            (self.ui.previewCheckBox, _("Show the slice in view as it would come back, while the settings change")),
        ):
            button.enabled = not reason
            button.toolTip = reason or text

    def onPreviewClicked(self, checked: bool) -> None:
        if checked and not self.logic.ensurePackages():
            self._parameterNode.preview = False

    def onCompress(self, *_unused) -> None:
        parameters = self._parameterNode
        with slicer.util.tryWithErrorDisplay(_("The volume was not compressed.")):
            try:
                path = self.logic.archivePath(parameters.outputPath)
                parameters.outputPath = path
                question = _("{path} exists. Replace it?").format(path=path)
                if not path.exists() or slicer.util.confirmYesNoDisplay(question, _("Volume Compression")):
                    self.run(path)
            except MedCompressError as error:
                self.onFailed(str(error))

    def onCurve(self, *_unused) -> None:
        with slicer.util.tryWithErrorDisplay(_("The curve was not computed.")):
            try:
                self.run(None)
            except MedCompressError as error:
                self.onFailed(str(error))

    def run(self, path: Path | None) -> None:
        """Run the steps of a press one after another, with the parameters as they are now."""
        if self.jobs.running or not self.logic.ensurePackages():
            return
        parameters = self._parameterNode
        parameters.preview = False
        self.jobs.say(_("Preparing"))
        self._steps = CompressionSteps(parameters.inputVolume, path, parameters.codec, parameters.target())
        self._steps.start(self.jobs, self.onDone, self.onFailed)
        self.updateButtons()

    def onDone(self, steps: CompressionSteps) -> None:
        if steps.table:
            self.ui.resultTable.setMRMLTableNode(steps.table)
            self.ui.resultTable.resizeColumnToContents(0)
            self.ui.resultTable.visible = True
            self.ui.summaryLabel.text = steps.summary
        self.updateButtons()

    def onFailed(self, message: str) -> None:
        self.jobs.say(message)
        self.updateButtons()
        if not self.jobs.wasCancelled:
            slicer.util.errorDisplay(message, windowTitle=_("Volume Compression"))


class VolumeCompressionLogic(ScriptedLoadableModuleLogic):
    """Everything the panel does, for scripts: takes and returns MRML nodes, raises MedCompressError, opens no dialog.

    Volumes may be given as node, ID or name.
    """

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        self._preview = SlicePreview()

    def getParameterNode(self):
        return VolumeCompressionParameterNode(super().getParameterNode())

    def compress(self, volume, path, codec: str = codec_names()[0], ratio=None, psnr=None, progress=silent) -> dict:
        """Compress a volume node into the archive at `path`: lossless unless a ratio or a PSNR in dB is given."""
        return archives.compressNode(volume, path, codec, archives.makeTarget(ratio, psnr), progress)

    def open(self, path, name: str | None = None):
        """New volume node from an archive."""
        return archives.loadArchive(path, name)

    def difference(self, reference, test):
        """New volume node: test minus reference, in the units of the reference."""
        reference, test = volumes.asVolumeNode(reference), volumes.asVolumeNode(test)
        first, second = volumes.volumeFromNode(reference), volumes.volumeFromNode(test)
        node = volumes.differenceNode(first, second, f"{test.GetName()} difference")
        node.SetAndObserveTransformNodeID(reference.GetTransformNodeID())
        return node

    def quality(self, reference, test):
        """New table node with PSNR, SSIM and the other figures of `test` against `reference`."""
        return results.qualityTable(results.compareNodes(reference, test))

    def curve(self, volume, codec: str = codec_names()[0]):
        """New plot chart node: PSNR at several ratios, tried on slices spread over the volume."""
        node = volumes.asVolumeNode(volume)
        return results.curveChart(node.GetName(), Preview(volumes.volumeFromNode(node), codec).curve())

    def preview(self, volume, codec: str = codec_names()[0], ratio=None, psnr=None):
        """Show the current slice as it would come back; returns its volume node. `removePreview` takes it away."""
        self._preview.update(volume, codec, archives.makeTarget(ratio, psnr))
        return self._preview.node

    def previewText(self, volume, codec: str, target: Target) -> str:
        """Show the preview and say in one line what it costs."""
        trial, k = self._preview.update(volume, codec, target)
        text = _("Slice {k}: {ratio:.1f}:1").format(k=k, ratio=trial.ratio)
        if trial.max_error == 0:
            return text + _(", exact")
        return text + _(", {psnr:.1f} dB (peak {peak}), largest error {error:g}").format(
            psnr=trial.psnr, peak=trial.peak.reason, error=trial.max_error
        )

    def removePreview(self) -> None:
        self._preview.remove()

    def firstVolume(self):
        """The first volume of the scene that can be compressed, None where there is none."""
        nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        return next((node for node in nodes if not node.GetHideFromEditors() and volumes.isUsable(node)), None)

    def canBeLossy(self, volume, codec: str) -> bool:
        return archives.canBeLossy(volume, codec)

    def suggestedPath(self, volume) -> Path:
        return archives.suggestedPath(volume)

    def archivePath(self, text) -> Path:
        return archives.archivePath(text)

    def ensurePackages(self) -> bool:
        """Ask for and install what the library needs and Slicer lacks; False when the user declined."""
        return ensurePackages()


class VolumeCompressionTest(ScriptedLoadableModuleTest):
    """Self test: a volume goes through an archive and back."""

    def runTest(self) -> None:
        slicer.mrmlScene.Clear()
        self.testRoundTrip()

    def testRoundTrip(self) -> None:
        from MedCompressLib.phantom import abdominal_ct
        from MedCompressLib.volume import Geometry, Volume

        samples, _labels = abdominal_ct((8, 64, 64))
        node = volumes.nodeFromVolume(Volume(samples, Geometry(spacing=(2, 2, 5)), "CT"), "phantom")
        logic = VolumeCompressionLogic()
        path = Path(slicer.app.temporaryPath) / "selftest.mcz"
        figures = logic.compress(node, path)
        restored = logic.open(path)
        self.assertTrue(figures["lossless"])
        self.assertTrue((slicer.util.arrayFromVolume(restored) == samples).all())
        self.assertEqual(restored.GetSpacing(), node.GetSpacing())
        path.unlink()
        self.delayDisplay("Test passed")
