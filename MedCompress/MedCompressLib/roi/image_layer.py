"""An image of codes through one codec, to a goal that counts some of its voxels only."""

from __future__ import annotations

import math

import numpy as np

from ..codecs.chunk_store import ChunkStore
from ..codecs.interface import Budget, Codec, Distortion, Exact, Knob, SampleFormat, Setting
from ..codecs.knob_rate import KnobEncoder
from ..codecs.rate import GroupEncoder, GroupError, Unreachable
from ..errors import MedCompressError
from ..jobs import Progress, silent, thread_count
from ..targets import Psnr

_GROUP_BYTES = 4 << 20
_BYTES_IN_FLIGHT = 128 << 20
_GOALS = (1.0, 0.6, 0.2)
"""Errors to ask for in turn, relative to the goal: of small images an error just below it may not be found at once."""


class ImageLayer:
    """Encodes `image` [k, j, i] group by group into `chunks` and keeps in `decoded` what decoding gives.

    ignored: bool [k, j, i], voxels whose error does not count, none where None; errors are against `image`, in codes.
    """

    def __init__(
        self,
        codec: Codec,
        sample_format: SampleFormat,
        image: np.ndarray,
        ignored: np.ndarray | None = None,
        threads: int | None = None,
        progress: Progress = silent,
    ):
        self.codec, self.sample_format = codec, sample_format
        self._image, self._ignored = image, ignored
        room = (_BYTES_IN_FLIGHT if codec.capabilities.slices else _GROUP_BYTES) // image[0].nbytes
        self.slices = max(1, min(len(image), codec.capabilities.slices or len(image), room))
        starts = range(0, len(image), self.slices)
        self.chunks = ChunkStore(len(starts))
        self.decoded = np.empty_like(image)
        bounds = self._bounds = [(start, min(start + self.slices, len(image))) for start in starts]
        self._errors: dict[tuple[int, int], GroupError] = {}
        group_bytes = self.slices * image[0].nbytes
        at_once = max(1, min(thread_count(threads), _BYTES_IN_FLIGHT // group_bytes))
        scale = codec.capabilities.scale
        native = {Budget, Distortion} & set(codec.capabilities.settings)
        arguments = (bounds, self._trial, self.chunks, self.slices * image[0].size, at_once, progress)
        knob = scale is not None and not native
        self._encoder = KnobEncoder(*arguments, knob=scale) if knob else GroupEncoder(*arguments)

    @property
    def size(self) -> int:
        """Bytes of all chunks."""
        return sum(self.chunks.sizes)

    @property
    def described(self) -> int:
        """Bytes that an archive takes to describe the layer, nearly."""
        return 560 + 19 * len(self.chunks)

    @property
    def mse(self) -> float:
        """Mean squared error of the counted voxels, in squared codes, of the chunks as they are."""
        errors = [self._errors[bounds] for bounds in self._bounds]
        return sum(error.squares for error in errors) / sum(error.count for error in errors)

    def exactly(self) -> None:
        """Encode so that every voxel comes back; raises MedCompressError where the codec fails to."""
        self._encoder.alike(Exact())
        if not np.array_equal(self.decoded, self._image):
            raise MedCompressError(
                f"{self.codec.version()} did not give the image back exactly, nothing was written: "
                "choose another codec and report this volume to the developers"
            )
        self._image = self.decoded

    def to_psnr(self, target: Psnr, peak: float) -> None:
        """Encode to this PSNR of the counted voxels; raises MedCompressError with what can be reached."""
        self._require_lossy()
        goal, best = peak**2 / 10 ** (target.value / 10), math.inf
        for part in _GOALS:
            try:
                self._encoder.to_mse(part * goal)
                return
            except Unreachable as failure:
                best = min(best, failure.limit)
                if self.mse <= goal:
                    return
        raise MedCompressError(
            f"{target} is out of reach of {self.codec.name} for the background, which reaches "
            f"{10 * math.log10(peak**2 / best):.2f} dB (peak {peak:g}): ask for less"
        )

    def to_size(self, size: int, beside: int) -> None:
        """Encode into so many bytes; with those beside it is met to less than 2 %. Raises codecs.rate.Unreachable."""
        self._require_lossy()
        self._encoder.to_size(size, beside)

    def to_quality(self, value: float) -> None:
        """Encode with one value of the codec's own scale."""
        scale = self.codec.capabilities.scale
        if scale is None:
            raise MedCompressError(f"{self.codec.name} has no quality scale of its own: give a PSNR or a ratio instead")
        low, high = sorted((scale.finest, scale.coarsest))
        if not low <= value <= high:
            raise MedCompressError(
                f"quality {value:g} is not on the scale of {self.codec.name} ({scale.name}): "
                f"give a number from {low:g} to {high:g}"
            )
        self._encoder.alike(Knob(value))

    def _require_lossy(self) -> None:
        if not self.codec.capabilities.lossy:
            raise MedCompressError(f"{self.codec.name} is a lossless codec: choose a lossy one for the background")

    def _trial(self, start: int, stop: int, setting: Setting) -> tuple[bytes, GroupError]:
        group = self._image[start:stop]
        chunk = self.codec.encode(group, self.sample_format, setting)
        decoded = self.codec.decode(chunk, group.shape, self.sample_format)
        self.decoded[start:stop] = decoded
        if isinstance(setting, Exact):
            return chunk, GroupError(group.size, 0.0, 0.0)
        difference = decoded.astype(np.float32) - group
        if self._ignored is not None:
            difference = difference[~self._ignored[start:stop]]
        largest = float(np.abs(difference).max()) if difference.size else 0.0
        squares = float(np.square(difference, out=difference).sum(dtype=np.float64))
        error = self._errors[start, stop] = GroupError(max(1, difference.size), squares, largest)
        return chunk, error
