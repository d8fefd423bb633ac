"""Region layers: encode each region's voxels, decode them at once, and say what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ..codecs.chunk_store import ChunkStore
from ..errors import MedCompressError
from ..jobs import Progress, silent, thread_count
from ..regions import chunk


@dataclass(frozen=True, eq=False)
class Region:
    """A region of interest. mask: bool [k, j, i]; error: largest change of a sample, in the volume's units, 0 for
    bit-exact; name: for people."""

    mask: np.ndarray
    error: int = 0
    name: str = "ROI"

    def __post_init__(self) -> None:
        chunk.check_error(self.error)


def union(regions: Sequence[Region]) -> np.ndarray:
    """Voxels of any of the regions, bool [k, j, i]; of one region its own mask, which is not to be written to."""
    return regions[0].mask if len(regions) == 1 else np.logical_or.reduce([region.mask for region in regions])


@dataclass(frozen=True, eq=False)
class CodedRegion:
    """A region that is encoded: its own voxels (without those of the regions before it) and its chunks."""

    region: Region
    own: np.ndarray
    voxels: int
    chunks: ChunkStore
    slices: int


def encode_regions(
    codes: np.ndarray, regions: list[Region], decoded: np.ndarray, threads: int | None, progress: Progress = silent
) -> list[CodedRegion]:
    """Encode the regions in their order; what their chunks decode to is written into `decoded` [k, j, i].

    A voxel of several regions belongs to the first. Raises MedCompressError where decoding does not keep the promise.
    """
    taken = None
    result = []
    for number, region in enumerate(regions):
        if region.mask.shape != codes.shape:
            raise MedCompressError("a region has another size than the volume: resample it onto the volume")
        own = region.mask if taken is None else region.mask & ~taken
        if len(regions) > 1:
            taken = own.copy() if taken is None else np.logical_or(taken, own, out=taken)
        part = progress.part(number / len(regions), (number + 1) / len(regions))
        result.append(_encode(codes, region, own, decoded, threads, part))
    return result


def _encode(codes, region: Region, own: np.ndarray, decoded, threads, progress: Progress) -> CodedRegion:
    slices = min(chunk.SLICES, len(codes))
    starts = range(0, len(codes), slices)
    chunks = ChunkStore(len(starts))

    def work(index: int) -> None:
        part = slice(starts[index], starts[index] + slices)
        mask = own[part]
        data = chunk.encode(codes[part], mask, region.error)
        found, values = chunk.decode(data, mask.shape, codes.dtype.name, region.error)
        difference = np.abs(values[mask].astype(np.int64) - codes[part][mask])
        if not np.array_equal(found, mask) or (difference.size and difference.max() > region.error):
            raise MedCompressError(
                f"{region.name} did not come back as promised, nothing was written: report this to the developers"
            )
        decoded[part][mask] = values[mask]
        chunks.put(index, data)

    with ThreadPoolExecutor(thread_count(threads)) as pool:
        for done, _ in enumerate(pool.map(work, range(len(starts))), 1):
            progress(done / len(starts), f"Encoding {region.name}: group {done} of {len(starts)}")
    return CodedRegion(region, own, int(np.count_nonzero(own)), chunks, slices)
