"""The result for people and for spreadsheets."""

import csv
import io
import itertools
import math
import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ..errors import MedCompressError
from .alignment import SAME
from .rows import COLUMNS, Row, mean_over_segments
from .statistics import paired_t, wilcoxon_signed_rank

_SHOWN = {
    "dice": "Dice",
    "jaccard": "Jaccard",
    "surface_dice": "surface Dice",
    "hausdorff": "HD mm",
    "hausdorff_95": "HD95 mm",
    "average_hausdorff": "avg HD mm",
    "smbd": "SMBD mm",
    "volume_reference_ml": "ref. ml",
    "volume_test_ml": "test ml",
}


def csv_text(rows: Sequence[Row]) -> str:
    """Comma-separated values with a line of titles; undefined is empty, a position is three numbers with blanks."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        values = row.as_dict().values()
        writer.writerow(
            [" ".join(map(repr, v)) if isinstance(v, list) else v if isinstance(v, str) else _cell(v) for v in values]
        )
    return text.getvalue()


def write_text(text: str, path: str | Path) -> None:
    """Write a text file beside its final name, then rename it. Raises MedCompressError when that fails."""
    path, partial = Path(path), None
    try:
        handle, partial = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=".part", dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        if partial is not None:
            with suppress(OSError):
                os.unlink(partial)
        raise MedCompressError(
            f"{path} was not written ({error.strerror}); check that the folder exists and may be written to"
        ) from None


def plain_text(rows: Sequence[Row]) -> str:
    """A table for the terminal: a block for each test, the mean over its segments below, remarks at the end."""
    if not rows:
        return "no segments to compare: both label maps are empty"
    blocks, width = [], max(7, *(len(row.segment) for row in rows))
    for test, mean in mean_over_segments(rows).items():
        own = [row for row in rows if row.test == test]
        lines = [f"{test} against {own[0].reference}"]
        lines.append(f"{'segment':{width}}" + "".join(f"{title:>14}" for title in _SHOWN.values()))
        lines += [_line(row.segment, vars(row), width) for row in own]
        if len(own) > 1:
            lines.append(_line("mean", mean, width))
        if own[0].grid != SAME:
            lines.append(f"note: {own[0].grid}")
        alone = [row.segment for row in own if row.matched_by == "none"]
        if alone:
            lines.append(f"note: without counterpart: {', '.join(alone)}")
        blocks.append("\n".join(lines))
    blocks += paired_lines(rows)
    return "\n\n".join([*blocks, f"surface Dice at {rows[0].tolerance_mm:g} mm; a dash is undefined"])


def paired_lines(rows: Sequence[Row]) -> list[str]:
    """For each two tests with two segments or more in common: is their Dice different, paired by segment?"""
    dice: dict[str, dict[str, float]] = {}
    for row in rows:
        if not math.isnan(row.dice):
            dice.setdefault(row.test, {})[row.segment] = row.dice
    lines = []
    for first, second in itertools.combinations(dice, 2):
        segments = [name for name in dice[first] if name in dice[second]]
        if len(segments) < 2:
            continue
        pairs = [dice[first][name] for name in segments], [dice[second][name] for name in segments]
        lines.append(f"Dice of {second} minus {first}, paired by segment:")
        for found in (paired_t(*pairs), wilcoxon_signed_rank(*pairs)):
            lines.append(
                f"  {found.test}, n = {found.n}: {found.difference:+.4f}"
                f" (95 % interval {found.low:+.4f} to {found.high:+.4f}), p = {found.p:.4g},"
                f" {found.effect_name} = {found.effect:.3f}"
            )
    return ["\n".join(lines)] if lines else []


def _line(name: str, values: dict[str, float], width: int) -> str:
    return f"{name:{width}}" + "".join(
        f"{'-':>14}" if math.isnan(values[key]) else f"{values[key]:14.4f}" for key in _SHOWN
    )


def _cell(value: float | int | None) -> str:
    return "" if value is None else repr(value)
