"""12-bit gray pictures as an HEVC byte stream (ITU-T H.265, Annex B) and back, through PyAV: x265 and FFmpeg's decoder.

One thread each, so that groups of slices run side by side and the bytes do not depend on the number of threads.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

from ..errors import MedCompressError
from .packages import av

HIGHEST_SAMPLE = 4095
COARSEST_QP = 51
_BLOCK = 64
_FORMAT = "gray12le"
_RATE = 25

_ALWAYS = (
    f"log-level=none:info=0:pools=none:frame-threads=1:wpp=0:ctu={_BLOCK}:aq-mode=0:cutree=0:psy-rd=0:psy-rdoq=0:"
    "scenecut=0:b-adapt=0"
)
"""Nothing that trades squared error for looks, and the fixed pyramid of pictures instead of a choice by content."""


def encode_pictures(pictures: np.ndarray, structure: str, qp: int | None) -> bytes:
    """The byte stream of pictures [k, j, i], uint16 up to 4095; structure: parameters of x265. Exact without qp."""
    rows, columns = _padded(pictures.shape)
    quality = "lossless=1" if qp is None else f"qp={qp}"
    try:
        encoder = _encoder(rows, columns, f"{_ALWAYS}:{structure}:{quality}")
        packets = []
        for number, picture in enumerate(pictures):
            packets += encoder.encode(_frame(picture, rows, columns, number))
        packets += encoder.encode(None)
    except (av().FFmpegError, ValueError) as error:
        raise MedCompressError(
            f"x265 could not encode pictures of {columns} x {rows} ({error}): choose another codec"
        ) from error
    return b"".join(map(bytes, packets))


def decode_pictures(stream: bytes, shape: tuple[int, int, int]) -> np.ndarray:
    """The pictures [k, j, i] in a byte stream, uint16; raises MedCompressError when they are not of this shape."""
    pictures = np.empty(shape, np.uint16)
    count = 0
    rows, columns = _padded(shape)
    try:
        for frame in _frames(stream, (rows + _BLOCK) * (columns + _BLOCK)):
            if (frame.format.name, frame.height, frame.width) != (_FORMAT, rows, columns) or count == shape[0]:
                raise _damaged("another size or number of pictures than it should hold")
            plane = frame.planes[0]
            samples = np.frombuffer(plane, np.uint16).reshape(rows, plane.line_size // 2)
            pictures[count] = samples[: shape[1], : shape[2]]
            count += 1
    except (av().FFmpegError, ValueError) as error:
        raise _damaged(str(error)) from None
    if count != shape[0]:
        raise _damaged(f"{count} pictures instead of {shape[0]}")
    return pictures


@lru_cache(maxsize=1)
def x265_version() -> str:
    """What x265 says of itself in the information message of a stream."""
    rows, columns = _padded((1, 1))
    encoder = _encoder(rows, columns, "log-level=none:info=1")
    picture = _frame(np.zeros((1, 1), np.uint16), rows, columns, 0)
    stream = b"".join(map(bytes, [*encoder.encode(picture), *encoder.encode(None)]))
    found = re.search(rb"x265 \(build \d+\) - ([^: ]+)", stream)
    return f"x265 {found[1].decode()}" if found else "x265"


def _padded(shape: tuple[int, ...]) -> tuple[int, int]:
    """Even, and at least one row and two columns of blocks; x265 4.2 codes a single column wrongly between pictures."""
    rows, columns = (side + side % 2 for side in shape[-2:])
    return max(_BLOCK, rows), max(_BLOCK + 8, columns)


def _encoder(rows: int, columns: int, parameters: str) -> Any:
    package = av()
    try:
        encoder = package.CodecContext.create("libx265", "w")
    except (package.FFmpegError, ValueError) as error:
        raise MedCompressError(
            f"this copy of PyAV has no x265 ({error}): install the wheel with 'pip install --only-binary av av'"
        ) from None
    encoder.width, encoder.height, encoder.pix_fmt = columns, rows, _FORMAT
    encoder.time_base, encoder.framerate = Fraction(1, _RATE), _RATE
    encoder.options = {"preset": "medium", "x265-params": parameters}
    encoder.thread_count = 1
    return encoder


def _frame(picture: np.ndarray, rows: int, columns: int, number: int) -> Any:
    frame = av().VideoFrame(columns, rows, _FORMAT)
    plane = frame.planes[0]
    samples = np.frombuffer(plane, np.uint16).reshape(rows, plane.line_size // 2)
    height, width = picture.shape
    samples[:height, :width] = picture
    samples[:height, width:columns] = picture[:, -1:]
    samples[height:, :columns] = samples[height - 1, :columns]
    frame.pts = number
    return frame


def _frames(stream: bytes, most_pixels: int) -> Any:
    decoder = av().CodecContext.create("hevc", "r")
    decoder.thread_count = 1
    decoder.options = {"max_pixels": str(most_pixels), "err_detect": "explode"}
    for packet in [*decoder.parse(stream), *decoder.parse(b"")]:
        yield from decoder.decode(packet)
    yield from decoder.decode(None)


def _damaged(what: str) -> MedCompressError:
    return MedCompressError(f"an HEVC chunk is damaged ({what}): restore the file from a copy")
