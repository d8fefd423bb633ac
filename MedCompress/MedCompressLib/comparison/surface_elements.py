"""The surface of a mask as marching cubes sees it: where its elements lie and how large they are.

Elements sit between voxels, on the corners that eight voxels share; the pattern of those eight says how large the
element is (Lorensen, Cline 1987, Computer Graphics 21(4), 163-169; as weights of distances: Nikolov et al. 2021,
J. Med. Internet Res. 23(7), e26151).
"""

import itertools
from functools import lru_cache

import numpy as np

# One pattern of each of the 14 kinds up to rotation, mirroring and complement: bit i + 2 j + 4 k is the voxel at
# (k, j, i) of the 2 x 2 x 2; with it the area vectors |k|, |j|, |i| of its triangles in eighths of a voxel face.
_KINDS = {
    0b00000000: (),
    0b00000001: ((1, 1, 1),),
    0b00000011: ((2, 2, 0), (2, 2, 0)),
    0b00000110: ((1, 1, 1), (1, 1, 1)),
    0b00000111: ((1, 1, 1), (2, 2, 2), (4, 0, 0)),
    0b00001111: ((4, 0, 0), (4, 0, 0)),
    0b00010110: ((1, 1, 1), (1, 1, 1), (1, 1, 1)),
    0b00010111: ((1, 1, 1), (1, 1, 1), (2, 2, 2), (2, 2, 2)),
    0b00011000: ((1, 1, 1), (1, 1, 1)),
    0b00011001: ((0, 2, 2), (0, 2, 2), (1, 1, 1)),
    0b00011011: ((0, 2, 2), (1, 1, 1), (2, 0, 2), (3, 3, 3)),
    0b00011110: ((1, 1, 1), (1, 1, 1), (2, 2, 2), (4, 0, 0)),
    0b00111100: ((2, 2, 0), (2, 2, 0), (2, 2, 0), (2, 2, 0)),
    0b01101001: ((1, 1, 1), (1, 1, 1), (1, 1, 1), (1, 1, 1)),
}


@lru_cache(maxsize=64)
def element_areas(spacing: tuple[float, float, float]) -> np.ndarray:
    """Area in mm2 of the element of each of the 256 patterns; spacing in mm along k, j, i."""
    faces = np.array([spacing[1] * spacing[2], spacing[0] * spacing[2], spacing[0] * spacing[1]])
    areas = np.zeros(256)
    for kind, triangles in _KINDS.items():
        corners = np.unpackbits(np.array([kind], np.uint8), bitorder="little").reshape(2, 2, 2)
        for axes in itertools.permutations(range(3)):
            turned = corners.transpose(axes)
            area = sum(float(np.linalg.norm(np.array(vector)[list(axes)] * faces)) for vector in triangles) / 8
            for mirrored in itertools.product((0, 1), repeat=3):
                pattern = int(np.packbits(np.flip(turned, np.flatnonzero(mirrored)).ravel(), bitorder="little")[0])
                areas[[pattern, 255 - pattern]] = area
    areas.flags.writeable = False
    return areas


def element_patterns(mask: np.ndarray) -> np.ndarray:
    """Pattern at each corner inside the array: uint8, one shorter along each axis than the booleans [k, j, i]."""
    bits = mask.view(np.uint8)
    bits = bits[:, :, :-1] | (bits[:, :, 1:] << 1)
    bits = bits[:, :-1] | (bits[:, 1:] << 2)
    return bits[:-1] | (bits[1:] << 4)


def is_element(patterns: np.ndarray) -> np.ndarray:
    """Booleans: where the eight voxels are neither all outside (0) nor all inside (255)."""
    return (patterns - np.uint8(1)) < 254


def border_voxels(mask: np.ndarray) -> np.ndarray:
    """Voxels of a mask, booleans [k, j, i], with one of their six face neighbors outside.

    The outermost layer of the array is left out; give it a margin.
    """
    border = np.zeros_like(mask)
    center = mask[1:-1, 1:-1, 1:-1]
    inner = mask[:-2, 1:-1, 1:-1] & mask[2:, 1:-1, 1:-1]
    inner &= mask[1:-1, :-2, 1:-1]
    inner &= mask[1:-1, 2:, 1:-1]
    inner &= mask[1:-1, 1:-1, :-2]
    inner &= mask[1:-1, 1:-1, 2:]
    np.greater(center, inner, out=border[1:-1, 1:-1, 1:-1])
    return border
