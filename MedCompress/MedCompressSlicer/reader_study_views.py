"""Two linked slice views side by side, for two pictures of one slice that nobody can tell apart but by looking."""

from __future__ import annotations

import slicer
import vtk
from MedCompressLib.errors import MedCompressError
from MedCompressLib.volume import Volume
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from .volumes import fillNode, nodeFromVolume

LAYOUT = 5290
"""Number of the layout in the layout node; Slicer's own are below 100."""
LEFT, RIGHT = "ReaderLeft", "ReaderRight"
_VIEW = """<item><view class="vtkMRMLSliceNode" singletontag="{name}">
<property name="orientation" action="default">Axial</property>
<property name="viewlabel" action="default">{label}</property>
<property name="viewcolor" action="default">#808080</property></view></item>"""


class SideBySideViews(VTKObservationMixin):
    """Owns one volume node for each side, with the one slice to show and no name, file or patient of its own.

    Both sides have one window and level, zoom and position, whichever of them the reader changes.

    Raises MedCompressError where there are no views.
    """

    def __init__(self):
        VTKObservationMixin.__init__(self)
        if _layoutNode() is None:
            raise MedCompressError("a reader study needs slice views: run Slicer with its main window")
        self._nodes: list = []
        self._layoutBefore: int | None = None

    def open(self) -> None:
        """Change to the layout, and let the views take their sizes."""
        layout = _layoutNode()
        if not layout.IsLayoutDescription(LAYOUT):
            views = _VIEW.format(name=LEFT, label=_("Left")) + _VIEW.format(name=RIGHT, label=_("Right"))
            layout.AddLayoutDescription(LAYOUT, f'<layout type="horizontal" split="true">{views}</layout>')
        self._layoutBefore = layout.GetViewArrangement()
        layout.SetViewArrangement(LAYOUT)
        slicer.app.processEvents()

    def show(self, left: Volume, right: Volume, like) -> None:
        """Show two volumes of one slice; `like` is the volume node whose window, level, color and transform they get.

        Zoom, position in the slice, window and level stay what the reader made of them with the slice before.
        """
        if not self._nodes:
            self._nodes = [_newNode(volume, name, like) for volume, name in ((left, _("Left")), (right, _("Right")))]
            for node in self._nodes:
                self.addObserver(node.GetDisplayNode(), vtk.vtkCommand.ModifiedEvent, self._onDisplayModified)
            for name, node in zip((LEFT, RIGHT), self._nodes, strict=True):
                _showAlone(name, node)
        else:
            for node, volume in zip(self._nodes, (left, right), strict=True):
                fillNode(node, volume)
        for name in (LEFT, RIGHT):
            _sliceNode(name).JumpSliceByOffsetting(*_center(self._nodes[0]))

    def close(self) -> None:
        """Remove both nodes and go back to the layout of before, unless the user has left this one meanwhile."""
        self.removeObservers()
        for node in self._nodes:
            if node.GetScene() is not None:
                slicer.mrmlScene.RemoveNode(node.GetDisplayNode())
                slicer.mrmlScene.RemoveNode(node)
        self._nodes = []
        layout = _layoutNode()
        if layout is not None and self._layoutBefore is not None and layout.GetViewArrangement() == LAYOUT:
            layout.SetViewArrangement(self._layoutBefore)
        self._layoutBefore = None

    def _onDisplayModified(self, caller, event) -> None:
        for display in (node.GetDisplayNode() for node in self._nodes):
            if (display.GetWindow(), display.GetLevel()) != (caller.GetWindow(), caller.GetLevel()):
                display.SetAutoWindowLevel(False)
                display.SetWindowLevel(caller.GetWindow(), caller.GetLevel())


def _layoutNode():
    return slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")


def _sliceNode(name: str):
    return slicer.mrmlScene.GetSingletonNode(name, "vtkMRMLSliceNode")


def _compositeNode(name: str):
    node = slicer.mrmlScene.GetSingletonNode(name, "vtkMRMLSliceCompositeNode")
    if node is None:
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLSliceCompositeNode")
        node.UnRegister(None)
        node.SetLayoutName(name)
        node = slicer.mrmlScene.AddNode(node)
    return node


def _newNode(volume: Volume, name: str, like):
    node = nodeFromVolume(volume, name, like)
    for part in (node, node.GetDisplayNode()):
        part.SetSaveWithScene(False)
    return node


def _showAlone(name: str, node) -> None:
    """Fill a view with the one volume: along its slices, linked to the other view and to no third one."""
    composite, sliceNode = _compositeNode(name), _sliceNode(name)
    composite.SetBackgroundVolumeID(node.GetID())
    composite.SetForegroundVolumeID(None)
    composite.SetLabelVolumeID(None)
    composite.SetLinkedControl(True)
    composite.SetHotLinkedControl(True)
    sliceNode.SetViewGroup(LAYOUT)
    sliceNode.SetOrientation(_orientation(node))
    sliceNode.RotateToVolumePlane(node)
    logic = slicer.app.applicationLogic().GetSliceLogic(sliceNode)
    if logic is not None:
        logic.FitSliceToBackground()


def _orientation(node) -> str:
    """Name of the orientation nearest to the slices of a volume."""
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASDirectionMatrix(matrix)
    along = [abs(matrix.GetElement(row, 2)) for row in range(3)]
    return ("Sagittal", "Coronal", "Axial")[along.index(max(along))]


def _center(node) -> list[float]:
    """RAS of the middle of a volume, in the world."""
    bounds = [0.0] * 6
    node.GetRASBounds(bounds)
    return [(bounds[axis] + bounds[axis + 1]) / 2 for axis in (0, 2, 4)]
