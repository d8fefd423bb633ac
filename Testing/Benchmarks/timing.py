"""Times: the fastest of some runs, which is what the machine's noise disturbs least."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def best_of(
    work: Callable[[], Any], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> tuple[float, Any]:
    """Seconds of the fastest run, and the result of the last.

    clock: time.process_time counts what all threads worked, whatever else the machine does: the time of one core.
    """
    seconds, result = [], None
    for _ in range(repeats):
        start = clock()
        result = work()
        seconds.append(clock() - start)
    return min(seconds), result
