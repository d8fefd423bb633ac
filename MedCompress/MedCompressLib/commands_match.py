"""The command `match`: codecs brought to equal quality, and their sizes."""

from __future__ import annotations

import argparse
import csv
from contextlib import closing
from pathlib import Path
from typing import Any

from .codecs import codec_names
from .errors import MedCompressError
from .jobs import Progress

_MOST_POINTS = 100


def add_match_options(command: argparse.ArgumentParser) -> None:
    """Options of `medcompress match` beside those of the input volume."""
    names = ", ".join(codec_names())
    command.add_argument("--codecs", required=True, metavar="A,B,...", help=f"lossy ones of: {names}")
    command.add_argument(
        "--psnr", required=True, type=qualities, metavar="FROM:TO:STEP", help="in dB, such as 40:60:5, or 40,45,50"
    )
    command.add_argument("--csv", metavar="F", type=Path, help="write the curves to this file too")
    command.add_argument("--plot", metavar="F", type=Path, help="draw them: .png, .svg or .pdf")


def qualities(text: str) -> list[float]:
    """The PSNR values of FROM:TO:STEP (both ends included) or of a list with commas."""
    if ":" not in text:
        return [float(part) for part in text.split(",")]
    first, last, step = (float(part) for part in text.split(":"))
    count = int((last - first) / step + 1e-9) + 1 if step else 0
    if not 1 <= count <= _MOST_POINTS:
        raise argparse.ArgumentTypeError(f"{text} makes {count} values: give FROM:TO:STEP such as 40:60:5")
    return [first + number * step for number in range(count)]


def run_match(options: argparse.Namespace, progress: Progress) -> tuple[Any, str]:
    """Match as asked; returns the rows for JSON and a table for the terminal."""
    from .matching import match
    from .sources import open_source

    for path in (options.csv, options.plot):
        if path and not path.parent.is_dir():
            raise MedCompressError(f"the folder of {path} does not exist: create it or give another path")
    progress(0.0, f"Reading {options.input}")
    with closing(open_source(options.input, options.series)) as source:
        if options.modality:
            source.modality = options.modality.upper()
        rows = match(
            source,
            [name.strip() for name in options.codecs.split(",")],
            options.psnr,
            peak=options.peak,
            nan=options.nan,
            threads=options.threads,
            progress=progress,
        )
    documents = [row.as_dict() for row in rows]
    if options.csv:
        _write_csv(documents, options.csv)
    if options.plot:
        _plot(documents, options.plot)
    return documents, _table(documents)


def _table(rows: list[dict[str, Any]]) -> str:
    first = {row["target"]: row["ratio"] for row in reversed(rows) if row["codec"] == rows[0]["codec"]}
    lines = ["     dB  codec                   reached      ratio   against  max error  setting"]
    for row in sorted(rows, key=lambda row: row["target"]):
        start = f"{row['target']:7.2f}  {row['codec']:20}"
        if row["ratio"] is None:
            lines.append(f"{start}  {row['remark']}")
            continue
        base = first[row["target"]]
        against = f"x {row['ratio'] / base:.3f}" if base else ""
        reached = "  exact" if row["psnr"] is None else f"{row['psnr']:7.2f}"
        figures = f"{reached}  {row['ratio']:7.2f}:1  {against:>8}  {row['max_error']:9g}  {row['setting']}"
        lines.append(f"{start}   {figures}".rstrip())
    return "\n".join(lines)


def _write_csv(rows: list[dict[str, Any]], path: Path) -> None:
    try:
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    except OSError as error:
        raise _cannot_write(path, error, ".csv") from None


def _plot(rows: list[dict[str, Any]], path: Path) -> None:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MedCompressError("plots need matplotlib: install it with 'pip install matplotlib'") from None
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for codec in dict.fromkeys(row["codec"] for row in rows):
        points = sorted((row["ratio"], row["psnr"]) for row in rows if row["codec"] == codec and row["psnr"])
        axes.plot(*zip(*points, strict=True) if points else ([], []), marker="o", label=codec)
    axes.set(xscale="log", xlabel="compression ratio", ylabel=f"PSNR in dB, peak {rows[0]['peak']:g}")
    axes.grid(True, which="both", alpha=0.3)
    axes.legend()
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise _cannot_write(path, error, ".png") from None


def _cannot_write(path: Path, error: Exception, suffix: str) -> MedCompressError:
    return MedCompressError(f"{path} cannot be written ({error}): give another path, such as {path.stem}{suffix}")
