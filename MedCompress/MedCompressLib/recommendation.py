"""Which codec suits which need, found by trying them on a few slices of the volume."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from .codecs import codec_names, get_codec
from .encoding import make_plan
from .errors import MedCompressError
from .jobs import Progress, silent
from .preview import Preview
from .sources import Source, as_source
from .sources.source import slice_bytes
from .targets import Lossless, Ratio
from .volume import Volume

FAST = ("htj2k", "volumetric")
"""Lossy codecs at some hundred MB/s on one core."""

DENSE = ("hevc", "volumetric-jpeg2000")
"""Lossy codecs that spend time on size."""

INTERCHANGE = "jpeg2000"
"""What DICOM and the literature read."""

COMPARED_RATIO = 20.0
_MOST_SLICES = 8
_MOST_BYTES, _SMALL_BYTES = 8 << 20, 1 << 20
_LABELS = "SEG"


@dataclass(frozen=True)
class Recommendation:
    """The codec for each need, and the figures that say so.

    fast, dense: None where the volume can only be coded exactly. first, end: the slices that were tried.
    lossless: ratio of each exact codec. psnr: dB at `ratio` for the lossy ones, infinite where that is exact already.
    """

    exact: str
    fast: str | None
    dense: str | None
    interchange: str
    first: int
    end: int
    ratio: float
    lossless: dict[str, float]
    psnr: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        """For JSON, which has no infinity: an infinite PSNR is None."""
        psnr = {codec: value if math.isfinite(value) else None for codec, value in self.psnr.items()}
        return {**asdict(self), "psnr": psnr}


def middle_slices(source: Volume | Source) -> tuple[Volume, int]:
    """Up to 8 neighboring slices from the middle, at most 8 MB unless one is larger, and the number k of the first.

    All slices where they are so small that the headers of a file count.
    """
    source = as_source(source)
    count = min(source.shape[0], _MOST_SLICES, max(1, _MOST_BYTES // slice_bytes(source)))
    if source.shape[0] * slice_bytes(source) <= _SMALL_BYTES:
        count = source.shape[0]
    first = (source.shape[0] - count) // 2
    return Volume(source.read(first, first + count), source.geometry, source.modality), first


def recommend(source: Volume | Source, progress: Progress = silent, threads: int | None = None) -> Recommendation:
    """Try all codecs whose packages are installed on slices from the middle: exactly, and at 20:1.

    Label maps (modality SEG) and samples that lossy coding refuses, such as NaN, are tried exactly alone.
    """
    volume, first = middle_slices(source)
    slices = range(len(volume.array))
    names, lossy = codec_names(), () if volume.modality == _LABELS else (*FAST, *DENSE, INTERCHANGE)
    lossless: dict[str, float] = {}
    psnr: dict[str, float] = {}
    for number, name in enumerate((*names, *lossy)):
        progress(number / len((*names, *lossy)), f"Trying {name} on {len(slices)} slices")
        try:
            if number >= len(names):
                psnr[name] = Preview(volume, name).try_target(Ratio(COMPARED_RATIO), slices, threads).psnr
            elif make_plan(as_source(volume), name, True).codec.name == get_codec(name).name:
                lossless[name] = Preview(volume, name).try_target(Lossless(), slices, threads).ratio
        except MedCompressError:
            continue
    progress(1.0, "All codecs tried")
    return Recommendation(
        exact=max(lossless, key=lossless.__getitem__),
        fast=_best(psnr, FAST),
        dense=_best(psnr, DENSE),
        interchange=INTERCHANGE,
        first=first,
        end=first + len(slices),
        ratio=COMPARED_RATIO,
        lossless=lossless,
        psnr=psnr,
    )


def _best(psnr: dict[str, float], names: tuple[str, ...]) -> str | None:
    return max((name for name in names if name in psnr), key=psnr.__getitem__, default=None)
