"""An image of codes through one codec, to a goal that counts some of its voxels only."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..codecs.chunk_store import ChunkStore
from ..codecs.interface import Budget, Codec, Distortion, Exact, SampleFormat, Setting
from ..errors import MedCompressError
from ..jobs import Progress, silent, thread_count
from .root import nearest_setting

_GROUP_BYTES = 4 << 20
_SAMPLES = 6
_MSE_BAND = 0.02
"""A PSNR counts as met up to 0.2 dB above what was asked: log10 of the mean squared error, downward."""
_SIZE_BAND = 0.02


class Unreachable(MedCompressError):
    """No setting of the codec meets the goal; `limit` is the mean squared error or the bytes of the nearest."""

    def __init__(self, limit: float):
        super().__init__(f"the goal is out of reach, the limit is {limit:g}: ask for less")
        self.limit = limit


class ImageLayer:
    """Encodes `image` [k, j, i] group by group into `chunks` and keeps what decoding gives in `decoded`.

    counted: bool [k, j, i], voxels whose error counts, all where None; errors are against `image`, in codes.
    """

    def __init__(
        self,
        codec: Codec,
        sample_format: SampleFormat,
        image: np.ndarray,
        counted: np.ndarray | None = None,
        threads: int | None = None,
        progress: Progress = silent,
        name: str = "the background",
    ):
        self.codec, self.sample_format = codec, sample_format
        self._image, self._counted = image, counted
        self._threads, self._progress, self._name = thread_count(threads), progress, name
        slice_bytes = image[0].nbytes
        self.slices = min(len(image), codec.capabilities.slices or max(1, _GROUP_BYTES // slice_bytes))
        self._starts = range(0, len(image), self.slices)
        self.chunks = ChunkStore(len(self._starts))
        self.decoded = np.empty_like(image)
        self._squares = [0.0] * len(self._starts)
        self._counts = [0] * len(self._starts)

    @property
    def size(self) -> int:
        return sum(self.chunks.sizes)

    @property
    def mse(self) -> float:
        """Mean squared error of the counted voxels in squared codes; 0 where none counts."""
        return self._mse(range(len(self._starts)))

    def to_setting(self, setting: Setting) -> None:
        self._run(range(len(self._starts)), setting)

    def exactly(self) -> None:
        """Encode so that every voxel comes back; raises MedCompressError where the codec fails to."""
        self.to_setting(Exact())
        if not np.array_equal(self.decoded, self._image):
            raise MedCompressError(
                f"{self.codec.version()} did not give {self._name} back exactly, nothing was written: "
                "choose another codec and report this volume to the developers"
            )

    def to_mse(self, goal: float) -> None:
        """Encode to a mean squared error from 0.2 dB below `goal` to `goal`; raises Unreachable."""
        wanted = math.log10(goal)

        def badness(indices: range) -> Callable[[float], float]:
            def measured(x: float) -> float:
                self._run(indices, self._setting(x, goal))
                return math.log10(max(self._mse(indices), 1e-300))

            return measured

        start, finest = self._first(wanted), self._finest()
        if len(self._sample) < len(self._starts):
            start = nearest_setting(badness(self._sample), wanted, _MSE_BAND, start, finest, self._span())
        everything = range(len(self._starts))
        nearest_setting(badness(everything), wanted, _MSE_BAND, start, finest, self._span())
        if self.mse > goal * (1 + 1e-9):
            raise Unreachable(self.mse)

    def to_size(self, goal: float) -> None:
        """Encode into at most `goal` bytes, by at most 2 % less where the codec can; raises Unreachable."""
        everything = range(len(self._starts))
        if Budget in self.codec.capabilities.settings:
            share = goal
            for _ in range(4):
                self._run(everything, None, share)
                if goal * (1 - _SIZE_BAND) <= self.size <= goal:
                    return
                share *= 0.995 * goal / self.size
            if self.size > goal:
                raise Unreachable(self.size)
            return

        def badness(x: float) -> float:
            self._run(everything, self._setting(x, 1.0))
            return -math.log10(self.size)

        span = self._span()
        nearest_setting(badness, -math.log10(goal * (1 - _SIZE_BAND)), -math.log10(1 - _SIZE_BAND), 0.5, 0.0, span,
                        above=True)
        if self.size > goal:
            raise Unreachable(self.size)

    @property
    def _sample(self) -> range:
        return range(0, len(self._starts), max(1, len(self._starts) // _SAMPLES))

    def _first(self, wanted: float) -> float:
        return wanted if self._native else 0.4

    def _finest(self) -> float:
        return -3.0 if self._native else 0.0

    def _span(self) -> float:
        return 12.0 if self._native else 1.0

    @property
    def _native(self) -> bool:
        return Distortion in self.codec.capabilities.settings

    def _setting(self, x: float, goal: float) -> Setting:
        """Codecs with their own rate control take log10 of an error, others a place on their own scale."""
        if self._native:
            return Distortion(10**x)
        scale = getattr(self.codec.capabilities, "scale", None)
        if scale is None:
            raise MedCompressError(f"{self.codec.name} is a lossless codec: choose a lossy one for the background")
        from ..codecs.interface import Knob

        return Knob(scale.at(x))

    def _mse(self, indices: Iterable[int]) -> float:
        counts = sum(self._counts[index] for index in indices)
        return sum(self._squares[index] for index in indices) / counts if counts else 0.0

    def _run(self, indices: range, setting: Setting | None, share: float = 0.0) -> None:
        with ThreadPoolExecutor(self._threads) as pool:
            try:
                jobs = [pool.submit(self._encode, index, setting, share) for index in indices]
                for done, job in enumerate(jobs, 1):
                    job.result()
                    self._progress(done / len(jobs), f"Encoding {self._name}: group {done} of {len(jobs)}")
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def _encode(self, index: int, setting: Setting | None, share: float) -> None:
        start = self._starts[index]
        group = self._image[start : start + self.slices]
        if setting is None:
            setting = Budget(max(1, int(share * len(group) / len(self._image))))
        chunk = self.codec.encode(group, self.sample_format, setting)
        decoded = self.codec.decode(chunk, group.shape, self.sample_format)
        self.decoded[start : start + self.slices] = decoded
        difference = decoded.astype(np.float32) - group
        if self._counted is not None:
            difference = difference[self._counted[start : start + self.slices]]
        self._counts[index] = difference.size
        self._squares[index] = float(np.square(difference, out=difference).sum(dtype=np.float64))
        self.chunks.put(index, chunk)
