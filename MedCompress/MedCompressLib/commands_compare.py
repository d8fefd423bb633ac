"""The command `compare`: segmentations beside a reference."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from .errors import MedCompressError
from .jobs import Progress


def add_compare_options(command: argparse.ArgumentParser) -> None:
    """Options of `medcompress compare`."""
    command.add_argument("reference", metavar="REF", help=".seg.nrrd or label map: NRRD, NIfTI, MetaImage, archive")
    command.add_argument("tests", metavar="TEST", nargs="+", help="the same")
    command.add_argument("--csv", metavar="F", type=Path, help="write all measures to this file too")
    command.add_argument("--strict", action="store_true", help="refuse a test on another grid instead of resampling it")
    command.add_argument(
        "--tolerance", type=float, default=1.0, metavar="MM", help="of surface Dice, in mm (default: 1)"
    )
    command.add_argument("--labels", metavar="NAMES", type=Path, help="names of label values: JSON or CSV")
    command.add_argument(
        "--match",
        metavar="REFNAME=TESTNAME",
        action="append",
        default=[],
        help="segments that belong together though their names differ; may be given several times",
    )
    command.add_argument(
        "--matches",
        metavar="F",
        type=Path,
        help="JSON list with such pairs for each TEST: {REFNAME: TESTNAME, ...}; in place of --match",
    )
    command.add_argument(
        "--images",
        metavar="IMAGE",
        nargs="+",
        type=Path,
        help="image of REF, then of each TEST: adds the weighted total variation around the segments",
    )
    command.add_argument("--threads", type=int, metavar="N", help="threads (default: all cores)")


def run_compare(options: argparse.Namespace, progress: Progress) -> tuple[Any, str]:
    """Compare as asked; returns the rows for JSON and a table for the terminal."""
    from .comparison import compare, csv_text, plain_text, read_names, write_text

    names = read_names(options.labels) if options.labels else None
    by_hand = _pairs(options.matches) if options.matches else dict(map(_pair, options.match))
    progress(0.0, "Reading")
    segmentations = [_segmentation(path, names, progress) for path in (options.reference, *options.tests)]
    images = [_volume(path, progress) for path in options.images] if options.images else None
    rows = compare(
        segmentations[0],
        segmentations[1:],
        tolerance=options.tolerance,
        strict=options.strict,
        by_hand=by_hand,
        images=images,
        threads=options.threads,
        progress=progress.part(0.1, 1.0),
    )
    if options.csv:
        write_text(csv_text(rows), options.csv)
    for remark in dict.fromkeys((row.test, row.grid) for row in rows if row.grid.startswith("resampled")):
        print(f"medcompress: {remark[0]} was {remark[1]} of the reference's grid", file=sys.stderr)
    return [row.as_dict() for row in rows], plain_text(rows)


def _segmentation(path: str, names: dict[int, str] | None, progress: Progress) -> Any:
    from .comparison import read_segmentation, segmentation_from_labels

    if path.lower().endswith(".mcz"):
        found = segmentation_from_labels(_volume(Path(path), progress), names)
    else:
        found = read_segmentation(path, names)
    return replace(found, name=path)


def _volume(path: Path, progress: Progress) -> Any:
    from .compression import decompress
    from .volume import read_volume

    return decompress(path, progress=progress.quiet()) if path.suffix.lower() == ".mcz" else read_volume(path)


def _pairs(path: Path) -> list[dict[str, str]]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise MedCompressError(f"{path} cannot be read ({error}); --matches takes a JSON file") from None
    if isinstance(found, list) and all(isinstance(pairs, dict) for pairs in found):
        return [{str(ours): str(theirs) for ours, theirs in pairs.items()} for pairs in found]
    raise MedCompressError(f"{path} is no list of objects; --matches takes one for each TEST: [{{REFNAME: TESTNAME}}]")


def _pair(text: str) -> tuple[str, str]:
    reference, equals, test = text.partition("=")
    if not equals:
        raise MedCompressError(f"--match {text!r} has no '='; give the reference's name, '=', the test's name")
    return reference, test
