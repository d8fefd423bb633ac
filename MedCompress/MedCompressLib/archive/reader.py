"""Reads archives: whole, a slab, layer by layer from a stream, or what is left of a damaged one."""

from __future__ import annotations

import hashlib
import os
import threading
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..codecs import get_codec
from ..errors import MedCompressError
from ..jobs import Progress, silent, thread_count
from ..regions import chunk as region_chunk
from ..volume import Volume
from .canvas import Canvas
from .container import LOCAL_HEADER_SIZE, Member, directory, parse_local_header
from .manifest import DIGEST_NAME, MANIFEST_LIMIT, MANIFEST_NAME, Layer, Manifest
from .writer import digest_line

_COPY = "restore it from a copy"


@dataclass(frozen=True)
class Stage:
    """A usable volume after a completed layer: `number` of `total`, and what the layer says of itself."""

    volume: Volume
    layer: Layer
    number: int
    total: int


class Archive:
    """An archive on disk, open for reading; the manifest is checked when it opens.

    Raises MedCompressError when the file is missing, no archive, cut off or damaged.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        self._lock = threading.Lock()
        try:
            self._file = open(self.path, "rb")
        except OSError as error:
            raise MedCompressError(f"{self.path} cannot be read ({error.strerror}): check the path") from None
        try:
            self.size = os.fstat(self._file.fileno()).st_size
            self.manifest, self._members = _read_front(self._file, str(self.path))
            self._locate_layers()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def _locate_layers(self) -> None:
        members = list(self._members)
        for layer in self.manifest.layers:
            members.append(Member(layer.member, layer.size, 0, members[-1].end))
        self._members = members
        self._offsets = [
            list(accumulate(layer.sizes, initial=member.data_offset))
            for layer, member in zip(self.manifest.layers, members[2:], strict=True)
        ]
        self.expected_size = members[-1].end + len(directory(members))

    @property
    def ratio(self) -> float:
        """Bytes of the source's samples divided by the bytes of the file."""
        return self.manifest.source_size / self.expected_size

    @property
    def group_slices(self) -> int:
        """Slices that are cheapest to read together: a chunk of the layer with the largest chunks."""
        return max(layer.slices for layer in self.manifest.layers)

    def read(self, threads: int | None = None, progress: Progress = silent) -> Volume:
        """The whole volume from all layers; every byte of the file is checked."""
        self.verify()
        return self._volume(self.read_slab(0, self.manifest.shape[0], threads, progress))

    def read_slab(
        self, start: int, stop: int, threads: int | None = None, progress: Progress = silent
    ) -> np.ndarray:
        """Slices start <= k < stop as an array [k, j, i] of the source's scalar type; decodes no other chunks."""
        slices = self.manifest.shape[0]
        if not 0 <= start < stop <= slices:
            raise MedCompressError(f"slices {start} to {stop} do not lie in the volume: it has slices 0 to {slices}")
        result, _ = self._assemble(start, stop, threads, progress, salvage=False)
        return result

    def salvage(self, fill: float = 0, threads: int | None = None) -> tuple[Volume, list[int]]:
        """The volume with every slice that is whole, `fill` where one is lost, and the numbers k of the lost slices.

        A slice counts as lost when one of its layers is damaged.
        """
        array, lost = self._assemble(0, self.manifest.shape[0], threads, silent, salvage=True)
        array[lost] = np.asarray(fill).astype(array.dtype)
        return self._volume(array), lost

    def check_size(self) -> None:
        """Raise MedCompressError unless the file is as long as its manifest says."""
        if self.size != self.expected_size:
            kind = "cut off" if self.size < self.expected_size else "longer than it should be"
            raise MedCompressError(
                f"{self.path} is {kind} ({self.size} bytes, {self.expected_size} expected): {_COPY}, "
                "or save what is whole with 'medcompress decompress --salvage'"
            )

    def verify(self) -> None:
        """Check every byte of the file against its checksum; raises MedCompressError that names the damaged part."""
        self.check_size()
        members = list(self._members[:2])
        with self._lock:
            self._file.seek(self._members[1].end)
            for layer in self.manifest.layers:
                expected = Member(layer.member, layer.size, 0, members[-1].end)
                for _ in _checked_chunks(self._file, expected, layer, members, str(self.path)):
                    pass
            _check_directory(self._file, members, str(self.path))

    def _volume(self, array: np.ndarray) -> Volume:
        return Volume(array, self.manifest.geometry, self.manifest.modality)

    def _assemble(
        self, start: int, stop: int, threads: int | None, progress: Progress, salvage: bool
    ) -> tuple[np.ndarray, list[int]]:
        """Decoded slices start to stop of the source's type, and the numbers of those that could not be decoded.

        Nothing of the size of the volume is allocated before a piece of it has been decoded: a manifest that promises
        what the chunks do not hold gets no further.
        """
        step = self.group_slices
        starts = sorted({start, *range(-(-start // step) * step, stop, step)})

        def decode(first: int) -> np.ndarray | None:
            try:
                last = min(stop, (first // step + 1) * step)
                return self.manifest.mapping.inverse(self._decode_samples(first, last))
            except MedCompressError:
                if not salvage:
                    raise
                return None

        def place(first: int, piece: np.ndarray | None) -> None:
            if piece is None:
                lost.update(range(first, min(stop, (first // step + 1) * step)))
            else:
                result[first - start : first - start + len(piece)] = piece

        opening, piece = next(((first, piece) for first in starts if (piece := decode(first)) is not None), (0, None))
        if piece is None:
            raise MedCompressError(f"{self.path}: no slice of the volume is whole, nothing could be saved; {_COPY}")
        if len(piece) == stop - start:
            return piece, []
        result = _allocate((stop - start, *self.manifest.shape[1:]), self.manifest.scalar_type)
        place(opening, piece)
        lost = set(range(start, opening))
        starts = [first for first in starts if first > opening]
        with ThreadPoolExecutor(thread_count(threads)) as pool:
            try:
                for first, _ in zip(starts, pool.map(lambda first: place(first, decode(first)), starts), strict=True):
                    last = min(stop, first + step)
                    progress((last - start) / (stop - start), f"Decoding slice {last} of {stop}")
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        return result, sorted(lost)

    def _decode_samples(self, start: int, stop: int) -> np.ndarray:
        if self.manifest.regional:
            return self._decode_regions(start, stop)
        total: np.ndarray | None = None
        for layer, offsets in zip(self.manifest.layers, self._offsets, strict=True):
            samples = self._layer_slab(layer, offsets, start, stop)
            total = samples if total is None else _add(total, samples)
        return total

    def _decode_regions(self, start: int, stop: int) -> np.ndarray:
        canvas = Canvas(self.manifest, start, stop, _allocate)
        for layer, offsets in zip(self.manifest.layers, self._offsets, strict=True):
            for index in range(start // layer.slices, -(-stop // layer.slices)):
                chunk = self._read_at(offsets[index], layer.sizes[index])
                decoded = _decode_chunk(self.manifest, layer, index, chunk, str(self.path))
                canvas.put(layer, index * layer.slices, decoded)
        return canvas.codes

    def _layer_slab(self, layer: Layer, offsets: list[int], start: int, stop: int) -> np.ndarray:
        pieces = []
        for index in range(start // layer.slices, -(-stop // layer.slices)):
            chunk = self._read_at(offsets[index], layer.sizes[index])
            decoded = _decode_chunk(self.manifest, layer, index, chunk, str(self.path))
            first = index * layer.slices
            pieces.append(decoded[max(start - first, 0) : stop - first])
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def _read_at(self, offset: int, size: int) -> bytes:
        with self._lock:
            self._file.seek(offset)
            return self._file.read(min(size, max(0, self.size - offset)))


def read_progressively(stream: BinaryIO, threads: int | None = None) -> Iterator[Stage]:
    """Read an archive front to back from a pipe or socket; yields a volume after each completed layer.

    stream: anything with read(size); it is never asked to seek. Every byte is checked on the way; damage raises
    MedCompressError at the layer where it shows, after the layers before it have been yielded. The checks of the
    last bytes (the ZIP directory) come before the last layer is yielded.
    """
    name = "the stream"
    manifest, members = _read_front(stream, name)
    samples: np.ndarray | None = None
    canvas = Canvas(manifest, 0, manifest.shape[0], _allocate)
    for number, layer in enumerate(manifest.layers, 1):
        expected = Member(layer.member, layer.size, 0, members[-1].end)
        chunks = enumerate(_checked_chunks(stream, expected, layer, members, name))
        if manifest.regional:
            _fill_canvas(canvas, manifest, layer, chunks, threads, name)
            if number == len(manifest.layers):
                _check_directory(stream, members, name)
            yield Stage(_stage_volume(manifest, canvas.codes), layer, number, len(manifest.layers))
            continue
        opening = _decode_chunk(manifest, layer, *next(chunks), name)
        decoded = _allocate(manifest.shape, layer.sample_format.dtype)
        decoded[: layer.slices] = opening

        def place(entry: tuple[int, bytes], layer: Layer = layer, decoded: np.ndarray = decoded) -> None:
            index, chunk = entry
            first = index * layer.slices
            decoded[first : first + layer.slices] = _decode_chunk(manifest, layer, index, chunk, name)

        with ThreadPoolExecutor(thread_count(threads)) as pool:
            for _ in pool.map(place, chunks):
                pass
        samples = decoded if samples is None else _add(samples, decoded)
        if number == len(manifest.layers):
            _check_directory(stream, members, name)
        yield Stage(_stage_volume(manifest, samples), layer, number, len(manifest.layers))


def _stage_volume(manifest: Manifest, codes: np.ndarray) -> Volume:
    array = manifest.mapping.inverse(codes)
    return Volume(array.copy() if array is codes else array, manifest.geometry, manifest.modality)


def _fill_canvas(
    canvas: Canvas,
    manifest: Manifest,
    layer: Layer,
    chunks: Iterator[tuple[int, bytes]],
    threads: int | None,
    name: str,
) -> None:
    def place(entry: tuple[int, bytes]) -> None:
        index, chunk = entry
        canvas.put(layer, index * layer.slices, _decode_chunk(manifest, layer, index, chunk, name))

    place(next(chunks))
    with ThreadPoolExecutor(thread_count(threads)) as pool:
        for _ in pool.map(place, chunks):
            pass


def _add(total: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """Sum modulo 2^n of the type of the base samples."""
    unsigned = f"u{total.dtype.itemsize}"
    return (total.view(unsigned) + residual.astype(total.dtype).view(unsigned)).view(total.dtype)


def _allocate(shape: tuple[int, ...], scalar_type: str) -> np.ndarray:
    try:
        return np.empty(shape, scalar_type)
    except (MemoryError, ValueError):
        size = int(np.prod(shape, dtype=object)) * np.dtype(scalar_type).itemsize
        raise MedCompressError(
            f"the volume takes {size / 2**30:.1f} GiB, more memory than there is: read it in slabs (Archive.read_slab)"
        ) from None


def _read_exactly(stream: BinaryIO, size: int, name: str, part: str) -> bytes:
    pieces = []
    while size > 0:
        piece = stream.read(min(size, 1 << 20))
        if not piece:
            raise MedCompressError(f"{name} is cut off in {part}: {_COPY}, or save what is whole with --salvage")
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def _damaged(name: str, part: str) -> MedCompressError:
    return MedCompressError(f"{name} is damaged in {part}: {_COPY}, or save what is whole with --salvage")


def _read_front(stream: BinaryIO, name: str) -> tuple[Manifest, list[Member]]:
    """The manifest and its digest: the two members at the front."""
    head = stream.read(LOCAL_HEADER_SIZE)
    fields = parse_local_header(head)
    if fields is None:
        raise MedCompressError(f"{name} is no MedCompress archive: choose a file that was saved as .mcz")
    size, crc, *_ = fields
    if size > MANIFEST_LIMIT:
        raise _damaged(name, MANIFEST_NAME)
    member = Member(MANIFEST_NAME, size, crc, 0)
    header = member.local_header()
    rest = _read_exactly(stream, len(header) - LOCAL_HEADER_SIZE, name, MANIFEST_NAME)
    if rest != MANIFEST_NAME.encode():
        raise MedCompressError(f"{name} is a ZIP file but no MedCompress archive: choose a file that was saved as .mcz")
    content = _read_exactly(stream, size, name, MANIFEST_NAME)
    line = digest_line(content)
    digest = Member(DIGEST_NAME, len(line), zlib.crc32(line), member.end)
    following = digest.local_header() + line
    found = _read_exactly(stream, len(following), name, DIGEST_NAME)
    if head + rest != header or zlib.crc32(content) != crc or found != following:
        raise MedCompressError(f"{name} is damaged in {MANIFEST_NAME}: {_COPY}")
    return Manifest.from_json(content), [member, digest]


def _checked_chunks(
    stream: BinaryIO, expected: Member, layer: Layer, members: list[Member], name: str
) -> Iterator[bytes]:
    """The chunks of the layer at the stream's position; appends the member to `members` once all checks are passed."""
    head = _read_exactly(stream, len(expected.local_header()), name, layer.member)
    fields = parse_local_header(head[:LOCAL_HEADER_SIZE])
    crc = fields[1] if fields else 0
    member = Member(expected.name, expected.size, crc, expected.offset)
    if head != member.local_header():
        raise _damaged(name, f"the header of {layer.member}")
    digest, running = hashlib.sha256(), 0
    for index, size in enumerate(layer.sizes):
        chunk = _read_exactly(stream, size, name, _part(layer, index))
        if zlib.crc32(chunk) != layer.crc32[index]:
            raise _damaged(name, _part(layer, index))
        digest.update(chunk)
        running = zlib.crc32(chunk, running)
        yield chunk
    if digest.hexdigest() != layer.sha256 or running != crc:
        raise _damaged(name, layer.member)
    members.append(member)


def _check_directory(stream: BinaryIO, members: list[Member], name: str) -> None:
    expected = directory(members)
    if _read_exactly(stream, len(expected), name, "the ZIP directory") != expected or stream.read(1):
        raise _damaged(name, "the ZIP directory")


def _part(layer: Layer, index: int) -> str:
    return f"{layer.member}, chunk {index} (from slice {index * layer.slices})"


def _decode_chunk(
    manifest: Manifest, layer: Layer, index: int, chunk: bytes, name: str
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    if len(chunk) != layer.sizes[index] or zlib.crc32(chunk) != layer.crc32[index]:
        raise _damaged(name, _part(layer, index))
    first = index * layer.slices
    shape = (min(layer.slices, manifest.shape[0] - first), *manifest.shape[1:])
    if layer.role == "region":
        return region_chunk.decode(chunk, shape, layer.sample_format.dtype, layer.error)
    if layer.role == "box":
        shape = (shape[0], *(end - start for start, end in layer.box[1:]))
    decoded = get_codec(layer.codec).decode(chunk, shape, layer.sample_format)
    if decoded.shape != shape:
        raise _damaged(name, _part(layer, index))
    return decoded
