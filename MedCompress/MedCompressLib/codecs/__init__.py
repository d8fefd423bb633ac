"""Codecs by name."""

from __future__ import annotations

import importlib

from ..errors import MedCompressError
from .interface import Capabilities, Codec, SampleFormat

__all__ = ["Capabilities", "Codec", "SampleFormat", "codec_names", "get_codec"]

_PLACES = {
    "jpeg2000": ("jpeg2000", "Jpeg2000"),
    "jpeg2000-budget": ("jpeg2000", "Jpeg2000Budget"),
    "htj2k": ("htj2k", "Htj2k"),
    "volumetric": ("volumetric", "Volumetric"),
    "volumetric-jpeg2000": ("volumetric", "VolumetricJpeg2000"),
    "hevc": ("hevc", "Hevc"),
    "hevc-intra": ("hevc", "HevcIntra"),
    "hevc-cunha": ("hevc", "HevcCunha"),
    "hevc-slow": ("hevc", "HevcSlow"),
    "jpegls": ("jpegls", "JpegLs"),
    "jpegxl": ("jpegxl", "JpegXl"),
    "jpegxl-fast": ("jpegxl", "JpegXlFast"),
    "deflate": ("deflate", "Deflate"),
    "gzip": ("deflate", "Gzip"),
    "bzip2": ("bzip2", "Bzip2"),
    "lzma": ("lzma_xz", "Lzma"),
    "zstd": ("zstd", "Zstd"),
}
"""Name: file in this folder and class in it. Several names may share a decoder; archives hold the decoder's."""


def codec_names() -> list[str]:
    """Names of all codecs, the default first."""
    return list(_PLACES)


def get_codec(name: str) -> Codec:
    """The codec called `name`; raises MedCompressError for a name that is not known."""
    if name not in _PLACES:
        raise MedCompressError(f"unknown codec {name!r}: choose one of {', '.join(codec_names())}")
    module, codec = _PLACES[name]
    return getattr(importlib.import_module(f".{module}", __package__), codec)()
