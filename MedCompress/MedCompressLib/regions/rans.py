"""Entropy coding of many symbols at once: interleaved asymmetric numeral systems (rANS) on numpy arrays.

Duda 2013, arXiv:1311.2540; interleaving after Giesen 2014, arXiv:1402.3392. States are 32 bit, renormalized by words of
16 bit; probabilities are multiples of 2^-16. Symbols are coded in calls; a call's symbols go to the lanes in turn.
"""

from __future__ import annotations

import numpy as np

from ..errors import MedCompressError

SCALE_BITS = 16
SCALE = 1 << SCALE_BITS
_LOWEST = 1 << 16
_MASK = np.uint64(SCALE - 1)
_BITS = np.uint64(SCALE_BITS)


def lane_count(symbols: int) -> int:
    """Lanes for so many symbols: each costs four bytes and makes coding faster."""
    return max(1, min(256, symbols // 1024))


class Encoder:
    """Collects symbols in the order in which they will be decoded; `finish` gives the bytes."""

    def __init__(self, lanes: int):
        self._lanes = lanes
        self._blocks: list[tuple[np.ndarray, np.ndarray]] = []

    def put(self, start: np.ndarray, frequency: np.ndarray) -> None:
        """One call's symbols: cumulative frequency before each and its own frequency, of SCALE in all."""
        start, frequency = start.astype(np.uint64), frequency.astype(np.uint64)
        for first in range(0, len(start), self._lanes):
            self._blocks.append((start[first : first + self._lanes], frequency[first : first + self._lanes]))

    def put_bits(self, values: np.ndarray, bits: np.ndarray) -> None:
        """Whole numbers of so many bits each (0 to 16), all equally probable."""
        room = SCALE_BITS - bits.astype(np.int64)
        self.put(values.astype(np.int64) << room, np.left_shift(1, room))

    def finish(self) -> bytes:
        states = np.full(self._lanes, _LOWEST, np.uint64)
        words: list[np.ndarray] = []
        for start, frequency in reversed(self._blocks):
            state = states[: len(start)]
            full = state >= frequency << np.uint64(32 - SCALE_BITS)
            if full.any():
                words.append((state[full] & _MASK).astype("<u2"))
                state[full] >>= _BITS
            quotient = state // frequency
            state[:] = (quotient << _BITS) + (state - quotient * frequency) + start
        head = states.astype("<u4").tobytes()
        return head + b"".join(block.tobytes() for block in reversed(words))


class Decoder:
    """Gives the symbols back; raises MedCompressError where the data cannot be what an Encoder wrote."""

    def __init__(self, data: bytes, lanes: int):
        if len(data) < 4 * lanes or (len(data) - 4 * lanes) % 2:
            raise damaged()
        self._states = np.frombuffer(data, "<u4", lanes).astype(np.uint64)
        if (self._states < _LOWEST).any():
            raise damaged()
        self._words = np.frombuffer(data, "<u2", offset=4 * lanes).astype(np.uint64)
        self._place = 0

    def take(self, table: np.ndarray, lookup: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """One call's symbols. table: which row each symbol uses; lookup [row, slot]: symbol; starts [row, symbol + 1]:
        cumulative frequencies."""
        symbols = np.empty(len(table), np.int64)
        lanes = len(self._states)
        for first in range(0, len(table), lanes):
            rows = table[first : first + lanes]
            state = self._states[: len(rows)]
            slot = (state & _MASK).astype(np.int64)
            found = lookup[rows, slot]
            symbols[first : first + lanes] = found
            start = starts[rows, found]
            self._advance(state, slot, start, starts[rows, found + 1] - start)
        return symbols

    def take_bits(self, bits: np.ndarray) -> np.ndarray:
        """The inverse of `Encoder.put_bits`."""
        values = np.empty(len(bits), np.int64)
        lanes = len(self._states)
        for first in range(0, len(bits), lanes):
            room = SCALE_BITS - bits[first : first + lanes].astype(np.int64)
            state = self._states[: len(room)]
            slot = (state & _MASK).astype(np.int64)
            value = slot >> room
            values[first : first + lanes] = value
            self._advance(state, slot, value << room, np.left_shift(1, room))
        return values

    def _advance(self, state: np.ndarray, slot: np.ndarray, start: np.ndarray, frequency: np.ndarray) -> None:
        state[:] = frequency.astype(np.uint64) * (state >> _BITS) + (slot - start).astype(np.uint64)
        low = np.flatnonzero(state < _LOWEST)
        if low.size:
            words = self._words[self._place : self._place + low.size]
            if words.size < low.size:
                raise damaged()
            self._place += low.size
            state[low] = (state[low] << _BITS) | words

    def finish(self) -> None:
        """All was read and every state is back at its start, else MedCompressError."""
        if self._place != len(self._words) or (self._states != _LOWEST).any():
            raise damaged()


def damaged() -> MedCompressError:
    return MedCompressError("the coded region is damaged: restore the file from a copy")
