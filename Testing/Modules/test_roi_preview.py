"""The outline of the region and the preview of its background: at the right place, gone without a trace afterwards."""

import numpy as np
import pytest
import slicer
from Harness import choose, click, loadModule, waitFor
from roi_scenes import SHAPE, addCt, addOrgans, ball, outlined, outlineNode, quickly, regionSays, vessel
from scenes import addSliceView, removeSliceViews, samples, showSlice


@pytest.fixture
def panel(tmp_path):
    addCt()
    addOrgans()
    loaded = loadModule("RoiCompression")
    quickly(loaded, tmp_path / "a.mcz")
    yield loaded
    removeSliceViews()
    for node in slicer.util.getNodesByClass("vtkMRMLLayoutNode"):
        slicer.mrmlScene.RemoveNode(node)


def preview():
    return slicer.mrmlScene.GetFirstNodeByName("CT preview")


def test_outline_follows_segments_visibility_and_box(panel):
    import vtk

    regionSays(panel, ball() | vessel())
    node, display = slicer.util.getNode("organs"), slicer.util.getNode("organs").GetDisplayNode()
    display.SetSegmentVisibility(node.GetSegmentation().GetNthSegmentID(1), False)
    regionSays(panel, ball())
    assert np.array_equal(outlined(), ball())
    choose(panel.widget.ui.sourceComboBox, "ROI box")
    click(panel.widget.ui.newBoxButton)
    waitFor(lambda: outlineNode() is not None and outlined().sum() == 6 * 20 * 24)
    box, moved = slicer.util.getNode("CT box"), vtk.vtkMatrix4x4()
    moved.DeepCopy(box.GetObjectToNodeMatrix())
    for row in range(3):
        moved.SetElement(row, 3, moved.GetElement(row, 3) + 4 * moved.GetElement(row, 1))
    box.SetAndObserveObjectToNodeMatrix(moved)
    expected = np.zeros(SHAPE, bool)
    expected[2:8, 14:34, 12:36] = True
    waitFor(lambda: np.array_equal(outlined(), expected))


def test_outline_is_an_outline_and_is_never_saved(panel):
    regionSays(panel, ball() | vessel())
    node = outlineNode()
    display = node.GetDisplayNode()
    assert display.GetVisibility2DOutline() and not display.GetVisibility2DFill() and not display.GetVisibility3D()
    assert not node.GetSaveWithScene() and not display.GetSaveWithScene()
    selector = panel.widget.ui.segmentationSelector._part
    assert [selector.itemText(n) for n in range(selector.count)] == ["None", "organs"], "no user chooses it by mistake"


def test_outline_is_drawn_around_the_region(panel):
    """By Slicer's own manager of segmentations in slice views, over the plane that Slicer's slice logic shows."""
    import vtk
    from offscreen import SliceView, grabbed
    from scipy.ndimage import binary_erosion

    name = "vtkMRMLSegmentationsDisplayableManager2D"
    slicer.util.getNode("organs").GetDisplayNode().SetVisibility(False)
    regionSays(panel, ball() | vessel())
    view, window, renderer = SliceView(), vtk.vtkRenderWindow(), vtk.vtkRenderer()
    gray = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLColorTableNode", "Gray")
    gray.SetTypeToGrey()
    slicer.util.getNode("CT").GetDisplayNode().SetAndObserveColorNodeID(gray.GetID())
    view.composite.SetBackgroundVolumeID(slicer.util.getNode("CT").GetID())
    showSlice(view.node, slicer.util.getNode("CT"), 4)
    view.image()
    window.SetOffScreenRendering(1)
    window.SetSize(300, 300)
    window.SetMultiSamples(0)
    window.AddRenderer(renderer)
    interactor = vtk.vtkGenericRenderWindowInteractor()
    interactor.SetRenderWindow(window)
    factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
    factory.SetMRMLApplicationLogic(slicer.app.applicationLogic())
    if not factory.IsDisplayableManagerRegistered(name):
        factory.RegisterDisplayableManager(name)
    group = factory.InstantiateDisplayableManagers(renderer)
    group.SetMRMLDisplayableNode(view.node)
    window.Render()
    pixels = grabbed(window)
    toSlice = vtk.vtkMatrix4x4()
    vtk.vtkMatrix4x4.Invert(view.node.GetXYToRAS(), toSlice)
    toRas = vtk.vtkMatrix4x4()
    slicer.util.getNode("CT").GetIJKToRASMatrix(toRas)
    drawn = np.argwhere(pixels.max(axis=-1) > 60)[:, ::-1]
    group.SetMRMLDisplayableNode(None)
    view.close()

    def distances(mask):
        """From each pixel that is drawn to the nearest voxel of a mask of slice 4, in pixels."""
        points = [toRas.MultiplyPoint((i, j, 4, 1)) for j, i in np.argwhere(mask)]
        places = np.array([toSlice.MultiplyPoint(point)[:2] for point in points])
        return np.linalg.norm(places - drawn[:, np.newaxis], axis=-1).min(axis=1)

    region = (ball() | vessel())[4]
    step = 1.5 / view.node.GetFieldOfView()[0] * 300
    assert len(drawn) > 100 and distances(region).max() < 2 * step, "near the region alone"
    assert distances(binary_erosion(region, iterations=2)).min() > 2, "along its border, not filled"


@pytest.mark.parametrize("end", ["leave", "uncheck", "close", "remove"])
def test_outline_ends_with_what_it_shows(panel, end):
    regionSays(panel, ball() | vessel())
    assert outlineNode() is not None
    if end == "leave":
        panel.window.exit()
    elif end == "uncheck":
        click(panel.widget.ui.showRegionCheckBox)
        waitFor(lambda: outlineNode() is None)
    elif end == "close":
        slicer.mrmlScene.Clear(False)
    else:
        slicer.mrmlScene.RemoveNode(slicer.util.getNode("CT"))
        waitFor(lambda: outlineNode() is None)
        assert not panel.widget.ui.compressButton.enabled
    assert outlineNode() is None
    if end == "leave":
        panel.window.enter()
        regionSays(panel, ball() | vessel())
        assert np.array_equal(outlined(), ball() | vessel())


@pytest.mark.parametrize(
    ("method", "codec"), [("Exact region, lossy background", "JPEG 2000"), ("Diffused background", "JPEG 2000")]
)
def test_background_preview_keeps_the_region(panel, method, codec):
    red, _composite = addSliceView()
    original = samples(slicer.util.getNode("CT"))
    showSlice(red, slicer.util.getNode("CT"), 4)
    ui = panel.widget.ui
    choose(ui.methodComboBox, method)
    if method.startswith("Diffused"):
        choose(ui.goalComboBox, "Lossless")
    click(ui.previewCheckBox)
    waitFor(lambda: preview() is not None)
    shown, inside = samples(preview())[0], (ball() | vessel())[4]
    assert np.array_equal(shown[inside], original[4][inside])
    assert 0 < np.abs(shown.astype(int) - original[4]).max() < 700, "this very slice, with a lossy background"
    assert "lice" in ui.previewLabel.text
    showSlice(red, slicer.util.getNode("CT"), 9)
    waitFor(lambda: "Slice 9: " in ui.previewLabel.text or "slice 9 is shown" in ui.previewLabel.text)
    click(ui.previewCheckBox)
    assert preview() is None and ui.previewLabel.text == ""


def test_preview_is_shown_beside_the_original(panel):
    layout = slicer.mrmlScene.AddNode(slicer.vtkMRMLLayoutNode())
    layout.SetViewArrangement(layout.SlicerLayoutFourUpView)
    red, left = addSliceView("Red")
    yellow, right = addSliceView("Yellow")
    before = [yellow.GetSliceToRAS().GetElement(row, 3) for row in range(3)]
    showSlice(red, slicer.util.getNode("CT"), 5)
    click(panel.widget.ui.previewCheckBox)
    waitFor(lambda: preview() is not None)
    assert layout.GetViewArrangement() == layout.SlicerLayoutSideBySideView
    assert left.GetForegroundVolumeID() is None and right.GetForegroundVolumeID() == preview().GetID()
    showSlice(red, slicer.util.getNode("CT"), 3)
    waitFor(lambda: "Slice 3: " in panel.widget.ui.previewLabel.text)

    def place(node):
        return [node.GetSliceToRAS().GetElement(row, 3) for row in range(3)]

    assert place(yellow) == place(red) != before
    click(panel.widget.ui.previewCheckBox)
    assert preview() is None and layout.GetViewArrangement() == layout.SlicerLayoutFourUpView
    assert place(yellow) == before and right.GetForegroundVolumeID() is None
