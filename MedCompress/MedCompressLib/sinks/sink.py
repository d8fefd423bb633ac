"""What a target of decompression offers."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np

from ..errors import MedCompressError


class Sink(Protocol):
    """Takes the slabs of one volume in order, inside a `with` block.

    The target appears under its name at the end of the block, complete and checked; after an exception nothing of it is
    left and what stood there before is as it was. Raises MedCompressError when the target cannot be written.
    """

    def __enter__(self) -> Sink: ...

    def __exit__(self, kind: object, error: object, trace: object) -> None: ...

    def pack(self, slab: np.ndarray) -> object:
        """What `write` needs of a slab [k, j, i]; may be called by several threads."""

    def write(self, packed: object) -> None:
        """Append the slab that was packed."""


@contextmanager
def reported(path: Path) -> Iterator[None]:
    """Turns the system's refusal to write `path` into MedCompressError."""
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise MedCompressError(
            f"{path} was not written ({reason}): check the free space and the permissions of {path.parent}"
        ) from None
