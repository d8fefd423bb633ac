"""Archives and the scene: compress a volume node, open an archive as a volume node."""

from __future__ import annotations

from pathlib import Path

from MedCompressLib.compression import compress, decompress, info
from MedCompressLib.errors import MedCompressError
from MedCompressLib.jobs import Progress, silent
from MedCompressLib.targets import Lossless, Psnr, Ratio, Target

from .volumes import nodeFromVolume, volumeFromNode

EXTENSION = ".mcz"


def makeTarget(ratio: float | None = None, psnr: float | None = None) -> Target:
    """Lossless() unless a ratio or a PSNR (dB) is given; raises MedCompressError for both."""
    if ratio is not None and psnr is not None:
        raise MedCompressError("a ratio and a PSNR cannot both be met: give one of them, or none for lossless")
    if ratio is not None:
        return Ratio(ratio)
    return Lossless() if psnr is None else Psnr(psnr)


def targetArguments(target: Target) -> list[str]:
    """The target as options of the command line."""
    if isinstance(target, Lossless):
        return ["--lossless"]
    return ["--ratio" if isinstance(target, Ratio) else "--psnr", repr(target.value)]


def compressNode(volumeNode, path, codec: str, target: Target, progress: Progress = silent) -> dict:
    """Compress a volume node into the archive at `path` in this process; returns the figures of the report."""
    return compress(volumeFromNode(volumeNode), path, codec, target, progress=progress).as_dict()


def loadArchive(path, name: str | None = None, like=None):
    """New scalar volume node from an archive; nothing is added to the scene where the archive is damaged."""
    path = Path(path)
    node = nodeFromVolume(decompress(path), name or path.name.removesuffix(EXTENSION), like)
    node.SetDescription(describe(path))
    return node


def describe(path) -> str:
    """One line about an archive: codec, ratio, and whether anything was lost."""
    figures = info(path).as_dict()
    kind = "lossless"
    if not figures["lossless"]:
        kind = f"lossy, largest error {figures['quality']['max_error']:g}"
    return f"{figures['codec']}, {figures['ratio']:.2f}:1, {kind}"
