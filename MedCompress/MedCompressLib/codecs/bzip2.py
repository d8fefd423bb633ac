"""bzip2: block-sorting compression, through Python's bz2."""

from __future__ import annotations

import bz2
import platform

from .byte_planes import GeneralPurpose, any_type


class Bzip2(GeneralPurpose):
    """Denser than DEFLATE on images, slower to decode."""

    name = "bzip2"
    capabilities = any_type("bz2")
    largest_expansion = 2e6
    """A block holds up to 900 kB after run-length coding, which is 46 MB of equal bytes, in some 40 bytes."""

    def version(self) -> str:
        return f"bz2 of Python {platform.python_version()}"

    def pack(self, content: bytes) -> bytes:
        return bz2.compress(content)

    def unpack(self, chunk: bytes, size: int) -> bytes:
        unpacker = bz2.BZ2Decompressor()
        try:
            content = unpacker.decompress(chunk, size + 1)
        except (OSError, EOFError) as error:
            raise self.damaged(error) from None
        return content if unpacker.eof and not unpacker.unused_data else b""
