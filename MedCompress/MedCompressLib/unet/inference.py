"""Segmentation of a volume by a model: what is read goes in, label maps on the volume's own grid come out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import MedCompressError
from ..jobs import Progress, silent
from ..volume import Volume
from .card import ModelCard
from .cleanup import keep_largest as keep_largest_parts
from .decisions import Decisions
from .devices import choose_device, describe_device, is_cuda, move_to, release_memory, threads
from .model import Model
from .network_input import network_input
from .onto_grid import Grid, onto_grid
from .orientation import to_canonical
from .packages import require
from .windows import WindowSettings, default_batch, sliding_window

Move = Callable[[Any, str], Any]


@dataclass(frozen=True)
class Segmented:
    """labels: label map, uint8 or uint16, on the volume's grid, values as in the model's card, modality SEG.

    probability: float32 of 0 to 1 on the same grid, None unless asked for. device: what computed it, for people.
    notes: what the user should know, such as that the GPU's memory did not suffice.
    """

    labels: Volume
    probability: Volume | None
    device: str
    notes: tuple[str, ...] = ()


def segment(
    volume: Volume | Sequence[Volume],
    model: Model,
    *,
    device: str = "auto",
    flips: bool = False,
    keep_largest: bool = False,
    overlap: float = 0.5,
    want_probability: bool | str = False,
    thread_count: int | None = None,
    progress: Progress = silent,
    move: Move = move_to,
) -> Segmented:
    """Segment a volume: canonical orientation, the model's spacing and intensities, sliding window, and back.

    volume: one volume, or one for each channel of the card in its order, on one grid.
    flips: the mean over the flips of each window along the axes that the model was trained to see mirrored, which
        doubles the work for each of them; along all axes where its card does not say.
    keep_largest: only the largest connected part of each label stays.
    overlap: share of a window that the next one covers. want_probability: True: of the foreground, 1 - background for
        softmax, the largest of all labels for sigmoid; or the name of a label.
    thread_count: of the CPU, torch's choice where None. move: how a network or tensor gets onto a device.

    Logits, not labels, are averaged and resampled linearly; the decision falls on the volume's own grid (sigmoid: where
    a label's probability exceeds 0.5, the largest wins). Where a GPU's memory does not suffice, single windows, then
    smaller ones, then the CPU are tried.

    Raises MedCompressError for wrong numbers of channels, different grids, NaN, and models that break their promise.
    """
    torch_device = choose_device(device) if move is move_to else device
    card = model.card
    decisions = _decisions(card, want_probability)
    volumes = _inputs(volume, card)
    turned = [to_canonical(one, card.dimension) for one in volumes]
    canonical, back = [pair[0] for pair in turned], turned[0][1]
    own = Grid(canonical[0].array.shape, canonical[0].geometry)
    progress(0.0, "Preparing")
    samples, geometry = network_input(canonical, card)
    notes: list[str] = []
    axes = _flip_axes(card, notes) if flips else ""
    with threads(thread_count):
        used = _run(samples, geometry, own, model, decisions, torch_device, axes, overlap, notes, progress, move)
    labels = decisions.labels
    if keep_largest:
        progress(0.95, "Keeping the largest parts")
        removed = keep_largest_parts(labels)
        names = {label.value: label.name for label in card.labels}
        notes += [f"{count} voxels of {names[value]} lay apart and were removed" for value, count in removed.items()]
    first = volumes[0]

    def result(array: np.ndarray, modality: str | None) -> Volume:
        return Volume(np.ascontiguousarray(back(array)), first.geometry, modality, f"{first.name} {card.name}".strip())

    probability = None if decisions.probability is None else result(decisions.probability, None)
    described = str(describe_device(used)) if move is move_to else used
    return Segmented(result(labels, "SEG"), probability, described, tuple(notes))


def _flip_axes(card: ModelCard, notes: list[str]) -> str:
    axes = "ijk"[: card.dimension] if card.flips is None else card.flips
    if not axes:
        notes.append("the model was trained without flips, so that nothing was averaged over them")
    return axes


def _decisions(card, want_probability: bool | str) -> Decisions:
    names = [label.name for label in card.labels]
    if isinstance(want_probability, str) and want_probability not in names:
        raise MedCompressError(f"the model has no label {want_probability!r}: its labels are {', '.join(names)}")
    label = names.index(want_probability) if isinstance(want_probability, str) else None
    return Decisions([label.value for label in card.labels], card.activation, bool(want_probability), label)


def _inputs(volume: Volume | Sequence[Volume], card) -> list[Volume]:
    volumes = [volume] if isinstance(volume, Volume) else list(volume)
    if len(volumes) != len(card.channels):
        raise MedCompressError(
            f"the model {card.name} takes {len(card.channels)} volumes ({', '.join(card.channels)}), not"
            f" {len(volumes)}: give one for each, in this order"
        )
    for name, other in zip(card.channels, volumes, strict=True):
        volumes[0].geometry.assert_close(other.geometry, 1e-3)
        if other.array.shape != volumes[0].array.shape:
            raise MedCompressError(
                f"{name} has shape {other.array.shape}, {card.channels[0]} has {volumes[0].array.shape}: resample one"
                " onto the other"
            )
        if other.array.dtype.kind == "f" and not all(np.isfinite(part).all() for part in other.array):
            raise MedCompressError(f"{other.name or name} holds NaN or infinity: replace them before segmentation")
    return volumes


def _note_padding(shape: Sequence[int], patch: Sequence[int], notes: list[str]) -> None:
    if any(3 * size < wanted for size, wanted in zip(shape, patch, strict=True)):
        sizes = [" x ".join(str(count) for count in reversed(one)) for one in (shape, patch)]
        notes.append(f"the volume has {sizes[0]} voxels for the model, which saw {sizes[1]} in training: look twice")


def _run(samples, geometry, own, model, decisions, device, flips, overlap, notes, progress, move) -> str:
    """Fill `decisions` on the first setting whose memory suffices; returns its device."""
    torch = require("torch")
    grid = Grid(samples.shape[1:], geometry)
    tensor = torch.from_numpy(samples)
    attempts = list(_attempts(model, device, flips, overlap))
    _note_padding(grid.shape, attempts[0].patch, notes)
    for settings, following in zip(attempts, [*attempts[1:], None], strict=True):
        try:
            network = move(model.network, settings.device)
            part = progress.part(0.05, 0.95)
            windows = sliding_window(tensor, network, model.card.outputs, settings, move, part)
            decisions.fill(onto_grid(windows, grid, own), own.shape)
            return settings.device
        except RuntimeError as error:
            if not _is_out_of_memory(error):
                raise
            if following is None:
                raise MemoryError from None
            notes.append(f"the GPU's memory does not suffice for {_words(settings)}: going on with {_words(following)}")
        release_memory()
    raise AssertionError("unreachable")


def _is_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch, cuDNN, cuBLAS or torch's allocator on the CPU says that memory does not suffice."""
    words = "out of memory", "alloc_failed", "can't allocate memory", "not enough memory"
    kinds = require("torch").cuda.OutOfMemoryError
    return isinstance(error, kinds) or any(word in str(error).lower() for word in words)


def _attempts(model: Model, device: str, flips: str, overlap: float) -> Iterator[WindowSettings]:
    """The settings to try one after the other: as planned, single windows, halved windows, the CPU."""
    flat = model.card.dimension == 2
    divisor = tuple(getattr(model.network, "divisor", (1,) * model.card.dimension))
    patch = (1, *model.card.patch) if flat else model.card.patch
    divisor = (1, *divisor) if flat else divisor
    patch = tuple(-(-size // step) * step for size, step in zip(patch, divisor, strict=True))
    batch = default_batch(patch, device)
    planned = WindowSettings(patch, model.card.dimension, overlap, batch, flips, device)
    yield planned
    if not is_cuda(device):
        return
    if batch > 1:
        yield replace(planned, batch=1)
    smaller = patch
    while (halved := tuple(map(_half, smaller, divisor))) != smaller:
        smaller = halved
        yield replace(planned, patch=smaller, batch=1)
    yield replace(planned, batch=default_batch(patch, "cpu"), device="cpu")


def _half(size: int, divisor: int) -> int:
    """Half of a window's axis, a multiple of the divisor and at least twice it, so that no level has one voxel."""
    return min(size, max(2 * divisor, -(-size // 2 // divisor) * divisor)) if divisor > 1 or size > 1 else size


def _words(settings: WindowSettings) -> str:
    if not is_cuda(settings.device):
        return "the CPU"
    size = " x ".join(str(count) for count in reversed(settings.patch))
    return f"{settings.batch} windows of {size}" if settings.batch > 1 else f"single windows of {size}"
