"""Archives back to files, slab by slab, so that a volume may be larger than memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np

from .archive import Archive, Manifest
from .jobs import Progress, silent, thread_count
from .read_ahead import in_order
from .sinks import open_sink
from .volume import write_volume

_SLAB_BYTES = 4 << 20
_BYTES_IN_FLIGHT = 128 << 20
Result = TypeVar("Result")


def restore(
    path: str | os.PathLike,
    output: str | os.PathLike,
    *,
    compressed: bool = True,
    threads: int | None = None,
    progress: Progress = silent,
) -> Manifest:
    """Write the volume in an archive to `output`, slab by slab where its format can: .nrrd, .zarr, .ome.zarr.

    .nii, .nii.gz and .mha are written through memory (`volume.write_volume`). compressed: with the format's own
    lossless compression; Zarr always is. Every byte of the archive is checked, the output is read back and compared
    before it takes its name. Raises MedCompressError on damage, and when the output cannot be written.
    """
    output = Path(output)
    with Archive(path) as archive:
        manifest = archive.manifest
        sink = open_sink(
            output, manifest.shape, manifest.scalar_type, manifest.geometry, manifest.modality, compressed
        )
        if sink is None:
            volume = archive.read(threads, progress.part(0, 0.7))
            progress(0.7, f"Writing {output.name}")
            write_volume(volume, output, compressed)
        else:
            archive.verify()
            with sink:
                for packed in decoded_slabs(archive, sink.pack, threads, progress):
                    sink.write(packed)
        progress.done(f"Wrote {output.name}")
        return manifest


def decoded_slabs(
    archive: Archive, work: Callable[[np.ndarray], Result], threads: int | None = None, progress: Progress = silent
) -> Iterator[Result]:
    """work(slab) for all slabs [k, j, i] of the volume in order; decodes in parallel and holds few slabs at a time."""
    slices, group = archive.manifest.shape[0], archive.group_slices
    slice_bytes = archive.manifest.source_size // slices
    step = group * max(1, _SLAB_BYTES // (slice_bytes * group))
    at_once = max(1, min(thread_count(threads), _BYTES_IN_FLIGHT // (slice_bytes * step)))
    starts = range(0, slices, step)

    def decoded(start: int) -> Result:
        return work(archive.read_slab(start, min(start + step, slices), threads=1))

    for start, result in zip(starts, in_order(decoded, starts, at_once), strict=True):
        yield result
        last = min(start + step, slices)
        progress(last / slices, f"Decoding slice {last} of {slices}")
