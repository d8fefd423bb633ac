"""What is left over after segmentation: small islands."""

from __future__ import annotations

import numpy as np


def keep_largest(labels: np.ndarray) -> dict[int, int]:
    """Keep of each label value only the largest connected part; the others become background 0, in place.

    labels: [k, j, i], unsigned. Voxels that share a corner are connected (26 neighbors), as in nnU-Net. Returns the
    voxels removed of each label value that lost some.
    """
    from scipy.ndimage import find_objects, generate_binary_structure, label

    structure, removed = generate_binary_structure(3, 3), {}
    for value, box in enumerate(find_objects(labels), 1):
        if box is None:
            continue
        inside = labels[box]
        parts, count = label(inside == value, structure)
        if count < 2:
            continue
        sizes = np.bincount(parts.ravel())
        sizes[0] = 0
        islands = (parts > 0) & (parts != sizes.argmax())
        inside[islands] = 0
        removed[value] = int(islands.sum())
    return removed
