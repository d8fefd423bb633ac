"""Keeps encoded chunks until the archive is written: in memory while they are small, else in an unnamed file."""

from __future__ import annotations

import tempfile
import threading
import zlib
from contextlib import suppress
from pathlib import Path

from ..errors import MedCompressError

_MEMORY_LIMIT = 64 << 20


class ChunkStore:
    """Chunks by number; a chunk may be replaced. Thread-safe. Closing it frees everything, as does a crash."""

    def __init__(self, count: int, folder: Path | None = None):
        self._file = tempfile.SpooledTemporaryFile(_MEMORY_LIMIT, dir=folder)
        self._places: list[tuple[int, int]] = [(0, 0)] * count
        self.crc32 = [0] * count
        self._lock = threading.Lock()

    def __enter__(self) -> ChunkStore:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._file.close()

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> bytes:
        offset, size = self._places[index]
        with self._lock:
            self._file.seek(offset)
            return self._file.read(size)

    @property
    def sizes(self) -> list[int]:
        return [size for _, size in self._places]

    def put(self, index: int, chunk: bytes) -> None:
        """Store the chunk under its number; one that fits takes the place of the one before."""
        with self._lock:
            offset, room = self._places[index]
            try:
                if len(chunk) > room:
                    offset = self._file.seek(0, 2)
                self._file.seek(offset)
                self._file.write(chunk)
            except OSError as error:
                raise MedCompressError(
                    f"no room for the encoded data ({error.strerror}): free space in the folder of the output"
                ) from error
            self._places[index] = (offset, len(chunk))
            self.crc32[index] = zlib.crc32(chunk)
