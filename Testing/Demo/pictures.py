"""Pictures of one axial slice as PNG data URIs."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from MedCompressLib.volume import Volume

DIFFERENCE_COLORS = "RdBu_r"


class View:
    """The axial slice through the middle, as a radiologist sees it: patient's right on the left, front at the top."""

    def __init__(self, volume: Volume) -> None:
        direction = np.array(volume.geometry.direction)
        axes = [0, 0, 0]
        free = {0, 1, 2}
        for patient_axis in (2, 1, 0):
            axes[patient_axis] = max(free, key=lambda axis: abs(direction[patient_axis, axis]))
            free.remove(axes[patient_axis])
        self.order = [2 - axes[patient_axis] for patient_axis in (2, 1, 0)]
        self.flips = [direction[patient_axis, axes[patient_axis]] < 0 for patient_axis in (2, 1, 0)]
        self.index = volume.array.shape[self.order[0]] // 2
        spacing = volume.geometry.spacing
        self.pixel_aspect = spacing[axes[1]] / spacing[axes[0]]
        plane = self.of(volume)
        self.plane_shape = plane.shape
        self.low, self.high = window(volume)
        self.detail = _busiest(np.clip(plane.astype(float), self.low, self.high))

    def of(self, volume: Volume) -> np.ndarray:
        """The slice of a volume on the same grid: rows to the back, columns to the patient's left."""
        turned = np.transpose(volume.array, self.order)
        plane = turned[self.index]
        for axis, flip in enumerate(self.flips[1:]):
            plane = np.flip(plane, axis) if flip else plane
        return plane

    def gray(self, plane: np.ndarray) -> str:
        """Data URI in the volume's window."""
        return _encode(plane, "gray", self.low, self.high)


def window(volume: Volume) -> tuple[float, float]:
    """Lower and upper gray limit: level 40 and width 400 HU in CT, else the 1st to 99th percentile."""
    if volume.modality == "CT":
        return -160.0, 240.0
    low, high = np.percentile(volume.array, (1, 99))
    return float(low), float(max(high, low + 1e-6))


def colored(plane: np.ndarray, limit: float) -> str:
    """Data URI of a difference: white is none, red too bright, blue too dark, full color at +-limit."""
    return _encode(plane, DIFFERENCE_COLORS, -limit, limit)


def contoured(view: View, plane: np.ndarray, mask: np.ndarray, color: Sequence[int]) -> str:
    """Data URI of a gray plane with the outline of a mask [j, i] in a color (RGB, 0 to 255), two pixels wide."""
    from scipy.ndimage import binary_erosion

    gray = np.clip((plane - view.low) / (view.high - view.low), 0, 1) * 255
    pixels = np.repeat(gray.astype(np.uint8)[..., None], 3, axis=2)
    pixels[mask & ~binary_erosion(mask, iterations=2)] = color
    return _encode(pixels)


def figure(view: View, uri: str, caption: str, alternative: str) -> str:
    """HTML of one picture of the view's slice or of a part of equal shape."""
    rows, columns = view.plane_shape
    shape = f"aspect-ratio: {columns} / {rows * view.pixel_aspect:g}"
    return f'<figure><img src="{uri}" alt="{alternative}" style="{shape}"><figcaption>{caption}</figcaption></figure>'


def color_bar(limit: float, unit: str) -> str:
    """Data URI of the scale that belongs to colored."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 0.75), dpi=120)
    FigureCanvasAgg(figure)
    bar = ScalarMappable(Normalize(-limit, limit), DIFFERENCE_COLORS)
    figure.colorbar(bar, cax=figure.add_axes((0.04, 0.62, 0.92, 0.3)), orientation="horizontal", label=unit)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return _uri(buffer)


def _encode(plane, colors: str | None = None, low: float | None = None, high: float | None = None) -> str:
    from matplotlib.image import imsave

    buffer = io.BytesIO()
    imsave(buffer, plane, cmap=colors, vmin=low, vmax=high, format="png")
    return _uri(buffer)


def _uri(buffer: io.BytesIO) -> str:
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _busiest(plane: np.ndarray) -> tuple[slice, slice]:
    """The quarter-sized window with most edges in it."""
    edges = np.abs(np.diff(plane, axis=0))[:, :-1] + np.abs(np.diff(plane, axis=1))[:-1]
    size = [max(8, n // 4) for n in plane.shape]
    sums = np.pad(edges.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    best, place = -1.0, (0, 0)
    for j in range(0, max(1, edges.shape[0] - size[0]), 8):
        for i in range(0, max(1, edges.shape[1] - size[1]), 8):
            bottom, right = min(j + size[0], edges.shape[0]), min(i + size[1], edges.shape[1])
            total = sums[bottom, right] - sums[j, right] - sums[bottom, i] + sums[j, i]
            if total > best:
                best, place = total, (j, i)
    return slice(place[0], place[0] + size[0]), slice(place[1], place[1] + size[1])
