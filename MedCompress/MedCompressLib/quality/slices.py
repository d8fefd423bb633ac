"""Slice after slice in a few threads: numpy and scipy let go of the interpreter lock while they compute."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")

MOST_THREADS = 4


def map_slices(measure: Callable[[int], Result], count: int) -> Iterator[Result]:
    """Yield measure(0), ..., measure(count - 1) in order; memory holds only the few slices in work.

    When the consumer stops or measure raises, slices not yet begun are dropped.
    """
    threads = min(MOST_THREADS, os.cpu_count() or 1, count)
    pending = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="quality") as pool:
        try:
            for k in range(count):
                pending.append(pool.submit(measure, k))
                if len(pending) > 2 * threads:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
