"""The facade: compress a volume into an archive, decompress it, ask what is in it, verify it."""

from __future__ import annotations

import os
from copy import copy
from pathlib import Path

from .archive import Archive, Manifest, Report, write_archive
from .codecs.chunk_store import ChunkStore
from .encoding import Plan, encode, make_plan
from .errors import MedCompressError
from .jobs import Progress, silent
from .restoring import decoded_slabs, restore
from .sources import Source, as_source, open_source
from .targets import Lossless, MaxError, Target
from .volume import Volume

__all__ = ["DEFAULT_CODEC", "Report", "compress", "decompress", "info", "restore", "verify"]

DEFAULT_CODEC = "jpeg2000"


def compress(
    source: Volume | Source | str | os.PathLike,
    path: str | os.PathLike,
    codec: str = DEFAULT_CODEC,
    target: Target | None = None,
    *,
    series: str | None = None,
    modality: str | None = None,
    peak: float | None = None,
    nan: float | None = None,
    threads: int | None = None,
    scheduler: str | None = None,
    progress: Progress = silent,
) -> Report:
    """Compress a volume, a source, or what lies at a path (see `sources.open_source`), into the archive `path`.

    target: Lossless() unless given. series: of a DICOM folder. modality: DICOM's, where the source does not say.
    peak: of the PSNR, chosen from the modality unless given (4096 for CT, else the data range). nan: what NaN and
    infinity become in lossy coding. scheduler: address of a Dask cluster that shall do the work, as "tcp://host:8786".

    The archive appears under its name only when it is whole, decoded and compared; an archive that stood there before
    stays until then. Samples that no image codec can hold exactly go losslessly through the general-purpose codec,
    which the report names. Sources are read group by group and may be larger than memory.

    Raises MedCompressError with cause and remedy; Cancelled when `progress` was cancelled.
    """
    target = Lossless() if target is None else target
    path = _checked_output(Path(path))
    given = source
    if isinstance(given, str | os.PathLike):
        progress(0.0, f"Reading {given}")
        source = open_source(given, series)
    source = as_source(source)
    if modality:
        source = copy(source)
        source.modality = modality.upper()
    try:
        progress(0.0, "Measuring the samples")
        bound = target.value if isinstance(target, MaxError) else None
        plan = make_plan(source, codec, isinstance(target, Lossless), peak, nan, bound)
        chunks = ChunkStore(len(plan.groups()), path.parent)
        with chunks:
            manifest = _encode(plan, target, chunks, threads, scheduler, progress.part(0.05, 0.95))
            if source is not given:
                source.close()
            progress(0.95, f"Writing {path.name}")
            size = write_archive(path, manifest, [chunks], verify=_check_written)
    finally:
        if source is not given:
            source.close()
    progress.done(f"Wrote {path.name}")
    return Report(manifest, size)


def _encode(
    plan: Plan, target: Target, chunks: ChunkStore, threads: int | None, scheduler: str | None, progress: Progress
) -> Manifest:
    if scheduler is None:
        return encode(plan, target, chunks, threads, progress)
    from .cluster import on_cluster

    with on_cluster(plan, scheduler) as (try_group, at_once):
        return encode(plan, target, chunks, at_once, progress, try_group)


def _checked_output(path: Path) -> Path:
    """The path, once it is clear that an archive can be written there, before any work is done."""
    if path.suffix.lower() != ".mcz":
        raise MedCompressError(f"{path} does not end in .mcz: give it a name such as {path.stem or 'volume'}.mcz")
    if path.is_dir():
        raise MedCompressError(f"{path} is a folder: give the archive another name")
    if not os.access(path.parent, os.W_OK):
        raise MedCompressError(f"the folder {path.parent} is missing or cannot be written: create it or choose another")
    return path


def _check_written(path: Path) -> None:
    with Archive(path) as archive:
        archive.verify()


def decompress(path: str | os.PathLike, threads: int | None = None, progress: Progress = silent) -> Volume:
    """The volume in the archive, with its geometry; every byte is checked. Raises MedCompressError on any damage."""
    with Archive(path) as archive:
        return archive.read(threads, progress)


def info(path: str | os.PathLike) -> Report:
    """What the archive says of itself; reads no more than its manifest, and refuses a file that is cut off."""
    with Archive(path) as archive:
        archive.check_size()
        return Report(archive.manifest, archive.size)


def verify(path: str | os.PathLike, threads: int | None = None, progress: Progress = silent) -> Report:
    """Check every byte and decode every slice; raises MedCompressError that names what is damaged."""
    with Archive(path) as archive:
        archive.verify()
        for _ in decoded_slabs(archive, lambda _: None, threads, progress):
            pass
        return Report(archive.manifest, archive.size)
