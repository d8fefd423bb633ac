"""The organs of the upper abdomen: where they lie and how they are drawn."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas, ellipsoid_distance
from .labels import LEFT_KIDNEY, LIVER, RIGHT_KIDNEY, SPLEEN, STOMACH, TUMOR

LIVER_HU, TUMOR_HU, SPLEEN_HU = 105.0, 62.0, 122.0


def _blend(a, b, radius: float):
    """Union of two signed distances with a fillet of the given radius (mm)."""
    h = np.maximum(np.float32(radius) - np.abs(a - b), 0) / np.float32(radius)
    return np.minimum(a, b) - h * h * np.float32(radius / 4)


def liver_distance(x, y, z: float):
    """Signed distance (mm) to the liver before the abdominal wall bounds it."""
    right = ellipsoid_distance(x, y, z, (-76, -8, 18), (72, 84, 86))
    left = ellipsoid_distance(x, y, z, (-5, -62, 38), (72, 34, 52), 0.18)
    both = _blend(right, left, 22)
    spine = ellipsoid_distance(x, y, 0.0, (2, 45, 0), (40, 50, 1e3))
    fissure = ellipsoid_distance(x, y, z, (-28, -62, -10), (4.5, 30, 34), 0.1)
    hilum = ellipsoid_distance(x, y, z, (-18, -8, 4), (26, 10, 24), 0.25)
    return np.maximum(np.maximum(both, -spine), np.maximum(-fissure, -hilum))


def paint_liver(canvas: Canvas, cavity):
    """Liver and gallbladder; returns the liver's signed distance on the whole slice."""
    distance = np.maximum(liver_distance(canvas.x, canvas.y, canvas.z), cavity + 1.5)
    canvas.paint(distance, LIVER_HU + 2.5 * canvas.texture + 2.5 * canvas.grain, LIVER)
    found = canvas.ellipsoid((-55, -62, -32), (14, 21, 28), 0.35)
    if found:
        part, bladder = found
        part.paint(bladder, 60)
        part.paint(bladder + 2, 9)
    return distance


class Lesions:
    """Tumors of the liver: one large at a fixed place, the others where the seed puts them."""

    def __init__(self, rng: np.random.Generator, count: int = 7) -> None:
        self.items = [(np.array([-96.0, 2, 26]), 17.0, rng.uniform(0, 6.28, 3))]
        sizes = iter((11.0, 9.0, 7.0, 6.0, 4.5, 3.5, 8.0, 5.0)[:count])
        size = next(sizes)
        for _ in range(4000):
            place = np.array([rng.uniform(-130, 30), rng.uniform(-90, 60), rng.uniform(-50, 62)])
            clear = all(np.sqrt(((place - c) ** 2).sum()) > r + size + 6 for c, r, _ in self.items)
            cavity = (place[0] / 130) ** 2 + (place[1] / 82) ** 2 < 0.75
            depth = float(liver_distance(np.full((1, 1), place[0]), np.full((1, 1), place[1]), place[2])[0, 0])
            if clear and cavity and depth < -size - 5:
                self.items.append((place, size, rng.uniform(0, 6.28, 3)))
                size = next(sizes, None)
                if size is None:
                    break

    def paint(self, canvas: Canvas, liver) -> None:
        """A lobulated rim, a darker middle and, in large ones, a necrotic core."""
        for center, radius, phase in self.items:
            found = canvas.ellipsoid(center, (radius * 1.08, radius * 0.95, radius))
            if not found:
                continue
            part, distance = found
            angle = np.arctan2(part.y - center[1], part.x - center[0])
            lobes = np.sin(3 * angle + phase[0]) + 0.6 * np.sin(5 * angle + phase[1] + part.z / radius)
            distance = distance + np.float32(0.07 * radius) * lobes
            part.paint(distance, TUMOR_HU + 14 + 6 * part.texture, TUMOR)
            part.paint(distance + 2.5, TUMOR_HU - 4 + 8 * part.texture, TUMOR)
            if radius > 8:
                part.paint(distance + 0.55 * radius, 34 + 5 * part.texture, TUMOR)


def paint_spleen(canvas: Canvas, cavity) -> None:
    """A bean against the left wall, hollow towards the stomach."""
    whole = ellipsoid_distance(canvas.x, canvas.y, canvas.z, (96, 32, 34), (36, 50, 46), -0.35)
    hollow = ellipsoid_distance(canvas.x, canvas.y, canvas.z, (58, 6, 26), (34, 38, 60))
    distance = np.maximum(np.maximum(whole, -hollow), cavity + 1.5)
    canvas.paint(distance, SPLEEN_HU + 3 * canvas.texture + 2 * canvas.grain, SPLEEN)


def paint_stomach(canvas: Canvas) -> None:
    """Wall, fluid with food, and gas above a level that is flat because the patient lies on the back."""
    found = canvas.ellipsoid((56, -34, 40), (40, 33, 52), -0.3)
    if found:
        part, distance = found
        part.paint(distance, 82 + 5 * part.texture, STOMACH)
        inner = distance + 3.6 + 1.2 * np.abs(part.texture)
        part.paint(inner, 22 + 14 * part.texture, STOMACH)
        part.paint(np.maximum(inner, part.y + 47), -985, STOMACH)


def paint_kidneys(canvas: Canvas) -> None:
    """Cortex, medullary pyramids, sinus fat and pelvis, in a bed of fat."""
    for center, tilt, label in (((63, 42, -22), -0.5, LEFT_KIDNEY), ((-60, 45, -34), 0.5, RIGHT_KIDNEY)):
        side = np.sign(center[0])
        bed = canvas.ellipsoid(center, (33, 37, 64), tilt)
        if not bed:
            continue
        part, distance = bed
        strands = np.exp(-((part.texture / 0.09) ** 2))
        part.paint(distance, -104 + 5 * part.texture + 45 * strands)
        kidney = ellipsoid_distance(part.x, part.y, part.z, center, (25, 30, 55), tilt)
        sinus_center = (center[0] - side * 12, center[1] - 7, center[2])
        sinus = ellipsoid_distance(part.x, part.y, part.z, sinus_center, (15, 8, 26), tilt)
        kidney = np.maximum(kidney, -sinus)
        part.paint(kidney, 196 + 6 * part.texture, label)
        angle = np.arctan2(part.y - sinus_center[1], part.x - sinus_center[0])
        pyramids = np.cos(6 * angle + 2 * np.sin(part.z / 9)) * 2.5
        part.paint(np.maximum(kidney + 6.5, -(sinus - 2)) + 2.5 + pyramids, 152 + 5 * part.texture, label)
        pelvis_center = (center[0] - side * 17, center[1] - 9, center[2])
        part.paint(ellipsoid_distance(part.x, part.y, part.z, pelvis_center, (14, 5, 14), tilt), 14)
