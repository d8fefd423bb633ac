"""Two slice views next to each other on the same slice: one as it is, one for a preview."""

from __future__ import annotations

import slicer
import vtk

from .views import compositeNodes

LEFT, RIGHT = "Red", "Yellow"


class SideBySide:
    """Shows the views Red and Yellow side by side, Yellow following Red, from `begin` until `end`.

    Does nothing where these views are missing, as without a main window.
    """

    def __init__(self):
        self._before: tuple | None = None

    @property
    def active(self) -> bool:
        return self._before is not None and _slice(RIGHT) is not None

    def previewViews(self) -> list:
        """The nodes of the views that show the preview: Yellow's, or all where the views are not side by side."""
        return [node for node in compositeNodes() if not self.active or node.GetLayoutName() == RIGHT]

    def begin(self) -> None:
        layout, right = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode"), _slice(RIGHT)
        if self.active or layout is None or right is None or _slice(LEFT) is None:
            return
        matrix = vtk.vtkMatrix4x4()
        matrix.DeepCopy(right.GetSliceToRAS())
        self._before = layout, layout.GetViewArrangement(), matrix, right.GetFieldOfView()
        layout.SetViewArrangement(layout.SlicerLayoutSideBySideView)
        self.follow()

    def follow(self) -> None:
        """Lay Yellow where Red is."""
        left, right = _slice(LEFT), _slice(RIGHT)
        if self.active and left is not None:
            _lay(right, left.GetSliceToRAS(), left.GetFieldOfView())

    def end(self) -> None:
        """The layout of before, unless the user has chosen another meanwhile."""
        if self._before is None:
            return
        layout, arrangement, matrix, field = self._before
        right = _slice(RIGHT)
        if right is not None:
            _lay(right, matrix, field)
        if layout.GetScene() is not None and layout.GetViewArrangement() == layout.SlicerLayoutSideBySideView:
            layout.SetViewArrangement(arrangement)
        self._before = None


def _slice(name: str):
    nodes = slicer.util.getNodesByClass("vtkMRMLSliceNode")
    return next((node for node in nodes if node.GetLayoutName() == name), None)


def _lay(sliceNode, matrix, field) -> None:
    elements = [(row, column) for row in range(4) for column in range(4)]
    current = sliceNode.GetSliceToRAS()
    if any(current.GetElement(*place) != matrix.GetElement(*place) for place in elements):
        current.DeepCopy(matrix)
        sliceNode.UpdateMatrices()
    if sliceNode.GetFieldOfView() != field:
        sliceNode.SetFieldOfView(*field)
