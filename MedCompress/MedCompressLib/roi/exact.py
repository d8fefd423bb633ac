"""Method `exact`: the region bit for bit, what is around it small.

Layers, front to back: each region coded directly (not as a residual of the background), the background with the
regions smoothed out of it, and if asked for the rest of what restores everything. So the region comes first over a slow
line, and its exactness depends on no other layer: a residual would need a background that all decoders agree on, which
the irreversible wavelets do not give. What coding directly costs against a residual: Docs/roi.md.
"""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from ..archive.writer import archive_size
from ..codecs import get_codec
from ..codecs.rate import Unreachable
from ..errors import MedCompressError
from ..jobs import Progress, silent
from ..targets import Lossless, Psnr, Quality, Ratio, Target
from .fill import smooth_fill
from .image_layer import ImageLayer
from .plan import RoiPlan
from .regions_coding import Region, encode_regions, union
from .stages import Stages

_SLAB = 8
_RESTORING = ("jpegxl", "jpegls")


def encode_exact(
    plan: RoiPlan,
    regions: list[Region],
    codec: str,
    target: Target,
    restore: bool,
    threads: int | None,
    progress: Progress = silent,
) -> Stages:
    """All layers of method `exact`. target: of the background; a Ratio is that of the whole file."""
    lossless = isinstance(target, Lossless)
    if not lossless and not get_codec(codec).capabilities.lossy:
        raise MedCompressError(f"{codec} is a lossless codec: choose a lossy one for the background, or --lossless")
    codes, roi = plan.codes, union(regions)
    stages = Stages(plan, roi)
    decoded = np.zeros_like(codes)
    coded = encode_regions(codes, regions, decoded, threads, progress.part(0, 0.25))
    for one in coded:
        stages.add_region(one, decoded, int(codes.min()))
    del decoded
    rest = None
    if restore or lossless:
        exact = np.logical_or.reduce([one.own for one in coded if one.region.error == 0] or [np.zeros_like(roi)])
        chosen = codec if lossless else _restoring_codec(codec)
        rest = _image(plan, chosen, exact, None, threads, progress.part(0.75, 0.95))
        rest.exactly()
    if not lossless:
        background = _image(plan, codec, roi, roi, threads, progress.part(0.25, 0.75))
        if roi.all():
            background.exactly()
        else:
            _to_target(plan, stages, background, target, rest)
        stages.add_image(background, "base")
    if rest is not None:
        stages.add_image(rest, "restore")
    return stages


def _restoring_codec(codec: str) -> str:
    """The densest lossless codec that is installed; the background's own where none of these is."""
    for name in _RESTORING:
        with suppress(MedCompressError):
            get_codec(name).version()
            return name
    return codec


def _image(plan: RoiPlan, codec: str, hidden: np.ndarray, ignored, threads, progress: Progress) -> ImageLayer:
    image = np.empty_like(plan.codes)
    for start in range(0, len(image), _SLAB):
        part = slice(start, start + _SLAB)
        image[part] = smooth_fill(plan.codes[part], hidden[part])
    if hidden.all():
        image[:] = plan.codes.flat[0]
    return ImageLayer(get_codec(codec), plan.sample_format, image, ignored, threads, progress)


def _to_target(plan: RoiPlan, stages: Stages, background: ImageLayer, target: Target, rest: ImageLayer | None) -> None:
    if isinstance(target, Psnr):
        background.to_psnr(target, plan.peak.value)
    elif isinstance(target, Quality):
        background.to_quality(target.value)
    elif isinstance(target, Ratio):
        _to_ratio(plan, stages, background, target, rest)


def _to_ratio(plan: RoiPlan, stages: Stages, background: ImageLayer, target: Ratio, rest: ImageLayer | None) -> None:
    source = plan.volume.array.nbytes
    beside = archive_size(stages.manifest(target)) + background.described
    if rest is not None:
        beside += rest.size + rest.described
    room = int(source / target.value) - beside
    if room <= 0:
        raise MedCompressError(
            f"a ratio of {target} is out of reach: the region and what goes with it leave room for at most "
            f"{source / beside:.4g}:1 with no background at all; ask for less or choose a smaller region"
        )
    try:
        background.to_size(room, beside)
    except Unreachable as failure:
        raise MedCompressError(
            f"a ratio of {target} is out of reach of {background.codec.name} for this background; the nearest is "
            f"{source / (failure.limit + beside):.4g}:1: ask for that or choose another codec"
        ) from None
