"""Results of reader studies as nodes: a table by reader and pair of ratios, and a plot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import slicer
from MedCompressLib.comparison import PairResult, read_trials, reader_results
from slicer.i18n import tr as _

from .tables import makeTable

_COLORS = (0.13, 0.13, 0.13), (0.12, 0.47, 0.71), (1.0, 0.5, 0.05), (0.17, 0.63, 0.17), (0.58, 0.4, 0.74)


def readResults(paths) -> list[PairResult]:
    """What one or several session files say, by reader and pair of ratios; sessions of one reader are pooled."""
    paths = [paths] if isinstance(paths, str | Path) else paths
    return reader_results([trial for path in paths for trial in read_trials(Path(path).expanduser())])


def resultsTable(results: Sequence[PairResult], node=None):
    """Table node (new, or filled anew): a row for each reader and pair of ratios."""
    columns = {
        _("Reader"): [result.reader for result in results],
        _("Lower ratio"): [result.lower for result in results],
        _("Higher ratio"): [result.higher for result in results],
        _("Spearman"): [result.spearman for result in results],
        _("p"): [result.p for result in results],
        _("Score"): [result.score for result in results],
        _("Pairs"): [float(result.n) for result in results],
        _("Correct"): [float(result.correct) for result in results],
        _("Wrong"): [float(result.wrong) for result in results],
        _("Undecided"): [float(result.undecided) for result in results],
    }
    return makeTable(_("Reader study"), columns, node)


def resultsChart(results: Sequence[PairResult]):
    """New plot chart node: rank correlation over the higher ratio of a pair, a line for each lower ratio.

    Lines are means over the readers, points are the readers where there are several. A correlation that is undefined,
    because all answers were the same, is drawn at 0: such answers tell nothing apart.
    """
    readers = list(dict.fromkeys(result.reader for result in results))
    chart = slicer.mrmlScene.AddNewNodeByClass(
        "vtkMRMLPlotChartNode", slicer.mrmlScene.GenerateUniqueName(_("Reader study"))
    )
    for lower in dict.fromkeys(result.lower for result in results):
        series = _addSeries(chart, _("against {ratio:g}:1").format(ratio=lower), _means(results, lower))
        series.SetLineWidth(2)
    for reader in readers if len(readers) > 1 else []:
        series = _addSeries(chart, reader, [(r.higher, _drawn(r)) for r in results if r.reader == reader])
        series.SetLineStyle(series.LineStyleNone)
        series.SetMarkerSize(10)
    chart.SetTitle(_("Which of two pictures looks better"))
    chart.SetXAxisTitle(_("Compression ratio of the more compressed picture"))
    chart.SetXAxisLogScale(True)
    chart.SetYAxisTitle(_("Spearman's rank correlation"))
    chart.SetYAxisRangeAuto(False)
    chart.SetYAxisRange(-1.05, 1.05)
    chart.SetLegendVisibility(True)
    return chart


def _drawn(result: PairResult) -> float:
    return 0.0 if math.isnan(result.spearman) else result.spearman


def _means(results: Sequence[PairResult], lower: float) -> list[tuple[float, float]]:
    """(higher ratio, mean over the readers) of the pairs with this lower ratio."""
    own = [result for result in results if result.lower == lower]
    return [
        (higher, float(np.mean([_drawn(result) for result in own if result.higher == higher])))
        for higher in sorted({result.higher for result in own})
    ]


def _addSeries(chart, name: str, points: Sequence[tuple[float, float]]):
    """A series through the points; VTK refuses a line of one, so that a gap follows it."""
    points = points if len(points) > 1 else [*points, (math.nan, math.nan)]
    table = makeTable(
        _("{title} (values)").format(title=f"{chart.GetName()}: {name}"),
        {"Ratio": [x for x, _y in points], "Spearman": [y for _x, y in points]},
    )
    number = chart.GetNumberOfPlotSeriesNodes()
    series = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", name)
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetXColumnName("Ratio")
    series.SetYColumnName("Spearman")
    series.SetPlotType(series.PlotTypeScatter)
    series.SetMarkerStyle(1 + number % series.MarkerStyleDiamond)
    series.SetColor(*_COLORS[number % len(_COLORS)])
    chart.AddAndObservePlotSeriesNodeID(series.GetID())
    return series
