"""Work on items in several threads, results in order, no more of them in memory than threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item, Result = TypeVar("Item"), TypeVar("Result")


def in_order(work: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Result]:
    """work(item) for each item, in the order of the items; at most `threads` + 1 results are there at a time."""
    with ThreadPoolExecutor(threads) as pool:
        todo = iter(items)
        running = deque(pool.submit(work, item) for item in islice(todo, threads))
        try:
            while running:
                result = running.popleft().result()
                running.extend(pool.submit(work, item) for item in islice(todo, 1))
                yield result
                del result
        finally:
            for future in running:
                future.cancel()
