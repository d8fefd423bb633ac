"""One group of slices through a codec and back: needs nothing but its arguments, so any process can do it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .codecs.group_search import encode_to
from .codecs.interface import Codec, SampleFormat, Setting
from .codecs.rate import GroupError
from .errors import MedCompressError
from .quality.error_sum import ErrorSum
from .sample_mapping import Mapping


@dataclass(frozen=True)
class GroupTrial:
    """Encodes samples, decodes them again and compares; can be pickled and sent to another machine.

    lossless: a sample that does not come back bit for bit raises MedCompressError.
    """

    codec: Codec
    mapping: Mapping
    lossless: bool

    @property
    def sample_format(self) -> SampleFormat:
        return SampleFormat(self.mapping.coded_type, self.mapping.bits)

    def __call__(self, samples: np.ndarray, first: int, setting: Setting) -> tuple[bytes, GroupError]:
        """The chunk of samples [k, j, i] of the source's type that begin with slice `first`, and what it does to them.

        Raises MedCompressError also for samples that were not measured when the mapping was chosen.
        """
        chunk, _, error = self.with_result(samples, first, setting)
        return chunk, error

    def with_result(
        self, samples: np.ndarray, first: int, setting: Setting
    ) -> tuple[bytes, np.ndarray, GroupError]:
        """As a call, with the samples as they would come back."""
        codes = self.mapping.forward(samples)
        chunk = encode_to(self.codec, codes, self.sample_format, setting)
        decoded = self.codec.decode(chunk, codes.shape, self.sample_format)
        restored = self.mapping.inverse(decoded)
        return chunk, restored, self._compare(samples, restored, first)

    def _compare(self, samples: np.ndarray, restored: np.ndarray, first: int) -> GroupError:
        if self.lossless:
            if restored.tobytes() != samples.tobytes():
                raise MedCompressError(
                    f"{self.codec.version()} did not give slice {first} back exactly, nothing was written: "
                    "choose another codec and report this volume to the developers"
                )
            return GroupError(samples.size, 0.0, 0.0)
        if self.mapping.nan is not None:
            samples = np.where(np.isfinite(samples), samples, np.asarray(self.mapping.nan, samples.dtype))
        errors = ErrorSum()
        errors.add(samples, restored)
        return GroupError(errors.count, errors.squares, errors.max_error)
