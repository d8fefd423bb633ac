"""One call for all three methods: volume and regions in, a verified archive and its figures out."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..archive import Archive, Report, write_archive
from ..errors import MedCompressError
from ..jobs import Progress, silent
from ..targets import Lossless, Psnr, Quality, Ratio, Target
from ..volume import Volume
from .exact import encode_exact
from .figures import roi_figures
from .guided import encode_diffused
from .plan import make_plan
from .regions_coding import Region, union
from .two_quality import encode_two_qualities

METHODS = ("exact", "diffusion", "two-quality")


@dataclass(frozen=True)
class RoiReport(Report):
    """What was written. figures: `figures.roi_figures`, empty where they were not asked for; seconds: encoding."""

    method: str
    seconds: float
    roi_bits_per_voxel: float | None
    figures: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """JSON form: the keys of `Report`, more of each layer, and the figures."""
        layers = [
            {
                name: value
                for name, value in layer.as_dict().items()
                if name in ("member", "role", "name", "error", "codec", "size", "exact", "quality", "box")
            }
            for layer in self.manifest.layers
        ]
        return {
            **super().as_dict(),
            "method": self.method,
            "roi_bits_per_voxel": self.roi_bits_per_voxel,
            "seconds": self.seconds,
            "layers": layers,
            **self.figures,
        }


def compress_roi(
    volume: Volume,
    path: str | os.PathLike,
    regions: Sequence[Region] | np.ndarray,
    method: str = "exact",
    codec: str = "hevc",
    target: Target | None = None,
    *,
    restore: bool = False,
    probability: np.ndarray | None = None,
    peak: float | None = None,
    device: str = "cpu",
    in_plane: bool = False,
    threads: int | None = None,
    figures: bool = True,
    progress: Progress = silent,
) -> RoiReport:
    """Write the archive `path` of a volume with regions of interest.

    regions: in order of importance, or one bool array [k, j, i] for one exact region. target: with "exact" of the
    background, a Ratio of the whole file; with "two-quality" of the surroundings; with "diffusion" with respect to the
    diffused volume. restore: with "exact", a last layer that makes everything exact. probability: guides the diffusion,
    the regions unless given. device, in_plane: of the diffusion, as in `diffusion.diffuse`.

    The archive takes its name only when it is whole, decoded and compared. Raises MedCompressError.
    """
    if isinstance(regions, np.ndarray):
        regions = [Region(regions)]
    if in_plane and method != "diffusion":
        raise MedCompressError(f"the method {method} diffuses nothing: leave in-plane out or choose diffusion")
    path = _checked(Path(path), volume, regions, method, target, restore)
    started = time.monotonic()
    progress(0.0, "Measuring the samples")
    plan = make_plan(volume, peak)
    roi = union(regions)
    work = progress.part(0.02, 0.85)
    if method == "exact":
        stages = encode_exact(plan, list(regions), codec, target, restore, threads, work)
    elif method == "diffusion":
        guide = roi.astype(np.float32) if probability is None else probability
        stages = encode_diffused(plan, guide, codec, target, threads, work, device, in_plane)
    else:
        stages = encode_two_qualities(plan, roi, codec, target, threads, work)
    manifest = stages.manifest(target)
    encoding = time.monotonic() - started
    progress(0.85, "Measuring the quality")
    table = roi_figures(volume.array, stages.array, roi) if figures else {}
    progress(0.95, f"Writing {path.name}")
    started = time.monotonic()
    size = write_archive(path, manifest, stages.chunks, verify=_check_written)
    seconds = encoding + time.monotonic() - started
    coded = [layer for layer in manifest.layers if layer.role == "region"]
    bits = 8 * sum(layer.size for layer in coded) / int(roi.sum()) if coded else None
    progress.done(f"Wrote {path.name}")
    return RoiReport(manifest, size, method, seconds, bits, table)


def _checked(path: Path, volume: Volume, regions, method: str, target: Target | None, restore: bool) -> Path:
    if method not in METHODS:
        raise MedCompressError(f"unknown method {method!r}: choose one of {', '.join(METHODS)}")
    if target is None:
        raise MedCompressError("the quality of the background is missing: give a PSNR, a ratio, a quality or lossless")
    if not isinstance(target, Lossless | Psnr | Ratio | Quality):
        raise MedCompressError(f"{target} cannot be asked for around a region: give a PSNR, ratio, quality or lossless")
    if restore and method != "exact":
        raise MedCompressError(f"the method {method} cannot restore everything: choose the method exact")
    if method != "exact" and any(region.error for region in regions):
        raise MedCompressError(f"the method {method} bounds no error in a region: leave the bounds out or choose exact")
    if not regions or any(region.mask.shape != volume.array.shape for region in regions):
        raise MedCompressError("a region is missing or has another size than the volume: resample it onto the volume")
    if not any(region.mask.any() for region in regions):
        raise MedCompressError("the region of interest is empty: choose other labels, thresholds or a larger box")
    if path.suffix.lower() != ".mcz":
        raise MedCompressError(f"{path} does not end in .mcz: give it a name such as {path.stem or 'volume'}.mcz")
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise MedCompressError(f"{path} cannot be written: choose a file in an existing folder that can be")
    return path


def _check_written(path: Path) -> None:
    with Archive(path) as archive:
        archive.verify()
