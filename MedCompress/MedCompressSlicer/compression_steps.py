"""What a press of Compress does: commands in child processes, and at the very end everything for the scene at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import slicer
from MedCompressLib.targets import Target
from MedCompressLib.volume import read_volume, write_volume
from slicer.i18n import tr as _

from .archives import canBeLossy, checkTarget, describe, targetArguments
from .results import curveChart, qualityTable
from .steps import Steps
from .views import showVolumes
from .volumes import asVolumeNode, differenceNode, nodeFromVolume, volumeFromNode


class CompressionSteps(Steps):
    """Compress, verify, compare and plot one volume; without a path only the plot, for several codecs where given.

    The volume is taken as it is at the start: edits, other settings and even its removal meanwhile change nothing.
    table, chart, restored, difference: the nodes made, None until the end. summary: one line about the archive.
    """

    def __init__(self, volumeNode, path: Path | None, codec: str, target: Target, curveCodecs: Sequence[str] = ()):
        super().__init__()
        self._volumeNode = asVolumeNode(volumeNode)
        checkTarget(self._volumeNode, target)
        self._name = self._volumeNode.GetName() or ""
        self._path, self._codec, self._target = path, codec, target
        self._curveCodecs = list(curveCodecs) or [codec]
        self._archive = self._quality = self._curves = None
        self.table = self.chart = self.restored = self.difference = None
        self.summary = self._note = ""

    def begin(self) -> None:
        volume = volumeFromNode(self._volumeNode)
        self._source = self.folder / "source.nrrd"
        write_volume(volume, self._source, compressed=False)
        self._options = ["--modality", volume.modality] if volume.modality else []
        if self._path is None:
            self._startCurve(_("Plot:"))
            return
        arguments = ["compress", str(self._source), str(self._path), *targetArguments(self._target)]
        arguments += ["--codec", self._codec, *self._options]
        self.run(arguments, self._onCompressed, output=self._path, step=_("Step 1 of 4:"))

    def _onCompressed(self, archive: dict) -> None:
        self._archive = archive
        self.decode(self._path, self._onDecoded, step=_("Step 2 of 4:"))

    def _onDecoded(self) -> None:
        arguments = ["quality", str(self._source), str(self.decodedFile), *self._options]
        self.run(arguments, self._onCompared, self._onRefused, step=_("Step 3 of 4:"))

    def _onCompared(self, quality: dict) -> None:
        self._quality = quality
        if canBeLossy(self._volumeNode, self._codec):
            self._startCurve(_("Step 4 of 4:"))
        else:
            self.finish()

    def _startCurve(self, step: str) -> None:
        arguments = ["curve", str(self._source), "--codecs", ",".join(self._curveCodecs), *self._options]
        self.run(arguments, self._onCurve, self._onRefused, step=step)

    def _onCurve(self, curve: dict) -> None:
        self._curves = {
            one["codec"]: [(point["ratio"], point["psnr"]) for point in one["points"]] for one in curve["curves"]
        }
        self.finish()

    def _onRefused(self, message: str) -> None:
        """A volume with NaN has an archive, and neither quality figures nor a curve: the summary says why."""
        if self._archive is None or self.jobs.wasCancelled:
            self.fail(message)
        else:
            self._note = message
            self.finish()

    def addNodes(self) -> None:
        if self._path is not None:
            reference, restored = read_volume(self._source), self.decoded()
            original = self._volumeNode if self._volumeNode.GetScene() else None
            self.restored = self.keep(nodeFromVolume(restored, _("{name} restored").format(name=self._name), original))
            self.restored.SetDescription(describe(self._path))
            name = _("{name} difference").format(name=self._name)
            self.difference = self.keep(differenceNode(reference, restored, name))
            self.difference.SetAndObserveTransformNodeID(self.restored.GetTransformNodeID())
            self.table = self.keep(qualityTable(self._quality, self._archive))
            self.summary = f"{self._path.name}: {self.restored.GetDescription()}"
            if self._note:
                self.summary += "\n" + _("Not all figures could be computed: {reason}").format(reason=self._note)
            showVolumes(original or self.restored, self.restored if original else None, 1.0)
        if self._curves is not None:
            self.chart = self.keep(curveChart(self._name, self._curves))
            if slicer.app.layoutManager() is not None:
                slicer.modules.plots.logic().ShowChartInLayout(self.chart)

    def failure(self, message: str) -> str:
        if self._archive is None:
            return message
        return _("{file} was written and is whole, its results are missing: {reason}").format(
            file=self._path.name, reason=message
        )
