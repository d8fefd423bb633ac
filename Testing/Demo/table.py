"""The results as rows of text, for the terminal and the page."""

from __future__ import annotations

import math
from collections.abc import Sequence

from measure import Result

HEADINGS = (
    "asked",
    "reached",
    "file (MB)",
    "bits/voxel",
    "PSNR (dB)",
    "SSIM",
    "max error",
    "encode (s)",
    "decode (s)",
    "encode (MB/s)",
    "decode (MB/s)",
)


def row(result: Result) -> tuple[str, ...]:
    """One cell a heading."""
    quality = result.quality
    return (
        str(result.target),
        f"{result.ratio:.2f}:1",
        f"{result.file_bytes / 1e6:.2f}",
        f"{result.bits_per_voxel:.3f}",
        "exact" if math.isinf(quality.psnr) else f"{quality.psnr:.2f}",
        f"{quality.ssim:.4f}",
        f"{quality.max_error:g}",
        f"{result.encode_seconds:.2f}",
        f"{result.decode_seconds:.2f}",
        f"{result.encode_speed:.1f}",
        f"{result.decode_speed:.1f}",
    )


def peak_note(results: Sequence[Result]) -> str:
    """The peak that the PSNR refers to; without it the number means nothing."""
    return f"PSNR with the peak {results[0].quality.peak_reason}; ratio: bytes of the samples over bytes of the file."


def as_text(results: Sequence[Result]) -> str:
    """Aligned columns and the note on the peak."""
    return f"{aligned(HEADINGS, list(map(row, results)))}\n\n{peak_note(results)}"


def aligned(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns aligned to the right below their headings."""
    rows = [headings, *rows]
    widths = [max(len(cells[column]) for cells in rows) for column in range(len(headings))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True)) for cells in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def as_html(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The same as a table of the page."""
    head = "".join(f"<th scope=col>{heading}</th>" for heading in headings)
    body = "\n".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>" for cells in rows)
    return f"<div class=scroll><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>"
