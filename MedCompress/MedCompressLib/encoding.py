"""How one source goes through one codec: samples to codes, groups of slices, targets to settings, errors back."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import __version__
from .archive import Layer, Manifest
from .archive.writer import archive_size
from .codecs import get_codec
from .codecs.chunk_store import ChunkStore
from .codecs.interface import Budget, Codec, Distortion, Exact, Knob, Near, Setting
from .codecs.knob_rate import KnobEncoder
from .codecs.rate import GroupEncoder, GroupError, Outcome, Unreachable
from .errors import MedCompressError
from .group_trial import GroupTrial
from .jobs import Progress, silent, thread_count
from .quality.peak import Peak, peak_of_range
from .sample_mapping import Mapping
from .samples import Statistics, bounded_mapping, choose_mapping, measure, table_mapping
from .sources.source import Source, slabs, slice_bytes
from .targets import MaxError, Psnr, Quality, Ratio, Target

GENERAL_CODEC = "gzip"
_GROUP_BYTES = 4 << 20
_BYTES_IN_FLIGHT = 128 << 20
TryGroup = Callable[[int, int, Setting], tuple[bytes, GroupError]]
_SMALLEST, _LARGEST = 1e-140, 1e140


@dataclass(frozen=True)
class Plan:
    """A source, the codec for it, the mapping of its samples to codes and the peak of its PSNR."""

    source: Source
    codec: Codec
    mapping: Mapping
    peak: Peak | None
    lossless: bool
    max_error: float | None = None
    preset: str | None = None

    @property
    def name(self) -> str:
        """The codec as it was asked for."""
        return self.preset or self.codec.name

    @property
    def trial(self) -> GroupTrial:
        """What is done to the samples of each group."""
        return GroupTrial(self.codec, self.mapping, self.lossless)

    @property
    def group_slices(self) -> int:
        """Slices in a chunk."""
        wanted, slices = self.codec.capabilities.slices, self.source.shape[0]
        room = (_BYTES_IN_FLIGHT if wanted else _GROUP_BYTES) // slice_bytes(self.source)
        return max(1, min(wanted or slices, slices, room))

    @property
    def group_bytes(self) -> int:
        """Bytes of the samples of a chunk."""
        return self.group_slices * slice_bytes(self.source)

    def groups(self) -> list[tuple[int, int]]:
        """First slice and end of each chunk."""
        step, slices = self.group_slices, self.source.shape[0]
        return [(start, min(start + step, slices)) for start in range(0, slices, step)]

    def try_group(self, start: int, stop: int, setting: Setting) -> tuple[bytes, GroupError]:
        """The chunk of slices start <= k < stop, and the errors of its decoded samples against the source."""
        return self.trial(self.source.read(start, stop), start, setting)

    def threads(self, asked: int | None) -> int:
        """Groups to work on at once: so many threads, unless the groups in flight would take too much memory."""
        return max(1, min(thread_count(asked), _BYTES_IN_FLIGHT // self.group_bytes))

    @property
    def source_bytes(self) -> int:
        """Bytes of all samples."""
        return self.source.shape[0] * slice_bytes(self.source)

    def overhead(self, target: Target) -> int:
        """Bytes of the archive beside its chunks, for chunks of about a tenth of their samples."""
        return _overhead(self, target, self.group_bytes // 10, len(self.groups()))

    def goal(self, target: Psnr) -> float:
        """Mean squared error in the source's units at which the target is met."""
        return self.peak.value**2 / 10 ** (target.value / 10)

    def setting(self, target: Target, codes: int) -> Setting:
        """What to ask of the codec for a group of so many samples, from its own rate control alone."""
        if isinstance(target, Ratio):
            share = codes * np.dtype(self.source.scalar_type).itemsize / self.source_bytes
            return Budget(max(1, int(share * (self.source_bytes / target.value - self.overhead(target)))))
        if isinstance(target, Psnr):
            return Distortion(self.goal(target) / self.mapping.scale**2)
        if isinstance(target, Quality):
            return Knob(self._on_scale(target.value))
        if isinstance(target, MaxError) and self.mapping.exact and target.value >= 1:
            return Near(int(target.value)) if Near in self.codec.capabilities.settings else Exact()
        return Exact()

    def _on_scale(self, value: float) -> float:
        scale = self.codec.capabilities.scale
        if scale is None:
            raise MedCompressError(f"{self.codec.name} has no quality scale of its own: ask for a ratio or a PSNR")
        lowest, highest = sorted((scale.finest, scale.coarsest))
        if not lowest <= value <= highest:
            best = "first" if lowest == scale.finest else "second"
            raise MedCompressError(
                f"quality {value:g} is not on the scale of {self.codec.name}, {scale.name}: "
                f"give a number from {lowest:g} to {highest:g}, of which the {best} is the best"
            )
        return value


def make_plan(
    source: Source,
    codec: str,
    lossless: bool,
    peak: float | None = None,
    nan: float | None = None,
    max_error: float | None = None,
) -> Plan:
    """Choose mapping, codec and peak; reads the source once or twice, slab by slab.

    max_error: bound on the error of each sample, met by the mapping or by the codec, which codes exactly or nearly so.
    Raises MedCompressError for NaN in lossy coding and for a codec that cannot.
    """
    chosen = get_codec(codec)
    if not lossless and max_error is None and not chosen.capabilities.lossy:
        raise MedCompressError(
            f"{codec} is a lossless codec: ask for lossless or a maximum error, or choose jpeg2000"
        )
    if peak is not None and not _SMALLEST <= peak <= _LARGEST:
        raise MedCompressError(f"the peak {peak:g} is not a positive number: give the largest signal, as 4096 for CT")
    statistics = sum(map(measure, slabs(source)), Statistics())
    mapping = choose_mapping(source.scalar_type, statistics, lossless, nan)
    if max_error is not None and not (mapping.exact and max_error >= 1 and Near in chosen.capabilities.settings):
        mapping = bounded_mapping(source.scalar_type, statistics, max_error, nan)
    if not lossless and statistics.minimum is not None:
        _require_squares(float(statistics.maximum - statistics.minimum))
    if mapping.kind == "raw" and chosen.capabilities.max_bits:
        mapping = table_mapping(slabs(source), source.scalar_type, math.prod(source.shape)) or mapping
    if mapping.kind == "raw" and chosen.capabilities.max_bits:
        chosen = get_codec(GENERAL_CODEC)
    if peak is not None:
        chosen_peak = Peak(float(peak), f"{peak:g}, as given")
    else:
        chosen_peak = None if lossless else _peak(source, statistics, mapping)
    preset = codec if codec != chosen.name and type(chosen) is type(get_codec(codec)) else None
    return Plan(source, chosen, mapping, chosen_peak, lossless, max_error, preset)


def _require_squares(span: float) -> None:
    if span and not _SMALLEST <= span <= _LARGEST:
        raise MedCompressError(
            f"the samples span {span:g}, whose square no error can be measured in: choose lossless, or scale the volume"
        )


def _peak(source: Source, statistics: Statistics, mapping: Mapping) -> Peak:
    if mapping.nan is not None:
        statistics += Statistics(mapping.nan, mapping.nan)
    return peak_of_range(source.modality, float(statistics.maximum - statistics.minimum))


def encode(
    plan: Plan,
    target: Target,
    chunks: ChunkStore,
    threads: int | None = None,
    progress: Progress = silent,
    try_group: TryGroup | None = None,
) -> Manifest:
    """Encode the whole source into `chunks`, return the manifest; raises MedCompressError with the reachable limit.

    threads: groups in flight, as many as `Plan.threads` finds unless given. try_group: what does `Plan.try_group`'s
    work elsewhere.
    """
    scale, native = plan.codec.capabilities.scale, Budget in plan.codec.capabilities.settings
    arguments = (
        plan.groups(),
        plan.try_group if try_group is None else try_group,
        chunks,
        plan.group_slices * math.prod(plan.source.shape[1:]),
        plan.threads(None) if threads is None else threads,
        progress,
        plan.mapping.scale,
    )
    encoder = GroupEncoder(*arguments) if native or scale is None else KnobEncoder(*arguments, knob=scale)
    if isinstance(target, Ratio):
        return _to_ratio(plan, target, encoder, chunks)
    if isinstance(target, Psnr):
        try:
            return manifest(plan, target, encoder.to_mse(plan.goal(target)))
        except Unreachable as failure:
            best = 10 * math.log10(plan.peak.value**2 / failure.limit)
            raise MedCompressError(
                f"{target} is out of reach of {plan.name} for this volume, which reaches {best:.2f} dB "
                f"(peak {plan.peak.reason}): ask for less, choose another codec or lossless"
            ) from None
    outcome = encoder.alike(plan.setting(target, 0))
    if isinstance(target, MaxError) and outcome.max_error > target.value:
        raise MedCompressError(
            f"{plan.codec.version()} moved a sample by {outcome.max_error:g}, nothing was written: "
            "choose another codec and report this volume to the developers"
        )
    return manifest(plan, target, outcome)


def _to_ratio(plan: Plan, target: Ratio, encoder: GroupEncoder, chunks: ChunkStore) -> Manifest:
    source = plan.source_bytes
    whole = source / target.value
    overhead = _overhead(plan, target, int(whole / len(chunks)), len(chunks))
    try:
        outcome = encoder.to_size(int(whole - overhead), overhead)
    except Unreachable as failure:
        limit = source / (failure.limit + overhead)
        if failure.coarse:
            reason, remedy = "whose sizes come in steps here", "ask for that, or for a ratio further away"
        elif limit < target.value:
            reason = "which cannot make the file smaller"
            remedy = f"ask for at most {limit:.4g}:1" if limit >= 1 else "the volume is too small for a ratio"
        else:
            reason, remedy = "which cannot make the file larger", f"ask for at least {limit:.4g}:1 or lossless"
        raise MedCompressError(
            f"a ratio of {target} is out of reach of {plan.name} for this volume, {reason}; "
            f"the limit is {limit:.4g}:1: {remedy}"
        ) from None
    return manifest(plan, target, outcome)


def _overhead(plan: Plan, target: Target, chunk_size: int, count: int) -> int:
    """Bytes of the archive beside its chunks."""
    size = max(1, chunk_size)
    knob = None if Budget in plan.codec.capabilities.settings else 12.3456789012345678
    draft = _manifest(plan, target, [size] * count, [0xFFFFFFFF] * count, 123.456789012345678, 1234.0, knob)
    return archive_size(draft) - size * count


def manifest(plan: Plan, target: Target, outcome: Outcome) -> Manifest:
    """The manifest of an encoded volume."""
    chunks = outcome.chunks
    knob = outcome.setting.value if isinstance(outcome.setting, Knob) else None
    return _manifest(plan, target, chunks.sizes, chunks.crc32, outcome.mse, outcome.max_error, knob)


def _manifest(
    plan: Plan,
    target: Target,
    sizes: list[int],
    crc32: list[int],
    mse: float,
    max_error: float,
    knob: float | None = None,
) -> Manifest:
    source = plan.source
    quality: dict[str, Any] = {"mse": mse, "max_error": max_error, "psnr": None}
    if mse and plan.peak:
        quality["psnr"] = 10 * math.log10(plan.peak.value**2 / mse)
    if knob is not None:
        quality["knob"] = knob
    layer = Layer(
        member=f"layers/0.{plan.codec.capabilities.extension}",
        role="base",
        codec=plan.codec.name,
        codec_version=plan.codec.version(),
        sample_format=plan.trial.sample_format,
        slices=plan.group_slices,
        exact=plan.lossless,
        quality=quality,
        sizes=tuple(sizes),
        crc32=tuple(crc32),
        preset=plan.preset,
    )
    return Manifest(
        shape=source.shape,
        scalar_type=source.scalar_type,
        geometry=source.geometry,
        modality=source.modality,
        mapping=plan.mapping,
        target=target,
        layers=(layer,),
        created_by=f"MedCompress {__version__}",
        peak=plan.peak.value if plan.peak else None,
        peak_reason=plan.peak.reason if plan.peak else "",
    )
