"""Checks and trainings in this process, for scripts."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import slicer
from MedCompressLib.errors import MedCompressError
from MedCompressLib.jobs import Progress, silent

from .segmentations import asSegmentationNode
from .unet_config import toml
from .unet_curves import TrainingCurves
from .unet_pairs import exportPairs
from .unet_training import TrainingPlace, keptCases
from .volumes import asVolumeNode


def devicesHere() -> list[dict]:
    """What can run a network; imports PyTorch."""
    from MedCompressLib.unet.devices import all_devices

    return [device.as_dict() for device in all_devices()]


def checkHere(cases, progress: Progress = silent, meanings: Sequence = (), document: dict | None = None) -> dict:
    """What the command `cases` finds; cases: a folder, or pairs of volume and segmentation.

    document: configuration of the training, whose labels the label maps of a folder shall have.
    """
    from MedCompressLib.unet.cases import check_cases, find_cases
    from MedCompressLib.unet.training.config import parse_config

    with caseFolder(cases, meanings) as (folder, labels):
        values = parse_config(toml(document)).label_values() if document and not labels else None
        found = find_cases(folder)
        problems = check_cases(found, values, progress)
    return {"cases": [case.name for case in found], "problems": [asdict(problem) for problem in problems]}


def trainHere(
    cases, document: dict, place: TrainingPlace, restart: bool, progress: Progress = silent, meanings: Sequence = ()
) -> Path:
    """Train; returns the path of the model. Raises MedCompressError, also where cases have problems."""
    from MedCompressLib.training_copies import compressed_copies
    from MedCompressLib.unet.training import train
    from MedCompressLib.unet.training.config import parse_config

    fatal = [row for row in checkHere(cases, progress.part(0, 0.01), meanings, document)["problems"] if row["fatal"]]
    if fatal:
        raise MedCompressError("; ".join(f"{row['case']}: {row['text']}: {row['remedy']}" for row in fatal[:5]))
    restart = restart or not place.stopped
    curves = TrainingCurves(place.name)
    slicer.mrmlScene.SaveStateForUndo()
    curves.add(*([] if restart else place.epochs()))
    with caseFolder(cases, meanings) as (folder, labels):
        place.folder.mkdir(exist_ok=True)
        if labels:
            folder = keptCases(folder, place.folder / "cases")
        config = parse_config(toml({**document, "name": place.name, **({"labels": labels} if labels else {})}))
        try:
            path = train(
                config.with_data(folder=str(folder)),
                place.folder,
                variants=compressed_copies(place.folder / "copies"),
                restart=restart,
                progress=progress.part(0.01, 1),
                on_epoch=lambda epoch: curves.add(*place.epochs(), epoch.progress_line()),
            )
        finally:
            place.clean()
    return place.deliver(path)


@contextmanager
def caseFolder(cases, meanings: Sequence = ()) -> Iterator[tuple[Path, list[dict]]]:
    """The folder of the cases and the labels that they are known to have; pairs are written into a temporary one."""
    if not isinstance(cases, list | tuple):
        yield Path(cases).expanduser(), []
        return
    folder = Path(tempfile.mkdtemp(prefix="medcompress-", dir=slicer.app.temporaryPath))
    try:
        pairs = [(asVolumeNode(volume), asSegmentationNode(segmentation)) for volume, segmentation in cases]
        yield folder, exportPairs(pairs, folder, meanings)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
