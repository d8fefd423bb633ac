"""Views without the application: Slicer's own slice logic and displayable managers draw into memory."""

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

_MANAGERS = [f"vtkMRML{kind}DisplayableManager" for kind in ("Camera", "View", "Model", "ColorLegend")]


class SliceView:
    """A slice view: `node`, `composite`, and what Slicer's slice logic `logic` blends from its volumes."""

    def __init__(self, name="Red", size=(300, 300)):
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(slicer.mrmlScene)
        self.logic, self._size = slicer.vtkMRMLSliceLogic(), size
        self.logic.SetMRMLApplicationLogic(slicer.app.applicationLogic())
        self.logic.SetMRMLScene(slicer.mrmlScene)
        self.logic.AddSliceNode(name)
        self.node = slicer.mrmlScene.GetSingletonNode(name, "vtkMRMLSliceNode")
        self.composite = self.logic.GetSliceCompositeNode()
        self.node.SetDimensions(*size, 1)

    def image(self, fit: bool = True) -> np.ndarray:
        """RGB [row from below, column, 3]; fit: with the whole background in sight."""
        if fit:
            self.logic.FitSliceToBackground(*self._size)
        connection = self.logic.GetImageDataConnection()
        connection.GetProducer().Update()
        image = connection.GetProducer().GetOutputDataObject(0)
        return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(*self._size[::-1], -1)[..., :3].copy()

    def close(self) -> None:
        for node in (self.composite, self.node):
            slicer.mrmlScene.RemoveNode(node)
        self.logic.SetMRMLScene(None)


class ThreeDView:
    """A 3D view with the models and color legends that come into the scene after it, as in Slicer."""

    def __init__(self, size=(500, 400)):
        self._window, self._renderer = vtk.vtkRenderWindow(), vtk.vtkRenderer()
        self._window.SetOffScreenRendering(1)
        self._window.SetSize(*size)
        self._window.SetMultiSamples(0)
        self._window.AddRenderer(self._renderer)
        self._interactor = vtk.vtkGenericRenderWindowInteractor()
        self._interactor.SetRenderWindow(self._window)
        self._view = slicer.mrmlScene.AddNode(slicer.vtkMRMLViewNode())
        self._view.SetBackgroundColor(1, 1, 1)
        self._view.SetBackgroundColor2(1, 1, 1)
        self._view.SetBoxVisible(False)
        self._view.SetAxisLabelsVisible(False)
        factory = slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance()
        factory.SetMRMLApplicationLogic(slicer.app.applicationLogic())
        for name in _MANAGERS:
            if not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)
        self._group = factory.InstantiateDisplayableManagers(self._renderer)
        self._group.SetMRMLDisplayableNode(self._view)

    def image(self, direction) -> np.ndarray:
        """The whole scene seen from a direction (RAS): RGB [row from below, column, 3]."""
        camera = self._renderer.GetActiveCamera()
        self._window.Render()
        camera.SetPosition(np.add(camera.GetFocalPoint(), np.multiply(direction, 300)))
        camera.SetViewUp(0, 0, 1)
        self._renderer.ResetCamera()
        self._renderer.ResetCameraClippingRange()
        self._window.Render()
        return grabbed(self._window)

    def close(self) -> None:
        self._group.SetMRMLDisplayableNode(None)
        slicer.mrmlScene.RemoveNode(self._view)


def chartImage(chartNode, size=(600, 400)) -> np.ndarray:
    """A chart node drawn with VTK's charts, series by series as Slicer's plot view sets them up."""
    node = slicer.vtkMRMLPlotSeriesNode
    view = vtk.vtkContextView()
    view.GetRenderWindow().SetOffScreenRendering(1)
    view.GetRenderWindow().SetSize(*size)
    view.GetRenderWindow().SetMultiSamples(0)
    chart = vtk.vtkChartXY()
    view.GetScene().AddItem(chart)
    for number in range(chartNode.GetNumberOfPlotSeriesNodes()):
        series = chartNode.GetNthPlotSeriesNode(number)
        bars = series.GetPlotType() in (node.PlotTypeBar, node.PlotTypeScatterBar)
        plot = vtk.vtkPlotBar() if bars else vtk.vtkPlotLine()
        plot.SetWidth(series.GetLineWidth())
        plot.SetColorF(*series.GetColor())
        plot.SetLabel(series.GetName())
        plot.GetPen().SetLineType(vtk.vtkPen.SOLID_LINE if bars else series.GetLineStyle())
        if not bars:
            plot.SetMarkerStyle(series.GetMarkerStyle())
            plot.SetMarkerSize(series.GetMarkerSize())
        plot.SetUseIndexForXSeries(not series.IsXColumnRequired())
        plot.SetInputData(series.GetTableNode().GetTable(), series.GetXColumnName(), series.GetYColumnName())
        chart.AddPlot(plot)
    chart.SetShowLegend(chartNode.GetLegendVisibility())
    chart.SetTitle(chartNode.GetTitle())
    for axis, title in ((0, chartNode.GetYAxisTitle()), (1, chartNode.GetXAxisTitle())):
        chart.GetAxis(axis).SetTitle(title)
    if not chartNode.GetYAxisRangeAuto():
        chart.GetAxis(0).SetRange(*chartNode.GetYAxisRange())
        chart.GetAxis(0).SetBehavior(vtk.vtkAxis.FIXED)
    if chartNode.GetXAxisLogScale():
        chart.GetAxis(1).LogScaleOn()
    view.GetRenderWindow().Render()
    return grabbed(view.GetRenderWindow())


def grabbed(window) -> np.ndarray:
    """Pixels of a render window, RGB [row from below, column, 3]."""
    grabber = vtk.vtkWindowToImageFilter()
    grabber.SetInput(window)
    grabber.ReadFrontBufferOff()
    grabber.Update()
    image = grabber.GetOutput()
    width, height, _depth = image.GetDimensions()
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(height, width, -1)[..., :3].copy()


def savePicture(pixels: np.ndarray, path) -> None:
    """Write RGB [row from below, column, 3] as PNG."""
    from vtk.util.numpy_support import numpy_to_vtk

    image, writer = vtk.vtkImageData(), vtk.vtkPNGWriter()
    image.SetDimensions(pixels.shape[1], pixels.shape[0], 1)
    image.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(pixels).reshape(-1, 3), deep=True))
    writer.SetFileName(str(path))
    writer.SetInputData(image)
    writer.Write()
