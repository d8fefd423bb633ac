"""The recommended codecs in one sentence: in general, and for one volume after a trial in a child process."""

from __future__ import annotations

from MedCompressLib.recommendation import DENSE, FAST, INTERCHANGE, middle_slices
from MedCompressLib.volume import write_volume
from slicer.i18n import tr as _

from .codec_choices import codecLabel
from .requirements import missingPackages
from .steps import Steps
from .volumes import volumeFromNode

_COMPARED = (INTERCHANGE, *FAST, DENSE[0])


def comparedCodecs(codec: str) -> list[str]:
    """The lossy codecs whose curves are worth a comparison, and this codec."""
    return list(dict.fromkeys((*_COMPARED, codec)))


def installed(codecs: list[str]) -> list[str]:
    """Those codecs whose packages are there."""
    return [codec for codec in codecs if not missingPackages(codecs=[codec])]


def generalAdvice() -> str:
    """Which codec for what, as a rule."""
    return _("Fast: {fast}. Dense: {dense}. DICOM and papers: {papers}. Exact: press Recommend a Codec.").format(
        fast=codecLabel(FAST[-1]), dense=codecLabel(DENSE[0]), papers=codecLabel(INTERCHANGE)
    )


def adviceText(found: dict) -> str:
    """A `Recommendation` (as dict) in one sentence."""
    parts = [
        _("{need}: {codec}, {quality} at {ratio:g}:1").format(
            need=need, codec=codecLabel(codec), quality=_quality(found["psnr"][codec]), ratio=found["ratio"]
        )
        for need, codec in (
            (_("fast"), found["fast"]),
            (_("dense"), found["dense"]),
            (_("DICOM and papers"), found["interchange"]),
        )
        if codec in found["psnr"]
    ]
    ratio = found["lossless"][found["exact"]]
    parts.append(_("exact: {codec}, {ratio:.2f}:1").format(codec=codecLabel(found["exact"]), ratio=ratio))
    return _("On slices {first} to {last}, {parts}.").format(
        first=found["first"], last=found["end"] - 1, parts="; ".join(parts)
    )


def _quality(psnr: float | None) -> str:
    return _("exact") if psnr is None else _("{psnr:.1f} dB").format(psnr=psnr)


class AdviceStep(Steps):
    """Tries the codecs on the middle slices of a volume node; missing packages leave their codecs out.

    volumeNode: what was tried. sentence: what came out.
    """

    def __init__(self, volumeNode):
        super().__init__()
        self.volumeNode, self.sentence = volumeNode, ""

    def begin(self) -> None:
        volume, self._first = middle_slices(volumeFromNode(self.volumeNode))
        path = self.folder / "slices.nrrd"
        write_volume(volume, path, compressed=False)
        modality = ["--modality", volume.modality] if volume.modality else []
        self.run(["recommend", str(path), *modality], self._onRecommended, step=_("Recommendation:"))

    def _onRecommended(self, found: dict) -> None:
        shifted = {name: found[name] + self._first for name in ("first", "end")}
        self.sentence = adviceText({**found, **shifted})
        self.end("")
