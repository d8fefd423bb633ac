"""Meets a size or an error with one value of a codec's own quality scale for the whole volume.

One quality for all groups means equal slope of rate and distortion, or nearly so: bytes go where they help most. The
value is sought on a sample of slices; then everything is encoded, and once more where the sample was not typical.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from .interface import Knob, Scale
from .rate import GroupEncoder, Outcome, Unreachable
from .trend import Trend

_SIZE_BAND = (0.982, 1.018)
_MSE_BAND = (10**-0.02, 1.0)
"""From the target to 0.2 dB above it."""

_TRIALS = 4
_PASSES = 6
_START = 0.4
_SLOPE_OF_SIZE, _SLOPE_OF_MSE = 10.0, 16.0
_SAMPLED_SHARE = 0.12
_SEARCH_COST = 0.5
"""Trials on the sample may cost this part of one encoding of everything."""

_CLOSE = 0.05
"""Part by which a sample differs from the whole anyway."""

_SMALL, _RUN, _SHORT_RUN = 64, 8, 4
"""Slices in a sampled range, the short ones for small volumes."""

_NUDGE, _NUDGE_OF_A_GROUP, _LEAST_GROUPS = 0.06, 0.1, 3
"""Where so little is missing some of many groups are enough; a change of 0.1 in size or error is 0.4 dB or a QP."""

_LEAST_MSE = 1e-9


class KnobEncoder(GroupEncoder):
    """A GroupEncoder that turns one knob, `knob`, for all groups."""

    def __init__(self, *arguments, knob: Scale, **options):
        super().__init__(*arguments, **options)
        self._knob = knob

    def to_size(self, total: int, beside: int = 0) -> Outcome:
        """As GroupEncoder.to_size, but with equal quality, not with equal bytes."""
        goal = total + beside

        def sampled(size: float, _: float) -> float:
            return -math.log(size + beside)

        def reached() -> float:
            return -math.log(sum(self._chunks.sizes) + beside)

        band = (-math.log(_SIZE_BAND[1] * goal), -math.log(_SIZE_BAND[0] * goal))
        value = self._search(sampled, reached, band, Trend(_SLOPE_OF_SIZE))
        if band[0] <= value <= band[1]:
            return self._outcome()
        raise Unreachable(math.exp(-value) - beside, coarse=self._position not in (0.0, 1.0))

    def to_mse(self, goal: float) -> Outcome:
        """As GroupEncoder.to_mse."""

        def sampled(_: float, mse: float) -> float:
            return math.log(max(_LEAST_MSE, mse))

        def reached() -> float:
            return math.log(max(_LEAST_MSE, self._mse(range(len(self._bounds)))))

        band = (math.log(_MSE_BAND[0] * goal), math.log(_MSE_BAND[1] * goal))
        value = self._search(sampled, reached, band, Trend(_SLOPE_OF_MSE), from_below=True)
        if value <= band[1]:
            return self._outcome()
        raise Unreachable(math.exp(value))

    def _search(
        self,
        sampled: Callable[[float, float], float],
        reached: Callable[[], float],
        band: tuple[float, float],
        trend: Trend,
        from_below: bool = False,
    ) -> float:
        """Encode until `reached` lies in the band, or no position of the knob does better; its last value.

        sampled: the value of a size and a mean squared error. from_below: a value below the band will do.
        """
        goal = sum(band) / 2
        self._position = self._search_sample(sampled, goal, trend)
        tried: dict[float, float] = {}
        for attempt in range(_PASSES):
            self._encode_all("Encoding" if attempt == 0 else "Adjusting")
            value = tried[self._position] = reached()
            if band[0] <= value <= band[1]:
                return value
            if attempt == 0:
                shift = value - trend.value(self._position) if trend.trials else 0.0
                full = Trend(trend.slope, [(place, found + shift) for place, found in trend.trials])
            else:
                full = Trend(trend.slope, list(tried.items()))
            if attempt == 0:
                full.add(self._position, value)
            following = full.find(goal)
            if following in tried:
                break
            if self._length > 1 and len(self._bounds) >= _LEAST_GROUPS and abs(goal - value) < _NUDGE:
                self._nudge(following - self._position, abs(goal - value))
                value = reached()
                if band[0] <= value <= band[1]:
                    return value
            self._position = following
        best = min(tried, key=lambda place: (from_below and tried[place] > band[1], abs(tried[place] - goal)))
        if best != self._position:
            self._position = best
            if from_below:
                self._encode_all("Adjusting")
        return tried[best]

    def _nudge(self, shift: float, distance: float) -> None:
        """Encode only some of the groups anew, each moved further than `shift`, but too little to be seen."""
        count = len(self._bounds)
        some = min(count, math.ceil(count * distance / _NUDGE_OF_A_GROUP))
        setting = Knob(self._knob.at(self._position + shift * count / some))
        kept = self._setting
        self._run({part * count // some: setting for part in range(some)}, "Adjusting")
        self._setting = kept

    def _search_sample(self, sampled: Callable[[float, float], float], goal: float, trend: Trend) -> float:
        runs, firsts, trials = self._sample()
        position = _START
        for _ in range(trials):
            value = sampled(*self._try(runs, firsts, position))
            trend.add(position, value)
            position = trend.find(goal)
            if abs(value - goal) < _CLOSE:
                break
        return position

    def _encode_all(self, name: str) -> None:
        setting = Knob(self._knob.at(self._position))
        self._run(dict.fromkeys(range(len(self._bounds)), setting), name)

    @property
    def _length(self) -> int:
        """Slices of the largest group."""
        return max(stop - start for start, stop in self._bounds)

    @property
    def _slices(self) -> int:
        return sum(stop - start for start, stop in self._bounds)

    def _sample(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]], int]:
        """Ranges of slices spread over the volume, the first of each, and how many trials are worth their time.

        The first slices are left out where groups are not longer than the ranges.
        """
        length = min(self._length, _RUN if self._slices >= _SMALL else _SHORT_RUN)
        count = max(1, round(self._slices * _SAMPLED_SHARE / length))
        chosen = sorted({round((part + 0.5) * len(self._bounds) / count - 0.5) for part in range(count)})
        middles = [(start + stop - length) // 2 for start, stop in (self._bounds[index] for index in chosen)]
        runs = [(max(0, start), min(self._slices, max(0, start) + length)) for start in middles]
        firsts = [(start, start + 1) for start, _ in runs] if 1 < length < self._length else []
        cost = sum(stop - start for start, stop in (*runs, *firsts)) / self._slices
        return runs, firsts, min(_TRIALS, int(_SEARCH_COST / cost))

    def _try(
        self, runs: list[tuple[int, int]], firsts: list[tuple[int, int]], position: float
    ) -> tuple[float, float]:
        """Size and mean squared error that the volume would have, from these slices of it; nothing is kept.

        The first slice of a group has none to be predicted from, so it is told apart from those after it.
        """
        self._progress(0.0, "Choosing the quality")
        knob = Knob(self._knob.at(position))
        with ThreadPoolExecutor(min(self._threads, len(runs))) as pool:
            results = pool.map(lambda part: self._trial(*part, knob), [*runs, *firsts])
            figures = np.array([(len(chunk), error.squares, error.count) for chunk, error in results])
        run, length = figures[: len(runs)].mean(axis=0), runs[0][1] - runs[0][0]
        if firsts:
            first = figures[len(runs) :].mean(axis=0)
            later = np.maximum(0.0, run - first) / (length - 1)
            size, squares, count = len(self._bounds) * first + (self._slices - len(self._bounds)) * later
        else:
            size, squares, count = run * self._slices / length
        return size, squares / count
