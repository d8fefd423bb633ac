"""Targets tried on a few slices before anything is written: the live preview and the rate-quality curve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from .codecs import get_codec
from .codecs.interface import Budget
from .codecs.trend import Trend
from .compression import DEFAULT_CODEC
from .encoding import Plan, make_plan
from .jobs import Progress, silent, thread_count
from .quality.peak import Peak
from .sources import Source, as_source
from .targets import Lossless, MaxError, Quality, Ratio, Target
from .volume import Volume

CURVE_RATIOS = (5.0, 10.0, 20.0, 50.0, 100.0)
_TOGETHER = 8
"""Neighbors that show what a codec gains by coding many together, and are still soon tried."""

_RATIO_TOLERANCE = 0.05
_TRIALS_OF_A_POINT = 4
_RISE_OF_LOG_RATIO = 10.0


@dataclass(frozen=True)
class Trial:
    """Slices as they would come back: samples [k, j, i] of the source's type.

    ratio is that of a whole file, headers included, whose slices are all like these. psnr in dB, infinite when nothing
    changed.
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
        """Encode and decode the slices k once, with the codec's own rate control; an archive may differ a little.

        Neighbors are coded together, as far as the codec does so.
        """
        plan = self._plan_for(target)

        def one(run: tuple[int, int]) -> tuple[np.ndarray, int, float, float]:
            samples = plan.source.read(*run)
            chunk, restored, error = plan.trial.with_result(samples, run[0], plan.setting(target, samples.size))
            return restored, len(chunk), error.squares, error.max_error

        runs = _runs(slices, plan.group_slices)
        with ThreadPoolExecutor(min(len(runs), thread_count(threads))) as pool:
            arrays, sizes, squares, errors = zip(*pool.map(one, runs), strict=True)
        array = np.concatenate(arrays)
        mse = sum(squares) / array.size
        psnr = math.inf if mse == 0 else 10 * math.log10(plan.peak.value**2 / mse)
        size = sum(sizes) * plan.source_bytes / array.nbytes + plan.overhead(target)
        return Trial(array, plan.source_bytes / size, psnr, max(errors), plan.peak)

    def curve(
        self,
        ratios: Sequence[float] = CURVE_RATIOS,
        most_slices: int = 16,
        threads: int | None = None,
        progress: Progress = silent,
    ) -> list[tuple[float, float]]:
        """(ratio, PSNR in dB) near each ratio, on at most `most_slices` slices spread over the volume.

        A codec that cannot aim at a size gives a point within 5 % of the ratio as a rule, with one setting for all.
        Ratios beyond what the codec can reach give one point, at its limit.
        """
        count = self._arguments[0].shape[0]
        slices = self._spread(count, most_slices)
        points: list[tuple[float, float]] = []
        trend = Trend(_RISE_OF_LOG_RATIO)
        for number, ratio in enumerate(ratios):
            progress(number / len(ratios), f"Trying {self._arguments[1]} at {ratio:g}:1 on {len(slices)} slices")
            point = self._point(ratio, slices, trend, threads)
            if not points or point[0] > points[-1][0]:
                points.append(point)
        return points

    def _point(self, ratio: float, slices: list[int], trend: Trend, threads: int | None) -> tuple[float, float]:
        """(ratio, PSNR) close to a ratio; trend: the logarithms of the ratios found so far, over the codec's scale."""
        capabilities = get_codec(self._arguments[1]).capabilities
        scale = capabilities.scale
        if Budget in capabilities.settings or scale is None:
            trial = self.try_target(Ratio(ratio), slices, threads)
            return trial.ratio, trial.psnr
        goal, found = math.log(ratio), []
        position = trend.find(goal) if trend.trials else 0.4
        for _ in range(_TRIALS_OF_A_POINT):
            trial = self.try_target(Quality(scale.at(position)), slices, threads)
            trend.add(position, math.log(trial.ratio))
            found.append((trial.ratio, trial.psnr))
            following = trend.find(goal)
            if abs(trend.trials[-1][1] - goal) < _RATIO_TOLERANCE or following == position:
                break
            position = following
        return min(found, key=lambda point: abs(math.log(point[0]) - goal))

    def neighbors(self, k: int) -> range:
        """The slices to try with slice k for a fair trial of it: only k where the codec codes each by itself."""
        count = self._arguments[0].shape[0]
        length = min(_TOGETHER, get_codec(self._arguments[1]).capabilities.slices or 1)
        first = min(k // length * length, max(0, count - length))
        return range(first, min(count, first + length))

    def _spread(self, count: int, most: int) -> list[int]:
        """At most so many slices of all: single ones, or runs of 8 for a codec that codes neighbors together."""
        together = get_codec(self._arguments[1]).capabilities.slices or 1
        length = min(count, most, _TOGETHER if together > 1 else 1)
        starts = np.linspace(0, count - length, max(1, min(count, most) // length))
        return sorted({round(start) + place for start in starts for place in range(length)})


def _runs(slices: Sequence[int], longest: int) -> list[tuple[int, int]]:
    """The slices, in their order, as ranges (first, end) of neighbors."""
    runs: list[tuple[int, int]] = []
    for k in slices:
        if runs and runs[-1][1] == k and k - runs[-1][0] < longest:
            runs[-1] = (runs[-1][0], k + 1)
        else:
            runs.append((k, k + 1))
    return runs
