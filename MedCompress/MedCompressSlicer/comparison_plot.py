"""Plots of a comparison: bars of one test, bars with error bars of a few, box plots of many.

MRML has neither error bars nor boxes, so both are lines of a scatter series: a path of points for each segment, paths
apart by a point that is not a number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import slicer
from MedCompressLib.comparison import Row
from slicer.i18n import tr as _

from .comparison_table import columnTitle
from .tables import makeTable

FEWEST_FOR_BOXES = 5
_COLORS = (0.12, 0.47, 0.71), (0.13, 0.13, 0.13), (0.84, 0.37, 0.0)
_GAP = (math.nan, math.nan)


def comparisonChart(rows: Sequence[Row], measure: str = "dice"):
    """New plot chart node of a measure (a key of the rows) over the segments, numbered from 1 in their order.

    One test: bars. Up to four: bars of the mean, error bars of one sample standard deviation, a point for each test.
    More: box plots (quartiles; whiskers to the last value within 1.5 interquartile ranges) with the values beyond them.
    """
    segments = list(dict.fromkeys(row.segment for row in rows))
    values = [_defined(rows, measure, segment) for segment in segments]
    title, tests = columnTitle(measure), len({row.test for row in rows})
    reference = rows[0].reference if rows else ""
    chart = slicer.mrmlScene.AddNewNodeByClass(
        "vtkMRMLPlotChartNode", slicer.mrmlScene.GenerateUniqueName(_("{measure} by segment").format(measure=title))
    )
    if tests < FEWEST_FOR_BOXES:
        _addBars(chart, segments, values, title if tests < 2 else _("Mean {measure}").format(measure=title))
        if tests > 1:
            _addPath(chart, _("Standard deviation"), _errorBars(values), 1)
            _addPoints(chart, _("Tests"), _scattered(values))
    else:
        _addPath(chart, _("Quartiles and whiskers"), [point for n, v in _numbered(values) for point in _box(n, v)], 0)
        _addPath(chart, _("Median"), [point for n, v in _numbered(values) for point in _median(n, v)], 1)
        if outliers := [(n, x) for n, v in _numbered(values) for x in _outliers(v)]:
            _addPoints(chart, _("Outliers"), outliers)
    chart.SetTitle(_("{measure} against {reference}").format(measure=title, reference=reference))
    chart.SetXAxisTitle(_axisTitle(segments))
    chart.SetYAxisTitle(title)
    chart.SetLegendVisibility(tests > 1)
    if measure in ("dice", "jaccard", "jaccard_per_slice", "surface_dice", "precision", "recall"):
        chart.SetYAxisRangeAuto(False)
        chart.SetYAxisRange(0.0, 1.05)
    return chart


def removeChart(chart) -> None:
    """Take a chart, its series and their tables out of the scene."""
    for number in reversed(range(chart.GetNumberOfPlotSeriesNodes())):
        series = chart.GetNthPlotSeriesNode(number)
        for node in (series.GetTableNode(), series):
            slicer.mrmlScene.RemoveNode(node)
    slicer.mrmlScene.RemoveNode(chart)


def _defined(rows: Sequence[Row], measure: str, segment: str) -> np.ndarray:
    """Values of a measure over the tests, for one segment."""
    values = np.array([getattr(row, measure) for row in rows if row.segment == segment], float)
    return values[~np.isnan(values)]


def _numbered(values: Sequence[np.ndarray]) -> list[tuple[int, np.ndarray]]:
    """(number of the segment from 1, its values), without segments that have none."""
    return [(number, found) for number, found in enumerate(values, 1) if found.size]


def _axisTitle(segments: Sequence[str]) -> str:
    if len(segments) > 12:
        return _("Segment, in the order of the reference")
    return ", ".join(f"{number} {name}" for number, name in enumerate(segments, 1))


def _errorBars(values) -> list[tuple[float, float]]:
    points = []
    for number, found in _numbered(values):
        if found.size > 1:
            low, high = found.mean() - found.std(ddof=1), found.mean() + found.std(ddof=1)
            corners = [(-1, low), (1, low), (0, low), (0, high), (-1, high), (1, high)]
            points += [(number + 0.08 * side, y) for side, y in corners] + [_GAP]
    return points


def _scattered(values) -> list[tuple[float, float]]:
    """Beside one another where there are several."""
    return [
        (number + 0.2 * (n - (found.size - 1) / 2) / max(1, found.size - 1), x)
        for number, found in _numbered(values)
        for n, x in enumerate(found)
    ]


def _whiskers(values: np.ndarray) -> tuple[float, float, float, float]:
    """Low whisker, first quartile, third quartile, high whisker."""
    low, high = np.quantile(values, [0.25, 0.75])
    reach = 1.5 * (high - low)
    inner = values[(values >= low - reach) & (values <= high + reach)]
    return float(inner.min()), float(low), float(high), float(inner.max())


def _box(number: int, values: np.ndarray) -> list[tuple[float, float]]:
    bottom, low, high, top = _whiskers(values)
    path = [(0, bottom), (0, low), (-1, low), (-1, high), (0, high), (0, top), (0, high), (1, high), (1, low), (0, low)]
    return [(number + 0.25 * side, y) for side, y in path] + [_GAP]


def _median(number: int, values: np.ndarray) -> list[tuple[float, float]]:
    middle = float(np.median(values))
    return [(number - 0.25, middle), (number + 0.25, middle), _GAP]


def _outliers(values: np.ndarray) -> list[float]:
    bottom, _low, _high, top = _whiskers(values)
    return [float(x) for x in values if not bottom <= x <= top]


def _addBars(chart, segments, values, name: str) -> None:
    columns = {
        "Segment": list(segments),
        "Number": [float(n) for n in range(1, 1 + len(segments))],
        name: [float(found.mean()) if found.size else 0.0 for found in values],
    }
    series = _series(chart, name, columns, "Number", name, 0)
    series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatterBar)
    series.SetLabelColumnName("Segment")
    series.SetOpacity(0.6)


def _addPath(chart, name: str, points, color: int) -> None:
    series = _series(chart, name, {"x": [x for x, _y in points], "y": [y for _x, y in points]}, "x", "y", color)
    series.SetMarkerStyle(slicer.vtkMRMLPlotSeriesNode.MarkerStyleNone)
    series.SetLineWidth(2)


def _addPoints(chart, name: str, points) -> None:
    series = _series(chart, name, {"x": [x for x, _y in points], "y": [y for _x, y in points]}, "x", "y", 2)
    series.SetMarkerStyle(slicer.vtkMRMLPlotSeriesNode.MarkerStyleCircle)
    series.SetLineStyle(slicer.vtkMRMLPlotSeriesNode.LineStyleNone)


def _series(chart, name: str, columns: dict, x: str, y: str, color: int):
    table = makeTable(_("{title} (values)").format(title=f"{chart.GetName()}: {name}"), columns)
    series = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", name)
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetXColumnName(x)
    series.SetYColumnName(y)
    series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
    series.SetColor(*_COLORS[color])
    chart.AddAndObservePlotSeriesNodeID(series.GetID())
    return series
