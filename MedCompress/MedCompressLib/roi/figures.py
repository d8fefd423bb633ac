"""What a method did to a volume, in the figures of the papers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..quality import entropy, psnr, ssims
from ..quality.error_sum import differences

PEAKS = (4096.0, 65535.0)
"""The CT convention, and that of Luu et al. 2021."""


def roi_figures(source: np.ndarray, result: np.ndarray, roi: np.ndarray) -> dict[str, Any]:
    """PSNR (dB, null where infinite) and SSIM inside, outside and whole for both peaks, the largest error inside,
    the entropies (bits per voxel) before and after."""
    sides = {"inside": roi, "outside": ~roi, "whole": None}
    table: dict[str, Any] = {name: None for name, mask in sides.items() if mask is not None and not mask.any()}
    shown = {name: mask for name, mask in sides.items() if name not in table}
    similarities = ssims(source, result, PEAKS, list(shown.values()))
    for (name, mask), of_peaks in zip(shown.items(), similarities, strict=True):
        figures = table[name] = {}
        for peak, similarity in zip(PEAKS, of_peaks, strict=True):
            value = float(psnr(source, result, peak, mask))
            figures[f"psnr_{peak:.0f}"] = None if np.isinf(value) else value
            figures[f"ssim_{peak:.0f}"] = similarity
    difference = np.abs(differences(source[roi], result[roi]))
    return {
        "roi_voxels": int(roi.sum()),
        "roi_max_error": float(difference.max()),
        **table,
        "entropy_before": entropy(source),
        "entropy_after": entropy(result),
    }
