"""What a method did to a volume, in the figures of the papers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..quality import entropy, psnr, ssim
from ..quality.error_sum import differences

PEAKS = (4096.0, 65535.0)
"""The CT convention, and that of Luu et al. 2021."""


def roi_figures(source: np.ndarray, result: np.ndarray, roi: np.ndarray) -> dict[str, Any]:
    """PSNR (dB, null where infinite) and SSIM inside, outside and whole for both peaks, the largest error inside,
    the entropies (bits per voxel) before and after."""
    sides = {"inside": roi, "outside": ~roi, "whole": None}
    table: dict[str, Any] = {}
    for name, mask in sides.items():
        if mask is not None and not mask.any():
            table[name] = None
            continue
        table[name] = {}
        for peak in PEAKS:
            value = float(psnr(source, result, peak, mask))
            table[name][f"psnr_{peak:.0f}"] = None if np.isinf(value) else value
            table[name][f"ssim_{peak:.0f}"] = float(ssim(source, result, peak, mask))
    difference = np.abs(differences(source[roi], result[roi]))
    return {
        "roi_voxels": int(roi.sum()),
        "roi_max_error": float(difference.max()),
        **table,
        "entropy_before": entropy(source),
        "entropy_after": entropy(result),
    }
