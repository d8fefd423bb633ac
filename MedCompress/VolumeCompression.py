"""Slicer module: compress a volume, open archives, see what compression did to the image."""

import enum
import sys
from pathlib import Path
from typing import Annotated

import qt
import slicer
import vtk
from MedCompressLib.codecs import codec_names
from MedCompressLib.errors import MedCompressError
from MedCompressLib.targets import Lossless, Psnr, Ratio, Target
from MedCompressSlicer.compression_steps import CompressionSteps
from MedCompressSlicer.job_panel import JobPanel
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

_PREVIEW_DELAY_MS = 20


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
    from MedCompressSlicer.sample_data import registerSampleData

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
    """

    inputVolume: vtkMRMLScalarVolumeNode
    codec: Annotated[str, Choice(codec_names())] = codec_names()[0]
    goal: Goal = Goal.LOSSLESS
    ratio: Annotated[float, WithinRange(1.5, 200)] = 10.0
    psnr: Annotated[float, WithinRange(20, 100)] = 50.0
    outputPath: Path
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
        self._observedSlices = []
        self._suggestedPath = None

    def setup(self) -> None:
        ScriptedLoadableModuleWidget.setup(self)
        panel = slicer.util.loadUI(self.resourcePath("UI/VolumeCompression.ui"))
        self.layout.addWidget(panel)
        self.ui = slicer.util.childWidgetVariables(panel)
        panel.setMRMLScene(slicer.mrmlScene)
        self.logic = VolumeCompressionLogic()
        self.ui.resultTable.horizontalHeader().setStretchLastSection(True)
        self.jobs = JobPanel(self.ui.progressBar, self.ui.statusLabel, self.ui.cancelButton)
        self._previewTimer = qt.QTimer()
        self._previewTimer.setSingleShot(True)
        self._previewTimer.setInterval(_PREVIEW_DELAY_MS)
        self._previewTimer.connect("timeout()", self.updatePreview)
        self.ui.compressButton.connect("clicked(bool)", self.onCompress)
        self.ui.curveButton.connect("clicked(bool)", self.onCurve)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.initializeParameterNode()

    def cleanup(self) -> None:
        self._previewTimer.stop()
        self.jobs.stop()
        self.setParameterNode(None)
        self.logic.removePreview()
        self.removeObservers()

    def enter(self) -> None:
        self.initializeParameterNode()

    def exit(self) -> None:
        self.logic.removePreview()
        self.setParameterNode(None)

    def onReload(self) -> None:
        """Reload the library and the shared package with the module, so that no old code stays behind."""
        forgetPackages()
        ScriptedLoadableModuleWidget.onReload(self)

    def onSceneStartClose(self, caller, event) -> None:
        self.jobs.stop()
        self.logic.removePreview()
        self.setParameterNode(None)

    def onSceneEndClose(self, caller, event) -> None:
        if self.parent.isEntered:
            self.initializeParameterNode()

    def initializeParameterNode(self) -> None:
        self.setParameterNode(self.logic.getParameterNode())
        if not self._parameterNode.inputVolume:
            first = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
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

    def onParametersModified(self, caller=None, event=None) -> None:
        parameters = self._parameterNode
        if parameters is None:
            return
        self.ui.ratioSlider.visible = self.ui.ratioLabel.visible = parameters.goal is Goal.RATIO
        self.ui.psnrSlider.visible = self.ui.psnrLabel.visible = parameters.goal is Goal.PSNR
        self.suggestOutput()
        self.updateButtons()
        if parameters.preview and parameters.inputVolume:
            self.observeSlices(True)
            self._previewTimer.start()
        else:
            self.observeSlices(False)
            self._previewTimer.stop()
            self.logic.removePreview()
            self.ui.previewLabel.text = ""

    def suggestOutput(self) -> None:
        """Name the archive after the volume until the user has named it otherwise."""
        parameters = self._parameterNode
        if parameters.inputVolume and parameters.outputPath in (Path(), self._suggestedPath):
            suggestion = self.logic.suggestPath(parameters.inputVolume)
            if suggestion != self._suggestedPath:
                self._suggestedPath = suggestion
                parameters.outputPath = suggestion

    def observeSlices(self, wanted: bool) -> None:
        """Follow the slice views while the preview is on."""
        for node in self._observedSlices:
            self.removeObserver(node, vtk.vtkCommand.ModifiedEvent, self.onSliceModified)
        self._observedSlices = slicer.util.getNodesByClass("vtkMRMLSliceNode") if wanted else []
        for node in self._observedSlices:
            self.addObserver(node, vtk.vtkCommand.ModifiedEvent, self.onSliceModified)

    def onSliceModified(self, caller, event) -> None:
        self._previewTimer.start()

    def updateButtons(self) -> None:
        ready = bool(self._parameterNode and self._parameterNode.inputVolume) and not self.jobs.running
        self.ui.compressButton.enabled = self.ui.curveButton.enabled = ready
        self.ui.compressButton.toolTip = _("Compress, verify and restore") if ready else _("Choose a volume first")

    def updatePreview(self) -> None:
        parameters = self._parameterNode
        if not (parameters and parameters.preview and parameters.inputVolume) or self.jobs.running:
            return
        try:
            text = self.logic.previewText(parameters.inputVolume, parameters.codec, parameters.target())
        except MedCompressError as error:
            text = str(error)
        self.ui.previewLabel.text = text

    def onCompress(self, *_unused) -> None:
        with slicer.util.tryWithErrorDisplay(_("The volume was not compressed."), waitCursor=False):
            parameters = self._parameterNode
            if not self.logic.ensurePackages():
                return
            path = Path(parameters.outputPath)
            if path.exists() and not slicer.util.confirmYesNoDisplay(
                _("{path} exists. Replace it?").format(path=path), _("Volume Compression")
            ):
                return
            parameters.preview = False
            steps = CompressionSteps(parameters.inputVolume, path, parameters.codec, parameters.target())
            self.runSteps(steps)

    def onCurve(self, *_unused) -> None:
        with slicer.util.tryWithErrorDisplay(_("The curve was not computed."), waitCursor=False):
            if not self.logic.ensurePackages():
                return
            parameters = self._parameterNode
            steps = CompressionSteps(parameters.inputVolume, None, parameters.codec, parameters.target())
            self.runSteps(steps)

    def runSteps(self, steps: CompressionSteps) -> None:
        """Run the steps of a press one after another and show what each one made."""
        steps.start(self.jobs, changed=self.onStepDone, failed=self.onFailed)
        self.updateButtons()

    def onStepDone(self, steps: CompressionSteps) -> None:
        if steps.table:
            self.ui.resultTable.setMRMLTableNode(steps.table)
        if steps.summary:
            self.ui.summaryLabel.text = steps.summary
        if steps.finished:
            steps.showResults()
            self.updateButtons()

    def onFailed(self, message: str) -> None:
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

    def compress(self, volume, path, codec: str = codec_names()[0], ratio=None, psnr=None, progress=None) -> dict:
        """Compress a volume node into the archive at `path`: lossless unless a ratio or a PSNR in dB is given."""
        from MedCompressLib.jobs import silent
        from MedCompressSlicer.archives import compressNode, makeTarget

        return compressNode(volume, path, codec, makeTarget(ratio, psnr), progress or silent)

    def open(self, path, name: str | None = None):
        """New volume node from an archive."""
        from MedCompressSlicer.archives import loadArchive

        return loadArchive(path, name)

    def difference(self, reference, test):
        """New volume node: test minus reference, in the units of the reference."""
        from MedCompressSlicer.volumes import asVolumeNode, differenceNode

        reference, test = asVolumeNode(reference), asVolumeNode(test)
        return differenceNode(reference, test, f"{test.GetName()} difference")

    def quality(self, reference, test):
        """New table node with PSNR, SSIM and the other figures of `test` against `reference`."""
        from MedCompressSlicer.results import compareNodes, qualityTable

        return qualityTable(compareNodes(reference, test))

    def curve(self, volume, codec: str = codec_names()[0]):
        """New plot chart node: PSNR at several ratios, tried on slices spread over the volume."""
        from MedCompressLib.preview import Preview
        from MedCompressSlicer.results import curveChart
        from MedCompressSlicer.volumes import asVolumeNode, volumeFromNode

        node = asVolumeNode(volume)
        return curveChart(node.GetName(), Preview(volumeFromNode(node), codec).curve())

    def preview(self, volume, codec: str = codec_names()[0], ratio=None, psnr=None):
        """Show the current slice as it would come back; returns its volume node. `removePreview` takes it away."""
        from MedCompressSlicer.archives import makeTarget

        self._preview.update(volume, codec, makeTarget(ratio, psnr))
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

    def suggestPath(self, volume) -> Path:
        """Where an archive of the volume would be expected: beside its file, else in the folder of the scene."""
        storage = volume.GetStorageNode()
        beside = Path(storage.GetFileName()).parent if storage and storage.GetFileName() else None
        folder = beside if beside and beside.is_dir() else Path(slicer.mrmlScene.GetRootDirectory() or Path.home())
        name = "".join(letter if letter.isalnum() or letter in " .-_()" else "_" for letter in volume.GetName())
        return folder / f"{name or 'volume'}.mcz"

    def ensurePackages(self) -> bool:
        """Ask for and install what the library needs and Slicer lacks; False when the user declined."""
        from MedCompressSlicer.requirements import ensurePackages

        return ensurePackages()


class VolumeCompressionFileReader:
    """Opens .mcz files: drag and drop, Add Data, slicer.util.loadNodeFromFile."""

    def __init__(self, parent):
        self.parent = parent

    def description(self) -> str:
        return _("MedCompress archive")

    def fileType(self) -> str:
        return "MedCompressArchive"

    def extensions(self) -> list[str]:
        return [_("MedCompress archive") + " (*.mcz)"]

    def canLoadFile(self, filePath: str) -> bool:
        return filePath.lower().endswith(".mcz")

    def load(self, properties) -> bool:
        from MedCompressSlicer.archives import loadArchive
        from MedCompressSlicer.views import showVolumes

        try:
            node = loadArchive(properties["fileName"], properties.get("name"))
        except MedCompressError as error:
            self.parent.userMessages().AddMessage(vtk.vtkCommand.ErrorEvent, str(error))
            return False
        if properties.get("show", True):
            showVolumes(node)
        self.parent.loadedNodes = [node.GetID()]
        return True


class VolumeCompressionFileWriter:
    """Saves scalar volumes as .mcz, lossless, from the Save dialog."""

    def __init__(self, parent):
        self.parent = parent

    def description(self) -> str:
        return _("MedCompress archive")

    def fileType(self) -> str:
        return "MedCompressArchive"

    def extensions(self, obj) -> list[str]:
        return [_("MedCompress archive, lossless") + " (*.mcz)"]

    def canWriteObject(self, obj) -> bool:
        return obj.IsA("vtkMRMLScalarVolumeNode") and not obj.IsA("vtkMRMLVectorVolumeNode")

    def write(self, properties) -> bool:
        from MedCompressSlicer.archives import compressNode

        node = slicer.mrmlScene.GetNodeByID(properties["nodeID"])
        try:
            compressNode(node, properties["fileName"], codec_names()[0], Lossless())
        except MedCompressError as error:
            self.parent.userMessages().AddMessage(vtk.vtkCommand.ErrorEvent, str(error))
            return False
        self.parent.writtenNodes = [node.GetID()]
        return True


class VolumeCompressionTest(ScriptedLoadableModuleTest):
    """Self test: a volume goes through an archive and back."""

    def runTest(self) -> None:
        slicer.mrmlScene.Clear()
        self.testRoundTrip()

    def testRoundTrip(self) -> None:
        from MedCompressLib.phantom import abdominal_ct
        from MedCompressLib.volume import Geometry, Volume
        from MedCompressSlicer.volumes import nodeFromVolume

        samples, _labels = abdominal_ct((8, 64, 64))
        node = nodeFromVolume(Volume(samples, Geometry(spacing=(2, 2, 5)), "CT"), "phantom")
        logic = VolumeCompressionLogic()
        path = Path(slicer.app.temporaryPath) / "selftest.mcz"
        figures = logic.compress(node, path)
        restored = logic.open(path)
        self.assertTrue(figures["lossless"])
        self.assertTrue((slicer.util.arrayFromVolume(restored) == samples).all())
        self.assertEqual(restored.GetSpacing(), node.GetSpacing())
        path.unlink()
        self.delayDisplay("Test passed")


def forgetPackages() -> None:
    """Drop the library and the shared package from the module cache; the next import reads them anew."""
    for name in list(sys.modules):
        if name.split(".")[0] in ("MedCompressLib", "MedCompressSlicer"):
            del sys.modules[name]
