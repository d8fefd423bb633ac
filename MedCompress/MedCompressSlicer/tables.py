"""Tables and plots of the scene."""

from __future__ import annotations

from collections.abc import Sequence

import slicer
import vtk
from slicer.i18n import tr as _

_COLORS = ((0.12, 0.47, 0.71), (1.0, 0.5, 0.05), (0.17, 0.63, 0.17), (0.84, 0.15, 0.16), (0.58, 0.4, 0.74))


def makeTable(name: str, columns: dict[str, Sequence], node=None):
    """Table node with these columns (title -> cells; numbers stay numbers); an existing node is filled anew."""
    if node is None:
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", slicer.mrmlScene.GenerateUniqueName(name))
    modified = node.StartModify()
    node.RemoveAllColumns()
    for title, cells in columns.items():
        column = vtk.vtkStringArray() if any(isinstance(cell, str) for cell in cells) else vtk.vtkDoubleArray()
        column.SetName(title)
        for cell in cells:
            column.InsertNextValue(cell)
        node.AddColumn(column)
    node.SetUseColumnTitleAsColumnHeader(False)
    node.EndModify(modified)
    return node


def makeLinePlot(name: str, lines: dict[str, tuple[Sequence, Sequence]], xTitle: str, yTitle: str, logX=False):
    """Plot chart node of lines (label -> x and y), each with a table node of its own; axis titles name the columns."""
    chart = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode", slicer.mrmlScene.GenerateUniqueName(name))
    for index, (label, (x, y)) in enumerate(lines.items()):
        table = makeTable(_("{name}: {line}").format(name=name, line=label), {xTitle: x, yTitle: y})
        series = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", label)
        series.SetAndObserveTableNodeID(table.GetID())
        series.SetXColumnName(xTitle)
        series.SetYColumnName(yTitle)
        series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
        series.SetMarkerStyle(slicer.vtkMRMLPlotSeriesNode.MarkerStyleCircle)
        series.SetColor(*_COLORS[index % len(_COLORS)])
        chart.AddAndObservePlotSeriesNodeID(series.GetID())
    chart.SetTitle(name)
    chart.SetXAxisTitle(xTitle)
    chart.SetYAxisTitle(yTitle)
    chart.SetXAxisLogScale(logX)
    return chart
