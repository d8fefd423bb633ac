"""Turns a goal for a whole volume (exact, so many bytes, such an error) into settings of a codec for each group.

Every group is decoded right after it was encoded, so that what is reported was measured and not estimated, and memory
holds a few groups at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass

import numpy as np

from ..errors import MedCompressError
from ..jobs import Progress, silent, thread_count
from .chunk_store import ChunkStore
from .interface import Budget, Distortion, Setting

_PASSES = 5
_SAMPLES = 8
_SIZE_BAND = (0.985, 1.002)
_SIZE_LIMITS = (0.981, 1.019)
_MSE_BAND = 10 ** (-0.02)
"""A PSNR counts as reached from the target to 0.2 dB above it: MSE between 10^-0.02 of the goal and the goal."""


@dataclass(frozen=True)
class GroupError:
    """What decoding did to a group, in the source's units: samples, sum of squared errors, maximum absolute error."""

    count: int
    squares: float
    max_error: float


@dataclass(frozen=True)
class Outcome:
    """An encoded volume: chunks in order of the slices, and the measured errors."""

    chunks: ChunkStore
    mse: float
    max_error: float
    setting: Setting | None = None
    """What all groups were given, where it was the same."""

    @property
    def size(self) -> int:
        return sum(self.chunks.sizes)


class Unreachable(MedCompressError):
    """The goal cannot be met; `limit` is the nearest that can: total bytes or mean squared error.

    coarse: values beyond the limit can be had as well, the codec's steps are only too large to meet the goal.
    """

    def __init__(self, limit: float, coarse: bool = False):
        super().__init__(f"the target cannot be reached, the limit is {limit:g}")
        self.limit = limit
        self.coarse = coarse


class GroupEncoder:
    """Encodes the groups of one volume with one codec, again and again until a goal is met.

    bounds: (first, last + 1) slice of each group. trial(first, stop, setting): reads, encodes, decodes and compares one
    group, here or on another machine; raises where it must come back equal and does not.
    group_samples: of the largest group. scale: source units of one coded unit.
    """

    def __init__(
        self,
        bounds: list[tuple[int, int]],
        trial: Callable[[int, int, Setting], tuple[bytes, GroupError]],
        chunks: ChunkStore,
        group_samples: int,
        threads: int | None = None,
        progress: Progress = silent,
        scale: float = 1.0,
    ):
        self._bounds = bounds
        self._trial = trial
        self._chunks = chunks
        self._group_samples = group_samples
        self._threads = thread_count(threads)
        self._progress = progress
        self._scale = scale
        self._errors: dict[int, GroupError] = {}
        self._setting: Setting | None = None

    def alike(self, setting: Setting) -> Outcome:
        """Encode all groups with one setting, such as Exact."""
        self._run(dict.fromkeys(range(len(self._bounds)), setting), "Encoding")
        return self._outcome()

    def to_size(self, total: int, beside: int = 0) -> Outcome:
        """Encode into `total` bytes; equal bytes for equal slices. With the bytes beside it is met to less than 2 %.

        What groups that need fewer bytes leave over is given to the others. Raises Unreachable with the nearest size.
        """
        slices = [stop - start for start, stop in self._bounds]
        share = {index: max(1.0, total * count / sum(slices)) for index, count in enumerate(slices)}
        pending = dict(share)
        for attempt in range(_PASSES):
            self._run({index: Budget(max(1, int(size))) for index, size in pending.items()}, _pass_name(attempt))
            sizes = dict(enumerate(self._chunks.sizes))
            if _within(sum(sizes.values()) + beside, _SIZE_BAND, total + beside):
                return self._outcome()
            full = {index for index, size in sizes.items() if size < 0.97 * share[index]}
            growing = sum(sizes.values()) < total
            movable = [index for index in sizes if not (growing and index in full)]
            if not movable:
                break
            left = total - sum(size for index, size in sizes.items() if index not in movable)
            factor = left / sum(sizes[index] for index in movable)
            share.update({index: share[index] * factor * _spread(index, attempt) for index in movable})
            pending = {index: share[index] for index in movable}
        reached = sum(self._chunks.sizes)
        if _within(reached + beside, _SIZE_LIMITS, total + beside):
            return self._outcome()
        extreme = Budget(1 if reached > total else 4 * total + 2 * self._group_samples)
        self._run(dict.fromkeys(share, extreme), "Finding the limit")
        limit = sum(self._chunks.sizes)
        coarse = limit < total < reached or reached < total < limit
        raise Unreachable(reached if coarse else limit, coarse)

    def to_mse(self, goal: float) -> Outcome:
        """Encode to a mean squared error of the whole volume from 0.2 dB below `goal` up to `goal`.

        The codec's own estimate is first corrected on a sample of groups. An error below the band is accepted where
        the codec cannot do worse. Raises Unreachable with the smallest error that was reached.
        """
        asked, best, last = goal, math.inf, math.inf
        kept, missed = 0.0, math.inf
        count = len(self._bounds)
        sample = sorted({round(index) for index in np.linspace(0, count - 1, min(count, _SAMPLES))})
        everything = list(range(count))
        for attempt in range(2 * _PASSES):
            chosen = sample if attempt < 2 and len(sample) < count else everything
            name = "Choosing the quality" if chosen is sample else _pass_name(attempt)
            self._run(dict.fromkeys(chosen, Distortion(asked / self._scale**2)), name)
            mse = self._mse(chosen)
            if chosen is everything:
                if goal * _MSE_BAND <= mse <= goal:
                    return self._outcome()
                kept, missed = (max(kept, asked), missed) if mse <= goal else (kept, min(missed, asked))
                best = min(best, mse)
                stuck = mse == last and 2 * mse < goal
                if mse == 0 or stuck or (mse > goal and asked < goal / 1000) or missed < kept * 1.001:
                    break
                last = mse
            asked = self._next_goal(asked, mse, goal)
            if kept and missed < math.inf and (attempt >= 3 or not kept < asked < missed):
                asked = math.sqrt(kept * missed)
        if not kept:
            raise Unreachable(best)
        if self._mse(everything) > goal:
            self._run(dict.fromkeys(everything, Distortion(kept / self._scale**2)), "Adjusting")
        return self._outcome()

    @staticmethod
    def _next_goal(asked: float, mse: float, goal: float) -> float:
        middle = goal * math.sqrt(_MSE_BAND)
        return asked * min(8.0, max(1 / 64, middle / mse)) if mse else asked * 8

    def _mse(self, groups: Iterable[int]) -> float:
        errors = [self._errors[index] for index in groups]
        return sum(error.squares for error in errors) / sum(error.count for error in errors)

    def _outcome(self) -> Outcome:
        return Outcome(
            self._chunks,
            self._mse(range(len(self._bounds))),
            max(error.max_error for error in self._errors.values()),
            self._setting,
        )

    def _run(self, settings: dict[int, Setting], name: str) -> None:
        """Encode, decode and inspect the named groups in parallel; holds a bounded number of groups in memory."""
        self._setting = next(iter(settings.values())) if len(set(settings.values())) == 1 else None
        todo = iter(settings.items())
        done, running = 0, set()
        with ThreadPoolExecutor(self._threads) as pool:
            try:
                while True:
                    for item in todo:
                        running.add(pool.submit(self._encode, *item))
                        if len(running) >= 2 * self._threads:
                            break
                    if not running:
                        return
                    finished, running = wait(running, return_when=FIRST_COMPLETED)
                    for future in finished:
                        future.result()
                        done += 1
                        self._progress(done / len(settings), f"{name}: slice group {done} of {len(settings)}")
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def _encode(self, index: int, setting: Setting) -> None:
        chunk, self._errors[index] = self._trial(*self._bounds[index], setting)
        self._chunks.put(index, chunk)


def _spread(index: int, attempt: int) -> float:
    """Unequal shares once equal ones have failed: sizes of small slices come in steps, which must not fall together."""
    return 1 + 0.12 * ((index * 0.6180339887) % 1 - 0.5) if attempt == 0 else 1.0


def _within(size: int, band: tuple[float, float], goal: int) -> bool:
    return band[0] * goal <= size <= band[1] * goal


def _pass_name(attempt: int) -> str:
    return "Encoding" if attempt == 0 else "Adjusting"
