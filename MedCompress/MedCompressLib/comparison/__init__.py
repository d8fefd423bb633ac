"""What something did to a segmentation: overlap, surface distances, agreement of observers, lesion reading, statistics.

Segmentations are label maps [k, j, i] with a geometry (LPS, mm) and named segments; nothing here knows of compression.
Definitions, sources and corner cases: Docs/comparison.md.
"""

from .agreement import Agreement, Verdict, agreement, inter_observer, intra_observer, valid_slices, verdicts
from .alignment import Placed, place
from .compare import compare
from .error_map import error_map
from .lesions import LesionReading, lesion_centers, read_lesions
from .matching import Match, match_segments
from .overlap import Overlap, overlap
from .reader_study import PairResult, ReaderSession, Trial, draw_trials, read_trials, reader_results
from .reading import read_segmentation
from .rows import Row, mean_over_segments
from .segment_names import read_names
from .segmentation import Segment, Segmentation, segmentation_from_labels
from .statistics import PairedTest, PairwiseTest, paired_t, tukey, wilcoxon_signed_rank
from .surface import SurfaceMeasures, surface_measures
from .table import csv_text, plain_text, write_text
from .writing import write_segmentation

__all__ = [
    "Agreement",
    "LesionReading",
    "Match",
    "Overlap",
    "PairResult",
    "PairedTest",
    "PairwiseTest",
    "Placed",
    "ReaderSession",
    "Row",
    "Segment",
    "Segmentation",
    "SurfaceMeasures",
    "Trial",
    "Verdict",
    "agreement",
    "compare",
    "csv_text",
    "draw_trials",
    "error_map",
    "inter_observer",
    "intra_observer",
    "lesion_centers",
    "match_segments",
    "mean_over_segments",
    "overlap",
    "paired_t",
    "place",
    "plain_text",
    "read_lesions",
    "read_names",
    "read_segmentation",
    "read_trials",
    "reader_results",
    "segmentation_from_labels",
    "surface_measures",
    "tukey",
    "valid_slices",
    "verdicts",
    "wilcoxon_signed_rank",
    "write_segmentation",
    "write_text",
]
