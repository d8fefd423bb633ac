"""Targets tried on a few slices before anything is written: the live preview and the rate-quality curve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from .compression import DEFAULT_CODEC
from .encoding import Plan, make_plan
from .jobs import Progress, silent, thread_count
from .quality.peak import Peak
from .sources import Source, as_source
from .targets import Lossless, MaxError, Ratio, Target
from .volume import Volume

CURVE_RATIOS = (5.0, 10.0, 20.0, 50.0, 100.0)


@dataclass(frozen=True)
class Trial:
    """Slices as they would come back: samples [k, j, i] of the source's type.

    ratio leaves out the small share of the file's headers. psnr in dB, infinite when nothing changed.
    """

    array: np.ndarray
    ratio: float
    psnr: float
    max_error: float
    peak: Peak | None


class Preview:
    """Tries targets on slices of one source; what is asked of the whole volume (range, peak) is measured once.

    Raises MedCompressError where `compress` would: NaN without `nan`, an unknown codec.
    """

    def __init__(
        self, volume: Volume | Source, codec: str = DEFAULT_CODEC, peak: float | None = None, nan: float | None = None
    ):
        self._plans: dict[tuple[bool, float | None], Plan] = {}
        self._arguments = (as_source(volume), codec, peak, nan)

    def _plan_for(self, target: Target) -> Plan:
        key = isinstance(target, Lossless), target.value if isinstance(target, MaxError) else None
        if key not in self._plans:
            source, codec, peak, nan = self._arguments
            self._plans[key] = make_plan(source, codec, key[0], peak, nan, key[1])
        return self._plans[key]

    def try_target(self, target: Target, slices: Sequence[int], threads: int | None = None) -> Trial:
        """Encode and decode the slices k once, with the codec's own rate control; an archive may differ a little."""
        plan = self._plan_for(target)

        def one(k: int) -> tuple[np.ndarray, int, float, float]:
            samples = plan.source.read(k, k + 1)
            chunk, restored, error = plan.trial.with_result(samples, k, plan.setting(target, samples.size))
            return restored, len(chunk), error.squares, error.max_error

        with ThreadPoolExecutor(min(len(slices), thread_count(threads))) as pool:
            arrays, sizes, squares, errors = zip(*pool.map(one, slices), strict=True)
        array = np.concatenate(arrays)
        mse = sum(squares) / array.size
        psnr = math.inf if mse == 0 else 10 * math.log10(plan.peak.value**2 / mse)
        return Trial(array, array.nbytes / sum(sizes), psnr, max(errors), plan.peak)

    def curve(
        self,
        ratios: Sequence[float] = CURVE_RATIOS,
        most_slices: int = 16,
        threads: int | None = None,
        progress: Progress = silent,
    ) -> list[tuple[float, float]]:
        """(ratio, PSNR in dB) at each ratio, on at most `most_slices` slices spread over the volume."""
        count = self._arguments[0].shape[0]
        slices = sorted({round(k) for k in np.linspace(0, count - 1, min(count, most_slices))})
        points = []
        for number, ratio in enumerate(ratios):
            progress(number / len(ratios), f"Trying {ratio:g}:1 on {len(slices)} slices")
            trial = self.try_target(Ratio(ratio), slices, threads)
            points.append((trial.ratio, trial.psnr))
        return points
