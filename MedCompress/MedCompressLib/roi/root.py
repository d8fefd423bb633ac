"""Finds the setting at which something measured meets a goal, with few measurements."""

from __future__ import annotations

from collections.abc import Callable

_STEPS = 9


def nearest_setting(
    measure: Callable[[float], float],
    goal: float,
    band: float,
    start: float,
    finest: float,
    span: float,
    above: bool = False,
) -> float:
    """x in finest .. finest + span at which measure(x), which grows with x, lies from goal - band to goal.

    above: the other way, from goal to goal + band. Where no x is that good, the best on the right side of the goal that
    was found, else the nearest; measure was called with the returned x last. Secant steps within a bracket.
    """
    low, high = (finest, None), (finest + span, None)
    x, tried = min(max(start, finest), finest + span), {}
    edges = (goal, goal + band) if above else (goal - band, goal)
    slope = 1.0
    for _ in range(_STEPS):
        value = tried[x] = measure(x)
        if edges[0] <= value <= edges[1]:
            return x
        if value > edges[1]:
            high = (x, value)
        else:
            low = (x, value)
        if high[0] - low[0] < 1e-4 * span:
            break
        x = _next(low, high, x, value, (edges[0] + edges[1]) / 2, slope, span)
        if x in tried:
            break
    met = [place for place, value in tried.items() if (value >= goal if above else value <= goal)]
    if met:
        best = min(met) if above else max(met)
    else:
        best = max(tried) if above else min(tried)
        if not above and best > finest and finest not in tried:
            best = finest
    measure(best)
    return best


def _next(low, high, x: float, value: float, goal: float, slope: float, span: float) -> float:
    if low[1] is not None and high[1] is not None:
        part = (goal - low[1]) / (high[1] - low[1])
        return low[0] + min(0.9, max(0.1, part)) * (high[0] - low[0])
    step = (goal - value) / (slope if span > 2 else 6.0)
    moved = x + min(0.34 * span, max(-0.34 * span, step))
    return min(high[0], max(low[0], moved))
