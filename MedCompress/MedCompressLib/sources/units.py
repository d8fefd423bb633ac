"""Lengths in the units that microscopes and OME write, in mm."""

from __future__ import annotations

import math
from pathlib import Path

from ..errors import MedCompressError

_MM = {"nm": 1e-6, "µm": 1e-3, "mm": 1.0, "cm": 10.0, "m": 1000.0, "Å": 1e-7, "in": 25.4}
_NAMES = {
    "nanometer": "nm",
    "micrometer": "µm",
    "micron": "µm",
    "microns": "µm",
    "um": "µm",
    "μm": "µm",
    "\\u00b5m": "µm",
    "millimeter": "mm",
    "centimeter": "cm",
    "meter": "m",
    "angstrom": "Å",
    "inch": "in",
}
_NO_UNIT = ("pixel", "pixels", "reference frame", "", None)


def in_mm(size: float | str | None, unit: str | None, path: Path) -> float:
    """A positive length in mm; 1 mm where there is none or its unit is the pixel. Raises MedCompressError."""
    if size is None or unit in _NO_UNIT:
        return 1.0
    factor = _MM.get(_NAMES.get(unit, unit))
    try:
        length = float(size) * factor
    except (TypeError, ValueError):
        length = math.nan
    if not (math.isfinite(length) and length > 0):
        raise MedCompressError(f"{path} says that a voxel is {size} {unit} long: correct its metadata")
    return length
