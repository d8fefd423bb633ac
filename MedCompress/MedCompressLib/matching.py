"""Codecs brought to equal quality: the size at which each gives a volume back with the same PSNR.

Cunha et al. (2023) paired JPEG 2000 and HEVC this way: settings were sought that give equal PSNR of the whole stack,
and the ratios compared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .archive.writer import archive_size
from .codecs.chunk_store import ChunkStore
from .codecs.interface import Capabilities
from .encoding import encode, make_plan
from .errors import MedCompressError
from .jobs import Progress, silent
from .sources import Source, as_source
from .targets import Psnr
from .volume import Volume


@dataclass(frozen=True)
class Match:
    """One codec at one quality. PSNR in dB with this peak, ratio and bits of a whole archive, error in source units.

    setting: what the codec was told, on its own scale. remark: why there are no figures, where there are none.
    """

    codec: str
    target: float
    psnr: float | None = None
    ratio: float | None = None
    bits_per_voxel: float | None = None
    max_error: float | None = None
    setting: str = ""
    peak: float | None = None
    remark: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def _setting(capabilities: Capabilities, knob: float | None) -> str:
    return "" if knob is None or capabilities.scale is None else f"{capabilities.scale.name} {knob:.2f}"


def match(
    source: Volume | Source,
    codecs: Sequence[str],
    psnrs: Sequence[float],
    *,
    peak: float | None = None,
    nan: float | None = None,
    threads: int | None = None,
    progress: Progress = silent,
) -> list[Match]:
    """Encode the whole volume with each codec at each PSNR in dB, reached from the value to 0.2 dB above it.

    Nothing is written. A quality that a codec cannot reach makes a Match with a remark. Raises MedCompressError for
    what no quality can help, such as an unknown or lossless codec.
    """
    source = as_source(source)
    matches = []
    for place, codec in enumerate(codecs):
        plan = make_plan(source, codec, False, peak, nan)
        voxels = math.prod(source.shape)
        for number, psnr in enumerate(psnrs):
            done = (place * len(psnrs) + number) / (len(codecs) * len(psnrs))
            part = progress.part(done, done + 1 / (len(codecs) * len(psnrs)))
            part(0.0, f"{codec} at {psnr:g} dB")
            with ChunkStore(len(plan.groups())) as chunks:
                try:
                    manifest = encode(plan, Psnr(psnr), chunks, threads, part)
                except MedCompressError as error:
                    matches.append(Match(codec, psnr, peak=plan.peak.value, remark=str(error)))
                    continue
            quality, size = manifest.layers[-1].quality, archive_size(manifest)
            matches.append(
                Match(
                    codec,
                    psnr,
                    quality["psnr"],
                    manifest.source_size / size,
                    8 * size / voxels,
                    quality["max_error"],
                    _setting(plan.codec.capabilities, quality.get("knob")),
                    plan.peak.value,
                )
            )
    progress(1.0, "All codecs tried")
    return matches
