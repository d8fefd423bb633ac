"""DEFLATE (RFC 1951), the method of ZIP and gzip, in the zlib format (RFC 1950) or the gzip format (RFC 1952)."""

from __future__ import annotations

import zlib

from .byte_planes import GeneralPurpose, any_type

_LEVEL = 6


class Deflate(GeneralPurpose):
    """The method of ZIP, after differences along the rows; denser than Gzip only where samples are very smooth."""

    name = "deflate"
    differences = True
    capabilities = any_type("zz")
    largest_expansion = 1032  # DEFLATE spends at least 2 bits on 258 bytes
    _window = 15

    def version(self) -> str:
        return f"zlib {zlib.ZLIB_RUNTIME_VERSION}"

    def pack(self, content: bytes) -> bytes:
        packer = zlib.compressobj(_LEVEL, wbits=self._window)
        return packer.compress(content) + packer.flush()

    def unpack(self, chunk: bytes, size: int) -> bytes:
        unpacker = zlib.decompressobj(self._window)
        try:
            content = unpacker.decompress(chunk, size + 1)
        except zlib.error as error:
            raise self.damaged(error) from None
        return content if unpacker.eof and not unpacker.unused_data else b""


class Gzip(Deflate):
    """The same method in gzip's format, without differences; what samples fall back to that no image codec can hold."""

    name = "gzip"
    differences = False
    capabilities = any_type("gz")
    _window = 31
