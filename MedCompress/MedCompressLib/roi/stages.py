"""Layers of an archive with regions, each with what the volume is worth once it has come."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .. import __version__
from ..archive import Layer, Manifest
from ..archive.canvas import Canvas
from ..codecs.chunk_store import ChunkStore
from ..quality.error_sum import ErrorSum, differences
from ..regions import chunk
from ..targets import Target
from .image_layer import ImageLayer
from .plan import RoiPlan
from .regions_coding import CodedRegion

_SLAB = 8


@dataclass(eq=False)
class Stages:
    """Collects layers front to back. roi: bool [k, j, i], for the figures inside and outside."""

    plan: RoiPlan
    roi: np.ndarray
    layers: list[Layer] = field(default_factory=list)
    chunks: list[ChunkStore] = field(default_factory=list)
    _canvas: Canvas | None = None

    def add_region(self, coded: CodedRegion, decoded: np.ndarray, fill: int) -> None:
        self._add(
            coded.chunks,
            (coded.own, decoded),
            role="region",
            codec=chunk.NAME,
            codec_version=chunk.VERSION,
            slices=coded.slices,
            error=coded.region.error,
            fill=fill,
            name=coded.region.name,
        )

    def add_image(self, image: ImageLayer, role: str, **fields: Any) -> None:
        """An image layer of this role: "base", "box" or "restore"."""
        self._add(
            image.chunks,
            image.decoded,
            role=role,
            codec=image.codec.name,
            codec_version=image.codec.version(),
            slices=image.slices,
            extension=image.codec.capabilities.extension,
            **fields,
        )

    def _add(self, chunks: ChunkStore, decoded: Any, extension: str = "roi", **fields: Any) -> None:
        plan = self.plan
        layer = Layer(
            member=f"layers/{len(self.layers)}.{extension}",
            sample_format=plan.sample_format,
            exact=False,
            quality={},
            sizes=tuple(chunks.sizes),
            crc32=tuple(chunks.crc32),
            **fields,
        )
        if self._canvas is None:
            shape = plan.codes.shape
            draft = self.manifest(None, [layer])
            self._canvas = Canvas(draft, 0, shape[0], np.empty)
        self._canvas.put(layer, 0, decoded)
        quality, exact = self._measured()
        self.layers.append(replace(layer, quality=quality, exact=exact))
        self.chunks.append(chunks)

    @property
    def array(self) -> np.ndarray:
        """The volume [k, j, i] as it is with all layers so far, in the source's type."""
        return self.plan.mapping.inverse(self._canvas.codes)

    def _measured(self) -> tuple[dict[str, Any], bool]:
        inside, outside = ErrorSum(), ErrorSum()
        source = self.plan.volume.array
        for start in range(0, len(source), _SLAB):
            part = slice(start, start + _SLAB)
            restored = self.plan.mapping.inverse(self._canvas.codes[part])
            difference = differences(source[part], restored)
            inside.add_difference(difference[self.roi[part]])
            outside.add_difference(difference[~self.roi[part]])
        whole = ErrorSum()
        whole.merge(inside)
        whole.merge(outside)
        peak = self.plan.peak.value
        quality = {**figures(whole, peak), "inside": figures(inside, peak), "outside": figures(outside, peak)}
        return quality, whole.max_error == 0

    def manifest(self, target: Target | None, layers: list[Layer] | None = None) -> Manifest:
        plan, volume = self.plan, self.plan.volume
        return Manifest(
            shape=volume.array.shape,
            scalar_type=volume.scalar_type,
            geometry=volume.geometry,
            modality=volume.modality,
            mapping=plan.mapping,
            target=target,
            layers=tuple(self.layers if layers is None else layers),
            created_by=f"MedCompress {__version__}",
            peak=plan.peak.value,
            peak_reason=plan.peak.reason,
        )


def figures(errors: ErrorSum, peak: float) -> dict[str, Any]:
    """JSON form of errors: voxels, mse, max_error, psnr in dB (null where infinite or where there is no voxel)."""
    mse = errors.mse if errors.count else 0.0
    psnr = 10 * math.log10(peak**2 / mse) if mse else None
    return {"voxels": errors.count, "mse": mse, "max_error": errors.max_error if errors.count else 0.0, "psnr": psnr}
