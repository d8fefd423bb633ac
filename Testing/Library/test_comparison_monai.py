"""The measures are those that MONAI computes, on real labels, anisotropic and oblique."""

import numpy as np
import pytest
from comparison_cases import REAL, around, changed, real_labels, real_pairs
from MedCompressLib.comparison import compare, overlap, segmentation_from_labels, surface_measures
from MedCompressLib.volume import Geometry, Volume
from scipy.spatial.transform import Rotation

pytestmark = pytest.mark.filterwarnings("ignore:.*always_return_as_numpy.*:FutureWarning")
TOLERANCE_MM = 1e-3


@pytest.fixture(scope="module")
def by_monai():
    """MONAI's figures of (reference, test, spacing along i, j, k, tolerance), under our names."""
    torch = pytest.importorskip("torch", reason="MONAI is not installed")
    metrics = pytest.importorskip("monai.metrics", reason="MONAI is not installed")
    torch.set_num_threads(1)

    def measures(reference, test, spacing, tolerance=1.0) -> dict[str, float]:
        masks = [torch.from_numpy(mask[None, None]) for mask in (test, reference)]
        options = {"include_background": True, "spacing": spacing[::-1]}
        there, back = (metrics.compute_average_surface_distance(*pair, **options) for pair in (masks, masks[::-1]))
        found = {
            "hausdorff_boundary": metrics.compute_hausdorff_distance(*masks, **options),
            "hausdorff_95_boundary": metrics.compute_hausdorff_distance(*masks, percentile=95, **options),
            "smbd": (there + back) / 2,
            "surface_dice": metrics.compute_surface_dice(*masks, [tolerance], use_subvoxels=True, **options),
            "dice": metrics.compute_dice(*masks),
            "jaccard": metrics.compute_iou(*masks),
        }
        return {name: float(value) for name, value in found.items()}

    return measures


@pytest.mark.parametrize("name", REAL)
def test_measures_equal_monai(name, data_folder, by_monai):
    for reference, test, spacing in real_pairs(data_folder, name):
        ours, counts = surface_measures(reference, test, spacing, 1.0), overlap(reference, test)
        for measure, value in by_monai(reference, test, spacing).items():
            mine = getattr(counts if measure in ("dice", "jaccard") else ours, measure)
            assert mine == pytest.approx(value, abs=TOLERANCE_MM), measure


def test_oblique_label_maps_equal_monai(data_folder, by_monai):
    labels, values = real_labels(data_folder, "liver, thick slices")
    turned = Rotation.from_euler("xyz", (20, -35, 50), degrees=True).as_matrix()
    geometry = Geometry(labels.geometry.spacing, (-31.5, 210.0, 4.25), tuple(map(tuple, turned)))
    masks = [around(labels.array, value) for value in values]
    for mask in masks:
        maps = [Volume(np.ascontiguousarray(m, np.uint8), geometry) for m in (mask, changed(mask))]
        reference, test = map(segmentation_from_labels, maps)
        row = compare(reference, [test], tolerance=2.0)[0]
        for measure, value in by_monai(mask, changed(mask), geometry.spacing, 2.0).items():
            assert getattr(row, measure) == pytest.approx(value, abs=TOLERANCE_MM), measure
