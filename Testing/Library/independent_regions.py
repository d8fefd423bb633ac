"""A reader of region chunks written from Docs/mcz-format.md, section 12.3, alone: plain Python, one voxel at a time."""

import lzma
import math
import struct
import zlib

KINDS, BINS = 14, 24
ROOTS = (1.0, 1.189207115002721, 1.4142135623730951, 1.6817928305074292)


def read_chunk(data: bytes, shape, error: int, lowest: int, highest: int) -> dict:
    """{(k, j, i): code} of the voxels inside."""
    (size,) = struct.unpack_from("<I", data)
    outline, values = data[4 : 4 + size], data[4 + size :]
    if not outline:
        return {}
    k0, k1, j0, j1, i0, i1 = struct.unpack_from("<6I", outline)
    box = k1 - k0, j1 - j0, i1 - i0
    inside = _inside(outline[24:], box)
    step = 2 * error + 1
    decoded = _values(values, inside)
    return {(k + k0, j + j0, i + i0): min(highest, max(lowest, q * step)) for (k, j, i), q in decoded.items()}


def _inside(packed: bytes, box) -> set:
    count = box[0] * box[1] * box[2]
    bits = b"\xff" * (count // 8 + 1)
    if packed:
        filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 4 << 20, "lc": 0, "lp": 0, "pb": 0}]
        bits = lzma.decompress(packed, lzma.FORMAT_RAW, filters=filters)
    order = ((k, j, i) for j in range(box[1]) for i in range(box[2]) for k in range(box[0]))
    return {place for n, place in enumerate(order) if bits[n // 8] >> (7 - n % 8) & 1}


def _passes():
    for phase in (0, 1):
        above = []
        if phase:
            above = [(k, j, i) for k in (-1, 1) for j, i in ((0, 0), (0, -1), (0, 1), (-1, 0), (1, 0))]
            above += [(k, j, i) for k in (-1, 1) for j in (-1, 1) for i in (-1, 1)]
        yield 7 * phase, phase, 16, 0, 0, above
        for s in (16, 8, 4, 2):
            h = s // 2
            cross = [(0, 0, -h), (0, 0, h), (0, -h, 0), (0, h, 0)]
            diagonal = [(0, a * h, b * h) for a in (-1, 1) for b in (-1, 1)]

            def pairs(u, v):
                return [(0, a * x, b * y) for x, y in ((u, v), (v, u)) for a in (-1, 1) for b in (-1, 1)]

            sets = (
                (h, h, diagonal + pairs(h, 3 * h)),
                (0, h, cross + pairs(h, s)),
                (h, 0, cross + diagonal + [(0, 0, -s), (0, 0, s), (0, -s, 0), (0, s, 0)]),
            )
            for n, (row, column, around) in enumerate(sets):
                yield 7 * phase + (4 if s == 2 else 1) + n, phase, s, row, column, around + above


def _values(data: bytes, inside: set) -> dict:
    fallback, voxels, length = struct.unpack_from("<iIH", data)
    assert voxels == len(inside)
    counts = {kind: len(around) for kind, *_, around in _passes()}
    model = zlib.decompress(data[10 : 10 + length])
    thresholds = struct.unpack_from(f"<{KINDS * (BINS - 1)}I", model)
    start = 4 * KINDS * (BINS - 1)
    tables = [tuple(model[start + 2 * n : start + 2 * n + 2]) for n in range(KINDS * BINS)]
    weights, start = {}, start + 2 * KINDS * BINS
    for kind in range(KINDS):
        weights[kind] = struct.unpack_from(f"<{counts[kind]}h", model, start)
        start += 2 * counts[kind]
    lanes = _Lanes(data[10 + length :], max(1, min(256, voxels // 1024)))
    known: dict = {}
    for kind, phase, s, row, column, around in _passes():
        places = sorted(p for p in inside if p[0] % 2 == phase and p[1] % s == row and p[2] % s == column)
        guesses, pairs = [], []
        for k, j, i in places:
            near = [known.get((k + a, j + b, i + c)) for a, b, c in around]
            there = [value for value in near if value is not None]
            c = len(there)
            mean = (2 * sum(there) + c) // (2 * c) if c else fallback
            moved = [0 if value is None else value - mean for value in near]
            activity = 8 * sum(map(abs, moved)) // max(c, 1)
            guess = mean + (sum(w * d for w, d in zip(weights[kind], moved, strict=True)) + 2048) // 4096
            guesses.append(min(fallback + 65535, max(fallback - 65535, guess)))
            above = sum(limit <= activity for limit in thresholds[kind * (BINS - 1) : (kind + 1) * (BINS - 1)])
            pairs.append(_table(*tables[kind * BINS + above]))
        for place, guess, error in zip(places, guesses, _errors(lanes, pairs), strict=True):
            known[place] = guess + error
    assert lanes.done()
    return known


def _table(a: int, b: int):
    width = 2.0 ** (b // 4) * ROOTS[b % 4] / 8
    t = 0
    while 7 * width > 400 * 2**t:
        t += 1
    r = max(2, math.floor(7 * width / 2**t) + 1)
    weights = []
    for x in range(-r, r + 1):
        y = (x + (0.5 if t else 0)) * (2**t / width)
        z = 1 / (1 + y * y / 2**a)
        for _ in range(a):
            z = z * z
        weights.append(math.floor(z * 2**34))
    total = sum(weights)
    weights.append(total >> 12)
    total += weights[-1]
    frequency = [1 + weight * (65536 - len(weights)) // total for weight in weights]
    frequency[r] += 65536 - sum(frequency)
    return r, t, frequency


def _errors(lanes, pairs) -> list:
    symbols = lanes.call([frequency for _, _, frequency in pairs])
    escaped = [symbol == 2 * r + 1 for symbol, (r, _, _) in zip(symbols, pairs, strict=True)]
    shifts = [t for (_, t, _), escape in zip(pairs, escaped, strict=True) if t and not escape]
    low = iter(lanes.bits(shifts))
    high = lanes.bits([9] * sum(escaped))
    folds = iter([a << 9 | b for a, b in zip(high, lanes.bits([9] * sum(escaped)), strict=True)])
    errors = []
    for symbol, (r, t, _), escape in zip(symbols, pairs, escaped, strict=True):
        if escape:
            fold = next(folds)
            errors.append(-(fold + 1) // 2 if fold & 1 else fold // 2)
        else:
            errors.append(((symbol - r) << t) + (next(low) if t else 0))
    return errors


class _Lanes:
    def __init__(self, data: bytes, count: int):
        self.states = list(struct.unpack_from(f"<{count}I", data))
        self.words = list(struct.unpack(f"<{(len(data) - 4 * count) // 2}H", data[4 * count :]))
        self.place = 0

    def call(self, frequencies) -> list:
        symbols = []
        for first in range(0, len(frequencies), len(self.states)):
            part = frequencies[first : first + len(self.states)]
            for lane, frequency in enumerate(part):
                slot, symbol, start = self.states[lane] % 65536, 0, 0
                while start + frequency[symbol] <= slot:
                    start += frequency[symbol]
                    symbol += 1
                self.states[lane] = frequency[symbol] * (self.states[lane] // 65536) + slot - start
                symbols.append(symbol)
            for lane in range(len(part)):
                if self.states[lane] < 65536:
                    self.states[lane] = self.states[lane] << 16 | self.words[self.place]
                    self.place += 1
        return symbols

    def bits(self, widths) -> list:
        return self.call([[1 << (16 - t)] * (1 << t) for t in widths])

    def done(self) -> bool:
        return self.place == len(self.words) and all(state == 65536 for state in self.states)
