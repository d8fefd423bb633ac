"""What a press of Compress or Compare Methods does in ROI Compression."""

from __future__ import annotations

from pathlib import Path

from MedCompressLib.targets import Lossless, Target
from MedCompressLib.volume import read_volume, write_volume
from slicer.i18n import tr as _

from .archives import checkTarget, targetArguments
from .requirements import missingPackages
from .roi_parameters import RoiMethod
from .roi_region import RoiRegion
from .roi_results import methodsTable, roiTable
from .steps import Steps
from .views import showVolumes
from .volumes import asVolumeNode, differenceNode, nodeFromVolume, unitOf

_DIFFUSED = ("jpegxl-fast", "jpeg2000")


def diffusionCodec() -> str:
    """The lossless codec for a diffused volume: the densest quick one that is installed."""
    return next(codec for codec in _DIFFUSED if not missingPackages(codecs=[codec]) or codec == _DIFFUSED[-1])


def roiArguments(
    region: RoiRegion, source: Path, output: Path, method: str, codec: str, target: Target, folder: Path
) -> list[str]:
    """The command that compresses the file `source` with a region; files of the region go into the folder."""
    arguments = ["compress", str(source), str(output), *targetArguments(target), "--codec", codec]
    arguments += [*region.arguments(folder), "--roi-method", method]
    return arguments + (["--modality", region.volume.modality] if region.volume.modality else [])


class RoiSteps(Steps):
    """Compress one volume with a region and open the result; taken as they are at the start.

    table, restored, difference: the nodes made, None until the end. summary: one line about the archive.
    """

    def __init__(self, volumeNode, region: RoiRegion, path: Path, method, codec: str, target: Target, restore=False):
        super().__init__()
        self._volumeNode = asVolumeNode(volumeNode)
        checkTarget(self._volumeNode, target)
        self._region, self._path, self._method = region, path, RoiMethod(method)
        self._codec, self._target, self._restore = codec, target, restore
        self._name, self._document = self._volumeNode.GetName() or "", None
        self.table = self.restored = self.difference = None
        self.summary = ""

    def begin(self) -> None:
        self._source = self.folder / "source.nrrd"
        write_volume(self._region.volume, self._source, compressed=False)
        method = self._method.value
        arguments = roiArguments(self._region, self._source, self._path, method, self._codec, self._target, self.folder)
        if self._restore and self._method is RoiMethod.EXACT and not isinstance(self._target, Lossless):
            arguments.append("--restore")
        self.run(arguments, self._onCompressed, output=self._path, step=_("Step 1 of 2:"))

    def _onCompressed(self, document: dict) -> None:
        self._document = document
        self.decode(self._path, self.finish, step=_("Step 2 of 2:"))

    def addNodes(self) -> None:
        reference, restored = read_volume(self._source), self.decoded()
        original = self._volumeNode if self._volumeNode.GetScene() else None
        self.restored = self.keep(nodeFromVolume(restored, _("{name} restored").format(name=self._name), original))
        unit = unitOf(self._region.volume.modality)
        self.restored.SetDescription(summaryOf(self._document, self._method, unit))
        difference = differenceNode(reference, restored, _("{name} difference").format(name=self._name))
        self.difference = self.keep(difference)
        self.difference.SetAndObserveTransformNodeID(self.restored.GetTransformNodeID())
        self.table = self.keep(roiTable(self._document, unit))
        notes = dict.fromkeys([*self._region.core.notes, *self._document["notes"]])
        self.summary = "\n".join([f"{self._path.name}: {self.restored.GetDescription()}", *notes])
        showVolumes(original or self.restored, self.restored if original else None, 1.0)

    def failure(self, message: str) -> str:
        if self._document is None:
            return message
        return _("{file} was written and is whole, its results are missing: {reason}").format(
            file=self._path.name, reason=message
        )


def summaryOf(document: dict, method: RoiMethod, unit: str) -> str:
    """One line about an archive with a region."""
    error = document["roi_max_error"]
    inside = (
        _("region exact") if error == 0 else _("region error at most {error:g}{unit}").format(error=error, unit=unit)
    )
    outside = document["outside"]
    rest = _("nothing around it") if outside is None else _("around it exact")
    if outside is not None and outside["psnr_4096"] is not None:
        rest = _("around it {psnr:.2f} dB (peak 4096)").format(psnr=outside["psnr_4096"])
    return f"{method.label()}, {document['ratio']:.2f}:1, {inside}, {rest}"


class MethodSteps(Steps):
    """Try all methods on one volume with a region, in temporary files; the diffused volume is coded losslessly.

    table: the node made, None until the end; it is filled anew if one is given. summary: which file is the smallest,
    and why a method is missing.
    """

    def __init__(self, region: RoiRegion, methods: list[RoiMethod], codec: str, target: Target, table=None):
        super().__init__()
        self._region, self._methods, self._codec, self._target = region, methods, codec, target
        self._documents: dict[RoiMethod, dict] = {}
        self._codecs: dict[RoiMethod, str] = {}
        self._given, self.table = table, None
        self._refusals: list[str] = []

    def begin(self) -> None:
        self._source = self.folder / "source.nrrd"
        write_volume(self._region.volume, self._source, compressed=False)
        self._waiting = list(self._methods)
        self._next()

    def _next(self) -> None:
        if not self._waiting:
            if self._documents:
                self.finish()
            else:
                self.fail(self._refusals[0])
            return
        self._method = self._waiting.pop(0)
        diffused = self._method is RoiMethod.DIFFUSION
        codec, target = (diffusionCodec(), Lossless()) if diffused else (self._codec, self._target)
        self._codecs[self._method] = codec
        output = self.folder / f"{self._method.value}.mcz"
        number = len(self._methods) - len(self._waiting)
        step = _("Method {number} of {count}:").format(number=number, count=len(self._methods))
        arguments = roiArguments(self._region, self._source, output, self._method.value, codec, target, self.folder)
        self.run(arguments, self._onCompressed, self._onRefused, step=step)

    def _onCompressed(self, document: dict) -> None:
        self._documents[self._method] = document
        self._next()

    def _onRefused(self, message: str) -> None:
        if self.jobs.wasCancelled:
            self.fail(message)
            return
        self._refusals.append(f"{self._method.shortLabel()}: {message}")
        self._next()

    def addNodes(self) -> None:
        given = self._given if self._given is not None and self._given.GetScene() else None
        self.table = methodsTable(self._documents, self._codecs, unitOf(self._region.volume.modality), given)
        best = min(self._documents, key=lambda method: self._documents[method]["file_size"])
        text = _("{method} gives the smallest file, {ratio:.2f}:1.").format(
            method=best.shortLabel(), ratio=self._documents[best]["ratio"]
        )
        self.summary = "\n".join([text, *self._refusals])
