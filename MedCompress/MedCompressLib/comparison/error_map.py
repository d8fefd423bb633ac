"""Where two segmentations of a structure differ, voxel by voxel."""

import numpy as np

from .alignment import Placed, place
from .matching import Match
from .segmentation import Segmentation

TRUE_POSITIVE, FALSE_POSITIVE, FALSE_NEGATIVE = 1, 2, 3


def error_map(reference: Segmentation, test: Segmentation, match: Match, placed: Placed | None = None) -> np.ndarray:
    """Label map uint8 [k, j, i] on the reference's grid: 1 in both, 2 in the test alone, 3 in the reference alone.

    placed: the test as `place` has put it there, where that is at hand. What the test has beyond the reference's
    extent is not shown.
    """
    placed = placed or place(test, reference)
    start, stop = np.zeros(3, int), np.array(reference.shape)
    theirs = placed.crop(match.test, start, stop)
    ours = Placed(reference).crop(match.reference, start, stop)
    result = np.zeros(reference.shape, np.uint8)
    result[theirs] = FALSE_POSITIVE
    result[ours] = FALSE_NEGATIVE
    result[ours & theirs] = TRUE_POSITIVE
    return result
