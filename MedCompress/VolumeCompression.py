"""Slicer module: compress a volume, open archives, see what compression did to the image."""

from pathlib import Path

import slicer
from MedCompressLib.compression import DEFAULT_CODEC
from MedCompressLib.jobs import silent
from MedCompressLib.preview import Preview
from MedCompressLib.recommendation import recommend
from MedCompressSlicer import archives, results, volumes
from MedCompressSlicer.archive_plugins import ArchiveFileReader as VolumeCompressionFileReader  # noqa: F401
from MedCompressSlicer.archive_plugins import ArchiveFileWriter as VolumeCompressionFileWriter  # noqa: F401
from MedCompressSlicer.codec_advice import AdviceStep, comparedCodecs, generalAdvice, installed
from MedCompressSlicer.codec_choices import labelCodecs
from MedCompressSlicer.compression_parameters import VolumeCompressionParameterNode
from MedCompressSlicer.compression_steps import CompressionSteps
from MedCompressSlicer.goals import Goal, limitMaxError, limitQuality, offerGoals, refusal, showGoal
from MedCompressSlicer.live_preview import LivePreview
from MedCompressSlicer.module_widget import ModuleWidget
from MedCompressSlicer.requirements import ensurePackages
from MedCompressSlicer.sample_data import registerSampleData
from MedCompressSlicer.slice_preview import SlicePreview
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
)


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
            "logic.compress('CTChest', '/tmp/chest.mcz', 'htj2k', ratio=10)   # Compress\n"
            "restored = logic.open('/tmp/chest.mcz')                 # open an archive\n"
            "logic.difference('CTChest', restored)                   # difference volume\n"
            "logic.quality('CTChest', restored)                      # table of figures\n"
            "logic.curve('CTChest', ['jpeg2000', 'htj2k'])           # ratio against PSNR\n"
            "logic.recommend('CTChest')                              # Recommend\n"
            "logic.preview('CTChest', ratio=20)                      # live preview</pre>"
        )
        parent.acknowledgementText = _("Built on OpenJPEG, glymur, imagecodecs, PyAV, SimpleITK and NumPy.")
        slicer.app.connect("startupCompleted()", registerSamples)


def registerSamples() -> None:
    """Offer sample volumes in the module Sample Data."""
    registerSampleData(Path(__file__).parent / "Resources" / "SampleData" / "VolumeCompression.json")


class VolumeCompressionWidget(ModuleWidget):
    """The panel: asks and shows."""

    def __init__(self, parent=None) -> None:
        ModuleWidget.__init__(self, parent)
        self._advised = None

    def setup(self) -> None:
        self.loadPanel(VolumeCompressionLogic())
        self.ui.resultTable.horizontalHeader().setStretchLastSection(True)
        self.ui.resultTable.verticalHeader().setVisible(False)
        self.ui.resultTable.verticalHeader().setDefaultSectionSize(20)
        self.ui.resultTable.visible = False
        self._preview = LivePreview(self.logic.slicePreview, self.ui.previewLabel, self.wantedPreview)
        self.ui.recommendationLabel.text = generalAdvice()
        self.ui.compressButton.connect("clicked(bool)", self.onCompress)
        self.ui.curveButton.connect("clicked(bool)", self.onCurve)
        self.ui.recommendButton.connect("clicked(bool)", self.onRecommend)
        self.ui.previewCheckBox.connect("clicked(bool)", self.onPreviewClicked)
        self.initializeParameterNode()

    def cleanup(self) -> None:
        ModuleWidget.cleanup(self)
        self._preview.close()

    def clearResults(self) -> None:
        self.ui.resultTable.setMRMLTableNode(None)
        self.ui.resultTable.visible = False
        self.ui.summaryLabel.text = ""

    def onUnbound(self) -> None:
        """The preview comes back with the panel."""
        self._preview.stop()

    def suggestInputs(self) -> None:
        first = None if self._parameterNode.inputVolume else self.logic.firstVolume()
        if first:
            self._parameterNode.inputVolume = first

    def updatePanel(self) -> None:
        parameters = self._parameterNode
        volume, codec = parameters.inputVolume, parameters.codec
        if refusal(parameters.goal, volume, codec):
            parameters.goal = Goal.LOSSLESS
        labelCodecs(self.ui.codecComboBox)
        offerGoals(self.ui.goalComboBox, lambda goal: refusal(goal, volume, codec))
        limitMaxError(self.ui.maxErrorSlider, volume)
        limitQuality(self.ui.qualitySlider, self.ui.qualityLabel, parameters)
        showGoal(self.ui, parameters.goal)
        if self._advised not in (None, volume):
            self._advised = None
            self.ui.recommendationLabel.text = generalAdvice()
        archives.suggestOutput(parameters)
        self.allow(
            "" if volume else _("Choose a volume first"),
            (self.ui.compressButton, _("Write the archive, verify it, and show what came back")),
            (self.ui.curveButton, _("Compare lossy codecs at several ratios on slices of the volume; writes nothing")),
            (self.ui.recommendButton, _("Try all codecs on some slices of the volume; writes nothing")),
            (self.ui.previewCheckBox, _("Show the slice in view as it would come back, while the settings change")),
        )
        if parameters.preview and parameters.inputVolume:
            self._preview.start()
        else:
            self._preview.stop()

    def wantedPreview(self) -> tuple | None:
        """Volume, codec and target to show on the slice in view, None where nothing is."""
        parameters = self._parameterNode
        if not (parameters and parameters.preview and parameters.inputVolume) or self.jobs.running:
            return None
        return parameters.inputVolume, parameters.codec, parameters.target()

    def onPreviewClicked(self, checked: bool) -> None:
        if checked and not self.logic.ensurePackages([self._parameterNode.codec]):
            self._parameterNode.preview = False

    def onCompress(self, *_unused) -> None:
        parameters = self._parameterNode
        with self.failing(_("The volume was not compressed.")):
            path = self.logic.archivePath(parameters.outputPath)
            parameters.outputPath = path
            question = _("{path} exists. Replace it?").format(path=path)
            if not path.exists() or slicer.util.confirmYesNoDisplay(question, _("Volume Compression")):
                self.run(path)

    def onCurve(self, *_unused) -> None:
        with self.failing(_("The curve was not computed.")):
            self.run(None)

    def onRecommend(self, *_unused) -> None:
        with self.failing(_("No codec was recommended.")):
            if not self.jobs.running and self.logic.ensurePackages():
                self._parameterNode.preview = False
                self.startSteps(AdviceStep(self._parameterNode.inputVolume), self.onAdvice)

    def onAdvice(self, advice: AdviceStep) -> None:
        self._advised = advice.volumeNode
        self.ui.recommendationLabel.text = advice.sentence
        self.onParametersModified()

    def run(self, path: Path | None) -> None:
        """Run the steps of a press one after another, with the parameters as they are now; no path: only the curves.

        The curves of codecs whose packages are declined are left out.
        """
        parameters = self._parameterNode
        codec, curves = parameters.codec, []
        if path is None:
            curves = self.logic.curveCodecs(parameters.inputVolume, codec)
        if self.jobs.running:
            return
        if not self.logic.ensurePackages(curves or [codec]):
            curves = installed(curves)
            if not curves:
                return
        parameters.preview = False
        steps = CompressionSteps(parameters.inputVolume, path, codec, parameters.target(), curves)
        self.startSteps(steps, self.onDone)

    def onDone(self, steps: CompressionSteps) -> None:
        if steps.table:
            self.ui.resultTable.setMRMLTableNode(steps.table)
            self.ui.resultTable.resizeColumnToContents(0)
            self.ui.resultTable.visible = True
            self.ui.summaryLabel.text = steps.summary
        self.onParametersModified()


class VolumeCompressionLogic(ScriptedLoadableModuleLogic):
    """Everything the panel does, for scripts: takes and returns MRML nodes, raises MedCompressError, opens no dialog.

    Volumes may be given as node, ID or name.
    """

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        self.slicePreview = SlicePreview()

    def getParameterNode(self):
        return VolumeCompressionParameterNode(super().getParameterNode())

    def compress(
        self, volume, path, codec=DEFAULT_CODEC, ratio=None, psnr=None, progress=silent, *, maxError=None, quality=None
    ) -> dict:
        """Compress a volume node into the archive at `path`: lossless unless one target is given.

        ratio; psnr in dB; maxError in units of the volume; quality on the codec's own scale.
        """
        target = archives.makeTarget(ratio, psnr, maxError, quality)
        return archives.compressNode(volume, path, codec, target, progress)

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

    def curve(self, volume, codecs=(DEFAULT_CODEC,)):
        """New plot chart node: PSNR at several ratios for each codec, tried on slices spread over the volume."""
        node = volumes.asVolumeNode(volume)
        source = volumes.volumeFromNode(node)
        codecs = [codecs] if isinstance(codecs, str) else codecs
        return results.curveChart(node.GetName(), {codec: Preview(source, codec).curve() for codec in codecs})

    def curveCodecs(self, volume, codec: str) -> list[str]:
        """Lossy codecs worth comparing with this one."""
        return [name for name in comparedCodecs(codec) if archives.canBeLossy(volume, name)]

    def recommend(self, volume, progress=silent) -> dict:
        """Which codec is fast, dense, for DICOM and papers, and smallest when exact, tried on slices of the volume."""
        return recommend(volumes.volumeFromNode(volumes.asVolumeNode(volume)), progress).as_dict()

    def preview(self, volume, codec: str = DEFAULT_CODEC, ratio=None, psnr=None, *, maxError=None, quality=None):
        """Show the current slice as it would come back; returns its volume node. `removePreview` takes it away."""
        self.slicePreview.update(volume, codec, archives.makeTarget(ratio, psnr, maxError, quality))
        return self.slicePreview.node

    def removePreview(self) -> None:
        self.slicePreview.remove()

    def firstVolume(self):
        return volumes.firstVolume()

    def suggestedPath(self, volume) -> Path:
        return archives.suggestedPath(volume)

    def archivePath(self, text) -> Path:
        return archives.archivePath(text)

    def ensurePackages(self, codecs=()) -> bool:
        """Ask for and install what the library and these codecs need and Slicer lacks; False when the user declined."""
        return ensurePackages(codecs=codecs)


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
