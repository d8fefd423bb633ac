"""One line of the result: a segment of one test beside the reference."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

UNDEFINED = math.nan


@dataclass(frozen=True)
class Row:
    """Measures of one segment in one test; distances in mm, NaN where undefined. Docs/comparison.md defines each.

    segment: name in the reference, in the test where the reference lacks it. segment_test: name in the test, "" where
    it lacks the segment. label_reference, label_test: label values, None likewise. matched_by: see `Match`.
    grid: how the test came onto the reference's grid. largest_error_lps: LPS mm of the place farthest from the other
    surface, None where there is none.
    """

    reference: str
    test: str
    segment: str
    segment_test: str
    label_reference: int | None
    label_test: int | None
    matched_by: str
    grid: str
    dice: float
    jaccard: float
    jaccard_per_slice: float
    precision: float
    recall: float
    volume_reference_ml: float
    volume_test_ml: float
    volume_difference_ml: float
    hausdorff: float
    hausdorff_95: float
    average_hausdorff: float
    smbd: float
    surface_dice: float
    tolerance_mm: float
    hausdorff_voxels: float
    hausdorff_boundary: float
    hausdorff_95_boundary: float
    centroid_distance: float
    wtv_reference: float = UNDEFINED
    wtv_test: float = UNDEFINED
    wtv_change_percent: float = UNDEFINED
    largest_error_lps: tuple[float, float, float] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Values for JSON: None for NaN."""
        return {name: _plain(getattr(self, name)) for name in COLUMNS}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Row":
        """The inverse of as_dict."""
        undefined = {name: UNDEFINED for name in MEASURES if values[name] is None}
        place = values["largest_error_lps"]
        return cls(**{**values, **undefined, "largest_error_lps": tuple(place) if place else None})


COLUMNS = tuple(field.name for field in fields(Row))
MEASURES = tuple(field.name for field in fields(Row) if field.type == "float" or field.type is float)


def mean_over_segments(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """Multi-label mean: for each test the mean of each measure over the segments where it is defined, else NaN."""
    means: dict[str, dict[str, float]] = {}
    for test in dict.fromkeys(row.test for row in rows):
        own = [row for row in rows if row.test == test]
        means[test] = {name: _mean(getattr(row, name) for row in own) for name in MEASURES}
    return means


def _mean(values: Iterable[float]) -> float:
    defined = [value for value in values if not math.isnan(value)]
    return sum(defined) / len(defined) if defined else math.nan


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
