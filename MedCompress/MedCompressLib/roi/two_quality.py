"""Method `two-quality`: the bounding box of the region fine, whole slices without it coarse (Srivastava 2024).

The paper's CRF 20 and 40 are 20 steps of the quantizer apart, each 1/6 of a doubling: 20.07 dB. Where a PSNR is asked
for, it is that of the surroundings, and the box gets so much more.
"""

from __future__ import annotations

import numpy as np

from ..codecs import get_codec
from ..codecs.interface import Scale
from ..errors import MedCompressError
from ..jobs import Progress, silent
from ..regions.outline import bounding_box
from ..targets import Psnr, Quality, Target
from .image_layer import ImageLayer
from .plan import RoiPlan
from .stages import Stages

FINE, COARSE = 20.0, 40.0
"""The paper's constant rate factors, taken as HEVC's QP."""

_STEP_DB = 20 * np.log10(2) / 6


def encode_two_qualities(
    plan: RoiPlan, roi: np.ndarray, codec: str, target: Target, threads: int | None, progress: Progress = silent
) -> Stages:
    """The box first, then whole slices with the box at the lowest value; read back, the box covers its place.

    target: Quality or Psnr of the surroundings; the box is 20 QP, which are a tenth of a quantization step or 20.07 dB,
    better.
    """
    chosen = get_codec(codec)
    if not isinstance(target, Psnr | Quality) or not chosen.capabilities.lossy:
        raise MedCompressError("two qualities need a lossy codec, and --psnr or --quality for the coarse one")
    box = bounding_box(roi)
    inside = tuple(slice(*pair) for pair in box)
    lowest = plan.codes.min()
    window = (slice(None), *inside[1:])
    crop = np.full_like(plan.codes[window], lowest)
    crop[inside[0]] = plan.codes[inside]
    boxed = np.zeros(plan.codes.shape, bool)
    boxed[inside] = True
    frames = plan.codes.copy()
    frames[inside] = lowest
    around = np.ones(crop.shape, bool)
    around[inside[0]] = False
    fine = ImageLayer(chosen, plan.sample_format, crop, around, threads, progress.part(0, 0.4))
    coarse = ImageLayer(chosen, plan.sample_format, frames, boxed, threads, progress.part(0.4, 0.95))
    if isinstance(target, Quality):
        fine.to_quality(_finer(target.value, chosen.capabilities.scale))
        coarse.to_quality(target.value)
    else:
        fine.to_psnr(Psnr(target.value + (COARSE - FINE) * _STEP_DB), plan.peak.value)
        if not boxed.all():
            coarse.to_psnr(target, plan.peak.value)
        else:
            coarse.exactly()
    stages = Stages(plan, roi)
    stages.add_image(fine, "box", box=box, fill=int(lowest))
    stages.add_image(coarse, "base")
    return stages


def _finer(value: float, scale: Scale | None) -> float:
    """The box's value on a codec's scale of QP, quantization steps or dB; no finer than the scale's finest."""
    if scale is None:
        return value
    if scale.logarithmic:
        return max(scale.finest, value / 2 ** ((COARSE - FINE) / 6))
    if scale.finest > scale.coarsest:
        return min(scale.finest, value + (COARSE - FINE) * _STEP_DB)
    return max(scale.finest, value - (COARSE - FINE))
