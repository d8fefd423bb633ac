"""Training cases: a folder's pairs of images and label maps, and what is wrong with them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import MedCompressError
from ..volume import Volume, read_volume
from ..volume_files import split_extension

_EXTENSIONS = (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd")
_LABELS = ("_label", "_labels", "_seg", "-label", "-seg")
_LAYOUTS = (("images", "labels"), ("imagesTr", "labelsTr"))


@dataclass(frozen=True)
class Case:
    """name: of the case; images: one file per channel, in the network's order; label: the label map's file."""

    name: str
    images: tuple[Path, ...]
    label: Path


@dataclass(frozen=True)
class Problem:
    """What is wrong with a case and what to do, for people; fatal: the case cannot be used."""

    case: str
    text: str
    remedy: str = ""
    fatal: bool = True


def find_cases(folder: str | os.PathLike) -> list[Case]:
    """The cases in a folder, sorted by name.

    Layouts: images/NAME.* with labels/NAME.*; imagesTr and labelsTr (Medical Segmentation Decathlon, nnU-Net), where
    several channels are NAME_0000.*, NAME_0001.*; or files NAME_image.* and NAME_label.* or NAME_seg.* in one folder.
    Files are NRRD, NIfTI or MetaImage. Raises MedCompressError where there are none, or where files are left over.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise MedCompressError(f"{folder} is no folder: give the folder of the training cases")
    for images, labels in _LAYOUTS:
        if (folder / images).is_dir() and (folder / labels).is_dir():
            return _pairs(_files(folder / images), _files(folder / labels), folder)
    return _side_by_side(folder)


def check_cases(
    cases: Sequence[Case],
    values: Collection[int] | None = None,
    step: Callable[[float, str], None] = lambda fraction, message: None,
) -> list[Problem]:
    """Read every case and say what is wrong: unreadable files, other geometry, NaN, labels that are no whole numbers,
    none of the labels, label values other than `values` (unless None), sizes below 4 voxels.
    """
    problems = []
    for index, case in enumerate(cases):
        step(index / len(cases), f"Checking {case.name}")
        problems += [Problem(case.name, *found) for found in _wrong(case, values)]
    channels = {len(case.images) for case in cases}
    if len(channels) > 1:
        text = f"cases have different numbers of images: {sorted(channels)}"
        problems.append(Problem("all", text, "give every case the same images"))
    return problems


def label_values(label: Volume, name: str) -> np.ndarray:
    """The label map as uint16 [k, j, i]; raises MedCompressError where it holds other than 0 to 65535."""
    array = label.array
    if array.dtype.kind == "f" and not (np.isfinite(array).all() and (array == np.round(array)).all()):
        raise MedCompressError(
            f"{name}: the label map holds values that are no whole numbers: export it as a label map"
        )
    if array.min() < 0 or array.max() > 65535:
        raise MedCompressError(f"{name}: the label map holds values beyond 0 to 65535: number the labels from 1")
    return array.astype(np.uint16)


def _wrong(case: Case, values: Collection[int] | None) -> list[tuple[str, str, bool]]:
    """(text, remedy, fatal)."""
    try:
        label = read_volume(case.label)
        images = [read_volume(path) for path in case.images]
    except MedCompressError as error:
        return [(str(error), "replace the file, or take the case away", True)]
    found: list[tuple[str, str, bool]] = []
    resampling = "resample the label map onto the image"
    for path, image in zip(case.images, images, strict=True):
        if image.array.shape != label.array.shape:
            found.append(
                (f"{path.name} has size {image.array.shape}, its label map {label.array.shape}", resampling, True)
            )
        elif not image.geometry.is_close(label.geometry, 1e-3):
            found.append((f"{path.name} and its label map lie in different places", resampling, True))
        if image.array.dtype.kind == "f" and not np.isfinite(image.array).all():
            found.append((f"{path.name} holds NaN or infinity", "replace these values", True))
        elif image.array.min() == image.array.max():
            found.append((f"{path.name} has the same value everywhere", "check the image", False))
    try:
        present = {int(value) for value in np.unique(label_values(label, case.name))} - {0}
    except MedCompressError as error:
        text, _colon, remedy = str(error).removeprefix(f"{case.name}: ").partition(": ")
        return [*found, (text, remedy, True)]
    if not present:
        found.append(("the label map is empty", "label it, or take the case away", False))
    elif values is not None and not present & set(values):
        text = f"the label map has none of the labels, only {sorted(present)}"
        found.append((text, "check its values, or take the case away", False))
    if sum(size >= 4 for size in label.array.shape) < 2:
        found.append((f"the size {label.array.shape} is too small for a network", "take the case away", True))
    return found


def _files(folder: Path) -> dict[str, Path]:
    """Stem -> path of the volumes in a folder."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        stem, extension = split_extension(path)
        if path.is_file() and extension in _EXTENSIONS and not path.name.startswith("."):
            if stem in found:
                raise MedCompressError(f"{path} and {found[stem].name} have one name: keep one of them")
            found[stem] = path
    return found


def _pairs(images: dict[str, Path], labels: dict[str, Path], folder: Path) -> list[Case]:
    channels: dict[str, dict[str, Path]] = {}
    for stem, path in images.items():
        numbered = re.fullmatch(r"(.+)_(\d{4})", stem)
        many = numbered and stem not in labels
        channels.setdefault(numbered[1] if many else stem, {})[numbered[2] if many else ""] = path
    alone = sorted(set(channels) ^ set(labels))
    if alone:
        kind = "label map" if alone[0] in channels else "image"
        raise MedCompressError(f"{folder}: {alone[0]} has no {kind} ({len(alone)} such): add it or take the file away")
    cases = [
        Case(name, tuple(path for _, path in sorted(files.items())), labels[name]) for name, files in channels.items()
    ]
    if not cases:
        raise MedCompressError(f"{folder} holds no cases: put NRRD or NIfTI files into images and labels")
    return sorted(cases, key=lambda case: case.name)


def _side_by_side(folder: Path) -> list[Case]:
    images, labels = {}, {}
    for stem, path in _files(folder).items():
        ending = next((end for end in _LABELS if stem.endswith(end)), None)
        if ending:
            labels[stem.removesuffix(ending)] = path
        else:
            images[stem.removesuffix("_image").removesuffix("-image")] = path
    if not labels:
        raise MedCompressError(
            f"{folder} holds no cases: it needs folders images and labels with files of equal names, "
            "or files NAME_image and NAME_label"
        )
    return _pairs(images, labels, folder)
