"""Tables and plots of the scene."""

from __future__ import annotations

from collections.abc import Sequence

import slicer
import vtk


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


def makeLinePlot(name: str, tableNode, xColumn: str, yColumns: Sequence[str], xTitle: str, yTitle: str, logX=False):
    """Plot chart node with a line of y over x for each y column of the table node."""
    chart = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode", slicer.mrmlScene.GenerateUniqueName(name))
    for index, column in enumerate(yColumns):
        series = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", column)
        series.SetAndObserveTableNodeID(tableNode.GetID())
        series.SetXColumnName(xColumn)
        series.SetYColumnName(column)
        series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
        series.SetMarkerStyle(slicer.vtkMRMLPlotSeriesNode.MarkerStyleCircle)
        series.SetUniqueColor() if index else series.SetColor(0.12, 0.47, 0.71)
        chart.AddAndObservePlotSeriesNodeID(series.GetID())
    chart.SetTitle(name)
    chart.SetXAxisTitle(xTitle)
    chart.SetYAxisTitle(yTitle)
    chart.SetXAxisLogScale(logX)
    return chart
