"""LZMA, the method of 7-Zip, in the xz format, through Python's lzma."""

from __future__ import annotations

import lzma
import platform

from .byte_planes import GeneralPurpose, any_type

_PRESET = 6
_DECODER_MEMORY = 256 << 20


class Lzma(GeneralPurpose):
    """The densest of the general-purpose codecs, and the slowest to encode."""

    name = "lzma"
    capabilities = any_type("xz")
    largest_expansion = 10000  # measured: 6900

    def version(self) -> str:
        return f"lzma of Python {platform.python_version()}"

    def pack(self, content: bytes) -> bytes:
        return lzma.compress(content, check=lzma.CHECK_CRC32, preset=_PRESET)

    def unpack(self, chunk: bytes, size: int) -> bytes:
        unpacker = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_DECODER_MEMORY)
        try:
            content = unpacker.decompress(chunk, size + 1)
        except (lzma.LZMAError, EOFError) as error:
            raise self.damaged(error) from None
        return content if unpacker.eof and not unpacker.unused_data else b""
