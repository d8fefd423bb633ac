"""Predicts voxels from known neighbors by least squares, in whole numbers, the same on every machine.

All sums are of whole numbers below 2^53 in float64, hence exact in any order of addition.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

WEIGHT_BITS = 12
_LARGEST_WEIGHT = (1 << 15) - 1
_LEAST_SAMPLES = 400
_MOST_SAMPLES = 20000


@dataclass(frozen=True)
class Surroundings:
    """Of n voxels: the mean of their known neighbors (`fallback` where none is), each neighbor's difference from it
    [n, neighbors] (0 where unknown), and the mean absolute difference in eighths."""

    mean: np.ndarray
    differences: np.ndarray
    activity: np.ndarray


def surroundings(
    values: np.ndarray, known: np.ndarray, place: np.ndarray, offset: np.ndarray, fallback: float
) -> Surroundings:
    """values, known: flattened padded arrays, float64 of whole numbers, known 0 or 1; unknown values are 0."""
    if not offset.size:
        nothing = np.zeros((len(place), 0))
        return Surroundings(np.full(len(place), fallback), nothing, np.zeros(len(place)))
    where = place[:, None] + offset
    there = known[where]
    near = values[where]
    count = there.sum(axis=1)
    divisor = np.maximum(count, 1)
    mean = np.floor((2 * near.sum(axis=1) + count) / (2 * divisor))
    mean[count == 0] = fallback
    near -= mean[:, None]
    near *= there
    return Surroundings(mean, near, np.floor(8 * np.abs(near).sum(axis=1) / divisor))


def predicted(found: Surroundings, weights: np.ndarray) -> np.ndarray:
    """Predictions, float64 of whole numbers; weights: whole numbers in units of 2^-WEIGHT_BITS."""
    moved = found.differences @ weights.astype(np.float64)
    return found.mean + np.floor((moved + (1 << (WEIGHT_BITS - 1))) / (1 << WEIGHT_BITS))


def best_weights(parts: list[tuple[Surroundings, np.ndarray]], neighbors: int) -> np.ndarray:
    """Weights (int16) for the voxels of all parts, each given as surroundings and true values."""
    total = sum(len(truth) for _, truth in parts)
    if total < _LEAST_SAMPLES or not neighbors:
        return np.zeros(neighbors, np.int16)
    stride = max(1, total // _MOST_SAMPLES)
    differences = np.concatenate([found.differences[::stride] for found, _ in parts])
    wanted = np.concatenate([(truth - found.mean)[::stride] for found, truth in parts])
    trust = 1 / (8 + np.concatenate([found.activity[::stride] for found, _ in parts]))
    scaled = differences * (trust * trust)[:, None]
    normal = np.einsum("na,nb->ab", scaled, differences)
    normal[np.diag_indices(neighbors)] += 1e-4 * np.trace(normal) / neighbors + 1e-9
    weights = np.linalg.solve(normal, np.einsum("na,n->a", scaled, wanted))
    return np.clip(np.rint(weights * (1 << WEIGHT_BITS)), -_LARGEST_WEIGHT, _LARGEST_WEIGHT).astype(np.int16)
