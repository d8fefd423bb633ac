"""What compression did to the texture around a structure (Cunha et al. 2023, eq. 7 and Table 2)."""

import math

from ..errors import MedCompressError
from ..quality import weighted_total_variation
from ..volume import Volume
from .segmentation import Segment, Segmentation


class TextureChange:
    """Weighted total variation of two images around the segments of the reference.

    Raises MedCompressError where the images are not on the reference's grid.
    """

    def __init__(self, reference_image: Volume, test_image: Volume, reference: Segmentation):
        for image in (reference_image, test_image):
            if image.array.shape != reference.shape or not image.geometry.is_close(reference.geometry, 1e-2):
                raise MedCompressError(
                    f"image {image.name!r} is not on the grid of the reference segmentation; resample it to that grid"
                )
        self._images = (reference_image.array, test_image.array)
        self._reference = reference

    def around(self, segment: Segment | None) -> dict[str, float]:
        """wtv_reference and wtv_test in the images' units per pixel, wtv_change_percent; NaN for an empty segment."""
        values, change = (math.nan, math.nan), math.nan
        box = self._reference.box(segment) if segment else None
        if box is not None:
            around = tuple(slice(max(s.start - 1, 0), s.stop + 1) for s in box)
            mask = self._reference.layers[segment.layer][around] == segment.value
            values = tuple(weighted_total_variation(image[around], mask) for image in self._images)
            if values[0]:
                change = 100 * (values[1] / values[0] - 1)
        return {"wtv_reference": values[0], "wtv_test": values[1], "wtv_change_percent": change}
