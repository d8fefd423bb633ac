"""What is done to a volume before a network sees it: resampling and normalization."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import MedCompressError
from ..volume import Geometry, Volume


def normalize(samples: np.ndarray, normalization: Mapping[str, Any]) -> np.ndarray:
    """The samples [k, j, i] as float32, prepared as the model card says (see card.ModelCard.normalization).

    A constant image becomes 0 everywhere by "zscore". Raises MedCompressError for NaN, infinity and unknown kinds.
    """
    kind = normalization.get("kind")
    if samples.dtype.kind == "f" and not np.isfinite(samples).all():
        raise MedCompressError("the volume holds NaN or infinity: replace them by a value before it is segmented")
    if kind == "zscore":
        mean, deviation = float(samples.mean(dtype=np.float64)), float(samples.std(dtype=np.float64))
        return ((samples - np.float64(mean)) / max(deviation, 1e-8 * max(1.0, abs(mean)))).astype(np.float32)
    values = samples.astype(np.float32)
    if kind in ("window", "clipped"):
        np.clip(values, normalization["low"], normalization["high"], out=values)
    if kind == "window":
        values -= np.float32(normalization["low"])
        values /= np.float32(normalization["high"] - normalization["low"])
    elif kind in ("fixed", "clipped"):
        values -= np.float32(normalization["mean"])
        values /= np.float32(normalization["std"])
    else:
        raise MedCompressError(f"there is no normalization {kind!r}: choose zscore, window, fixed or clipped")
    return values


def spacing_of_size(shape: Sequence[int], spacing: Sequence[float], size: Sequence[int]) -> tuple[float, ...]:
    """(i, j, k) in mm at which a volume of `shape` [k, j, i] and `spacing` (i, j, k) has `size` voxels in its field of
    view; size [j, i]: the slices along k stay.
    """
    wanted = [*shape[: 3 - len(size)], *size]
    return tuple(mm * shape[2 - axis] / wanted[2 - axis] for axis, mm in enumerate(spacing))


def resample(volume: Volume, spacing: Sequence[float], labels: bool = False) -> Volume:
    """The volume on a grid of `spacing` (i, j, k) in mm around the same center, of about the same extent.

    Images are interpolated by cubic B-splines into float32, within the range of their values and first smoothed along
    axes that become coarser; labels take the nearest voxel and keep their type. The volume itself comes back where
    the spacing is its own. The field of view, from the outer face of the first voxel to that of the last,
    stays as nearly as whole voxels allow; exactly with a spacing of `spacing_of_size`. Raises MedCompressError for NaN
    or infinity in an image.
    """
    import SimpleITK as sitk

    array, old, new = volume.array, np.array(volume.geometry.spacing), np.array(spacing, dtype=float)
    size = np.array(array.shape[::-1])
    count = np.maximum(1, np.round(size * old / new)).astype(int)
    if np.abs(new / old - 1).max() < 1e-3 and np.array_equal(count, size):
        return volume
    if not labels:
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise MedCompressError("the volume holds NaN or infinity: replace them by a value before resampling")
        array = array.astype(np.float32)
    # The resampling knows spacings alone; the patient's axes and position are put back afterwards.
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(tuple(float(value) for value in old))
    start = ((size - 1) * old - (count - 1) * new) / 2
    if not labels:
        ratio = np.maximum(new / old, 1)
        for axis in np.flatnonzero((ratio > 1.01) & (size >= 4)):
            sigma = 0.5 * float(np.sqrt(ratio[axis] ** 2 - 1) * old[axis])
            image = sitk.RecursiveGaussian(image, sigma, direction=int(axis))
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize([int(value) for value in count])
    resampler.SetOutputSpacing(tuple(float(value) for value in new))
    resampler.SetOutputOrigin(tuple(float(value) for value in start))
    resampler.SetInterpolator(sitk.sitkNearestNeighbor if labels else sitk.sitkBSpline)
    resampler.UseNearestNeighborExtrapolatorOn()
    result = sitk.GetArrayFromImage(resampler.Execute(image))
    if not labels:
        result = np.clip(result.astype(np.float32), array.min(), array.max())
    origin = np.array(volume.geometry.origin) + np.array(volume.geometry.direction) @ start
    return Volume(result, Geometry(tuple(new), tuple(origin), volume.geometry.direction), volume.modality, volume.name)
