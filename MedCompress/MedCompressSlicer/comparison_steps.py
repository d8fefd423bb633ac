"""What a press of Compare runs: write label maps, compare them in a child process, fill the scene."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from MedCompressLib.comparison import Row, compare, write_segmentation
from MedCompressLib.errors import MedCompressError
from MedCompressLib.jobs import Progress, silent

from .comparison_table import comparisonTable
from .match_table import matchesOf
from .segmentations import asSegmentationNode, segmentationFromNode
from .steps import Steps


def uniqueNames(nodes: Sequence) -> list[str]:
    """Names of nodes, with a number where a name comes again."""
    names: list[str] = []
    for node in nodes:
        name, number = node.GetName() or "", 2
        while name in names:
            name, number = f"{node.GetName()} ({number})", number + 1
        names.append(name)
    return names


def chosenNodes(reference, tests) -> tuple:
    """(reference node, test nodes); raises MedCompressError unless there is one of each and they differ."""
    reference = asSegmentationNode(reference)
    tests = [tests] if isinstance(tests, str) or hasattr(tests, "GetID") else list(tests)
    tests = [asSegmentationNode(test) for test in tests]
    if not tests:
        raise MedCompressError("there is nothing to compare with the reference: choose at least one other segmentation")
    if any(test is reference for test in tests):
        raise MedCompressError(f"'{reference.GetName()}' is the reference and a test: choose another for one of them")
    return reference, tests


def compareNodes(reference, tests, tolerance: float, byHand=None, progress: Progress = silent):
    """Compare in this process; returns the new table node.

    byHand: names that belong together, reference to test, for all tests or a mapping for each.
    """
    reference, tests = chosenNodes(reference, tests)
    names, ours = uniqueNames(tests), segmentationFromNode(reference)
    theirs = [replace(segmentationFromNode(t, ours), name=name) for t, name in zip(tests, names, strict=True)]
    rows = compare(ours, theirs, tolerance=tolerance, by_hand=byHand, progress=progress)
    return comparisonTable(rows, reference, tests, names)


class ComparisonSteps(Steps):
    """One press: its nodes as they are now, and its result, `table`. Segmentations may change while it runs."""

    def __init__(self, reference, tests, tolerance: float):
        super().__init__()
        self._reference, self._tests = chosenNodes(reference, tests)
        self._tolerance, self._names = tolerance, uniqueNames(self._tests)
        self.table = None

    def begin(self) -> None:
        ours, matches = segmentationFromNode(self._reference), []
        paths = [self._written(ours, 0)]
        for number, test in enumerate(self._tests, 1):
            theirs = segmentationFromNode(test, ours)
            paths.append(self._written(theirs, number))
            matches.append(matchesOf(test, ours, theirs))
        byHand = self.folder / "matches.json"
        byHand.write_text(json.dumps(matches), "utf-8")
        arguments = ["compare", *paths, "--tolerance", repr(self._tolerance), "--matches", str(byHand)]
        self.run(arguments, self._onCompared)

    def _written(self, segmentation, number: int) -> str:
        named = any(segment.named for segment in segmentation.segments) or len(segmentation.layers) > 1
        path = self.folder / (f"{number}.seg.nrrd" if named else f"{number}.nrrd")
        write_segmentation(segmentation, path)
        return str(path)

    def _onCompared(self, result: list[dict]) -> None:
        self._result = result
        self.finish()

    def addNodes(self) -> None:
        nodes = [node for node in (self._reference, *self._tests) if node.GetScene() is None]
        if nodes:
            raise MedCompressError(f"'{nodes[0].GetName()}' was removed while it was compared: compare again")
        self.table = comparisonTable(self._rows(self._result), self._reference, self._tests, self._names)

    def _rows(self, result: list[dict]) -> list[Row]:
        """The rows of the child process, which knows the segmentations by their files."""
        rows, reference = [Row.from_dict(values) for values in result], self._reference.GetName() or ""
        numbers = [int(Path(row.test).name.split(".")[0]) for row in rows]
        return [
            replace(row, reference=reference, test=self._names[number - 1])
            for row, number in zip(rows, numbers, strict=True)
        ]
