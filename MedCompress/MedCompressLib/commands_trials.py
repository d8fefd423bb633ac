"""The commands that try codecs on some slices and write nothing: `curve` and `recommend`."""

from __future__ import annotations

import argparse
import math
from contextlib import closing
from pathlib import Path
from typing import Any

from .codecs import codec_names
from .jobs import Progress


def add_curve_options(command: argparse.ArgumentParser) -> None:
    """Options of `medcompress curve` beside those of the input volume."""
    codecs = command.add_mutually_exclusive_group()
    codecs.add_argument("--codec", choices=codec_names(), default=codec_names()[0])
    codecs.add_argument("--codecs", type=_names, metavar="A,B,...", help="several, one curve each")
    command.add_argument(
        "--ratios", type=_numbers, metavar="R,R,...", help="ratios to try (default: 5,10,20,50,100)"
    )


def _numbers(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]


def _names(text: str) -> list[str]:
    names = text.split(",")
    unknown = sorted(set(names) - set(codec_names()))
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown codec {unknown[0]!r}: choose from {', '.join(codec_names())}")
    return names


def run_curve(options: argparse.Namespace, progress: Progress) -> tuple[Any, str]:
    """(ratio, PSNR) points of one codec, or of each of several."""
    from .preview import CURVE_RATIOS, Preview

    codecs, curves, lines = options.codecs or [options.codec], [], []
    with closing(_open(options, progress)) as source:
        for number, codec in enumerate(codecs):
            part = progress.part(number / len(codecs), (number + 1) / len(codecs))
            preview = Preview(source, codec, options.peak, options.nan)
            points = preview.curve(options.ratios or CURVE_RATIOS, threads=options.threads, progress=part)
            rows = [{"ratio": ratio, "psnr": psnr if math.isfinite(psnr) else None} for ratio, psnr in points]
            curves.append({"codec": codec, "points": rows})
            lines += [codec] if options.codecs else []
            lines += [f"{ratio:8.2f}:1  {_quality(psnr, '6.2f')}" for ratio, psnr in points]
    return {"curves": curves} if options.codecs else curves[0], "\n".join(lines)


def run_recommend(options: argparse.Namespace, progress: Progress) -> tuple[Any, str]:
    """The codec for each need."""
    from .recommendation import recommend

    with closing(_open(options, progress)) as source:
        found = recommend(source, progress, options.threads)
    lines = [f"tried on slices {found.first} to {found.end - 1}"]
    for need, codec in (("fast", found.fast), ("dense", found.dense), ("DICOM and papers", found.interchange)):
        if codec in found.psnr:
            lines.append(f"{need}: {codec}, {_quality(found.psnr[codec], '.1f')} at {found.ratio:g}:1")
    lines.append(f"exact: {found.exact}, {found.lossless[found.exact]:.3f}:1")
    return found.as_dict(), "\n".join(lines)


def _quality(psnr: float, figures: str) -> str:
    return f"{psnr:{figures}} dB" if math.isfinite(psnr) else "exact"


def _open(options: argparse.Namespace, progress: Progress) -> Any:
    from .sources import open_source

    path: Path = options.input
    progress(0.0, f"Reading {path}")
    source = open_source(path, options.series)
    if options.modality:
        source.modality = options.modality.upper()
    return source
