"""Archives and the scene: compress a volume node, open an archive as a volume node."""

from __future__ import annotations

import os
from pathlib import Path

import slicer
from MedCompressLib.codecs import get_codec
from MedCompressLib.compression import compress, info
from MedCompressLib.errors import MedCompressError
from MedCompressLib.jobs import Progress, silent
from MedCompressLib.targets import Lossless, MaxError, Psnr, Quality, Ratio, Target

from .codec_choices import codecLabel
from .decoding import decode
from .volumes import asVolumeNode, isLabelMap, nodeFromVolume, unitOf, volumeFromNode

EXTENSION = ".mcz"


def makeTarget(
    ratio: float | None = None, psnr: float | None = None, maxError: float | None = None, quality: float | None = None
) -> Target:
    """The one target that is given, Lossless() where none is; raises MedCompressError for several.

    psnr in dB, maxError in the units of the samples, quality on the codec's own scale.
    """
    kinds = {Ratio: ratio, Psnr: psnr, MaxError: maxError, Quality: quality}
    targets = [kind(value) for kind, value in kinds.items() if value is not None]
    if len(targets) > 1:
        wanted = " and ".join(map(str, targets))
        raise MedCompressError(f"{wanted} cannot both be met: give one of them, or none for lossless")
    return targets[0] if targets else Lossless()


def canBeLossy(volumeNode, codec: str) -> bool:
    """Whether a ratio or PSNR may be asked for: never for label maps, where other numbers are other labels."""
    return not isLabelMap(volumeNode) and get_codec(codec).capabilities.lossy


def checkTarget(volumeNode, target: Target) -> None:
    """Raises MedCompressError for a lossy target with a label map."""
    if isLabelMap(volumeNode) and not isinstance(target, Lossless):
        name = volumeNode.GetName()
        raise MedCompressError(f"'{name}' is a label map and lossy coding would change its labels: choose lossless")


def targetArguments(target: Target) -> list[str]:
    """The target as options of the command line."""
    if isinstance(target, Lossless):
        return ["--lossless"]
    options = {Ratio: "--ratio", Psnr: "--psnr", MaxError: "--max-error", Quality: "--quality"}
    return [f"{options[type(target)]}={target.value!r}"]


def compressNode(volumeNode, path, codec: str, target: Target, progress: Progress = silent) -> dict:
    """Compress a volume node into the archive at `path` in this process; returns the figures of the report."""
    volumeNode = asVolumeNode(volumeNode)
    checkTarget(volumeNode, target)
    return compress(volumeFromNode(volumeNode), path, codec, target, progress=progress).as_dict()


def loadArchive(path, name: str | None = None):
    """New volume node from an archive; nothing is added to the scene where the archive is damaged."""
    path = Path(path)
    description = describe(path)
    node = nodeFromVolume(decode(path), name or path.stem)
    node.SetDescription(description)
    return node


def describe(path) -> str:
    """One line about an archive: codec, ratio, and whether anything was lost."""
    figures = info(path).as_dict()
    kind = "lossless"
    if not figures["lossless"]:
        kind = f"lossy, largest error {figures['quality']['max_error']:g}{unitOf(figures['modality'])}"
    return f"{codecLabel(figures['codec'])}, {figures['ratio']:.2f}:1, {kind}"


def archivePath(text) -> Path:
    """The path that a user means: ~ and relative paths completed, .mcz appended where it is missing.

    Raises MedCompressError where no file can be written there.
    """
    path = Path(text).expanduser()
    if not path.name or path.is_dir():
        raise MedCompressError(f"'{text}' names no file: give the archive a name such as {_folder() / 'volume.mcz'}")
    if path.suffix.lower() != EXTENSION:
        path = path.with_name(path.name + EXTENSION)
    path = path if path.is_absolute() else _folder() / path
    if not os.access(path.parent, os.W_OK):
        raise MedCompressError(f"the folder {path.parent} is missing or cannot be written: create it or choose another")
    return path


def suggestedPath(volumeNode) -> Path:
    """Where an archive of the volume would be expected: beside its own file, else in the folder of the scene.

    DICOM's database and the folders of downloads and temporary files are not a user's folders.
    """
    storage = volumeNode.GetStorageNode()
    name = storage.GetFileName() if storage else None
    folder = Path(slicer.mrmlScene.GetRootDirectory() or ".", name).parent if name else _folder()
    foreign = [slicer.app.temporaryPath, slicer.mrmlScene.GetCacheManager().GetRemoteCacheDirectory()]
    inside = any(Path(place) in (folder, *folder.parents) for place in foreign if place)
    if inside or volumeNode.GetAttribute("DICOM.instanceUIDs") or not os.access(folder, os.W_OK):
        folder = _folder()
    stem = "".join(letter if letter.isalnum() or letter in " .-_()" else "_" for letter in volumeNode.GetName() or "")
    return folder / f"{stem.strip(' .') or 'volume'}{EXTENSION}"


def suggestOutput(parameters) -> None:
    """Name the archive after the input volume of a parameter node until the user has named it otherwise."""
    if parameters.inputVolume and parameters.outputPath in (Path(), parameters.suggestedPath):
        suggestion = suggestedPath(parameters.inputVolume)
        if suggestion != parameters.outputPath:
            parameters.suggestedPath = suggestion
            parameters.outputPath = suggestion


def _folder() -> Path:
    root = Path(slicer.mrmlScene.GetRootDirectory() or ".")
    return root if root.is_absolute() and os.access(root, os.W_OK) else Path.home()
