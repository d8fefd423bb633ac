"""OpenJPEG streams over memory, so that no codestream touches a disk."""

from __future__ import annotations

import ctypes
from types import ModuleType

_READ = ctypes.CFUNCTYPE(ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
_SKIP = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)
_SEEK = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_int64, ctypes.c_void_p)
_END = ctypes.c_size_t(-1).value
_BUFFER = 1 << 20


class MemoryStream:
    """A seekable stream for `opj_encode` (content None: write) or `opj_decode` (content given: read)."""

    def __init__(self, binding: ModuleType, content: bytes | None = None):
        self._library = binding.OPENJP2
        self._binding = binding
        self._data = bytearray() if content is None else content
        self._position = 0
        reading = content is not None
        self._callbacks = (
            _READ(self._read if reading else self._write),
            _SKIP(self._skip),
            _SEEK(self._seek),
        )
        self.handle = self._create(reading)

    def _create(self, reading: bool) -> ctypes.c_void_p:
        library = self._library
        library.opj_stream_create.restype = ctypes.c_void_p
        library.opj_stream_create.argtypes = [ctypes.c_size_t, ctypes.c_int32]
        handle = ctypes.c_void_p(library.opj_stream_create(_BUFFER, int(reading)))
        transfer = library.opj_stream_set_read_function if reading else library.opj_stream_set_write_function
        for setter, callback in zip(
            (transfer, library.opj_stream_set_skip_function, library.opj_stream_set_seek_function),
            self._callbacks,
            strict=True,
        ):
            setter.restype = None
            setter.argtypes = [ctypes.c_void_p, type(callback)]
            setter(handle, callback)
        length = library.opj_stream_set_user_data_length
        length.restype = None
        length.argtypes = [ctypes.c_void_p, ctypes.c_uint64]
        length(handle, len(self._data))
        return handle

    def __enter__(self) -> MemoryStream:
        return self

    def __exit__(self, *_: object) -> None:
        self._binding.stream_destroy(self.handle)

    @property
    def content(self) -> bytes:
        """What has been written so far."""
        return bytes(self._data)

    def _read(self, buffer: int, size: int, _user: int) -> int:
        piece = self._data[self._position : self._position + size]
        if not piece:
            return _END
        ctypes.memmove(buffer, piece, len(piece))
        self._position += len(piece)
        return len(piece)

    def _write(self, buffer: int, size: int, _user: int) -> int:
        self._data[self._position : self._position + size] = ctypes.string_at(buffer, size)
        self._position += size
        return size

    def _skip(self, count: int, _user: int) -> int:
        self._position += count
        return count

    def _seek(self, position: int, _user: int) -> int:
        self._position = position
        return 1
