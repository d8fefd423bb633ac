"""The wavelets of JPEG 2000 (ISO/IEC 15444-1, Annex F) on batches of slices, as fixed, differentiable lifting."""

from __future__ import annotations

from torch import Tensor, cat

WAVELETS = {
    "5/3": ((-0.5, 0.25), 1.0),
    "9/7": ((-1.586134342059924, -0.052980118572961, 0.882911075530934, 0.443506852043971), 1.230174104914001),
}
"""Weights of the lifting steps, odd samples first, and the scale K (Table F.4). The 5/3 is not rounded here."""


def decompose(x: Tensor, levels: int, wavelet: str) -> tuple[Tensor, list[Tensor]]:
    """x: [N, C, j, i], j and i multiples of 2^levels -> the low pass [N, C, j / 2^levels, i / 2^levels] and the
    details per level, finest first: [N, 3 C, j / 2^l, i / 2^l], first HL, then LH, then HH of all channels.

    Symmetric extension at the borders; the low pass keeps the scale of x, as the reduced resolutions of JPEG 2000 do.
    """
    details = []
    for _ in range(levels):
        low_i, high_i = _split(x, -1, wavelet)
        x, low_high = _split(low_i, -2, wavelet)
        high_low, high_high = _split(high_i, -2, wavelet)
        details.append(cat([high_low, low_high, high_high], dim=1))
    return x, details


def _split(x: Tensor, axis: int, wavelet: str) -> tuple[Tensor, Tensor]:
    """Low and high pass along an axis of even length."""
    steps, scale = WAVELETS[wavelet]
    axis %= x.dim()
    even, odd = x.unflatten(axis, (-1, 2)).unbind(dim=axis + 1)
    for number, weight in enumerate(steps):
        if number % 2 == 0:
            odd = odd + weight * (even + _next(even, axis))
        else:
            even = even + weight * (odd + _previous(odd, axis))
    return even / scale, odd * scale


def _next(x: Tensor, axis: int) -> Tensor:
    size = x.shape[axis]
    return cat([x.narrow(axis, 1, size - 1), x.narrow(axis, size - 1, 1)], dim=axis)


def _previous(x: Tensor, axis: int) -> Tensor:
    size = x.shape[axis]
    return cat([x.narrow(axis, 0, 1), x.narrow(axis, 0, size - 1)], dim=axis)
