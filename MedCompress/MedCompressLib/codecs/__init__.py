"""Codecs by name."""

from __future__ import annotations

from ..errors import MedCompressError
from .interface import Capabilities, Codec, SampleFormat

__all__ = ["Capabilities", "Codec", "SampleFormat", "codec_names", "get_codec"]


def _registry() -> dict[str, type]:
    from .deflate import Deflate
    from .jpeg2000 import Jpeg2000

    return {codec.name: codec for codec in (Jpeg2000, Deflate)}


def codec_names() -> list[str]:
    """Names of all codecs, the default first."""
    return list(_registry())


def get_codec(name: str) -> Codec:
    """The codec called `name`; raises MedCompressError for a name that is not known."""
    codec = _registry().get(name)
    if codec is None:
        raise MedCompressError(f"unknown codec {name!r}: choose one of {', '.join(codec_names())}")
    return codec()
