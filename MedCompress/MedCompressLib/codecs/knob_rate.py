"""Meets a size or an error with one value of a codec's own quality scale for the whole volume.

One quality for all groups means equal slope of rate and distortion, or nearly so: bytes go where they help most. The
value is sought on a sample of slices; then everything is encoded, and once more where the sample was not typical.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from .interface import Knob, Scale
from .rate import GroupEncoder, GroupError, Outcome, Unreachable
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

_NUDGE, _NUDGE_OF_A_GROUP = 0.06, 0.1
"""Where so little is missing some groups are enough; a change of 0.1 in size or error is 0.4 dB or a QP."""

_LEAST_MSE = 1e-9


class KnobEncoder(GroupEncoder):
    """A GroupEncoder that turns one knob, `knob`, for all groups."""

    def __init__(self, *arguments, knob: Scale, **options):
        super().__init__(*arguments, **options)
        self._knob = knob

    def to_size(self, total: int, beside: int = 0) -> Outcome:
        """As GroupEncoder.to_size, but with equal quality, not with equal bytes."""
        goal = total + beside

        def sampled(bounds: list[tuple[int, int]], sizes: list[int], _: list[GroupError]) -> float:
            share = sum(stop - start for start, stop in bounds) / self._slices
            return -math.log(sum(sizes) / share + beside)

        def reached() -> float:
            return -math.log(sum(self._chunks.sizes) + beside)

        band = (-math.log(_SIZE_BAND[1] * goal), -math.log(_SIZE_BAND[0] * goal))
        value = self._search(sampled, reached, band, Trend(_SLOPE_OF_SIZE))
        if band[0] <= value <= band[1]:
            return self._outcome()
        raise Unreachable(sum(self._chunks.sizes), coarse=self._position not in (0.0, 1.0))

    def to_mse(self, goal: float) -> Outcome:
        """As GroupEncoder.to_mse."""

        def sampled(_: list[tuple[int, int]], __: list[int], errors: list[GroupError]) -> float:
            return _log_mse(errors)

        def reached() -> float:
            return _log_mse(self._errors.values())

        band = (math.log(_MSE_BAND[0] * goal), math.log(_MSE_BAND[1] * goal))
        value = self._search(sampled, reached, band, Trend(_SLOPE_OF_MSE))
        if value <= band[1]:
            return self._outcome()
        raise Unreachable(math.exp(value))

    def _search(
        self,
        sampled: Callable[[list[tuple[int, int]], list[int], list[GroupError]], float],
        reached: Callable[[], float],
        band: tuple[float, float],
        trend: Trend,
    ) -> float:
        """Encode until `reached` lies in the band, or no position of the knob does better; its last value."""
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
            if self._length > 1 and abs(goal - value) < _NUDGE:
                self._nudge(following - self._position, abs(goal - value))
                value = reached()
                if band[0] <= value <= band[1]:
                    return value
            self._position = following
        return self._keep_best(tried, band)

    def _nudge(self, shift: float, distance: float) -> None:
        """Encode only some of the groups anew, each moved further than `shift`, but too little to be seen."""
        count = len(self._bounds)
        some = min(count, math.ceil(count * distance / _NUDGE_OF_A_GROUP))
        setting = Knob(self._knob.at(self._position + shift * count / some))
        kept = self._setting
        self._run({part * count // some: setting for part in range(some)}, "Adjusting")
        self._setting = kept

    def _search_sample(self, sampled: Callable[..., float], goal: float, trend: Trend) -> float:
        bounds, trials = self._sample()
        position = _START
        for trial in range(trials):
            name = f"Choosing the quality: trial {trial + 1}"
            sizes, errors = self._try(bounds, self._knob.at(position), name)
            value = sampled(bounds, sizes, errors)
            trend.add(position, value)
            position = trend.find(goal)
            if abs(value - goal) < _CLOSE:
                break
        return position

    def _keep_best(self, tried: dict[float, float], band: tuple[float, float]) -> float:
        """Encode at the position whose value is nearest to the band; for errors, from below if there is one."""
        best = min(tried, key=lambda place: (tried[place] > band[1], abs(tried[place] - band[1])))
        if best != self._position:
            self._position = best
            self._encode_all("Adjusting")
        return tried[best]

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

    def _sample(self) -> tuple[list[tuple[int, int]], int]:
        """Ranges of slices spread over the volume, and how many trials with them are worth their time."""
        length = min(self._length, 8 if self._slices >= 64 else 4)
        count = max(1, round(self._slices * _SAMPLED_SHARE / length))
        chosen = sorted({round((part + 0.5) * len(self._bounds) / count - 0.5) for part in range(count)})
        middles = [(start + stop - length) // 2 for start, stop in (self._bounds[index] for index in chosen)]
        bounds = [(max(0, start), min(self._slices, max(0, start) + length)) for start in middles]
        cost = sum(stop - start for start, stop in bounds) / self._slices
        return bounds, min(_TRIALS, int(_SEARCH_COST / cost))

    def _try(
        self, bounds: list[tuple[int, int]], value: float, name: str
    ) -> tuple[list[int], list[GroupError]]:
        """Sizes and errors of the ranges; nothing is kept."""
        self._progress(0.0, name)
        with ThreadPoolExecutor(min(self._threads, len(bounds))) as pool:
            results = list(pool.map(lambda part: self._trial(*part, Knob(value)), bounds))
        return [len(chunk) for chunk, _ in results], [error for _, error in results]


def _log_mse(errors: Iterable[GroupError]) -> float:
    errors = list(errors)
    return math.log(max(_LEAST_MSE, sum(error.squares for error in errors) / sum(error.count for error in errors)))
