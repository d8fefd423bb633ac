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
_PASSES = 12
_SAMPLED_SHARE = 0.12
_SEARCH_COST = 0.5
"""Trials on the sample may cost this part of one encoding of everything."""

_CLOSE = 0.05
"""Part by which a sample differs from the whole anyway."""

_SMALL, _RUN, _SHORT_RUN = 64, 5, 3
"""Slices in a sampled range, the short ones for small volumes."""

_SLOPE_OF_MSE = 18.0
"""Expected rise of the logarithmic error over the whole scale."""

_USUAL_BITS, _USUAL_MSE = (0.35, 1.0), (0.26, 20.0)
"""Where on the scale images usually take so many bits a sample or have such an error: there the search begins."""

_NUDGE, _NUDGES, _LEAST_GROUPS = 0.0105, 2, 3
"""Way along the scale, one QP or 0.9 dB, that some of many groups may go further than others; how often to try that."""

_FIRST_PART = 1 / 3
"""Part of the bytes or errors that a second pass encodes before it is known where the others have to go."""

_LEAST_MSE = 1e-9

Value = Callable[[float, float], float]
"""What a size and a mean squared error count for: rises with the position of the knob, nearly along a line."""


class KnobEncoder(GroupEncoder):
    """A GroupEncoder that turns one knob, `knob`, for all groups."""

    def __init__(self, *arguments, knob: Scale, **options):
        super().__init__(*arguments, **options)
        self._knob = knob

    def to_size(self, total: int, beside: int = 0) -> Outcome:
        """As GroupEncoder.to_size, but with equal quality, not with equal bytes."""
        samples = self._group_samples / self._length * self._slices

        def value(size: float, _: float = 0.0) -> float:
            bits = 8 * max(1.0, size) / samples
            return -math.log(bits) - self._knob.bend * bits

        place, bits = _USUAL_BITS
        usual = place, value(bits * samples / 8)
        goal = total + beside
        band = (value(_SIZE_BAND[1] * goal - beside), value(_SIZE_BAND[0] * goal - beside))
        size, _ = self._search(value, band, usual, self._knob.slope)
        if band[0] <= value(size) <= band[1]:
            return self._outcome()
        raise Unreachable(size, coarse=self._position not in (0.0, 1.0))

    def to_mse(self, goal: float) -> Outcome:
        """As GroupEncoder.to_mse."""

        def value(_: float, mse: float) -> float:
            return math.log(max(_LEAST_MSE, mse))

        place, mse = _USUAL_MSE
        usual = place, value(0, mse * self._scale**2)
        band = (value(0, _MSE_BAND[0] * goal), value(0, _MSE_BAND[1] * goal))
        _, mse = self._search(value, band, usual, _SLOPE_OF_MSE, from_below=True)
        if value(0, mse) <= band[1]:
            return self._outcome()
        raise Unreachable(mse)

    def _search(
        self,
        value: Value,
        band: tuple[float, float],
        usual: tuple[float, float],
        slope: float,
        from_below: bool = False,
    ) -> tuple[float, float]:
        """Encode until the value lies in the band, or no position of the knob does better; size and error then.

        usual: a position and the value that is to be expected there. from_below: a value below the band will do.
        """
        goal = sum(band) / 2
        trend = self._search_sample(value, goal, usual, slope)
        full, tried = Trend(trend.slope_at(self._position)), {}
        several = self._length > 1 and len(self._bounds) >= _LEAST_GROUPS
        before = 0.0
        for attempt in range(_PASSES):
            if several and attempt == 1:
                self._encode_in_two_parts(before, value, goal)
            else:
                self._encode_all("Encoding" if attempt == 0 else "Adjusting")
            reached = tried[self._position] = self._reached()
            if band[0] <= value(*reached) <= band[1]:
                return reached
            full.add(self._position, value(*reached))
            following = full.find(goal)
            if following in tried:
                break
            still = set(range(len(self._bounds)) if several else ())
            place = before = self._position
            for _ in range(_NUDGES):
                if not self._nudge(following - place, still, self._weights(value)):
                    break
                reached, place = self._reached(), following
                if band[0] <= value(*reached) <= band[1]:
                    return reached
                full.add(place, value(*reached))
                following, before = full.find(goal), place
            self._position = following

        def missed(place: float) -> tuple[bool, float, float]:
            found = value(*tried[place])
            return from_below and found > band[1], abs(found - goal), abs(place - 0.5)

        best = min(tried, key=missed)
        if best != self._position:
            self._position = best
            if from_below:
                self._encode_all("Adjusting")
                return self._reached()
        return tried[best]

    def _reached(self) -> tuple[float, float]:
        return sum(self._chunks.sizes), self._mse(range(len(self._bounds)))

    def _weights(self, value: Value) -> list[float]:
        """How much each group counts for the value: its bytes or its squared errors."""
        if value(1, 1) == value(1, 2):
            return [float(size) for size in self._chunks.sizes]
        return [max(_LEAST_MSE, self._errors[index].squares) for index in range(len(self._bounds))]

    def _encode_in_two_parts(self, before: float, value: Value, goal: float) -> None:
        """Encode the heaviest groups anew; what that changed tells how far the others have to go from `before`.

        They end at most as far apart as nudged groups do; the position is then the mean of both, by weight.
        """
        weights = self._weights(value)
        heaviest = sorted(range(len(weights)), key=lambda index: (-weights[index], index))
        first, share = [], 0.0
        while share < _FIRST_PART:
            first.append(heaviest[len(first)])
            share += weights[first[-1]] / sum(weights)
        start = value(*self._reached())
        self._run(dict.fromkeys(first, Knob(self._knob.at(self._position))), "Adjusting")
        between = value(*self._reached())
        others = heaviest[len(first) :]
        if others and between != start:
            rest = before + (goal - between) / (1 - share) * share * (self._position - before) / (between - start)
            rest = min(1.0, max(0.0, min(self._position + _NUDGE, max(self._position - _NUDGE, rest))))
            self._run(dict.fromkeys(others, Knob(self._knob.at(rest))), "Adjusting")
            self._position += (1 - share) * (rest - self._position)
        else:
            self._run(dict.fromkeys(others, Knob(self._knob.at(self._position))), "Adjusting")
        self._setting = Knob(self._knob.at(self._position))

    def _nudge(self, shift: float, still: set[int], weights: list[float]) -> bool:
        """Encode the heaviest groups of `still` anew and take them out of it; false where that would not be enough.

        They move further than `shift`, as the others stay, but too little to be seen.
        """
        share, some = 0.0, []
        for index in sorted(still, key=lambda index: (-weights[index], index)):
            if share * _NUDGE < abs(shift):
                share += weights[index] / sum(weights)
                some.append(index)
        if not share or share * _NUDGE < abs(shift) or 2 * len(some) > len(weights):
            return False
        kept = self._setting
        self._run(dict.fromkeys(some, Knob(self._knob.at(self._position + shift / share))), "Adjusting")
        self._setting = kept
        still.difference_update(some)
        return True

    def _search_sample(self, value: Value, goal: float, usual: tuple[float, float], slope: float) -> Trend:
        """Sets the position to that with which the sample comes nearest to the goal; what was tried on the way."""
        runs, firsts, trials = self._sample()
        trend = Trend(slope)
        self._position = min(0.9, max(0.1, usual[0] + (goal - usual[1]) / slope))
        for _ in range(trials):
            found = value(*self._try(runs, firsts, self._position))
            trend.add(self._position, found)
            self._position = trend.find(goal)
            if abs(found - goal) < _CLOSE:
                break
        return trend

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
        starts = [round((part + 0.5) * self._slices / count - length / 2) for part in range(count)]
        runs = [(start, start + length) for start in starts]
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
