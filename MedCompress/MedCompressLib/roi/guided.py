"""Method `diffusion`: the volume diffused around the region (DLAD), then any codec."""

from __future__ import annotations

import numpy as np

from ..codecs import get_codec
from ..codecs.rate import Unreachable
from ..errors import MedCompressError
from ..jobs import Progress, silent
from ..targets import Lossless, Psnr, Quality, Ratio, Target
from .diffusion import diffuse
from .image_layer import ImageLayer
from .plan import RoiPlan
from .stages import Stages

_FRONT = 970
"""Bytes of an archive of one layer that describe the volume, nearly."""


def encode_diffused(
    plan: RoiPlan,
    probability: np.ndarray,
    codec: str,
    target: Target,
    threads: int | None,
    progress: Progress = silent,
    device: str = "cpu",
    in_plane: bool = False,
) -> Stages:
    """One base layer. probability [k, j, i]: 1 where nothing may change. target: with respect to the diffused volume.

    With `Lossless` every voxel of probability 1 comes back bit for bit; the layer's `quality` is against the source.
    """
    spacing = plan.volume.geometry.spacing
    part = progress.part(0, 0.6)
    smooth = diffuse(plan.codes, probability, spacing, in_plane=in_plane, device=device, threads=threads, progress=part)
    codes = np.clip(np.rint(smooth), int(plan.codes.min()), int(plan.codes.max())).astype(plan.codes.dtype)
    roi = probability >= 1
    codes[roi] = plan.codes[roi]
    image = ImageLayer(get_codec(codec), plan.sample_format, codes, None, threads, progress.part(0.6, 0.95))
    if isinstance(target, Lossless):
        image.exactly()
    elif isinstance(target, Psnr):
        image.to_psnr(target, plan.peak.value)
    elif isinstance(target, Quality):
        image.to_quality(target.value)
    elif isinstance(target, Ratio):
        _to_ratio(plan, image, target)
    stages = Stages(plan, roi)
    stages.add_image(image, "base")
    return stages


def _to_ratio(plan: RoiPlan, image: ImageLayer, target: Ratio) -> None:
    source = plan.volume.array.nbytes
    beside = _FRONT + image.described
    try:
        image.to_size(max(1, int(source / target.value) - beside), beside)
    except Unreachable as failure:
        raise MedCompressError(
            f"a ratio of {target} is out of reach of {image.codec.name} for the diffused volume; the nearest is "
            f"{source / (failure.limit + beside):.4g}:1: ask for that"
        ) from None
