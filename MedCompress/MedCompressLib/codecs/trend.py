"""Finds where a rising function of a position from 0 to 1 takes a value, from as few trials as can be."""

from __future__ import annotations

from dataclasses import dataclass, field

_LARGEST_STEP = 0.3
_LEAST_SLOPE = 0.5
_APART = 0.02
"""The slope between closer trials says more about noise than about the function."""

_NOISE, _NOISE_OF_A_SAMPLE = 0.01, 0.03
"""Trials so far apart say as much about the slope as was expected of it before."""

_SMOOTH = 6
"""After so many trials the function is no line: every other trial halves the bracket."""


@dataclass
class Trend:
    """What was tried so far: positions and the (logarithmic) values there, which rise with the position."""

    slope: float
    """Expected rise from position 0 to 1, used while there are fewer than two trials."""

    trials: list[tuple[float, float]] = field(default_factory=list)

    def add(self, position: float, value: float) -> None:
        self.trials.append((position, value))

    def find(self, goal: float) -> float:
        """Where the value is most likely `goal`; never at a place already tried unless it is an end."""
        below = max((trial for trial in self.trials if trial[1] < goal), default=None)
        above = min((trial for trial in self.trials if trial[1] >= goal), default=None)
        if below and above and below[0] < above[0]:
            width, rise = above[0] - below[0], above[1] - below[1]
            part = (goal - below[1]) / rise if len(self.trials) < _SMOOTH or len(self.trials) % 2 else 0.5
            return below[0] + width * min(0.97, max(0.03, part))
        start = min(self.trials, key=lambda trial: abs(trial[1] - goal))
        step = (goal - start[1]) / self._slope_at(start)
        return min(1.0, max(0.0, start[0] + min(_LARGEST_STEP, max(-_LARGEST_STEP, step))))

    def slope_at(self, position: float) -> float:
        """Rise from position 0 to 1 around a position, of what is known from samples: near to the expected one where
        they lie close together."""
        start = min(self.trials, key=lambda trial: abs(trial[0] - position), default=None)
        return self.slope if start is None else self._slope_at(start, _NOISE_OF_A_SAMPLE)

    def _slope_at(self, start: tuple[float, float], noise: float = _NOISE) -> float:
        others = [trial for trial in self.trials if trial[0] != start[0]]
        if not others:
            return self.slope
        apart = [place for place in others if abs(place[0] - start[0]) >= _APART]
        near = min(apart or others, key=lambda place: abs(place[0] - start[0]))
        width, rise = near[0] - start[0], near[1] - start[1]
        return max(_LEAST_SLOPE, (noise**2 * self.slope + width * rise) / (noise**2 + width**2))
