"""What surrounds the organs: table, skin, fat, muscle, ribs, lungs and spine."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas, ellipsoid_distance
from .labels import SPINE

VERTEBRA = 34.0
"""Height of a vertebra with its disc, mm."""


def body_distance(x, y, z: float, inset):
    """Signed distance (mm) to the body's outline moved inward by inset: an oval with a flat back."""
    half_width = np.float32(166 + 4 * np.sin(z / 45)) - inset
    front = np.float32(112 + 5 * np.cos(z / 60 + 0.6)) - inset
    height = np.where(y > 0, np.float32(108) - inset, front)
    power = np.where(y > 0, np.float32(2.5), np.float32(2.1))
    u, v = np.abs(x) / half_width, np.abs(y) / height
    level = (u**power + v**power) ** (1 / power) + np.float32(1e-3)
    slope = np.sqrt((u / half_width) ** 2 + (v / height) ** 2) / level + np.float32(1e-4)
    return (level - 1) / slope


def paint_table(canvas: Canvas, x, y) -> None:
    """Foam mattress on a curved carbon shell; x, y are the unwarped coordinates."""
    depth = np.sqrt(x**2 + (y + 290) ** 2) - 412
    width = np.abs(x) - 150
    canvas.paint(np.maximum(np.maximum(-depth - 9, depth), width), -955)
    canvas.paint(np.maximum(np.abs(depth - 1.6) - 1.0, width), -180)
    canvas.paint(np.maximum(np.abs(depth - 19) - 15, width), -970)
    canvas.paint(np.maximum(np.abs(depth - 36) - 0.9, width + 6), -250)


class Wall:
    """Signed distances of a slice's layers, computed once: skin, muscle and cavity."""

    def __init__(self, canvas: Canvas) -> None:
        x, y, z = canvas.x, canvas.y, canvas.z
        self.angle = np.arctan2(np.abs(x), y)
        fat = 17 + 5 * np.cos(self.angle * 2) - 3 * np.cos(self.angle * 3) + np.float32(2 * np.sin(z / 37))
        self.skin = body_distance(x, y, z, np.float32(0))
        self.muscle = body_distance(x, y, z, fat)
        self.cavity = self.muscle + 15 - 4 * np.cos(self.angle) ** 2

    def paint(self, canvas: Canvas) -> None:
        """Skin, fat with septa, three layers of muscle, visceral fat."""
        texture = canvas.texture
        septa = np.exp(-((texture / 0.13) ** 2)) * np.clip(0.5 + 0.5 * np.sin(self.angle * 7 + canvas.z / 9), 0.15, 1)
        twigs = np.clip(texture - 1.5, 0, 1)
        canvas.paint(self.skin, 25)
        canvas.paint(self.skin + 2.2, -108 + 5 * texture + 60 * septa + 60 * twigs)
        planes = sum(np.exp(-(((self.muscle + depth) / 0.9) ** 2)) for depth in (4.5, 8.5))
        canvas.paint(self.muscle, 58 + 7 * texture - 55 * planes * (texture > -0.3))
        canvas.paint(self.cavity, -103 + 5 * texture + 45 * septa + 260 * twigs)

    def paint_lungs(self, canvas: Canvas) -> None:
        """The bases of the lungs on the diaphragm, lowest at the back and the sides; between them the mediastinum."""
        floor = 58 - 0.42 * canvas.y - 0.12 * np.abs(canvas.x)
        inside = np.maximum(self.cavity + 2, 0.8 * (floor - canvas.z))
        canvas.paint(inside - 2.5, 55)
        canvas.paint(inside, -850 + 25 * canvas.texture + 600 * np.clip(canvas.texture - 1.9, 0, 1))
        middle = ellipsoid_distance(canvas.x, canvas.y, canvas.z, (-4, 22, 80), (37, 30, 78))
        canvas.paint(middle, np.where(middle > -4, 52, -100 + 5 * canvas.texture))

    def paint_ribs(self, canvas: Canvas) -> None:
        """Six pairs sloping down from the spine: cortex around marrow, the upper ones ending in cartilage."""
        middle = self.muscle + 7
        for top, end in ((172, 2.5), (142, 2.35), (112, 2.2), (82, 2.05), (52, 1.6), (22, 1.05)):
            course = np.float32(top) - 42 * (self.angle - 0.3)
            across = np.sqrt((middle / 4.6) ** 2 + ((canvas.z - course) / 6.5) ** 2) - 1
            rib = np.maximum(4.6 * across, 90 * (np.maximum(self.angle - end, 0.32 - self.angle)))
            if end > 2:
                rise = np.maximum(4.2 * across, 90 * np.maximum(self.angle - end - 0.35, end - self.angle))
                canvas.paint(rise, 105 + 8 * canvas.texture)
            if rib.min() < canvas.edge:
                canvas.paint(rib, 850)
                canvas.paint(rib + 1.7, 190 + 60 * canvas.grain)


def paint_back(canvas: Canvas) -> None:
    """Psoas and erector spinae; muscle is streaked with fat."""
    texture = canvas.texture
    streaked = 56 + 6 * texture - 70 * np.clip(texture - 1.3, 0, 1)
    for side in (-1, 1):
        growth = 1 + 0.3 * np.sin(np.clip((-canvas.z + 30) / 100, 0, 1) * np.pi / 2)
        for center, radii in (
            ((side * 36, 52, -75), (15 * growth, 19 * growth, 85)),
            ((side * 28, 82, 0), (25, 14, 400)),
        ):
            distance = ellipsoid_distance(canvas.x, canvas.y, canvas.z, center, radii)
            canvas.paint(distance, streaked)


def paint_spine(canvas: Canvas) -> None:
    """Vertebral bodies with end plates and discs, canal with cord, arch and processes; repeats every VERTEBRA mm."""
    part = canvas.crop(0, 65, 50, 60)
    if part is None:
        return
    texture, grain = part.texture, part.grain
    phase = (canvas.z + 8) % VERTEBRA
    waist = 1.6 * np.cos(2 * np.pi * (phase - 13) / VERTEBRA)
    x, y = part.x, part.y

    def oval(cx, cy, rx, ry):
        return ellipsoid_distance(np.abs(x), y, 0.0, (cx, cy, 0), (rx, ry, 1))

    body = np.maximum(oval(0, 47, 23 - waist, 17.5 - waist), -oval(0, 72, 12, 11))
    part.paint(oval(0, 82, 21, 14), 52 + 5 * texture)
    level = abs(phase - 13)
    if level < 13:
        part.paint(body, 700, SPINE)
        part.paint(body + 1.6, 180 + 32 * grain + 12 * texture + 330 * np.exp(-(((13 - level) / 1.5) ** 2)), SPINE)
    else:
        part.paint(body, 92 + 6 * texture)
    arch = np.abs(oval(0, 72, 13, 12)) - 2.8
    presence = abs(phase - 12) - 11
    transverse = np.maximum(oval(22, 75, 16, 4.2), 12 - np.abs(x))
    process = np.maximum(np.abs(x) - 3.2 - np.exp(-(((y - 100) / 4) ** 2)), np.maximum(80 - y, y - 103))
    lift = np.float32(max(presence, 0))
    for shape, extra in ((arch, 0), (transverse, max(abs(phase - 14) - 5, 0)), (process, max(abs(phase - 7) - 9, 0))):
        shape = np.hypot(np.maximum(shape, 0), lift + extra) + np.minimum(shape, 0)
        part.paint(shape, 560, SPINE)
        part.paint(shape + 1.7, 210 + 40 * grain, SPINE)
    part.paint(oval(0, 72, 9.5, 8.5), 12)
    part.paint(oval(0, 71.5, 5.5, 4.2), 38)
