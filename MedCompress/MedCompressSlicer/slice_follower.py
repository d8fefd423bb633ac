"""Work that follows the slice views."""

from __future__ import annotations

from collections.abc import Callable

import qt
import slicer
import vtk
from slicer.util import VTKObservationMixin

_DELAY_MS = 20


class SliceFollower(VTKObservationMixin):
    """Calls `update()` soon after a slice view moves, and after `start`, until `stop`.

    A call is not put off by what happens until then, so that it keeps up with a slider that is being dragged.
    """

    def __init__(self, update: Callable[[], None]):
        VTKObservationMixin.__init__(self)
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(_DELAY_MS)
        self._timer.connect("timeout()", update)

    def start(self) -> None:
        for node in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
            if not self.hasObserver(node, vtk.vtkCommand.ModifiedEvent, self._onModified):
                self.addObserver(node, vtk.vtkCommand.ModifiedEvent, self._onModified)
        self._onModified()

    def stop(self) -> None:
        self._timer.stop()
        self.removeObservers()

    def _onModified(self, caller=None, event=None) -> None:
        if not self._timer.isActive():
            self._timer.start()
