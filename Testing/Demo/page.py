"""The page: one file, no network, pictures inside."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from string import Template

import numpy as np
from measure import Result, difference
from MedCompressLib.volume import Volume
from pictures import View, color_bar, colored, figure
from segmentation import Outcome
from segmentation_page import section
from table import HEADINGS, as_html, peak_note, row

TEMPLATE = Path(__file__).with_name("page.html")


def write_page(
    path: Path,
    volume: Volume,
    results: Sequence[Result],
    scene: Path | None,
    skipped: Sequence[str] = (),
    outcome: Outcome | None = None,
) -> None:
    """Write the page; scene is the .mrb beside it, if there is one; skipped says what is left out.

    outcome: of the segmentation, None where that is left out.
    """
    view, unit = View(volume), "HU" if volume.modality == "CT" else "units of the image"
    changes = [view.of(difference(volume, result)) for result in results]
    limit = difference_limit(changes)
    files = [result.path for result in results] + ([outcome.path] if outcome else [])
    k, j, i = volume.array.shape
    fields = {
        "name": html.escape(volume.name or "Volume"),
        "size": f"{i} x {j} x {k} voxels of {volume.scalar_type}, {volume.array.nbytes / 1e6:.1f} MB",
        "spacing": " x ".join(f"{step:.3g}" for step in volume.geometry.spacing),
        "window": f"{view.low:g} to {view.high:g}",
        "unit": unit,
        "slice": str(view.index),
        "limit": f"{limit:g}",
        "table": as_html(HEADINGS, list(map(row, results))),
        "peak": html.escape(peak_note(results)),
        "skipped": "".join(f"<p>{html.escape(reason)}.</p>" for reason in skipped),
        "bar": color_bar(limit, f"restored minus original ({unit})"),
        "sections": "\n".join(_section(volume, view, *pair, limit) for pair in zip(results, changes, strict=True)),
        "segmentation": section(volume, view, outcome, limit) if outcome else "",
        "scene": _how_to_open(scene, outcome),
        "files": ", ".join(f"<code>{file.name}</code>" for file in files),
    }
    path.write_text(Template(TEMPLATE.read_text("utf-8")).substitute(fields), "utf-8")


def difference_limit(changes: Sequence[np.ndarray]) -> float:
    """One scale for all settings: the 99.5th percentile of the largest change, two digits."""
    limit = max(float(np.percentile(np.abs(change), 99.5)) for change in changes)
    return float(f"{limit:.2g}") if limit > 0 else 1.0


def _section(volume: Volume, view: View, result: Result, change: np.ndarray, limit: float) -> str:
    before, after = view.of(volume), view.of(result.restored)
    figures = []
    for note, part in (("", np.s_[:, :]), (", detail", view.detail)):
        for title, uri in (
            ("original", view.gray(before[part])),
            ("restored", view.gray(after[part])),
            ("difference", colored(change[part], limit)),
        ):
            figures.append(figure(view, uri, f"{title}{note}", f"{title}{note}, {result.target}"))
    verdict = f"{result.ratio:.1f} times smaller"
    verdict += ", every voxel identical" if result.quality.max_error == 0 else f", SSIM {result.quality.ssim:.4f}"
    return f"<section><h2>{result.target}: {verdict}</h2><div class=pictures>{''.join(figures)}</div></section>"


def _how_to_open(scene: Path | None, outcome: Outcome | None) -> str:
    if scene is None:
        return "<p>The Slicer scene was not written: it needs the Python package <code>slicer-core</code>.</p>"
    return f"""<ol>
<li>Drag <code>{scene.name}</code> into the window of 3D Slicer and choose to load the scene. Slicer remarks that the
package slicer-core saved it; that is so.</li>
<li>In the slice views, the original lies behind the volume restored from the strongest compression. Fade between them
with the opacity slider in the pin menu of a slice view.</li>
<li>The difference volumes are in the Data module; click the eye beside one.</li>
{_SEGMENTATIONS if outcome else ""}</ol>"""


_SEGMENTATIONS = """<li>The segmentations found before and after compression are outlines; the Data module has their
segments.</li>
"""
