"""Blood vessels: the great ones at fixed places, the liver's trees grown at random."""

from __future__ import annotations

import numpy as np

AORTA = (np.array([[10, 20, 90], [9, 20, 30], [7, 21, -20], [3, 24, -90]], float), (11.5, 11.0, 10.0, 9.0))
VENA_CAVA = (np.array([[-20, 6, 90], [-24, 12, 50], [-24, 18, 0], [-19, 24, -90]], float), (13.0, 13.0, 12.0, 11.0))
PORTAL = (np.array([[2, -6, -18], [-12, -9, 0], [-34, -12, 16]], float), (7.0, 7.0, 6.5))
SPLENIC = (np.array([[2, -6, -16], [25, 2, 4], [50, 12, 18], [78, 22, 26]], float), (4.5, 4.0, 4.0, 3.0))
LEFT_RENAL = (np.array([[-16, 17, -18], [8, 6, -16], [32, 20, -20], [52, 33, -24]], float), (3.5, 3.5, 4.0, 3.5))
RIGHT_RENAL = (np.array([[-26, 22, -28], [-40, 30, -32], [-52, 37, -36]], float), (4.0, 4.0, 3.5))
MESENTERIC = (np.array([[6, 8, 0], [6, -6, -12], [5, -14, -45], [0, -24, -90]], float), (3.5, 3.8, 3.8, 3.0))
CELIAC = (np.array([[9, 10, 14], [8, 2, 18], [-14, -10, 20], [-30, -14, 18]], float), (3.8, 3.4, 2.6, 2.2))


class Tree:
    """A branching vessel: segments (start, end, radius), thick ones first."""

    def __init__(self) -> None:
        self.segments: list[tuple[np.ndarray, np.ndarray, float]] = []

    def grow(self, rng: np.random.Generator, start, direction, length: float, radius: float) -> None:
        """Two bends, then a fork; radii follow Murray's law (r0^3 = r1^3 + r2^3)."""
        if radius < 0.9:
            return
        for _ in range(2):
            direction = _unit(direction + rng.normal(0, 0.16, 3))
            end = start + direction * length / 2
            self.segments.append((start, end, radius))
            start = end
        side = _unit(np.cross(direction, rng.normal(0, 1, 3)))
        share = rng.uniform(0.35, 0.65)
        for part, sign in ((share, 1.0), (1 - share, -1.0)):
            angle = 0.45 + 0.5 * (1 - part)
            fork = _unit(np.cos(angle) * direction + sign * np.sin(angle) * side)
            self.grow(rng, start, fork, length * rng.uniform(0.72, 0.92), radius * part ** (1 / 3))

    def paint(self, canvas, hu: float, label: int, bound) -> None:
        """Draw where it lies deeper than 2 mm within the signed distance bound(part)."""
        for start, end, radius in self.segments:
            found = canvas.tube((start, end), (radius, radius))
            if found:
                part, distance = found
                part.paint(np.maximum(distance, bound(part) + 2), hu, label)


def portal_tree(rng: np.random.Generator) -> Tree:
    """Right and left portal branches from the hilum."""
    tree = Tree()
    hilum = np.array([-34.0, -12, 16])
    tree.grow(rng, hilum, _unit(np.array([-1.0, 0.15, 0.1])), 34, 5.2)
    tree.grow(rng, hilum, _unit(np.array([-0.6, 0.3, -0.9])), 32, 4.2)
    tree.grow(rng, hilum, _unit(np.array([0.55, -0.75, 0.5])), 34, 4.2)
    return tree


def hepatic_tree(rng: np.random.Generator) -> Tree:
    """Right, middle and left hepatic veins from the vena cava below the diaphragm."""
    tree = Tree()
    for direction in ((-1.0, 0.1, -0.35), (-0.6, -0.9, -0.4), (0.35, -1.0, -0.25)):
        tree.grow(rng, np.array([-24.0, 8, 58]), _unit(np.array(direction)), 40, 4.8)
    return tree


def _unit(v):
    return v / np.sqrt((v * v).sum())
