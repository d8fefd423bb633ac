"""Cases made ready for training once, on disk: read, turned, normalized, resampled, labels as channel numbers.

Patches are then read through memory maps, so that a data set may be larger than memory and several processes share it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import MedCompressError
from ...volume import Volume, read_volume
from ..card import ModelCard
from ..cases import Case, label_values
from ..network_input import network_input
from ..orientation import to_canonical
from ..preprocessing import resample

Variants = Callable[[Path, str, float], Volume]
_LOCATIONS = 4000
_VERSION = 1
_OURS = re.compile(r"\.[0-9a-f]{12}\.(json|(image|label|locations|[a-z0-9-]+-[0-9.e+]+)\.npy)$")


@dataclass(frozen=True)
class Prepared:
    """images: the case itself, then its compressed copies, each a float32 file [C, k, j, i]; label: channel numbers
    [k, j, i]; locations: int64 [n, 2] of (channel, flat index) of some voxels of each label; spacing: (i, j, k) in mm.
    """

    name: str
    images: tuple[Path, ...]
    label: Path
    locations: np.ndarray
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]

    def image(self, copy: int = 0) -> np.ndarray:
        return np.load(self.images[copy], mmap_mode="r")

    def labels(self) -> np.ndarray:
        return np.load(self.label, mmap_mode="r")


def prepare_case(
    case: Case,
    card: ModelCard,
    sources: Sequence[Sequence[int]],
    folder: Path,
    codec: str = "",
    ratios: Sequence[float] = (),
    variants: Variants | None = None,
) -> Prepared:
    """Write what is missing of the case into `folder`; raises MedCompressError that names the case.

    sources: values in the label map that count as the card's labels, in their order. variants(path, codec, ratio):
    the volume at `path` after compression and restoring.
    """
    stem = f"{case.name}.{_key(case, card, sources)}"
    description, label = folder / f"{stem}.json", folder / f"{stem}.label.npy"
    places = folder / f"{stem}.locations.npy"
    images = [folder / f"{stem}.image.npy"]
    try:
        if not description.exists():
            volumes, drawn = [read_volume(path) for path in case.images], read_volume(case.label)
            _check_places(volumes, drawn)
            samples, spacing = _prepare_image(case, card, volumes)
            values = _prepare_label(case, Volume(drawn.array, volumes[0].geometry), card, sources, spacing)
            for path, array in ((images[0], samples), (label, values), (places, _locations(values))):
                _save(path, array)
            _write(description, json.dumps({"shape": values.shape, "spacing": spacing}).encode())
        for ratio in ratios:
            images.append(folder / f"{stem}.{codec}-{ratio:g}.npy")
            if not images[-1].exists():
                copies = [variants(path, codec, ratio) for path in case.images]
                _save(images[-1], _prepare_image(case, card, copies)[0])
    except MedCompressError as error:
        raise MedCompressError(f"case {case.name}: {error}") from None
    stored = json.loads(description.read_text("utf-8"))
    shape, spacing = tuple(stored["shape"]), tuple(stored["spacing"])
    return Prepared(case.name, tuple(images), label, np.load(places), shape, spacing)


def remove_others(folder: Path, prepared: Sequence[Prepared]) -> None:
    """Remove what `prepare_case` wrote into `folder` for other cases, or for these before they changed."""
    kept = tuple(case.label.name.removesuffix("label.npy") for case in prepared)
    for path in folder.iterdir():
        if _OURS.search(path.name) and not path.name.startswith(kept):
            with suppress(OSError):
                path.unlink()


def _check_places(volumes: Sequence[Volume], label: Volume) -> None:
    for volume in volumes:
        if volume.array.shape != label.array.shape:
            raise MedCompressError("image and label map differ in size: make them equal")
        if not volume.geometry.is_close(label.geometry, 1e-3):
            raise MedCompressError("image and label map lie in different places: resample the label map onto the image")


def _prepare_image(case: Case, card: ModelCard, volumes: Sequence[Volume]) -> tuple[np.ndarray, tuple[float, ...]]:
    if len(volumes) != len(card.channels):
        raise MedCompressError(
            f"it has {len(volumes)} images, the model takes {len(card.channels)}: add or remove some"
        )
    samples, geometry = network_input([to_canonical(volume, card.dimension)[0] for volume in volumes], card)
    return samples, geometry.spacing


def _prepare_label(
    case: Case, volume: Volume, card: ModelCard, sources: Sequence[Sequence[int]], spacing: Sequence[float]
) -> np.ndarray:
    values = label_values(volume, case.label.name)
    channel = np.zeros(65536, np.uint8 if len(sources) < 256 else np.uint16)
    for number, items in enumerate(sources, 1):
        channel[list(items)] = number
    numbered = to_canonical(Volume(channel[values], volume.geometry), card.dimension)[0]
    return np.ascontiguousarray(resample(numbered, spacing, labels=True).array)


def _locations(values: np.ndarray) -> np.ndarray:
    """(channel, flat index) of up to 4000 voxels of each label, spread over it."""
    rows = []
    for channel in np.unique(values[values > 0]):
        found = np.flatnonzero(values == channel)
        kept = found[np.linspace(0, len(found) - 1, min(len(found), _LOCATIONS)).astype(np.int64)]
        rows.append(np.stack([np.full(len(kept), channel, np.int64), kept], axis=1))
    return np.concatenate(rows) if rows else np.zeros((0, 2), np.int64)


def _key(case: Case, card: ModelCard, sources: Sequence[Sequence[int]]) -> str:
    """Changes with the case's files and with everything that the preparation depends on."""
    files = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in (*case.images, case.label)]
    grid = [card.spacing, card.size, card.dimension]
    known = [_VERSION, files, *grid, card.normalization, [list(items) for items in sources]]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()[:12]


def _save(path: Path, array: np.ndarray) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with open(partial, "wb") as file:
        np.save(file, array, allow_pickle=False)
    os.replace(partial, path)


def _write(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.write_bytes(content)
    os.replace(partial, path)
