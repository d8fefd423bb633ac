"""Lossless coding of the values of a region's voxels, and of nothing else.

A header (zlib) with the weights of the predictions and the tables of their errors, then the errors (rANS). Contexts are
the kind of pass and how much the neighbors differ.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np

from . import lattice
from .distributions import ESCAPE_BITS, SCALES, SHAPES, fit, symbols_of, table
from .prediction import Surroundings, best_weights, predicted, surroundings
from .rans import Decoder, Encoder, damaged, lane_count

ACTIVITIES = 24
_LEAST_SAMPLES = 400
_REACH = 65535
_HEAD = struct.Struct("<iIH")
_THRESHOLDS = ACTIVITIES - 1


@dataclass
class _Model:
    """fallback: prediction without neighbors. weights: for each kind. thresholds [kind, ACTIVITIES - 1]: activities
    that part the contexts. tables [kind, ACTIVITIES, 2]: shape and scale."""

    fallback: int
    weights: list[np.ndarray]
    thresholds: np.ndarray
    tables: np.ndarray

    def context(self, kind: int, activity: np.ndarray) -> np.ndarray:
        return kind * ACTIVITIES + np.searchsorted(self.thresholds[kind], activity, side="right")

    def predicted(self, kind: int, found: Surroundings) -> np.ndarray:
        """Predictions within the range that the fallback allows, so that every error fits an escape."""
        return np.clip(predicted(found, self.weights[kind]), self.fallback - _REACH, self.fallback + _REACH)

    def to_bytes(self) -> bytes:
        parts = [self.thresholds.astype("<u4").tobytes(), self.tables.astype(np.uint8).tobytes()]
        return zlib.compress(b"".join([*parts, *(weights.astype("<i2").tobytes() for weights in self.weights)]), 9)

    @classmethod
    def from_bytes(cls, data: bytes, fallback: int) -> _Model:
        counts = _neighbor_counts()
        sizes = [4 * lattice.KINDS * _THRESHOLDS, 2 * lattice.KINDS * ACTIVITIES, 2 * sum(counts)]
        inflate = zlib.decompressobj()
        try:
            content = inflate.decompress(data, sum(sizes) + 1)
        except zlib.error:
            raise damaged() from None
        if len(content) != sum(sizes) or not inflate.eof or inflate.unused_data:
            raise damaged()
        thresholds = np.frombuffer(content, "<u4", lattice.KINDS * _THRESHOLDS).reshape(lattice.KINDS, -1)
        tables = np.frombuffer(content, np.uint8, sizes[1], sizes[0]).reshape(lattice.KINDS, ACTIVITIES, 2)
        flat = np.frombuffer(content, "<i2", sum(counts), sizes[0] + sizes[1])
        if (tables >= (SHAPES, SCALES)).any() or (np.diff(thresholds.astype(np.int64), axis=1) < 0).any():
            raise damaged()
        return cls(fallback, np.split(flat, np.cumsum(counts)[:-1]), thresholds.astype(np.int64), tables)


def _neighbor_counts() -> list[int]:
    counts = [0] * lattice.KINDS
    for part in lattice.passes():
        counts[part.kind] = len(part.neighbors)
    return counts


def _steps(mask: np.ndarray):
    """(pass, places, offsets) of all passes that meet the mask."""
    for part in lattice.passes():
        place = lattice.places(mask, part)
        if place.size:
            yield part, place, lattice.offsets(mask.shape, part)


def encode(values: np.ndarray, mask: np.ndarray) -> bytes:
    """Code values [k, j, i] (whole numbers, at most 65535 apart) where the mask (bool, at least one voxel) is true."""
    padded = np.zeros(lattice.padded(mask.shape))
    lattice.interior(padded)[mask] = values[mask]
    flat, known = padded.ravel(), np.zeros(padded.size)
    shown = np.zeros(padded.size)
    fallback = int(np.median(values[mask]))
    kinds: list[list[tuple[Surroundings, np.ndarray]]] = [[] for _ in range(lattice.KINDS)]
    order = []
    for part, place, offset in _steps(mask):
        found = surroundings(shown, known, place, offset, fallback)
        truth = flat[place]
        order.append((part.kind, len(kinds[part.kind])))
        kinds[part.kind].append((found, truth))
        shown[place], known[place] = truth, 1
    model, errors, contexts = _fitted(kinds, fallback)
    coder = Encoder(lane_count(int(mask.sum())))
    for kind, index in order:
        _put(coder, errors[kind][index], contexts[kind][index], model)
    head = model.to_bytes()
    return _HEAD.pack(fallback, int(mask.sum()), len(head)) + head + coder.finish()


def _fitted(kinds, fallback: int):
    counts = _neighbor_counts()
    thresholds = np.full((lattice.KINDS, _THRESHOLDS), 0xFFFFFFFF, np.int64)
    tables = np.zeros((lattice.KINDS, ACTIVITIES, 2), np.uint8)
    model = _Model(
        fallback, [best_weights(parts, count) for parts, count in zip(kinds, counts, strict=True)], thresholds, tables
    )
    errors, contexts = [], []
    for kind, parts in enumerate(kinds):
        errors.append([(truth - model.predicted(kind, found)).astype(np.int64) for found, truth in parts])
        activity = np.concatenate([found.activity for found, _ in parts]) if parts else np.zeros(0)
        bins = min(ACTIVITIES, len(activity) // _LEAST_SAMPLES)
        if bins > 1:
            thresholds[kind, : bins - 1] = np.quantile(activity, np.arange(1, bins) / bins)
        contexts.append([model.context(kind, found.activity) for found, _ in parts])
        if parts:
            everything, where = np.concatenate(errors[kind]), np.concatenate(contexts[kind])
            for context in np.unique(where):
                tables[kind, context - kind * ACTIVITIES] = fit(everything[where == context])
    return model, errors, contexts


def _put(coder: Encoder, errors: np.ndarray, contexts: np.ndarray, model: _Model) -> None:
    start, frequency = np.empty(len(errors), np.int64), np.empty(len(errors), np.int64)
    shifts, escaped = np.zeros(len(errors), np.int64), np.zeros(len(errors), bool)
    for context in np.unique(contexts):
        chosen, used = _table(model, context), contexts == context
        symbols, escaped[used] = symbols_of(errors[used], chosen)
        start[used] = chosen.starts[symbols]
        frequency[used] = chosen.starts[symbols + 1] - start[used]
        shifts[used] = chosen.shift
    coder.put(start, frequency)
    low = (shifts > 0) & ~escaped
    coder.put_bits(errors[low] & ((1 << shifts[low]) - 1), shifts[low])
    folded = np.where(errors[escaped] < 0, -2 * errors[escaped] - 1, 2 * errors[escaped])
    for part in (folded >> ESCAPE_BITS, folded & ((1 << ESCAPE_BITS) - 1)):
        coder.put_bits(part, np.full(len(part), ESCAPE_BITS))


def _table(model: _Model, context: int):
    return table(*map(int, model.tables[context // ACTIVITIES, context % ACTIVITIES]))


def decode(data: bytes, mask: np.ndarray) -> np.ndarray:
    """The inverse of `encode` for the same mask: int32 [k, j, i], 0 outside; raises MedCompressError on damage."""
    count = int(mask.sum())
    if len(data) < _HEAD.size:
        raise damaged()
    fallback, stated, size = _HEAD.unpack_from(data)
    if stated != count:
        raise damaged()
    model = _Model.from_bytes(data[_HEAD.size : _HEAD.size + size], fallback)
    coder = Decoder(data[_HEAD.size + size :], lane_count(count))
    tables = _Tables(model)
    padded = np.zeros(lattice.padded(mask.shape))
    flat, known = padded.ravel(), np.zeros(padded.size)
    for part, place, offset in _steps(mask):
        found = surroundings(flat, known, place, offset, fallback)
        errors = tables.take(coder, model.context(part.kind, found.activity))
        flat[place] = model.predicted(part.kind, found) + errors
        known[place] = 1
    coder.finish()
    return lattice.interior(padded).astype(np.int32)


class _Tables:
    """The distinct tables of a model, side by side for looking up many symbols at once."""

    def __init__(self, model: _Model):
        pairs, self._rows = np.unique(model.tables.reshape(-1, 2), axis=0, return_inverse=True)
        self._rows = self._rows.ravel()
        chosen = [table(*map(int, pair)) for pair in pairs]
        self._starts = np.full((len(chosen), max(len(one.starts) for one in chosen)), 1 << 16, np.int64)
        self._lookup = np.empty((len(chosen), 1 << 16), np.uint16)
        for row, one in enumerate(chosen):
            self._starts[row, : len(one.starts)] = one.starts
            self._lookup[row] = np.repeat(np.arange(len(one.starts) - 1, dtype=np.uint16), np.diff(one.starts))
        self._reach = np.array([one.reach for one in chosen])
        self._shift = np.array([one.shift for one in chosen])

    def take(self, coder: Decoder, contexts: np.ndarray) -> np.ndarray:
        rows = self._rows[contexts]
        symbols = coder.take(rows, self._lookup, self._starts)
        reach, shift = self._reach[rows], self._shift[rows]
        escaped = symbols == 2 * reach + 1
        errors = (symbols - reach) << shift
        low = (shift > 0) & ~escaped
        errors[low] += coder.take_bits(shift[low])
        count = int(escaped.sum())
        high = coder.take_bits(np.full(count, ESCAPE_BITS))
        folded = high << ESCAPE_BITS | coder.take_bits(np.full(count, ESCAPE_BITS))
        errors[escaped] = np.where(folded & 1, -(folded + 1) // 2, folded // 2)
        return errors
