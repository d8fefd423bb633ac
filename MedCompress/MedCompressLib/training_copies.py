"""Compressed copies of training images: each is made once, kept as an archive, and restored when it is asked for."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from .compression import compress, decompress
from .errors import MedCompressError
from .targets import Ratio
from .volume import Volume


def compressed_copies(folder: str | os.PathLike) -> Callable[[Path, str, float], Volume]:
    """A function (path, codec, ratio) -> the image at `path` as it comes back from an archive of that ratio.

    Archives lie in `folder`, named by the SHA-256 of the image's file, the codec and the ratio, so that an image is
    compressed again only when it changed. Not every ratio can be reached: small volumes end near 10:1, since headers
    and checksums take their share, and a ratio below that of lossless coding asks for nothing; both raise
    MedCompressError, which names the image, the ratio and the limit.
    """
    folder = Path(folder)

    def copy(path: Path, codec: str, ratio: float) -> Volume:
        folder.mkdir(parents=True, exist_ok=True)
        archive = folder / f"{_digest(path)}.{codec}-{ratio:g}.mcz"
        if not archive.exists():
            try:
                compress(path, archive, codec, Ratio(ratio))
            except MedCompressError as error:
                raise MedCompressError(f"{path.name} at {ratio:g}:1 by {codec}: {error}") from None
        return decompress(archive)

    return copy


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]
