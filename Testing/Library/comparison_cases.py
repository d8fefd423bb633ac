"""What the tests of the comparison share: real labels, a change to them, and the definitions spelled out slowly."""

from pathlib import Path

import numpy as np
from MedCompressLib.volume import Volume, read_volume
from scipy.ndimage import binary_erosion, distance_transform_edt, find_objects

REAL = {
    "abdomen and pelvis": ("ct_abdomen_pelvis_3mm/labels.nii.gz", (5, 21, 8)),
    "liver, thick slices": ("ct_liver_dicom_j2k_labels.nrrd", (5, 6)),
    "brain tumor": ("brats/brats_2013_pat0001_1_seg.nii.gz", (2, 3)),
    "hippocampus": ("hippocampus/labels/hippocampus_190.nii.gz", (1, 2)),
}


def real_labels(folder: Path, name: str) -> tuple[Volume, tuple[int, ...]]:
    path, values = REAL[name]
    return read_volume(folder / path), values


def around(labels: np.ndarray, value: int) -> np.ndarray:
    """Mask of a label value, cut out with ten voxels around where the image has them."""
    box = find_objects((labels == value).view(np.uint8))[0]
    return labels[tuple(slice(max(0, part.start - 10), part.stop + 10) for part in box)] == value


def changed(mask: np.ndarray) -> np.ndarray:
    """The mask one voxel aside, with a slab missing and an island in a corner."""
    result = np.roll(mask, (1, -1), (1, 2))
    result[:: max(3, len(mask) // 4)] = False
    result[-2:, :3, :3] = True
    return result


def real_pairs(folder: Path, name: str) -> list[tuple[np.ndarray, np.ndarray, tuple[float, float, float]]]:
    """(reference, test, spacing along i, j, k) of a few segments of a real label map, in its spacing and another."""
    labels, values = real_labels(folder, name)
    masks, spacings = [around(labels.array, value) for value in values], (labels.geometry.spacing, (0.7, 1.1, 4.0))
    return [(mask, changed(mask), spacing) for mask in masks for spacing in spacings]


def surface_by_scipy(reference: np.ndarray, test: np.ndarray, spacing: tuple[float, float, float]) -> dict[str, float]:
    """Distances between border voxels, as MONAI and El Khoury et al. define them; spacing along k, j, i."""
    borders = [mask & ~binary_erosion(mask) for mask in (reference, test)]
    there, back = (distance_transform_edt(~borders[1 - n], sampling=spacing)[borders[n]] for n in (0, 1))
    return {
        "hausdorff_boundary": max(there.max(), back.max()),
        "hausdorff_95_boundary": max(np.percentile(there, 95), np.percentile(back, 95)),
        "smbd": (there.mean() + back.mean()) / 2,
    }


def image_of(mask: np.ndarray, spacing: tuple[float, float, float]):
    """SimpleITK image of a mask [k, j, i]; spacing along i, j, k."""
    import SimpleITK

    image = SimpleITK.GetImageFromArray(mask.astype(np.uint8))
    image.SetSpacing(spacing)
    return image
