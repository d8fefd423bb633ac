"""The page's section on the segmentation: table, and the liver's outline before and after compression."""

from __future__ import annotations

import html
from dataclasses import replace

import numpy as np
from MedCompressLib.phantom.labels import LIVER
from MedCompressLib.volume import Volume
from pictures import View, colored, contoured, figure
from segmentation import HEADINGS, NOTE, Outcome, organ_rows, verdict
from table import as_html

BEFORE, AFTER = (80, 220, 110), (255, 150, 40)


def section(volume: Volume, view: View, outcome: Outcome, limit: float) -> str:
    """HTML; limit: full color of the differences."""

    def liver(labels: Volume) -> np.ndarray:
        return view.of(labels) == LIVER

    change = np.subtract(outcome.restored.array, volume.array, dtype=np.float32)
    figures = (
        (contoured(view, view.of(volume), liver(outcome.before), BEFORE), "original, liver found in it"),
        (contoured(view, view.of(outcome.restored), liver(outcome.after), AFTER), "restored, liver found in it"),
        (colored(view.of(replace(volume, array=change)), limit), "difference: none in the liver"),
    )
    pictures = "".join(figure(view, uri, caption, caption) for uri, caption in figures)
    return (
        f"<section><h2>The liver exact, the rest small: is it found again?</h2>\n"
        f"<p>{html.escape(verdict(outcome))}</p>\n"
        f"{as_html(HEADINGS, organ_rows(outcome))}\n<p class=note>{html.escape(NOTE)}</p>\n"
        f"<div class=pictures>{pictures}</div></section>"
    )
