"""Archives with a region of interest, made in this process, for scripts."""

from __future__ import annotations

import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import slicer
from MedCompressLib.roi import compress_roi
from MedCompressLib.targets import Lossless, Psnr, Target

from .roi_parameters import RoiMethod
from .roi_region import RoiRegion
from .roi_results import methodsTable
from .roi_steps import diffusionCodec
from .volumes import unitOf


def compressRegion(region: RoiRegion, path: Path, method: str, codec: str, target: Target, **options: Any) -> dict:
    """Write the archive; returns the figures of the report. options: those of `compress_roi`."""
    mask, probability = region.mask, region.guidance if method == RoiMethod.DIFFUSION.value else None
    report = compress_roi(region.volume, path, mask.array, method, codec, target, probability=probability, **options)
    return {**report.as_dict(), "notes": list(mask.notes)}


def compareRegionMethods(region: RoiRegion, codec: str, psnr: float):
    """New table node with a row for each method that can run here; writes temporary files alone."""
    documents, codecs = {}, {}
    with tempfile.TemporaryDirectory(prefix="medcompress-", dir=slicer.app.temporaryPath) as folder:
        for method in RoiMethod:
            diffused = method is RoiMethod.DIFFUSION
            if diffused and find_spec("torch") is None:
                continue
            codecs[method] = diffusionCodec() if diffused else codec
            target = Lossless() if diffused else Psnr(psnr)
            path = Path(folder) / "trial.mcz"
            documents[method] = compressRegion(region, path, method.value, codecs[method], target)
    return methodsTable(documents, codecs, unitOf(region.volume.modality))
