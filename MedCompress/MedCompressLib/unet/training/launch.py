"""Which of the processes that torchrun started this one is, told from the environment, without torch."""

from __future__ import annotations

import os
from typing import NamedTuple

from ...errors import MedCompressError


class Place(NamedTuple):
    """rank: number of this process, 0 writes files and reports; size: how many; local: number on this machine."""

    rank: int = 0
    size: int = 1
    local: int = 0


def place() -> Place:
    """From RANK, WORLD_SIZE and LOCAL_RANK; one process alone where there is no WORLD_SIZE. Raises MedCompressError."""
    try:
        size = int(os.environ.get("WORLD_SIZE", "1"))
        if size == 1:
            return Place()
        return Place(int(os.environ["RANK"]), size, int(os.environ.get("LOCAL_RANK", "0")))
    except (KeyError, ValueError):
        raise MedCompressError("WORLD_SIZE is set, RANK is not: start several processes with torchrun") from None
