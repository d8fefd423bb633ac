"""The one interface behind which all codecs stand.

A volume is cut along k into groups of slices; each group becomes one independent chunk of bytes. A codec sees
integer samples of at most 16 bit (general-purpose codecs: samples of any type) and one setting; how targets such as
a ratio of the whole file turn into settings is the business of `codecs.rate`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class SampleFormat:
    """Coded samples: numpy type name (always little-endian in a chunk) and the bits that their values need."""

    dtype: str
    bits: int

    @property
    def signed(self) -> bool:
        return np.dtype(self.dtype).kind != "u"


@dataclass(frozen=True)
class Exact:
    """Decode to the very same samples."""


@dataclass(frozen=True)
class Budget:
    """At most this many bytes for the group."""

    size: int


@dataclass(frozen=True)
class Distortion:
    """Mean squared error of the group, in squared coded units; the codec's own estimate may be off by some percent."""

    mse: float


@dataclass(frozen=True)
class Near:
    """No sample may move by more than `error` coded units, a whole number of at least 1."""

    error: int


@dataclass(frozen=True)
class Knob:
    """A value on the codec's own quality scale, see `Scale`."""

    value: float


Setting = Exact | Budget | Distortion | Near | Knob


@dataclass(frozen=True)
class Scale:
    """A codec's own scale of quality: from `finest` to `coarsest` chunks get smaller and errors larger.

    logarithmic: equal factors, not equal differences, make about equal changes of quality.
    slope, bend: along the scale ln b + bend * b, with b bits a sample, falls by about `slope`, nearly along a line.
    """

    name: str
    finest: float
    coarsest: float
    logarithmic: bool = False
    slope: float = 10.0
    bend: float = 0.0

    def at(self, position: float) -> float:
        """The value at a position from 0 (finest) to 1 (coarsest); positions beyond are clipped."""
        part = min(1.0, max(0.0, position))
        if self.logarithmic:
            return self.finest ** (1 - part) * self.coarsest**part
        return self.finest + part * (self.coarsest - self.finest)

    def position(self, value: float) -> float:
        """Inverse of `at`, not clipped."""
        if self.logarithmic:
            return math.log(value / self.finest) / math.log(self.coarsest / self.finest)
        return (value - self.finest) / (self.coarsest - self.finest)


@dataclass(frozen=True)
class Capabilities:
    """What a codec takes.

    settings: the kinds of `Setting` that it accepts.
    max_bits: largest precision of a sample; 0 means any scalar type.
    slices: slices in a group, None where the codec has no opinion.
    extension: file name extension of one bare chunk.
    scale: what `Knob` means to it, None where it takes none.
    """

    settings: tuple[type, ...]
    max_bits: int
    slices: int | None
    extension: str
    scale: Scale | None = None

    @property
    def lossy(self) -> bool:
        return bool({Budget, Distortion, Knob} & set(self.settings))


class Codec(Protocol):
    """Encodes and decodes groups of slices. Both methods are thread-safe and release the GIL in the codec library."""

    name: str
    capabilities: Capabilities

    def version(self) -> str:
        """Name and version of the codec library."""

    def encode(self, group: np.ndarray, sample_format: SampleFormat, setting: Setting) -> bytes:
        """Encode a group [k, j, i] of type `sample_format.dtype` into one chunk."""

    def decode(self, chunk: bytes, shape: tuple[int, int, int], sample_format: SampleFormat) -> np.ndarray:
        """Decode a chunk to an array [k, j, i] of the given shape and type; raises MedCompressError on damage."""
