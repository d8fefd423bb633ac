"""Slicer module: segment volumes with U-Nets, train them, and make them withstand compression."""

from pathlib import Path

import qt
import slicer
from MedCompressLib.errors import MedCompressError
from MedCompressLib.jobs import silent
from MedCompressSlicer.codec_choices import codecLabel
from MedCompressSlicer.module_widget import ModuleWidget
from MedCompressSlicer.path_fields import PathFields
from MedCompressSlicer.requirements import ensurePackages
from MedCompressSlicer.unet_config import patchSize, ratioList, trainingConfig, tuningConfig
from MedCompressSlicer.unet_curves import describeEpoch
from MedCompressSlicer.unet_device import DeviceSteps, describeDevices, offerDevices
from MedCompressSlicer.unet_models import ModelChoice, cardOf, channelsOf
from MedCompressSlicer.unet_packages import ensureNetworks, torchState
from MedCompressSlicer.unet_pair_table import PairTable
from MedCompressSlicer.unet_pairs import chosenPairs, setPairs
from MedCompressSlicer.unet_parameters import FILE, CaseSource, UNetSegmentationParameterNode, lossyCodecs
from MedCompressSlicer.unet_presets import PresetChoice
from MedCompressSlicer.unet_problems import CaseSteps, problemTable, showProblems, summarize
from MedCompressSlicer.unet_reasons import againstChecking, againstSegmenting, againstTraining, againstTuning
from MedCompressSlicer.unet_scripting import checkHere, devicesHere, trainHere
from MedCompressSlicer.unet_segment_steps import SegmentSteps, segmentNodes, showSurface
from MedCompressSlicer.unet_training import TrainingPlace, TrainingSteps
from MedCompressSlicer.volumes import firstVolume
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
)


class UNetSegmentation(ScriptedLoadableModule):
    """Declaration of the module."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("U-Net Segmentation")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        parent.dependencies = ["Segmentations", "Plots"]
        parent.contributors = ["MedCompress developers"]
        parent.helpText = _(
            "Segments volumes with U-Nets, trains them on a folder of images and label maps or on segmentations in the"
            " scene, and fine-tunes them to withstand compression. For research: look at every result before you rely"
            " on it. In the Python console:"
            "<pre>logic = slicer.util.getModuleLogic('UNetSegmentation')\n"
            "logic.segment('MRHead', 'hippocampus-t1')                # Segment; a model's name or path\n"
            "logic.check('/data/cases')                               # Check Cases\n"
            "logic.train('/data/cases', '/data/liver.mcmodel')        # Start Training\n"
            "logic.train([('CT', 'Segmentation')], '/tmp/a.mcmodel')  # on pairs of the scene\n"
            "logic.fineTune('/data/liver.mcmodel', '/data/cases', '/data/tough.mcmodel', ratios=[32, 64])\n"
            "logic.devices()                                          # Detect</pre>"
        )
        parent.acknowledgementText = _("Built on PyTorch, MONAI, safetensors, SimpleITK and NumPy.")


class UNetSegmentationWidget(ModuleWidget):
    """The panel: asks and shows."""

    def setup(self) -> None:
        self.loadPanel(UNetSegmentationLogic())
        ui, self._devices, self._caseTab = self.ui, None, 1
        fields = {"modelPath": ui.modelPathEdit, "folder": ui.folderEdit, "configPath": ui.configPathEdit}
        fields |= {"outputPath": ui.outputPathEdit, "startPath": ui.startPathEdit, "tunedPath": ui.tunedPathEdit}
        self._paths = PathFields(fields, self.onPathChanged)
        self._model = ModelChoice(ui.modelComboBox, ui.modelPathEdit, ui.modelLabel, lambda n: self.keep("model", n))
        self._start = ModelChoice(
            ui.startComboBox, ui.startPathEdit, ui.startLabel, lambda n: self.keep("startModel", n)
        )
        self._presets = PresetChoice(ui.presetComboBox, ui.configPathEdit, ui.configLabel, self.onPresetChosen)
        self._pairs = PairTable(ui.pairTable, self.onPairsChanged)
        ui.problemTable.verticalHeader().setVisible(False)
        self.clearResults()
        ui.tabs.connect("currentChanged(int)", self.onTabChanged)
        ui.deviceButton.connect("clicked(bool)", self.onDetect)
        ui.segmentButton.connect("clicked(bool)", self.onSegment)
        ui.surfaceCheckBox.connect("clicked(bool)", self.onSurfaceClicked)
        ui.checkButton.connect("clicked(bool)", self.onCheck)
        ui.trainButton.connect("clicked(bool)", self.onTrain)
        ui.tuneButton.connect("clicked(bool)", self.onTune)
        self.followNodes()
        self.initializeParameterNode()

    def clearResults(self) -> None:
        self.ui.problemTable.setMRMLTableNode(None)
        self.ui.problemTable.visible = self.ui.logEdit.visible = False
        for label in (self.ui.resultLabel, self.ui.checkLabel, self.ui.epochLabel):
            self.tell(label, "")

    def tell(self, label, text: str) -> None:
        """Show a label that takes no room without text."""
        label.text, label.visible = text, bool(text)

    def suggestInputs(self) -> None:
        parameters = self._parameterNode
        if not parameters.volume1:
            parameters.volume1 = firstVolume()
        for name, choice in (("model", self._model), ("startModel", self._start)):
            if not getattr(parameters, name):
                setattr(parameters, name, choice.first)
        showProblems(self.ui.problemTable, parameters.problems)

    def keep(self, name: str, value) -> None:
        """Keep a choice that no widget is bound to."""
        if self._parameterNode and getattr(self._parameterNode, name) != value:
            setattr(self._parameterNode, name, value)

    def updatePanel(self) -> None:
        parameters, ui = self._parameterNode, self.ui
        self._paths.show(parameters)
        self.showTab(parameters.tab)
        ui.deviceLabel.text = describeDevices(self._devices) if self._devices else torchState()
        offerDevices(ui.deviceComboBox, self._devices)
        self._model.show(parameters.model, parameters.chosenModel())
        self._start.show(parameters.startModel, parameters.chosenStart())
        self._presets.show(parameters.preset, parameters.configPath)
        for index, codec in enumerate(lossyCodecs()):
            ui.codecComboBox.setItemText(index, codecLabel(codec))
        inScene = parameters.source is CaseSource.SCENE
        ui.folderLabel.visible = ui.folderEdit.visible = not inScene
        ui.pairTable.visible = inScene
        self._pairs.fill(chosenPairs(parameters.parameterNode))
        channels = channelsOf(parameters.chosenModel())
        for number in range(1, 5):
            label, selector = getattr(ui, f"volumeLabel{number}"), getattr(ui, f"volumeSelector{number}")
            label.visible = selector.visible = number <= len(channels)
            name = channels[number - 1] if number <= len(channels) else ""
            label.text = f"{name}:" if len(channels) > 1 else _("Volume:")
        self.allow("", (ui.deviceButton, _("Ask PyTorch what it can use; this takes a few seconds")))
        self.allow(againstSegmenting(parameters), (ui.segmentButton, _("Segment the volume with the model")))
        text = _("Read all cases and list what is wrong with them")
        self.allow(againstChecking(parameters), (ui.checkButton, text))
        text = _("Check the cases, then train; a training that was stopped can go on")
        self.allow(againstTraining(parameters), (ui.trainButton, text))
        text = _("Check the cases, then go on training the model, also on compressed copies")
        self.allow(againstTuning(parameters), (ui.tuneButton, text))

    def showTab(self, tab: int) -> None:
        """The section of the cases is in whichever tab of training is open."""
        self.ui.tabs.setCurrentIndex(tab)
        if tab and tab != self._caseTab:
            self._caseTab = tab
            self.ui.tabs.widget(tab).layout().insertWidget(0, self.ui.caseSection)

    def onTabChanged(self, tab: int) -> None:
        self.keep("tab", tab)

    def onPathChanged(self, name: str, text: str) -> None:
        self.keep(name, text)
        if name == "configPath" and self._parameterNode and self._parameterNode.preset == FILE:
            self.takePreset()

    def onPresetChosen(self, name: str) -> None:
        self.keep("preset", name)
        self.takePreset()

    def takePreset(self) -> None:
        """Start the fields below at the values of the configuration."""
        parameters = self._parameterNode
        found = self._presets.document(parameters.chosenConfig())
        if found:
            parameters.epochs, parameters.folds = found["training"]["epochs"], found["data"]["folds"]
            parameters.patch = ", ".join(map(str, found["network"]["patch"]))

    def onPairsChanged(self, pairs: list) -> None:
        if self._parameterNode:
            setPairs(self._parameterNode.parameterNode, pairs)

    def start(self, steps, done) -> None:
        self.ui.logEdit.visible = False
        self.startSteps(steps, done)

    def onFailed(self, message: str) -> None:
        lines = [line.rstrip() for line in self.jobs.log if line.strip()]
        self.ui.logEdit.setPlainText("\n".join(lines[-30:]))
        self.ui.logEdit.visible = len(lines) > 1 and not self.jobs.wasCancelled
        ModuleWidget.onFailed(self, message)

    def onDetect(self, *_unused) -> None:
        with self.failing(_("The devices were not found.")):
            if not self.jobs.running and self.logic.ensureNetworks():
                self.start(DeviceSteps(), self.onDetected)

    def onDetected(self, steps: DeviceSteps) -> None:
        self._devices = steps.result
        self.onParametersModified()

    def onSegment(self, *_unused) -> None:
        with self.failing(_("The volume was not segmented.")):
            if self.jobs.running or not self.logic.ensureNetworks():
                return
            parameters, model = self._parameterNode, self._parameterNode.chosenModel()
            volumes = parameters.volumes()[: len(channelsOf(model))]
            options = parameters.flips, parameters.keepLargest, parameters.probability
            self.start(SegmentSteps(volumes, model, parameters.device.value, *options), self.onSegmented)

    def onSegmented(self, steps: SegmentSteps) -> None:
        parameters = self.logic.getParameterNode()
        parameters.segmentation, parameters.probabilityVolume = steps.segmentation, steps.probability
        self.tell(self.ui.resultLabel, steps.summary)
        if parameters.surface:
            showSurface(steps.segmentation, True)
        self.onParametersModified()

    def onSurfaceClicked(self, checked: bool) -> None:
        if self._parameterNode and self._parameterNode.segmentation:
            with slicer.util.WaitCursor():
                showSurface(self._parameterNode.segmentation, checked)

    def cases(self) -> Path | list:
        """What the user chose to train on."""
        parameters = self._parameterNode
        if parameters.source is CaseSource.SCENE:
            return chosenPairs(parameters.parameterNode)
        return Path(parameters.folder).expanduser()

    def onCheck(self, *_unused) -> None:
        with self.failing(_("The cases were not checked.")):
            if not self.jobs.running and ensurePackages():
                tuning = self._parameterNode.tab == 2
                document = None if tuning else trainingConfig(self._parameterNode.chosenConfig())
                steps = CaseSteps(self.cases(), self.onChecked, document=document)
                self.start(steps, lambda steps: self.onParametersModified())

    def onChecked(self, result: dict) -> None:
        parameters = self.logic.getParameterNode()
        if result["problems"] or parameters.problems:
            slicer.mrmlScene.SaveStateForUndo()
            parameters.problems = problemTable(result["problems"], parameters.problems)
        self.tell(self.ui.checkLabel, summarize(result))
        showProblems(self.ui.problemTable, parameters.problems)

    def onTrain(self, *_unused) -> None:
        with self.failing(_("The training was not started.")):
            parameters = self._parameterNode
            place = TrainingPlace(parameters.outputPath)
            document = trainingConfig(
                parameters.chosenConfig(),
                epochs=parameters.epochs,
                folds=parameters.folds,
                patch=patchSize(parameters.patch),
            )
            self.train(place, document)

    def onTune(self, *_unused) -> None:
        with self.failing(_("The fine-tuning was not started.")):
            parameters = self._parameterNode
            place, start = TrainingPlace(parameters.tunedPath), parameters.chosenStart()
            if Path(start).expanduser().absolute() == place.model:
                raise MedCompressError("the fine-tuned model would replace the one it starts from: name it otherwise")
            card, ratios = cardOf(start), ratioList(parameters.ratios)
            probability, epochs = parameters.compressProbability, parameters.tuneEpochs
            document = tuningConfig(start, parameters.codec, ratios, probability, epochs, parameters.folds)
            self.train(place, document, card.labels if card else (), [parameters.codec])

    def train(self, place: TrainingPlace, document: dict, meanings=(), codecs=()) -> None:
        """Ask what has to be asked, and start."""
        if self.jobs.running:
            return
        restart = False
        if place.stopped:
            restart = self.askRestart(place)
        elif place.model.exists():
            question = _("{path} exists. Replace it?").format(path=place.model)
            if not slicer.util.confirmYesNoDisplay(question, _("U-Net Segmentation")):
                return
        if restart is None or not (ensurePackages(codecs=codecs) and self.logic.ensureNetworks()):
            return
        device = self._parameterNode.device.value
        options = {"device": device, "restart": restart, "meanings": meanings}
        steps = TrainingSteps(self.cases(), document, place, self.onChecked, self.onEpoch, **options)
        self.tell(self.ui.epochLabel, "")
        self.start(steps, self.onTrained)

    def askRestart(self, place: TrainingPlace) -> bool | None:
        """Whether to begin anew where there is a training already; None: neither that nor go on."""
        box = qt.QMessageBox
        question = _("A training of '{name}' has reached epoch {number}. Go on from there? No begins anew.")
        question = question.format(name=place.name, number=len(place.epochs()))
        reply = box.question(self.parent, _("U-Net Segmentation"), question, box.Yes | box.No | box.Cancel)
        return {box.Yes: False, box.No: True}.get(reply)

    def onEpoch(self, epoch: dict, steps: TrainingSteps) -> None:
        self.tell(self.ui.epochLabel, describeEpoch(epoch))
        parameters = self.logic.getParameterNode()
        parameters.chart, parameters.curves = steps.curves.chart, steps.curves.table

    def onTrained(self, steps: TrainingSteps) -> None:
        """The new model is ready in the tab Segment."""
        self.tell(self.ui.epochLabel, steps.summary)
        parameters = self.logic.getParameterNode()
        parameters.model, parameters.modelPath = FILE, str(steps.model)
        self.onParametersModified()


class UNetSegmentationLogic(ScriptedLoadableModuleLogic):
    """Everything the panel does, for scripts: takes and returns MRML nodes, raises MedCompressError, opens no dialog.

    Volumes and segmentations may be given as node, ID or name; models as name of a sample model or path. Cases are the
    path of a folder, or a list of (volume, segmentation). The work is done in this process.
    """

    def getParameterNode(self):
        return UNetSegmentationParameterNode(super().getParameterNode())

    def segment(self, volume, model, device="auto", flips=False, keepLargest=False, probability=False, progress=silent):
        """New segmentation node with the names, colors and terminology of the model's card.

        volume: one, or a list with one for each channel of the model. probability: also make a volume of the
        foreground's probability, which is the segmentation's node reference `MedCompress.Probability`.
        """
        volumes = list(volume) if isinstance(volume, list | tuple) else [volume]
        options = {"device": device, "flips": flips, "keep_largest": keepLargest, "probability": probability}
        return segmentNodes(volumes, model, progress, **options)[0]

    def check(self, cases, progress=silent, *, config=""):
        """New table node of what is wrong with the cases: case, problem, what to do, whether it is usable.

        config: name of a preset or path of a TOML file, whose labels the label maps of a folder shall have.
        """
        document = trainingConfig(config) if config else None
        return problemTable(checkHere(cases, progress, document=document)["problems"])

    def train(
        self, cases, path, config="", epochs=None, folds=None, patch=None, device="auto", restart=False, progress=silent
    ) -> Path:
        """Train on the cases; returns the path of the model file. Curves are a table and a chart in the scene.

        config: name of a preset or path of a TOML file. A training that was stopped goes on, unless `restart`.
        """
        document = trainingConfig(config, epochs=epochs, folds=folds, patch=patch)
        return trainHere(cases, {**document, "device": device}, TrainingPlace(path), restart, progress)

    def fineTune(
        self,
        model,
        cases,
        path,
        codec="jpeg2000",
        ratios=(16, 32, 64),
        probability=0.5,
        epochs=20,
        folds=5,
        device="auto",
        restart=False,
        progress=silent,
    ) -> Path:
        """Go on training a model, some samples from compressed copies; returns the path of the new model file."""
        document = tuningConfig(str(model), codec, ratios, probability, epochs, folds)
        card = cardOf(str(model))
        meanings = card.labels if card else ()
        return trainHere(cases, {**document, "device": device}, TrainingPlace(path), restart, progress, meanings)

    def devices(self) -> list[dict]:
        """Device, name, memory in bytes and version of PyTorch of all that can run a network."""
        return devicesHere()

    def ensureNetworks(self) -> bool:
        """Ask for and install PyTorch and what networks need beside it; False when the user declined."""
        return ensureNetworks()


class UNetSegmentationTest(ScriptedLoadableModuleTest):
    """Self test: cases of the scene are written and checked; needs no PyTorch."""

    def runTest(self) -> None:
        slicer.mrmlScene.Clear()
        self.testCases()

    def testCases(self) -> None:
        import numpy as np
        from MedCompressLib.unet.card import Label
        from MedCompressLib.volume import Geometry, Volume
        from MedCompressSlicer.unet_results import segmentationFromLabels
        from MedCompressSlicer.volumes import nodeFromVolume

        grid = np.indices((12, 20, 24)) - np.array([6, 10, 12])[:, None, None, None]
        ball = ((grid**2).sum(axis=0) < 25).astype(np.uint8)
        geometry = Geometry(spacing=(1.5, 1.5, 2.0))
        node = nodeFromVolume(Volume((100 * ball).astype(np.int16), geometry, "CT"), "ball")
        segmentation = segmentationFromLabels(Volume(ball, geometry, "SEG"), [Label(1, "ball")], node, "truth")
        logic = UNetSegmentationLogic()
        self.assertEqual(logic.check([(node, segmentation)]).GetNumberOfRows(), 0)
        segmentation.GetSegmentation().RemoveAllSegments()
        with self.assertRaises(MedCompressError):
            logic.check([(node, segmentation)])
        self.delayDisplay("Test passed")
