"""What a press of Compress does, step by step, each step in a child process."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import slicer
from MedCompressLib.errors import MedCompressError
from MedCompressLib.targets import Target
from MedCompressLib.volume import write_volume
from slicer.i18n import tr as _

from .archives import describe, loadArchive, targetArguments
from .results import curveChart, qualityTable
from .views import showVolumes
from .volumes import asVolumeNode, differenceNode, volumeFromNode


class CompressionSteps:
    """Compress, restore, compare and plot one volume; without a path only the plot.

    table, chart, restored, difference: the nodes made so far. summary: one line about the archive.
    """

    def __init__(self, volumeNode, path: Path | None, codec: str, target: Target):
        self._volumeNode = asVolumeNode(volumeNode)
        self._path, self._codec, self._target = path, codec, target
        self._folder = Path(tempfile.mkdtemp(prefix="medcompress-", dir=slicer.app.temporaryPath))
        self._source = self._folder / "source.nrrd"
        self.table = self.chart = self.restored = self.difference = None
        self.summary = ""
        self.finished = False

    def start(self, jobs, changed: Callable, failed: Callable) -> None:
        """Begin; `changed(self)` is called after each step, `failed(message)` once if one fails or is cancelled."""
        self._jobs, self._changed, self._onFailed = jobs, changed, failed
        try:
            volume = volumeFromNode(self._volumeNode)
            write_volume(volume, self._source, compressed=False)
        except BaseException:
            self._cleanUp()
            raise
        self._options = ["--codec", self._codec]
        if volume.modality:
            self._options += ["--modality", volume.modality]
        if self._path is None:
            self._startCurve()
            return
        arguments = ["compress", str(self._source), str(self._path), *targetArguments(self._target), *self._options]
        jobs.run(arguments, self._onCompressed, self._fail, self._path)

    def showResults(self) -> None:
        """Show the restored volume over the original, and the plot where there is a plot view."""
        if self.restored:
            showVolumes(self._volumeNode, self.restored, 1.0)
        layout = slicer.app.layoutManager()
        if self.chart and layout is not None:
            slicer.modules.plots.logic().ShowChartInLayout(self.chart)

    def _onCompressed(self, archive: dict) -> None:
        self._guard(self._restore, archive)

    def _restore(self, archive: dict) -> None:
        self._archive = archive
        name = self._volumeNode.GetName()
        self.restored = loadArchive(self._path, _("{name} restored").format(name=name), self._volumeNode)
        self.difference = differenceNode(self._volumeNode, self.restored, _("{name} difference").format(name=name))
        self.summary = f"{self._path.name}: {describe(self._path)}"
        self._changed(self)
        self._jobs.run(["quality", str(self._source), str(self._path)], self._onCompared, self._fail)

    def _onCompared(self, quality: dict) -> None:
        self._guard(self._tabulate, quality)

    def _tabulate(self, quality: dict) -> None:
        self.table = qualityTable(quality, self._archive)
        self._changed(self)
        self._startCurve()

    def _startCurve(self) -> None:
        self._jobs.run(["curve", str(self._source), *self._options], self._onCurve, self._fail)

    def _onCurve(self, curve: dict) -> None:
        self._guard(self._plot, curve)

    def _plot(self, curve: dict) -> None:
        points = [(point["ratio"], point["psnr"]) for point in curve["points"]]
        self.chart = curveChart(self._volumeNode.GetName(), points)
        self.finished = True
        self._cleanUp()
        self._changed(self)

    def _guard(self, step: Callable, result: dict) -> None:
        """Run a step; whatever fails in it ends the work with a message and leaves no temporary files."""
        try:
            step(result)
        except Exception as error:
            self._fail(str(error))
            if not isinstance(error, MedCompressError):
                raise

    def _fail(self, message: str) -> None:
        self._cleanUp()
        self._onFailed(message)

    def _cleanUp(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
