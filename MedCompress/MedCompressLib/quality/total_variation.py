"""How much texture is left around an annotation, after Cunha et al. 2023, eq. 7."""

import numpy as np

from .checks import check_finite, checked_mask, checked_volume


def weighted_total_variation(image: np.ndarray, annotation: np.ndarray | None = None) -> float:
    """Mean gradient length, in the image's units per pixel, in the boxes around the annotations of each slice.

    image: [k, j, i]; annotation: [k, j, i], nonzero where annotated; None takes each whole slice as one box.
    In each slice every connected piece (8 neighbors) of the annotation has a bounding box of H x W pixels; in it the
    lengths of the forward differences are summed and divided by H W (eq. 7). The result is the mean over all boxes of
    all slices, as in Table 2 there. Eq. 7 reads one row and column beyond the box; beyond the image differences are 0.
    """
    image = checked_volume(image, "measured")
    annotation = checked_mask(annotation, image.shape)
    boxes = [box_total_variation(image[k], box) for k in range(len(image)) for box in annotation_boxes(annotation, k)]
    return float(np.mean(boxes))


def annotation_boxes(annotation: np.ndarray | None, k: int) -> list[tuple[slice, slice]]:
    """Bounding boxes [j, i] of the connected pieces of slice k."""
    from scipy.ndimage import find_objects, label

    if annotation is None:
        return [(slice(None), slice(None))]
    return find_objects(label(annotation[k] != 0, np.ones((3, 3)))[0])


def box_total_variation(image: np.ndarray, box: tuple[slice, slice]) -> float:
    """Eq. 7 for one box of a slice [j, i]."""
    (top, bottom, _), (left, right, _) = (part.indices(n) for part, n in zip(box, image.shape, strict=True))
    values = image[top : bottom + 1, left : right + 1].astype(np.float64)
    check_finite(values, "measured")
    missing = (bottom + 1 - top - values.shape[0], right + 1 - left - values.shape[1])
    values = np.pad(values, [(0, n) for n in missing], mode="edge")
    down = values[1:, :-1] - values[:-1, :-1]
    across = values[:-1, 1:] - values[:-1, :-1]
    return float(np.hypot(down, across).mean())
