"""One axial slice to paint solids on, with edges as soft as a voxel averages them."""

from __future__ import annotations

import numpy as np


class Canvas:
    """A slice at height z, or a rectangle of it; all planes are [j, i] and shared with the slice it was cropped from.

    x and y (mm) may be warped: solids given as smooth formulas then come out as irregular as organs are.
    texture (some mm) and grain (about 1 mm) are random fields of unit variance to color tissue with.
    """

    def __init__(self, x, y, z: float, edge: float, hu, label, texture, grain) -> None:
        self.x, self.y, self.z, self.edge, self.hu, self.label = x, y, z, edge, hu, label
        self.texture, self.grain = texture, grain

    def crop(self, center_x: float, center_y: float, half_x: float, half_y: float) -> Canvas | None:
        """The part within half_x, half_y (mm) of the center, or None where nothing is left."""
        rows = _span(self.y[:, self.y.shape[1] // 2], center_y, half_y)
        columns = _span(self.x[self.x.shape[0] // 2], center_x, half_x)
        if rows is None or columns is None:
            return None
        part = (rows, columns)
        x, y, hu, label, texture, grain = (
            plane[part] for plane in (self.x, self.y, self.hu, self.label, self.texture, self.grain)
        )
        return Canvas(x, y, self.z, self.edge, hu, label, texture, grain)

    def paint(self, distance, hu, label: int = 0) -> None:
        """Fill where the signed distance (mm, negative inside) is below zero; labels follow the half-way line."""
        weight = np.clip(0.5 - distance / self.edge, 0, 1)
        self.hu += weight * (hu - self.hu)
        self.label[weight > 0.5] = label

    def ellipsoid(self, center, radii, tilt: float = 0.0):
        """(part, signed distance) of an ellipsoid turned by tilt (rad) in the slice, or None where it misses it."""
        reach = max(radii[0], radii[1]) if tilt else None
        part = None
        if abs(self.z - center[2]) < radii[2] + self.edge:
            part = self.crop(center[0], center[1], reach or radii[0], reach or radii[1])
        if part is None:
            return None
        return part, ellipsoid_distance(part.x, part.y, part.z, center, radii, tilt)

    def tube(self, points, radii):
        """(part, signed distance) of the union of capsules along points [n, 3] (mm), or None where they miss."""
        near = [
            (a, b, (ra + rb) / 2)
            for a, b, ra, rb in zip(points[:-1], points[1:], radii[:-1], radii[1:], strict=True)
            if min(a[2], b[2]) - max(ra, rb) - self.edge < self.z < max(a[2], b[2]) + max(ra, rb) + self.edge
        ]
        if not near:
            return None
        corners = np.array([p for a, b, _ in near for p in (a, b)])[:, :2]
        low, high = corners.min(0), corners.max(0)
        widest = max(r for _, _, r in near)
        part = self.crop(*(low + high) / 2, *(high - low) / 2 + widest)
        if part is None:
            return None
        distance = np.full_like(part.x, 1e3)
        for a, b, radius in near:
            np.minimum(distance, _capsule_distance(part, a, b) - radius, out=distance)
        return part, distance


def ellipsoid_distance(x, y, z: float, center, radii, tilt: float = 0.0):
    """First-order signed distance (mm): the implicit function over its gradient."""
    u, v, w = x - np.float32(center[0]), y - np.float32(center[1]), z - center[2]
    if tilt:
        c, s = np.float32(np.cos(tilt)), np.float32(np.sin(tilt))
        u, v = c * u + s * v, c * v - s * u
    a, b, c = (np.float32(r) for r in radii)
    level = np.sqrt((u / a) ** 2 + (v / b) ** 2 + np.float32(w / c) ** 2) + np.float32(1e-3)
    slope = np.sqrt((u / a**2) ** 2 + (v / b**2) ** 2 + np.float32(w / c**2) ** 2) / level + np.float32(1e-4)
    return (level - 1) / slope


def _capsule_distance(part: Canvas, a, b):
    along = np.asarray(b, float) - a
    length = max(float(along @ along), 1e-6)
    u, v, w = part.x - np.float32(a[0]), part.y - np.float32(a[1]), np.float32(part.z - a[2])
    dx, dy, dz = (np.float32(c) for c in along)
    t = np.clip((u * dx + v * dy + w * dz) / np.float32(length), 0, 1)
    return np.sqrt((u - t * dx) ** 2 + (v - t * dy) ** 2 + (w - t * dz) ** 2)


WARP_MARGIN = 12.0


def _span(axis, center: float, half: float) -> slice | None:
    inside = np.flatnonzero(np.abs(axis - center) <= half + WARP_MARGIN)
    return slice(int(inside[0]), int(inside[-1]) + 1) if inside.size else None
