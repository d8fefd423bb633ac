"""A reader study in the scene: a volume and compressed versions of it, slice by slice, two at a time, unnamed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import slicer
from MedCompressLib.comparison import ReaderSession, draw_trials
from MedCompressLib.comparison.reader_study import IMAGES_PER_PAIR
from MedCompressLib.errors import MedCompressError
from MedCompressLib.volume import Volume

from .reader_study_views import SideBySideViews
from .slice_preview import sliceGeometry
from .volumes import asVolumeNode, isLabelMap, volumeFromNode

_RATIO = re.compile(r"(\d+(?:\.\d+)?)\s*:\s*1\b")
_SEED = 1
"""The same for all, so that all readers see the same pairs, each in an order of its own."""


def ratioOf(volumeNode) -> float | None:
    """Compression ratio of a restored volume: from its description, else from its name ("CT 20:1"); None if unknown."""
    for text in (volumeNode.GetDescription(), volumeNode.GetName()):
        if found := _RATIO.search(text or ""):
            return float(found[1])
    return None


def versionsOf(volumes: Mapping | Iterable) -> dict[float, object]:
    """Ratio to volume node. volumes: that already, or the original and then versions that say their ratio themselves.

    Raises MedCompressError unless there are two or more of one grid, with ratios from 1 on that differ.
    """
    if isinstance(volumes, Mapping):
        pairs = [(float(ratio), asVolumeNode(node)) for ratio, node in volumes.items()]
    else:
        first, *others = [asVolumeNode(node) for node in volumes] or [None]
        pairs = [(1.0, first), *((ratioOf(node), node) for node in others)]
    for ratio, node in pairs:
        if ratio is None or not ratio >= 1:
            raise MedCompressError(
                f"the compression ratio of '{node.GetName()}' is not known: give it, 1 or more, beside the volume"
            )
    versions = dict(pairs)
    if len(versions) < max(2, len(pairs)):
        raise MedCompressError("a reader study needs a volume and versions of it whose compression ratios differ")
    original, *others = [volumeFromNode(node) for node in versions.values()]
    for other in others:
        if other.array.shape != original.array.shape:
            raise MedCompressError(f"'{other.name}' is no version of '{original.name}': they differ in size")
        original.geometry.assert_close(other.geometry)
    return versions


def isVersionOf(node, original) -> bool:
    """Whether a volume node may be a compressed version of another: image of the same size at the same place."""
    if node is original or isLabelMap(node) or isLabelMap(original):
        return False
    ours, theirs = original.GetImageData(), node.GetImageData()
    if ours is None or theirs is None or ours.GetDimensions() != theirs.GetDimensions():
        return False
    return bool(np.allclose(original.GetOrigin(), node.GetOrigin(), atol=1e-3))


class ReaderStudy:
    """One reader's session: `session` is what was answered so far, in the file; the views show the pair to judge.

    volumes: see versionsOf. path: CSV file of the session, which goes on where it was if the file exists.
    imagesPerPair: slices for each pair of ratios in a new session, drawn from those that show anything.

    Raises MedCompressError where the file is another reader's, or of other volumes.
    """

    def __init__(self, volumes: Mapping | Iterable, reader: str, path, imagesPerPair: int = IMAGES_PER_PAIR):
        self._nodes = versionsOf(volumes)
        self._original = self._nodes[min(self._nodes)]
        path = Path(path).expanduser()
        path = path if path.suffix else path.with_suffix(".csv")
        self._views = SideBySideViews()
        self.session = self._resumed(path, reader) if path.exists() else self._started(path, reader, imagesPerPair)
        if self._original.GetDisplayNode() is None:
            self._original.CreateDefaultDisplayNodes()
        self._views.open()
        self._show()

    def answer(self, answer: str) -> None:
        """Save "left", "right" or "undecided" for the pair shown, and show the next one; close after the last."""
        self.session.answer(answer)
        self._show()

    def takeBack(self) -> None:
        """Remove the last answer and show its pair again."""
        self.session.take_back()
        self._show()

    def close(self) -> None:
        """Leave the views as they were before; the file keeps the answers."""
        self._views.close()

    def _started(self, path: Path, reader: str, imagesPerPair: int) -> ReaderSession:
        array = slicer.util.arrayFromVolume(self._original)
        slices = [k for k, picture in enumerate(array) if picture.min() != picture.max()]
        cases = {self._original.GetName() or "": slices}
        return ReaderSession.start(path, draw_trials(reader, cases, list(self._nodes), _SEED, imagesPerPair))

    def _resumed(self, path: Path, reader: str) -> ReaderSession:
        session = ReaderSession.resume(path)
        readers = {trial.reader for trial in session.trials}
        if readers != {reader}:
            raise MedCompressError(f"{path} is the session of {', '.join(sorted(readers))}: choose another file")
        cases = {trial.case for trial in session.trials}
        if cases != {self._original.GetName() or ""}:
            raise MedCompressError(f"{path} is a session on {', '.join(sorted(cases))}: choose that volume")
        missing = {ratio for trial in session.trials for ratio in trial.levels} - set(self._nodes)
        if missing or max(trial.slice for trial in session.trials) >= len(slicer.util.arrayFromVolume(self._original)):
            ratios = ", ".join(f"{ratio:g}:1" for ratio in sorted(missing)) or "more slices"
            raise MedCompressError(f"{path} needs {ratios} too: choose the volumes that the session began with")
        return session

    def _show(self) -> None:
        trial = self.session.current
        if trial is None:
            self.close()
            return
        left, right = (self._picture(ratio, trial.slice) for ratio in (trial.left, trial.right))
        self._views.show(left, right, self._original)

    def _picture(self, ratio: float, k: int) -> Volume:
        volume = volumeFromNode(self._nodes[ratio])
        return Volume(volume.array[k][np.newaxis], sliceGeometry(volume.geometry, k))
