"""The codes of a volume, or of some of its slices, as the layers of an archive with regions fill them.

Front to back: a region sets its own voxels, a box those that no region has set, the base all that neither has, and
"restore" all but those of exact regions. Before there is a base, what no layer has set holds `fill`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .manifest import Layer, Manifest

Allocate = Callable[[tuple[int, ...], str], np.ndarray]


class Canvas:
    """Slices start <= k < stop of the volume; nothing is allocated before the first chunk arrives. Chunks of different
    slices may be put from different threads once one of each layer is in."""

    def __init__(self, manifest: Manifest, start: int, stop: int, allocate: Allocate):
        self._manifest = manifest
        self._start, self._stop = start, stop
        self._allocate = allocate
        self.codes: np.ndarray | None = None
        self._set: np.ndarray | None = None
        self._exact: np.ndarray | None = None

    def put(self, layer: Layer, first: int, decoded: np.ndarray | tuple[np.ndarray, np.ndarray]) -> None:
        """One decoded chunk, of slices from `first`: an array [k, j, i], or of a region (mask, codes)."""
        self._prepare(layer)
        mask, values = decoded if isinstance(decoded, tuple) else (None, decoded)
        low, high = max(first, self._start), min(first + len(values), self._stop)
        if low >= high:
            return
        own, chunk = slice(low - self._start, high - self._start), slice(low - first, high - first)
        codes, values = self.codes[own], values[chunk]
        if layer.role == "region":
            free = mask[chunk] & ~self._set[own]
            np.copyto(codes, values, where=free)
            self._set[own] |= free
            if layer.error == 0:
                self._exact[own] |= free
        elif layer.role == "box":
            self._paste(layer, codes, values, low, high, self._set[own])
        elif layer.role == "restore":
            np.copyto(codes, values, where=~self._exact[own])
        else:
            np.copyto(codes, values, where=~self._set[own])

    def _paste(self, layer: Layer, codes, values, low: int, high: int, done) -> None:
        (k0, k1), *plane = layer.box
        part = slice(max(k0, low) - low, max(max(k0, low), min(k1, high)) - low)
        window = (part, *(slice(*pair) for pair in plane))
        np.copyto(codes[window], values[part], where=~done[window])
        done[window] = True

    def _prepare(self, layer: Layer) -> None:
        if self.codes is None:
            shape = (self._stop - self._start, *self._manifest.shape[1:])
            self.codes = self._allocate(shape, self._manifest.mapping.coded_type)
            self._set, self._exact = (self._allocate(shape, "bool") for _ in range(2))
            self._set[:] = self._exact[:] = False
            self.codes[:] = layer.fill or 0
