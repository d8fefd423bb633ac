"""Colon, small bowel and pancreas: tubes with a wall and something in them."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas

COLON = (
    ((-104, 2, -95), (-106, -4, -70), (-104, -14, -52), (-92, -44, -44), (-60, -66, -52), (-20, -76, -60)),
    (
        (20, -78, -52),
        (50, -72, -38),
        (80, -58, -22),
        (100, -36, -6),
        (110, -8, 2),
        (112, 14, -16),
        (110, 24, -50),
        (108, 24, -95),
    ),
)
PANCREAS = np.array([[-34, 2, -22], [-20, -6, -14], [-2, -16, -6], [20, -14, 4], [44, 0, 14], [70, 14, 22]], float)


class Bowel:
    """Loops of small bowel placed by the seed below the stomach, and the frame of the colon."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.colon = _smooth(np.array(COLON[0] + COLON[1], float), 6)
        steps = np.arange(len(self.colon))
        self.colon_radii = 19 + 3.2 * np.sin(steps * 1.1) + 1.5 * np.sin(steps * 0.31 + rng.uniform(0, 6))
        self.loops = []
        for _ in range(9):
            start = np.array([rng.uniform(-70, 85), rng.uniform(-62, -15), rng.uniform(-85, -22)])
            turns = rng.normal(0, 1, (6, 3)) * (30, 16, 16)
            path = np.clip(start + np.cumsum(turns, 0) * 0.7, (-84, -66, -110), (88, 12, -18))
            self.loops.append((_smooth(path, 5), rng.uniform(9, 12.5), rng.uniform(0, 1)))

    def paint(self, canvas: Canvas) -> None:
        """Small bowel first, then the colon over it."""
        for path, radius, filling in self.loops:
            self._tube(canvas, path, np.full(len(path), radius), 105, 22 + 18 * filling, filling > 0.8)
        found = canvas.tube(self.colon, self.colon_radii)
        if found:
            part, distance = found
            folds = 1.5 * np.sin(part.x / 6) * np.sin(part.z / 7 + part.y / 8)
            part.paint(distance + folds, 62 + 6 * part.texture)
            inner = distance + folds + 2.2
            bubbles = np.clip(part.texture - 1.1, 0, 1) * 650
            part.paint(inner, 35 + 26 * part.texture + 20 * part.grain - bubbles)
            gas = 5 - 6 * np.sin(part.x / 38)
            front = part.y + 70 + gas
            part.paint(np.maximum(inner, front), -960)

    @staticmethod
    def _tube(canvas: Canvas, path, radii, wall: float, content: float, gas: bool) -> None:
        found = canvas.tube(path, radii)
        if found:
            part, distance = found
            distance = distance + 0.9 * part.texture
            part.paint(distance, wall + 5 * part.texture)
            inner = distance + 2.4 + 0.8 * np.abs(part.texture)
            part.paint(inner, content + 10 * part.texture)
            if gas:
                part.paint(np.maximum(inner, part.y + 40), -930)


def paint_pancreas(canvas: Canvas) -> None:
    """A lobulated gland with fat between the lobules."""
    found = canvas.tube(PANCREAS, np.array([12, 11, 9.5, 9, 8.5, 7.0]))
    if found:
        part, distance = found
        part.paint(distance + 2.2 * np.abs(part.texture), 96 + 4 * part.grain - 70 * np.clip(part.texture - 1, 0, 1))


def _smooth(points, pieces: int):
    """Points of the Catmull-Rom spline through the given ones."""
    padded = np.vstack([2 * points[0] - points[1], points, 2 * points[-1] - points[-2]])
    t = (np.arange(pieces) / pieces)[:, None]
    curve = []
    for a, b, c, d in zip(padded[:-3], padded[1:-2], padded[2:-1], padded[3:], strict=True):
        curve.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    return np.vstack([*curve, points[-1:]])
