"""What compression did to the image: error, structural similarity, entropy, total variation.

Images are arrays [k, j, i] of any real scalar type; nothing here knows of codecs, files or the scene.
All is computed in float64 one slice [k] at a time, so memory grows with the slice and not with the volume.
Definitions, sources and border rules: Docs/quality.md.
"""

from .entropy_bits import entropy
from .error_sum import ErrorSum, max_error, mse, psnr
from .multiscale import ms_ssim, ms_ssim_map, ms_ssim_scales
from .peak import Peak, choose_peak
from .report import Measures, QualityReport, compare
from .structural_similarity import ssim, ssim_map, ssims
from .total_variation import weighted_total_variation

__all__ = [
    "ErrorSum",
    "Measures",
    "Peak",
    "QualityReport",
    "choose_peak",
    "compare",
    "entropy",
    "max_error",
    "ms_ssim",
    "ms_ssim_map",
    "ms_ssim_scales",
    "mse",
    "psnr",
    "ssim",
    "ssim_map",
    "ssims",
    "weighted_total_variation",
]
