"""How one volume goes through one codec: samples to codes, groups of slices, targets to settings, errors back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import __version__
from .archive import Layer, Manifest
from .archive.writer import archive_size
from .codecs import get_codec
from .codecs.chunk_store import ChunkStore
from .codecs.interface import Budget, Codec, Distortion, Exact, SampleFormat, Setting
from .codecs.rate import GroupEncoder, GroupError, Outcome, Unreachable
from .errors import MedCompressError
from .jobs import Progress, silent
from .quality.error_sum import ErrorSum
from .quality.peak import Peak, choose_peak
from .sample_mapping import Mapping
from .samples import choose_mapping, measure, table_mapping
from .targets import Psnr, Ratio, Target
from .volume import Volume

GENERAL_CODEC = "deflate"
_GROUP_BYTES = 4 << 20
_SMALLEST, _LARGEST = 1e-140, 1e140


@dataclass(frozen=True)
class Plan:
    """A volume, the codec for it, the mapping of its samples to codes and the peak of its PSNR."""

    volume: Volume
    codec: Codec
    mapping: Mapping
    peak: Peak | None
    lossless: bool

    @property
    def sample_format(self) -> SampleFormat:
        return SampleFormat(self.mapping.coded_type, self.mapping.bits)

    @property
    def group_slices(self) -> int:
        """Slices in a chunk."""
        array = self.volume.array
        return self.codec.capabilities.slices or max(1, min(len(array), _GROUP_BYTES // array[0].nbytes))

    def groups(self, first: int, stop: int) -> list[tuple[int, int]]:
        step = self.group_slices
        return [(start, min(start + step, stop)) for start in range(first, stop, step)]

    def fetch(self, start: int, stop: int) -> np.ndarray:
        """Codes of slices start <= k < stop."""
        return self.mapping.forward(self.volume.array[start:stop])

    def inspect(self, start: int, decoded: np.ndarray) -> GroupError:
        """Errors of decoded codes against the source; with a lossless plan any difference raises MedCompressError."""
        source = self.volume.array[start : start + len(decoded)]
        restored = self.mapping.inverse(decoded)
        if self.lossless:
            if restored.tobytes() != source.tobytes():
                raise MedCompressError(
                    f"{self.codec.version()} did not give slice {start} back exactly, nothing was written: "
                    "choose another codec and report this volume to the developers"
                )
            return GroupError(source.size, 0.0, 0.0)
        if self.mapping.nan is not None:
            source = np.where(np.isfinite(source), source, np.asarray(self.mapping.nan, source.dtype))
        errors = ErrorSum()
        errors.add(source, restored)
        return GroupError(errors.count, errors.squares, errors.max_error)

    def goal(self, target: Psnr) -> float:
        """Mean squared error in the source's units at which the target is met."""
        return self.peak.value**2 / 10 ** (target.value / 10)

    def setting(self, target: Target, codes: int) -> Setting:
        """What to ask of the codec for a group of so many samples, from its own rate control alone."""
        if isinstance(target, Ratio):
            return Budget(max(1, int(codes * self.volume.array.itemsize / target.value)))
        if isinstance(target, Psnr):
            return Distortion(self.goal(target) / self.mapping.scale**2)
        return Exact()


def make_plan(volume: Volume, codec: str, lossless: bool, peak: float | None = None, nan: float | None = None) -> Plan:
    """Choose mapping, codec and peak. Raises MedCompressError for NaN in lossy coding and for a codec that cannot."""
    chosen = get_codec(codec)
    if not lossless and not chosen.capabilities.lossy:
        raise MedCompressError(f"{codec} is a lossless codec: leave the ratio or PSNR out, or choose jpeg2000")
    statistics = measure(volume.array)
    mapping = choose_mapping(volume.scalar_type, statistics, lossless, nan)
    if mapping.kind == "raw" and chosen.capabilities.max_bits:
        mapping = table_mapping(volume.array) or mapping
    if mapping.kind == "raw" and chosen.capabilities.max_bits:
        chosen = get_codec(GENERAL_CODEC)
    if not lossless and statistics.minimum is not None:
        _require_squares(float(statistics.maximum) - float(statistics.minimum))
    if peak is not None and not _SMALLEST <= peak <= _LARGEST:
        raise MedCompressError(f"the peak {peak:g} is not a positive number: give the largest signal, as 4096 for CT")
    if peak is not None:
        chosen_peak = Peak(float(peak), f"{peak:g}, as given")
    elif lossless:
        chosen_peak = None
    else:
        chosen_peak = _peak(volume, mapping)
    return Plan(volume, chosen, mapping, chosen_peak, lossless)


def _require_squares(span: float) -> None:
    if span and not _SMALLEST <= span <= _LARGEST:
        raise MedCompressError(
            f"the samples span {span:g}, whose square no error can be measured in: choose lossless, or scale the volume"
        )


def _peak(volume: Volume, mapping: Mapping) -> Peak:
    array = volume.array
    if mapping.nan is not None:
        array = np.where(np.isfinite(array), array, np.asarray(mapping.nan, array.dtype))
    return choose_peak(volume.modality, array)


def encode(
    plan: Plan, target: Target, chunks: ChunkStore, threads: int | None, progress: Progress = silent
) -> Manifest:
    """Encode the whole volume into `chunks`, return the manifest; raises MedCompressError with the reachable limit."""
    encoder = GroupEncoder(
        plan.codec,
        plan.sample_format,
        plan.groups(0, len(plan.volume.array)),
        plan.fetch,
        plan.inspect,
        chunks,
        threads,
        progress,
        scale=plan.mapping.scale,
    )
    if isinstance(target, Ratio):
        return _to_ratio(plan, target, encoder, chunks)
    if isinstance(target, Psnr):
        try:
            return manifest(plan, target, encoder.to_mse(plan.goal(target)))
        except Unreachable as failure:
            best = 10 * math.log10(plan.peak.value**2 / failure.limit)
            raise MedCompressError(
                f"{target} is out of reach of {plan.codec.name} for this volume, which reaches {best:.2f} dB "
                f"(peak {plan.peak.reason}): ask for less or choose lossless"
            ) from None
    return manifest(plan, target, encoder.exact())


def _to_ratio(plan: Plan, target: Ratio, encoder: GroupEncoder, chunks: ChunkStore) -> Manifest:
    source = plan.volume.array.nbytes
    whole = source / target.value
    overhead = _overhead(plan, target, int(whole / len(chunks)), len(chunks))
    try:
        outcome = encoder.to_size(int(whole - overhead), overhead)
    except Unreachable as failure:
        limit = source / (failure.limit + overhead)
        if failure.coarse:
            reason, remedy = "whose sizes come in steps here", "ask for that, or for a ratio further away"
        elif limit < target.value:
            reason, remedy = "which cannot make the file smaller", f"ask for at most {limit:.4g}:1"
        else:
            reason, remedy = "which cannot make the file larger", f"ask for at least {limit:.4g}:1 or lossless"
        raise MedCompressError(
            f"a ratio of {target} is out of reach of {plan.codec.name} for this volume, {reason}; "
            f"the limit is {limit:.4g}:1: {remedy}"
        ) from None
    return manifest(plan, target, outcome)


def _overhead(plan: Plan, target: Target, chunk_size: int, count: int) -> int:
    """Bytes of the archive beside its chunks."""
    size = max(1, chunk_size)
    draft = _manifest(plan, target, [size] * count, [0xFFFFFFFF] * count, 123.456789012345678, 1234.0)
    return archive_size(draft) - size * count


def manifest(plan: Plan, target: Target, outcome: Outcome) -> Manifest:
    """The manifest of an encoded volume."""
    chunks = outcome.chunks
    return _manifest(plan, target, chunks.sizes, chunks.crc32, outcome.mse, outcome.max_error)


def _manifest(
    plan: Plan, target: Target, sizes: list[int], crc32: list[int], mse: float, max_error: float
) -> Manifest:
    volume = plan.volume
    quality: dict[str, Any] = {"mse": mse, "max_error": max_error, "psnr": None}
    if mse and plan.peak:
        quality["psnr"] = 10 * math.log10(plan.peak.value**2 / mse)
    layer = Layer(
        member=f"layers/0.{plan.codec.capabilities.extension}",
        role="base",
        codec=plan.codec.name,
        codec_version=plan.codec.version(),
        sample_format=plan.sample_format,
        slices=plan.group_slices,
        exact=plan.lossless,
        quality=quality,
        sizes=tuple(sizes),
        crc32=tuple(crc32),
    )
    return Manifest(
        shape=volume.array.shape,
        scalar_type=volume.scalar_type,
        geometry=volume.geometry,
        modality=volume.modality,
        mapping=plan.mapping,
        target=target,
        layers=(layer,),
        created_by=f"MedCompress {__version__}",
        peak=plan.peak.value if plan.peak else None,
        peak_reason=plan.peak.reason if plan.peak else "",
    )
