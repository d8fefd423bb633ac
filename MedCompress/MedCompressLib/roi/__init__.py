"""Regions of interest: masks, and three ways to keep what lies in them while the rest gets small."""

from .compression import METHODS, RoiReport, compress_roi
from .masks import Mask, from_box, from_labels, from_otsu, from_probability, from_threshold, guidance, with_margin
from .regions_coding import Region

__all__ = [
    "METHODS",
    "Mask",
    "Region",
    "RoiReport",
    "compress_roi",
    "from_box",
    "from_labels",
    "from_otsu",
    "from_probability",
    "from_threshold",
    "guidance",
    "with_margin",
]
