"""Volumes as a network sees them: at its spacing or size, with its intensities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..volume import Geometry, Volume
from .card import ModelCard
from .preprocessing import normalize, resample, spacing_of_size


def network_input(volumes: Sequence[Volume], card: ModelCard) -> tuple[np.ndarray, Geometry]:
    """float32 [C, k, j, i] from one volume per channel in canonical orientation, and where its voxels lie.

    First resampled to the card's spacing or size (in 2D within the slices alone), then normalized. Raises
    MedCompressError for NaN and infinity.
    """
    channels, geometry = [], volumes[0].geometry
    for volume in volumes:
        resampled = resample(volume, _spacing(volume, card))
        geometry = resampled.geometry
        channels.append(np.ascontiguousarray(normalize(resampled.array, card.normalization)))
    return channels[0][np.newaxis] if len(channels) == 1 else np.stack(channels), geometry


def _spacing(volume: Volume, card: ModelCard) -> tuple[float, float, float]:
    own = volume.geometry.spacing
    if card.size is not None:
        return spacing_of_size(volume.array.shape, own, card.size)
    if card.spacing is None:
        return own
    return (*card.spacing[:2], own[2]) if card.dimension == 2 else card.spacing
