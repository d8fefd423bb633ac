"""Reading in blocks of the depth that the file has, when somebody asks for less."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

import numpy as np

_LARGEST_BLOCK = 128 << 20


class BlockReader:
    """Slices out of blocks of `depth` slices, so that no chunk of a file is decoded once for each of its slices.

    read(start, stop): reads from the file. slices: of the whole stack. slice_bytes: bytes of one of them. Keeps two
    blocks; blocks too large for that are not kept, which costs time instead of memory.
    """

    def __init__(self, read: Callable[[int, int], np.ndarray], slices: int, depth: int, slice_bytes: int):
        self._read, self._slices, self._depth = read, slices, depth
        self._keeps = 1 < depth and depth * slice_bytes <= _LARGEST_BLOCK
        self._blocks: OrderedDict[int, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, start: int, stop: int) -> np.ndarray:
        if not self._keeps:
            return self._read(start, stop)
        numbers = range(start // self._depth, -(-stop // self._depth))
        pieces = []
        for number in numbers:
            first = number * self._depth
            pieces.append(self._block(number)[max(0, start - first) : stop - first])
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def _block(self, number: int) -> np.ndarray:
        with self._lock:
            block = self._blocks.get(number)
            if block is None:
                first = number * self._depth
                block = self._read(first, min(first + self._depth, self._slices))
                self._blocks[number] = block
            self._blocks.move_to_end(number)
            while len(self._blocks) > 2:
                self._blocks.popitem(last=False)
            return block
