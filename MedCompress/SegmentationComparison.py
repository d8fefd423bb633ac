"""Slicer module: compare segmentations with a reference, in mm, and see where they differ."""

import enum
from pathlib import Path
from typing import Annotated

import qt
import slicer
from MedCompressLib.comparison import csv_text, write_text
from MedCompressLib.jobs import silent
from MedCompressSlicer import error_display
from MedCompressSlicer.checkable_nodes import CheckableNodes, referenced, setReferenced
from MedCompressSlicer.comparison_plot import comparisonChart, removeChart
from MedCompressSlicer.comparison_steps import ComparisonSteps, compareNodes
from MedCompressSlicer.comparison_table import (
    SHOWN,
    asComparisonTable,
    columnTitle,
    comparedNodes,
    rowsOfTable,
    sortTable,
    summary,
    worstRow,
)
from MedCompressSlicer.match_table import MatchTable, setMatch
from MedCompressSlicer.module_widget import ModuleWidget
from MedCompressSlicer.reader_study import ReaderStudy
from MedCompressSlicer.reader_study_panel import ReaderStudyPanel
from MedCompressSlicer.reader_study_results import readResults, resultsChart, resultsTable
from MedCompressSlicer.requirements import ensurePackages
from MedCompressSlicer.segmentations import segmentationFromNode, segmentationNodes
from slicer import (
    vtkMRMLLabelMapVolumeNode,
    vtkMRMLModelNode,
    vtkMRMLPlotChartNode,
    vtkMRMLSegmentationNode,
    vtkMRMLTableNode,
)
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
)


class SegmentationComparison(ScriptedLoadableModule):
    """Declaration of the module."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("Segmentation Comparison")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        parent.dependencies = ["Segmentations", "Colors", "Plots"]
        parent.contributors = ["MedCompress developers"]
        parent.helpText = _(
            "Compares segmentations and label maps with a reference: overlap, distances in mm and volumes of each"
            " segment, an error map over the slices, and the surface colored by its distance to the reference. Click a"
            " row to see its largest error, a column's title to sort. In the Python console:"
            "<pre>logic = slicer.util.getModuleLogic('SegmentationComparison')\n"
            "table = logic.compare('reference', ['test A', 'test B'])  # Compare\n"
            "logic.plot(table, 'hausdorff_95')                         # Plot\n"
            "logic.errorMap(table, 0)                                  # error map of the first row\n"
            "logic.surface(table, 0)                                   # surface colored by distance\n"
            "logic.jump(table, 0)                                      # click on the first row\n"
            "logic.sort(table, 'dice')                                 # click on a title\n"
            "logic.export(table, '/tmp/comparison.csv')                # Export\n"
            "study = logic.readerStudy({1: 'CT', 20: 'CT 20:1'}, 'Ann', '/tmp/ann.csv')  # Start or Resume\n"
            "study.answer('left')                                      # Left is better\n"
            "table, chart = logic.readerResults(['/tmp/ann.csv'])      # Results</pre>"
        )
        parent.acknowledgementText = _("Built on SimpleITK, SciPy, VTK and NumPy.")


class Measure(enum.Enum):
    """What the plot shows; the value is the column of the table."""

    DICE = "dice"
    JACCARD = "jaccard"
    SURFACE_DICE = "surface_dice"
    HAUSDORFF = "hausdorff"
    HAUSDORFF_95 = "hausdorff_95"
    AVERAGE_HAUSDORFF = "average_hausdorff"
    BOUNDARY_DISTANCE = "smbd"
    VOLUME_DIFFERENCE = "volume_difference_ml"

    def label(self) -> str:
        return columnTitle(self.value)


@parameterNodeWrapper
class SegmentationComparisonParameterNode:
    """Choices of the user and the last results, saved with the scene.

    tolerance: mm, of surface Dice. Segmentations that are not to be tested are node references with the role EXCLUDED.
    """

    reference: vtkMRMLSegmentationNode | vtkMRMLLabelMapVolumeNode | None
    tolerance: Annotated[float, WithinRange(0, 10)] = 1.0
    measure: Measure = Measure.DICE
    showErrorMap: bool = True
    showSurface: bool = True
    table: vtkMRMLTableNode
    chart: vtkMRMLPlotChartNode
    errorMap: vtkMRMLLabelMapVolumeNode
    surface: vtkMRMLModelNode


EXCLUDED = "MedCompress.Excluded"


class SegmentationComparisonWidget(ModuleWidget):
    """The panel: asks and shows."""

    def __init__(self, parent=None) -> None:
        ModuleWidget.__init__(self, parent)
        self._sorted = ("", False)

    def setup(self) -> None:
        self.loadPanel(SegmentationComparisonLogic())
        self._tests = CheckableNodes(self.ui.testList, self.onTestChecked)
        self._matches = MatchTable(self.ui.matchTable, self.ui.matchLabel, self.onMatchChosen)
        self.ui.resultTable.verticalHeader().setVisible(False)
        self.ui.resultTable.verticalHeader().setDefaultSectionSize(20)
        self.ui.resultTable.connect("clicked(QModelIndex)", self.onRowClicked)
        self.ui.resultTable.horizontalHeader().connect("sectionClicked(int)", self.onHeaderClicked)
        self.ui.compareButton.connect("clicked(bool)", self.onCompare)
        self.ui.exportButton.connect("clicked(bool)", self.onExport)
        self.ui.measureComboBox.connect("activated(int)", self.onMeasureChosen)
        self._loadReaderStudy()
        self.followNodes()
        self.initializeParameterNode()

    def _loadReaderStudy(self) -> None:
        panel = slicer.util.loadUI(self.resourcePath("UI/ReaderStudy.ui"))
        self.ui.studySection.layout().addWidget(panel)
        panel.setMRMLScene(slicer.mrmlScene)
        self.readerStudy = ReaderStudyPanel(slicer.util.childWidgetVariables(panel), self.parent)

    def cleanup(self) -> None:
        self.readerStudy.cleanup()
        ModuleWidget.cleanup(self)

    def onUnbound(self) -> None:
        """A session takes keys from all of Slicer, and ends with the panel in sight."""
        self.readerStudy.onStop()

    def clearResults(self) -> None:
        self.showTable()

    def suggestInputs(self) -> None:
        if not self._parameterNode.reference:
            self._parameterNode.reference = next(iter(segmentationNodes()), None)
        self.showTable()

    def updatePanel(self) -> None:
        reference, tests = self._parameterNode.reference, self.logic.testNodes(self._parameterNode)
        self._tests.fill([node for node in segmentationNodes() if node is not reference], tests)
        reason = ""
        if not reference:
            reason = _("Choose a reference first")
        elif not tests:
            reason = _("Check at least one other segmentation or label map")
        self.allow(reason, (self.ui.compareButton, _("Measure every segment of every test against the reference")))

    def onTestChecked(self, nodeID: str, checked: bool) -> None:
        self.logic.setTested(self._parameterNode, nodeID, checked)

    def onMatchChosen(self, segment: str, test: str, name: str | None) -> None:
        """Keep with the test's node which of its segments is the reference's `segment`."""
        with self.failing(_("The segments were not matched.")):
            table = self._parameterNode.table
            row = next(row for row in rowsOfTable(table) if row.test == test)
            setMatch(comparedNodes(table, row)[1], segment, name)
            self.jobs.say(_("Press Compare to compare what belongs together now"))

    def onCompare(self, *_unused) -> None:
        with self.failing(_("The segmentations were not compared.")):
            if not self.jobs.running and ensurePackages():
                parameters = self._parameterNode
                tests = self.logic.testNodes(parameters)
                self.startSteps(ComparisonSteps(parameters.reference, tests, parameters.tolerance), self.onDone)

    def onDone(self, steps: ComparisonSteps) -> None:
        parameters = self.logic.getParameterNode()
        parameters.table, self._sorted = steps.table, ("", False)
        self.plot(parameters)
        self.showTable()
        worst = worstRow(rowsOfTable(steps.table))
        if worst is not None:
            self.showRow(worst)
        self.onParametersModified()

    def showTable(self) -> None:
        table = self._parameterNode.table if self._parameterNode else None
        self.ui.resultSection.enabled = table is not None
        self.ui.resultTable.setMRMLTableNode(table)
        for column in range(table.GetNumberOfColumns() if table else 0):
            self.ui.resultTable.setColumnHidden(column, column >= len(SHOWN))
        self.ui.resultTable.resizeColumnsToContents()
        rows = rowsOfTable(table) if table else []
        self.ui.summaryLabel.text = summary(rows) if table else ""
        self._matches.fill(rows)

    def showRow(self, row: int) -> None:
        """Show what a row is about in the views: largest error, error map, surface."""
        self.ui.resultTable.selectRow(row)
        with slicer.util.WaitCursor():
            self.logic.show(self.logic.getParameterNode(), row)

    def onRowClicked(self, index) -> None:
        with self.failing(_("The errors cannot be shown.")):
            self.showRow(index.row())

    def onHeaderClicked(self, section: int) -> None:
        table = self._parameterNode.table if self._parameterNode else None
        if table is None or section >= len(SHOWN):
            return
        column = SHOWN[section]
        self._sorted = (column, not self._sorted[1] if self._sorted[0] == column else False)
        self.logic.sort(table, *self._sorted)
        self.showTable()

    def onMeasureChosen(self, *_unused) -> None:
        if self._parameterNode and self._parameterNode.table:
            self.plot(self._parameterNode)

    def plot(self, parameters) -> None:
        if parameters.chart:
            removeChart(parameters.chart)
        parameters.chart = self.logic.plot(parameters.table, parameters.measure.value)
        if slicer.app.layoutManager() is not None:
            slicer.modules.plots.logic().ShowChartInLayout(parameters.chart)

    def onExport(self, *_unused) -> None:
        with self.failing(_("The table was not exported.")):
            path = qt.QFileDialog.getSaveFileName(
                self.parent, _("Export the comparison"), "comparison.csv", _("Comma-separated values (*.csv)")
            )
            if path:
                path = self.logic.export(self._parameterNode.table, path)
                self.jobs.say(_("Exported to {path}").format(path=path))


class SegmentationComparisonLogic(ScriptedLoadableModuleLogic):
    """Everything the panel does, for scripts: takes and returns MRML nodes, raises MedCompressError, opens no dialog.

    Segmentations, label maps and tables may be given as node, ID or name; rows are numbers from 0.
    """

    def getParameterNode(self):
        return SegmentationComparisonParameterNode(super().getParameterNode())

    def compare(self, reference, tests, tolerance: float = 1.0, byHand=None, progress=silent):
        """New table node: a row for each test and segment; distances in mm. tests: one or several.

        byHand: segment name in the reference to segment name in the tests, where names and terminology do not tell;
        or such a mapping for each test.
        """
        return compareNodes(reference, tests, tolerance, byHand, progress)

    def plot(self, table, measure: str = "dice"):
        """New plot chart node of a column of the table over the segments."""
        return comparisonChart(rowsOfTable(table), measure)

    def errorMap(self, table, row: int = 0, node=None):
        """Label map node (new, or filled anew): 1 in both, 2 in the test alone, 3 in the reference alone."""
        return error_display.errorMapNode(*self._compared(table, row), node)

    def surface(self, table, row: int = 0, node=None):
        """Model node (new, or filled anew): the test's surface, colored by its signed distance to the reference."""
        return error_display.surfaceNode(*self._compared(table, row), node)

    def jump(self, table, row: int = 0) -> bool:
        """Center the slice views on the row's largest error; False where there is none."""
        return error_display.jumpTo(rowsOfTable(table)[row])

    def sort(self, table, column: str, descending: bool = False) -> None:
        """Sort the rows of the table by a column."""
        sortTable(asComparisonTable(table), column, descending)

    def export(self, table, path) -> Path:
        """Write all columns to a CSV file, as `medcompress compare --csv` does; returns its path."""
        path = Path(path).expanduser()
        path = path if path.suffix else path.with_suffix(".csv")
        write_text(csv_text(rowsOfTable(table)), path)
        return path

    def readerStudy(self, volumes, reader: str, path, imagesPerPair: int = 10) -> ReaderStudy:
        """Show pairs of compressed versions of a volume side by side; the session goes on where `path` exists.

        volumes: compression ratio to volume, 1 for the original; or the original and then restored archives, which say
        their ratio themselves. The buttons are the result's answer("left"), answer("right"), answer("undecided"),
        takeBack() and close().
        """
        return ReaderStudy(volumes, reader, path, imagesPerPair)

    def readerResults(self, paths) -> tuple:
        """(table node, plot chart node) of one or several sessions, by reader and pair of compression ratios."""
        results = readResults(paths)
        return resultsTable(results), resultsChart(results)

    def show(self, parameters, row: int) -> None:
        """What a click on a row does: jump there, fill and show error map and surface as `parameters` ask."""
        table = parameters.table
        if parameters.showErrorMap:
            parameters.errorMap = self.errorMap(table, row, parameters.errorMap)
            error_display.showErrorMap(parameters.errorMap)
        if parameters.showSurface:
            parameters.surface = self.surface(table, row, parameters.surface)
        self.jump(table, row)

    def testNodes(self, parameters) -> list:
        """All segmentations and label maps of the scene but for the reference and those excluded."""
        excluded = referenced(parameters.parameterNode, EXCLUDED)
        return [n for n in segmentationNodes() if n is not parameters.reference and n.GetID() not in excluded]

    def setTested(self, parameters, nodeID: str, tested: bool) -> None:
        """Exclude a node from the tests, or take it in again."""
        setReferenced(parameters.parameterNode, EXCLUDED, nodeID, not tested)

    def _compared(self, table, row: int) -> tuple:
        """(row, reference, test) as the library takes them."""
        table = asComparisonTable(table)
        found = rowsOfTable(table)[row]
        reference, test = comparedNodes(table, found)
        ours = segmentationFromNode(reference)
        return found, ours, segmentationFromNode(test, ours)


class SegmentationComparisonTest(ScriptedLoadableModuleTest):
    """Self test: two boxes, one voxel apart."""

    def runTest(self) -> None:
        slicer.mrmlScene.Clear()
        self.testShiftedBox()

    def testShiftedBox(self) -> None:
        import numpy as np
        from MedCompressLib.volume import Geometry, Volume
        from MedCompressSlicer.volumes import nodeFromVolume

        nodes = []
        for name, start in (("reference", 4), ("test", 5)):
            labels = np.zeros((10, 20, 20), np.uint8)
            labels[2:8, 5:15, start : start + 10] = 1
            nodes.append(nodeFromVolume(Volume(labels, Geometry(spacing=(2, 1, 3)), "SEG"), name))
        logic = SegmentationComparisonLogic()
        table = logic.compare(*nodes)
        row = rowsOfTable(table)[0]
        self.assertAlmostEqual(row.dice, 0.9)
        self.assertAlmostEqual(row.hausdorff, 2.0)
        self.assertEqual(slicer.util.arrayFromVolume(logic.errorMap(table)).max(), 3)
        self.delayDisplay("Test passed")
