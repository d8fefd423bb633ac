"""Boxes that Slicer's Markups module saved: .mrk.json files with an ROI."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import MedCompressError
from ..volume import Volume
from .masks import Mask, from_box

_FLIP = np.diag([-1.0, -1.0, 1.0])
_SYSTEMS = {"LPS": np.eye(3), "RAS": _FLIP, "1": np.eye(3), "0": _FLIP}
"""From the file's coordinates to LPS; Slicer's first JSON files number the systems."""


@dataclass(frozen=True, eq=False)
class MarkupsBox:
    """center and size: mm; axes: 3 x 3, its columns are the unit vectors of the box; all in LPS."""

    center: np.ndarray
    size: np.ndarray
    axes: np.ndarray


def read_markups_box(path: str | Path) -> MarkupsBox:
    """The one ROI in a markups file. Raises MedCompressError where there is none, or several, or it is inside out."""
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise MedCompressError(f"{path} cannot be read ({error.strerror}): check the path") from None
    except ValueError:
        raise MedCompressError(f"{path} is no JSON: save the ROI in Slicer as .mrk.json") from None
    markups = document.get("markups") if isinstance(document, dict) else None
    boxes = [one for one in markups or [] if isinstance(one, dict) and one.get("type") == "ROI"]
    if len(boxes) != 1:
        raise MedCompressError(f"{path} holds {len(boxes)} markups ROIs instead of one: save the ROI alone in Slicer")
    if boxes[0].get("insideOut"):
        raise MedCompressError(f"the ROI in {path} is inside out: clear 'Inside out' in Slicer and save it again")
    return _box(boxes[0], path)


def _box(box: dict[str, Any], path: str | Path) -> MarkupsBox:
    try:
        to_lps = _SYSTEMS[str(box.get("coordinateSystem", "LPS"))]
        center, size = (np.array(box[name], float).reshape(3) for name in ("center", "size"))
        axes = np.array(box.get("orientation", _FLIP.ravel()), float).reshape(3, 3)
        if not all(np.isfinite(values).all() for values in (center, size, axes)):
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise MedCompressError(
            f"the ROI in {path} lacks a center, a size, axes or a coordinate system that is LPS or RAS: "
            "save it again in Slicer"
        ) from None
    return MarkupsBox(to_lps @ center, size, to_lps @ axes)


def from_markups(path: str | Path, volume: Volume) -> Mask:
    """Voxels whose centers lie in the oriented box of a markups file."""
    box = read_markups_box(path)
    return from_box(volume, box.center, box.size, box.axes)
