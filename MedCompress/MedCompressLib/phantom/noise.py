"""Random fields in the voxels' own frequencies: what a scanner adds, and what tissue looks like."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def correlated(rng: np.random.Generator, shape: tuple[int, int], transfer, weights) -> Iterator[np.ndarray]:
    """Endless slices [j, i] of unit variance: white noise through transfer (rfft2 grid), then mixed along k by weights.

    The mixing correlates neighbors along k as overlapping detector rows and z interpolation do.
    """
    energy = np.concatenate([transfer, transfer[:, 1 : (shape[1] + 1) // 2]], axis=1)
    gain = np.sqrt((energy**2).sum() / energy.size * sum(w * w for w in weights))
    scaled = transfer / gain
    history = []
    while True:
        while len(history) < len(weights):
            white = rng.standard_normal(shape, dtype=np.float32)
            history.append(np.fft.irfft2(np.fft.rfft2(white) * scaled, shape).astype(np.float32))
        yield sum(np.float32(w) * field for w, field in zip(weights, history, strict=True))
        history.pop(0)


def scanner_transfer(shape: tuple[int, int]) -> np.ndarray:
    """Square root of the noise power of filtered back-projection on the rfft2 grid.

    White noise in the projections gives power f * apodization(f)^2 (Riederer et al. 1978, Phys. Med. Biol. 23:446);
    projections along x cross more tissue, so frequencies along y carry more power: faint horizontal streaks.
    """
    v, u = np.meshgrid(np.fft.fftfreq(shape[0]), np.fft.rfftfreq(shape[1]), indexing="ij")
    f = np.sqrt(u * u + v * v)
    streaks = 1 + 1.0 * (v * v / (f * f + 1e-12)) ** 4
    return np.sqrt(f + 0.004) * np.exp(-((f / 0.33) ** 2)) * streaks


def tissue_transfer(shape: tuple[int, int], spacing: tuple[float, float], size: float) -> np.ndarray:
    """Gaussian low pass of standard deviation size (mm) in the volume, on the rfft2 grid; spacing is (i, j)."""
    v, u = np.meshgrid(np.fft.fftfreq(shape[0], spacing[1]), np.fft.rfftfreq(shape[1], spacing[0]), indexing="ij")
    return np.exp(-2 * (np.pi * size) ** 2 * (u * u + v * v))


def mixing(step: float, size: float) -> list[float]:
    """Gaussian weights over slices step mm apart for a correlation of size mm along k; odd in number, at least one."""
    reach = int(np.ceil(2 * size / step))
    return [float(np.exp(-((n * step / size) ** 2) / 2)) for n in range(-reach, reach + 1)]
