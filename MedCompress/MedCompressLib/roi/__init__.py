"""Regions of interest: masks, and three ways to keep what lies in them while the rest gets small."""

from .compression import METHODS, RoiReport, compress_roi
from .markups import from_markups
from .masks import Mask, from_box, from_labels, from_otsu, from_probability, from_threshold, guidance, with_margin
from .regions_coding import Region
from .resampling import onto_grid

__all__ = [
    "METHODS",
    "Mask",
    "Region",
    "RoiReport",
    "compress_roi",
    "from_box",
    "from_labels",
    "from_markups",
    "from_otsu",
    "from_probability",
    "from_threshold",
    "guidance",
    "onto_grid",
    "with_margin",
]
