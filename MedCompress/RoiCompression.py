"""Slicer module: keep a region of interest bit for bit, and make the rest small."""

import json
from pathlib import Path

import slicer
from MedCompressLib.errors import MedCompressError
from MedCompressLib.jobs import silent
from MedCompressLib.targets import Lossless, Psnr, Quality
from MedCompressSlicer import archives, volumes
from MedCompressSlicer.checkable_nodes import CheckableNodes
from MedCompressSlicer.codec_choices import labelCodecs
from MedCompressSlicer.goals import Goal, limitQuality, offerGoals, showGoal
from MedCompressSlicer.live_preview import LivePreview
from MedCompressSlicer.module_widget import ModuleWidget
from MedCompressSlicer.pytorch import ensureTorch
from MedCompressSlicer.requirements import ensurePackages
from MedCompressSlicer.roi_archives import compareRegionMethods, compressRegion
from MedCompressSlicer.roi_box import newBox
from MedCompressSlicer.roi_choices import limitThresholds, methodTip, possibleGoal, refusal, showSource
from MedCompressSlicer.roi_chosen import RegionCache, missing, regionKey
from MedCompressSlicer.roi_outline import RoiOutline, RoiWatcher
from MedCompressSlicer.roi_parameters import RoiCompressionParameterNode, RoiMethod
from MedCompressSlicer.roi_region import makeRegion
from MedCompressSlicer.roi_segments import segmentChoices
from MedCompressSlicer.roi_slice_preview import RoiSlicePreview
from MedCompressSlicer.roi_steps import MethodSteps, RoiSteps
from MedCompressSlicer.segmentations import segmentationNodes
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
)

DEFAULT_CODEC, DEFAULT_PSNR = "hevc", 46.0


class RoiCompression(ScriptedLoadableModule):
    """Declaration of the module."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("ROI Compression")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Compression")]
        parent.dependencies = ["Segmentations", "Markups"]
        parent.contributors = ["MedCompress developers"]
        parent.helpText = _(
            "Compresses a volume so that a region of interest comes back bit for bit while the rest gets small. The"
            " region: segments, labels, an ROI box, a threshold, or a probability map, with a margin. In the Python"
            " console:"
            "<pre>logic = slicer.util.getModuleLogic('RoiCompression')\n"
            "logic.compress('CT', '/tmp/ct.mcz', 'Segmentation', ['liver'], margin=5)  # Compress\n"
            "logic.compress('CT', '/tmp/ct.mcz', box='R', codec='htj2k', psnr=50)      # an ROI box\n"
            "logic.compress('CT', '/tmp/ct.mcz', lower=150, method='diffusion')        # a threshold\n"
            "logic.compareMethods('CT', 'Segmentation', ['liver'])                     # Compare Methods\n"
            "logic.roiMask('CT', 'Segmentation', margin=5)                             # region as a label map\n"
            "logic.previewMask('CT', 'Segmentation', margin=5)                         # outline in the views\n"
            "logic.removePreview()\n"
            "slicer.util.getModuleLogic('VolumeCompression').open('/tmp/ct.mcz')       # open an archive</pre>"
        )
        parent.acknowledgementText = _(
            "Diffusion after Luu et al. (2021), two qualities after Srivastava et al. (2024). Built on PyAV,"
            " imagecodecs, OpenJPEG, PyTorch and NumPy."
        )


class RoiCompressionWidget(ModuleWidget):
    """The panel: asks and shows."""

    def setup(self) -> None:
        self.loadPanel(RoiCompressionLogic())
        ui, logic = self.ui, self.logic
        for table in (ui.resultTable, ui.methodsTable):
            table.verticalHeader().setVisible(False)
            table.verticalHeader().setDefaultSectionSize(20)
        self._segments = CheckableNodes(ui.segmentList, self.onSegmentChecked)
        self._preview = LivePreview(logic.slicePreview, ui.previewLabel, self.wantedPreview)
        self._watcher = RoiWatcher(
            logic.outline, ui.regionLabel, self.regionKey, self.wantedRegion, self.onParametersModified
        )
        ui.compressButton.connect("clicked(bool)", self.onCompress)
        ui.methodsButton.connect("clicked(bool)", self.onCompareMethods)
        ui.newBoxButton.connect("clicked(bool)", self.onNewBox)
        ui.previewCheckBox.connect("clicked(bool)", self.onPreviewClicked)
        ui.visibleSegmentsCheckBox.connect("clicked(bool)", self.onVisibleClicked)
        self.initializeParameterNode()

    def cleanup(self) -> None:
        ModuleWidget.cleanup(self)
        self._watcher.close()
        self._preview.close()

    def onUnbound(self) -> None:
        """Outline and preview come back with the panel."""
        self._watcher.stop()
        self._preview.stop()
        self.logic.regions.forget()

    def clearResults(self) -> None:
        self.showTables()
        self.ui.summaryLabel.text = self.ui.methodsLabel.text = ""

    def suggestInputs(self) -> None:
        parameters = self._parameterNode
        volume = None if parameters.inputVolume else volumes.firstVolume()
        if volume:
            parameters.inputVolume = volume
        segmentation = None if parameters.segmentation else next(iter(segmentationNodes()), None)
        if segmentation:
            parameters.segmentation = segmentation
        self.showTables()

    def updatePanel(self) -> None:
        ui, parameters = self.ui, self._parameterNode
        volume, codec, method = parameters.inputVolume, parameters.codec, parameters.method
        if refusal(parameters.goal, volume, codec, method):
            parameters.goal = possibleGoal(parameters.goal, volume, codec, method)
        labelCodecs(ui.codecComboBox)
        offerGoals(ui.goalComboBox, lambda goal: refusal(goal, volume, codec, method))
        limitQuality(ui.qualitySlider, ui.qualityLabel, parameters)
        limitThresholds(ui, parameters)
        showGoal(ui, parameters.goal)
        showSource(ui, parameters.source)
        ui.methodComboBox.toolTip = methodTip(method)
        ui.restoreCheckBox.visible = method is RoiMethod.EXACT and parameters.goal is not Goal.LOSSLESS
        self.fillSegments()
        archives.suggestOutput(parameters)
        reason = missing(parameters) or refusal(parameters.goal, volume, codec, method)
        self.allow(
            reason,
            (ui.compressButton, _("Write the archive, verify it, and show what came back")),
            (ui.previewCheckBox, _("Show the current slice as it would come back, next to the original")),
        )
        self.allow(
            reason or self.comparisonRefusal(),
            (ui.methodsButton, _("Run all three methods on this volume into temporary files; writes nothing")),
        )
        self.allow(
            "" if volume else _("Choose a volume first"), (ui.newBoxButton, _("Create a box to drag in the views"))
        )
        self._watcher.start()
        if parameters.preview and not reason:
            self._preview.start()
        else:
            self._preview.stop()

    def fillSegments(self) -> None:
        parameters = self._parameterNode
        chosen, choices = parameters.chosenSegments(), segmentChoices(parameters.segmentation)
        self._segments.show(
            [(one.key, one.name, one.visible if chosen is None else one.key in chosen) for one in choices]
        )
        self.ui.segmentList.enabled = not parameters.visibleSegments

    def comparisonRefusal(self) -> str:
        """Why the methods cannot be compared."""
        parameters = self._parameterNode
        return refusal(Goal.PSNR, parameters.inputVolume, parameters.codec, RoiMethod.TWO_QUALITY)

    def regionKey(self):
        parameters = self._parameterNode
        return None if parameters is None else (parameters.showRegion, missing(parameters), regionKey(parameters))

    def wantedRegion(self) -> tuple | None:
        """Volume node, region and whether to outline it; None where something is yet to be chosen."""
        parameters = self._parameterNode
        if parameters is None or missing(parameters):
            return None
        return parameters.inputVolume, self.logic.regions.region(parameters), parameters.showRegion

    def wantedPreview(self) -> tuple | None:
        """What to show on the slice in view, None where nothing is."""
        parameters = self._parameterNode
        if not (parameters and parameters.preview) or missing(parameters) or self.jobs.running:
            return None
        try:
            region = self.logic.regions.region(parameters)
        except MedCompressError:
            return None
        return parameters.inputVolume, parameters.codec, parameters.target(), parameters.method, region

    def onSegmentChecked(self, key: str, checked: bool) -> None:
        self._parameterNode.chooseSegment(key, checked)

    def onVisibleClicked(self, checked: bool) -> None:
        """Begin to choose with what is visible."""
        if not checked:
            choices = segmentChoices(self._parameterNode.segmentation)
            self._parameterNode.segments = json.dumps([one.key for one in choices if one.visible])

    def onNewBox(self, *_unused) -> None:
        with self.failing(_("The box was not created.")):
            self._parameterNode.box = self.logic.newBox(self._parameterNode.inputVolume)

    def onPreviewClicked(self, checked: bool) -> None:
        ready = not checked
        with self.failing(_("There is no preview.")):
            ready = ready or self.logic.ensurePackages(*self.needed())
        if not ready:
            self._parameterNode.preview = False

    def needed(self) -> tuple[str, RoiMethod]:
        return self._parameterNode.codec, self._parameterNode.method

    def onCompress(self, *_unused) -> None:
        parameters = self._parameterNode
        with self.failing(_("The volume was not compressed.")):
            path = archives.archivePath(parameters.outputPath)
            parameters.outputPath = path
            question = _("{path} exists. Replace it?").format(path=path)
            if path.exists() and not slicer.util.confirmYesNoDisplay(question, _("ROI Compression")):
                return
            if self.jobs.running or not self.logic.ensurePackages(*self.needed()):
                return
            parameters.preview = False
            region, target = self.logic.regions.region(parameters), parameters.target()
            steps = RoiSteps(
                parameters.inputVolume, region, path, parameters.method, parameters.codec, target, parameters.restore
            )
            self.startSteps(steps, self.onCompressed)

    def onCompressed(self, steps: RoiSteps) -> None:
        self.logic.getParameterNode().table = steps.table
        self.showTables()
        self.ui.summaryLabel.text = steps.summary
        self.onParametersModified()

    def onCompareMethods(self, *_unused) -> None:
        parameters = self._parameterNode
        with self.failing(_("The methods were not compared.")):
            methods = self.logic.possibleMethods(parameters.codec)
            if self.jobs.running or not methods:
                return
            parameters.preview = False
            target = Quality(parameters.quality) if parameters.goal is Goal.QUALITY else Psnr(parameters.psnr)
            region = self.logic.regions.region(parameters)
            steps = MethodSteps(region, methods, parameters.codec, target, parameters.methodsTable)
            self.startSteps(steps, self.onMethodsCompared)

    def onMethodsCompared(self, steps: MethodSteps) -> None:
        self.logic.getParameterNode().methodsTable = steps.table
        self.showTables()
        self.ui.methodsLabel.text = steps.summary
        self.onParametersModified()

    def showTables(self) -> None:
        parameters = self._parameterNode
        for view, node in (
            (self.ui.resultTable, parameters.table if parameters else None),
            (self.ui.methodsTable, parameters.methodsTable if parameters else None),
        ):
            view.setMRMLTableNode(node)
            view.resizeColumnsToContents()
            view.visible = node is not None


class RoiCompressionLogic(ScriptedLoadableModuleLogic):
    """Everything the panel does, for scripts: takes and returns MRML nodes, raises MedCompressError, opens no dialog.

    Nodes may be given as node, ID or name. The region comes from one of: a segmentation or label map with segments
    (IDs, names or labels; those visible unless given), a markups ROI box, lower and upper in units of the volume, otsu,
    a probability map. margin: mm around it.
    """

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        self.outline = RoiOutline()
        self.slicePreview = RoiSlicePreview()
        self.regions = RegionCache()

    def getParameterNode(self):
        return RoiCompressionParameterNode(super().getParameterNode())

    def compress(
        self,
        volume,
        path,
        segmentation=None,
        segments=None,
        margin=0.0,
        method="exact",
        codec=DEFAULT_CODEC,
        psnr=None,
        progress=silent,
        *,
        ratio=None,
        quality=None,
        lossless=False,
        restore=False,
        device="cpu",
        **region,
    ) -> dict:
        """Compress a volume with a region into the archive at `path`; returns the figures of the report.

        method: "exact", "diffusion", "two-quality". Background at psnr (dB, 46 unless something else is asked for),
        quality (the codec's own scale), or lossless; ratio: of the whole file. region: box, lower, upper, otsu,
        probability.
        """
        found = makeRegion(volume, segmentation, segments, margin, **region)
        target = archives.makeTarget(ratio, psnr, None, quality)
        if isinstance(target, Lossless) and not lossless:
            target = Psnr(DEFAULT_PSNR)
        archives.checkTarget(volumes.asVolumeNode(volume), target)
        path = archives.archivePath(path)
        return compressRegion(found, path, method, codec, target, restore=restore, device=device, progress=progress)

    def compareMethods(
        self, volume, segmentation=None, segments=None, margin=0.0, codec=DEFAULT_CODEC, psnr=DEFAULT_PSNR, **region
    ):
        """New table node with a row for each method, diffusion only with PyTorch and coded losslessly."""
        return compareRegionMethods(makeRegion(volume, segmentation, segments, margin, **region), codec, psnr)

    def roiMask(self, volume, segmentation=None, segments=None, margin=0.0, **region):
        """New label map node on the volume's grid: 1 in the region with its margin."""
        import numpy as np
        from MedCompressLib.volume import Volume

        node = volumes.asVolumeNode(volume)
        found = makeRegion(node, segmentation, segments, margin, **region)
        labels = Volume(found.mask.array.astype(np.uint8), found.volume.geometry, volumes.LABEL_MAP_MODALITY)
        result = volumes.nodeFromVolume(labels, _("{name} region").format(name=node.GetName()))
        result.SetAndObserveTransformNodeID(node.GetTransformNodeID())
        return result

    def previewMask(self, volume, segmentation=None, segments=None, margin=0.0, **region):
        """Outline the region with its margin in the slice views; returns its node. `removePreview` takes it away."""
        node = volumes.asVolumeNode(volume)
        self.outline.show(node, makeRegion(node, segmentation, segments, margin, **region).mask.array)
        return self.outline.node

    def removePreview(self) -> None:
        self.outline.remove()
        self.slicePreview.remove()

    def newBox(self, volume):
        """New markups ROI in the middle of a volume, along its axes, half as long as it is."""
        return newBox(volumes.asVolumeNode(volume))

    def ensurePackages(self, codec: str, method=RoiMethod.EXACT) -> bool:
        """Ask for and install what codec and method need and Slicer lacks; False when the user declined."""
        return ensurePackages(codecs=[codec]) and (RoiMethod(method) is not RoiMethod.DIFFUSION or ensureTorch())

    def possibleMethods(self, codec: str) -> list[RoiMethod]:
        """The methods whose packages are there or get installed; diffusion is left out without PyTorch."""
        if not self.ensurePackages(codec):
            return []
        try:
            torch = ensureTorch()
        except MedCompressError:
            torch = False
        return [method for method in RoiMethod if torch or method is not RoiMethod.DIFFUSION]


class RoiCompressionTest(ScriptedLoadableModuleTest):
    """Self test: a box comes back bit for bit, what is around it does not."""

    def runTest(self) -> None:
        slicer.mrmlScene.Clear()
        self.testBox()

    def testBox(self) -> None:
        from MedCompressLib.phantom import abdominal_ct
        from MedCompressLib.volume import Geometry, Volume
        from MedCompressSlicer.archives import loadArchive

        samples, _labels = abdominal_ct((8, 64, 64))
        node = volumes.nodeFromVolume(Volume(samples, Geometry(spacing=(2, 2, 5)), "CT"), "phantom")
        logic = RoiCompressionLogic()
        box = logic.newBox(node)
        path = Path(slicer.app.temporaryPath) / "selftest-roi.mcz"
        report = logic.compress(node, path, box=box, codec="jpeg2000", psnr=40)
        mask = slicer.util.arrayFromVolume(logic.roiMask(node, box=box)) == 1
        restored = slicer.util.arrayFromVolume(loadArchive(path))
        self.assertEqual(report["roi_max_error"], 0)
        self.assertTrue((restored[mask] == samples[mask]).all())
        self.assertTrue((restored != samples).any())
        path.unlink()
        self.delayDisplay("Test passed")
