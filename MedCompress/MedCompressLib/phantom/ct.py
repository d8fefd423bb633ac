"""The phantom's one entry: draw the slices, add what a scanner adds."""

from __future__ import annotations

import numpy as np

from . import vessels
from .bowel import Bowel, paint_pancreas
from .canvas import Canvas
from .labels import VESSEL
from .noise import correlated, mixing, scanner_transfer, tissue_transfer
from .organs import Lesions, paint_kidneys, paint_liver, paint_spleen, paint_stomach
from .wall import Wall, body_distance, paint_back, paint_spine, paint_table

FIELD_OF_VIEW = (400.0, 400.0, 150.0)
"""Extent along (i, j, k), mm, whatever the sampling."""

BLOOD_HU, NOISE_HU = 165.0, 14.5


def spacing(shape: tuple[int, int, int] = (60, 512, 512)) -> tuple[float, float, float]:
    """Voxel size along (i, j, k), mm, of a phantom of shape [k, j, i]."""
    return tuple(extent / count for extent, count in zip(FIELD_OF_VIEW, reversed(shape), strict=True))


def origin(shape: tuple[int, int, int] = (60, 512, 512)) -> tuple[float, float, float]:
    """Center of the first voxel, mm LPS; the box is centered on zero and its axes are those of LPS."""
    return tuple((step - extent) / 2 for step, extent in zip(spacing(shape), FIELD_OF_VIEW, strict=True))


def abdominal_ct(shape: tuple[int, int, int] = (60, 512, 512), seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw the phantom.

    shape is [k, j, i]. The seed moves tumors, vessels, bowel and noise; a seed is one patient at any shape.
    Returns the CT (int16 HU, -1024 to 3071, [k, j, i]) and its labels (uint8, see LABELS). Sampled coarser than about
    8 mm, small structures vanish.
    """
    anatomy, tissue, grain, scanner = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(4))
    patient = Patient(anatomy)
    plane, steps = shape[1:], spacing(shape)
    textures = correlated(tissue, plane, tissue_transfer(plane, steps[:2], 2.6), mixing(steps[2], 2.6))
    grains = correlated(grain, plane, tissue_transfer(plane, steps[:2], 0.8), mixing(steps[2], 0.8))
    noises = correlated(scanner, plane, scanner_transfer(plane), (0.3, 1.0, 0.3))
    ct, labels = np.empty(shape, np.int16), np.zeros(shape, np.uint8)
    first = origin(shape)
    x = (first[0] + steps[0] * np.arange(shape[2], dtype=np.float32))[None, :].repeat(shape[1], 0)
    y = (first[1] + steps[1] * np.arange(shape[1], dtype=np.float32))[:, None].repeat(shape[2], 1)
    inside = x * x + y * y <= (FIELD_OF_VIEW[0] / 2) ** 2
    for k in range(shape[0]):
        z = first[2] + steps[2] * k
        hu = patient.draw(x, y, z, max(1.3, *steps[:2]), labels[k], next(textures), next(grains))
        hu += NOISE_HU * _amplitude(x, y, z) * next(noises)
        ct[k] = np.where(inside, np.clip(np.rint(hu), -1024, 3071), -1024)
    return ct, labels


class Patient:
    """The anatomy of one seed."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.phases = rng.uniform(0, 2 * np.pi, (2, 3))
        self.portal, self.hepatic = vessels.portal_tree(rng), vessels.hepatic_tree(rng)
        self.lesions, self.bowel = Lesions(rng), Bowel(rng)

    def draw(self, x, y, z: float, edge: float, label, texture, grain) -> np.ndarray:
        """One slice without noise: HU, float32 [j, i]; writes label in place. x, y in mm [j, i]."""
        warped_x, warped_y = self._warp(x, y, z)
        canvas = Canvas(warped_x, warped_y, z, edge, np.full(x.shape, -1000, np.float32), label, texture, grain)
        paint_table(canvas, x, y)
        wall = Wall(canvas)
        wall.paint(canvas)
        wall.paint_lungs(canvas)
        self.bowel.paint(canvas)
        paint_spleen(canvas, wall.cavity)
        paint_stomach(canvas)
        liver = paint_liver(canvas, wall.cavity)
        paint_kidneys(canvas)
        paint_pancreas(canvas)
        wall.paint_ribs(canvas)
        paint_back(canvas)
        paint_spine(canvas)
        self._paint_blood(canvas)
        self.lesions.paint(canvas, liver)
        return canvas.hu

    def _warp(self, x, y, z: float):
        """Bend the coordinates by a few mm, along waves that differ for x and y."""
        (a, b, c), (d, e, f) = self.phases
        bend_x = 2.2 * np.sin(y / 23 + z / 50 + a) * np.sin(x / 31 + b) + 0.8 * np.sin(x / 9 + z / 21 + c)
        bend_y = 2.2 * np.sin(x / 26 - z / 43 + d) * np.sin(y / 29 + e) + 0.8 * np.sin(y / 10 - z / 17 + f)
        return (x + bend_x).astype(np.float32), (y + bend_y).astype(np.float32)

    def _paint_blood(self, canvas: Canvas) -> None:
        def liver(part):
            return np.where(part.label == 1, np.float32(-9), np.float32(9))

        self.portal.paint(canvas, BLOOD_HU - 5, VESSEL, liver)
        self.hepatic.paint(canvas, BLOOD_HU - 10, VESSEL, liver)
        small = (vessels.PORTAL, vessels.SPLENIC, vessels.LEFT_RENAL, vessels.RIGHT_RENAL)
        for (points, radii), hu in (
            *((vessel, BLOOD_HU - 5) for vessel in (*small, vessels.MESENTERIC, vessels.CELIAC)),
            (vessels.VENA_CAVA, BLOOD_HU - 25),
            (vessels.AORTA, BLOOD_HU + 8),
        ):
            found = canvas.tube(points, radii)
            if found:
                part, distance = found
                part.paint(distance, hu + 2 * part.texture, VESSEL)


def _amplitude(x, y, z: float):
    """Standard deviation of the noise relative to the middle of the body: photons starve there, air keeps a third."""
    depth = np.clip(-body_distance(x, y, z, np.float32(0)), 0, 105) / 105
    return 0.36 + 0.64 * depth**0.45
