"""What arrives when over a slow line: a loopback connection whose sender is throttled and starts 50 ms late.

All bytes really travel, and the receiver decodes while it receives.
"""

from __future__ import annotations

import gzip
import io
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
from MedCompressLib.archive import read_progressively
from MedCompressLib.compression import compress
from MedCompressLib.quality import psnr
from MedCompressLib.roi import compress_roi
from MedCompressLib.targets import Lossless, Psnr
from MedCompressLib.volume import Volume

LATENCY = 0.05
PEAK, VIEWABLE = 4096.0, 35.0
_SLOW = 5.0
"""Mbit/s below which all ways travel at the same time, each at this rate: they do little but wait."""


def slow_lines(volume: Volume, roi: np.ndarray, quality: float, rates: list[float], folder: Path) -> Iterator[str]:
    """Markdown: seconds until the region is exact, the whole can be viewed, and all is exact, at each rate."""
    layered, single = folder / "layered.mcz", folder / "single.mcz"
    compress_roi(volume, layered, roi, codec="hevc", target=Psnr(quality), restore=True, figures=False)
    compress(volume, single, "jpeg2000", Lossless())
    ways = {
        "layers": layered.read_bytes(),
        "lossless JPEG 2000": single.read_bytes(),
        "NRRD, gzip": gzip.compress(volume.array.tobytes(), 6),
    }
    lines = [
        f"Seconds from the start of the transfer, {1000 * LATENCY:.0f} ms latency, until the region is exact, the "
        f"whole can be viewed ({VIEWABLE:g} dB), and everything is exact; layers: `exact` with HEVC at {quality:g} dB "
        f"and `--restore`. Below {_SLOW:g} Mbit/s the three travel at the same time, each at the whole rate.\n",
        "| line | way | bytes | region exact | viewable | all exact |",
        "|---|---|---|---|---|---|",
    ]
    for rate in rates:

        def arrive(name: str, rate: float = rate) -> tuple[float, ...]:
            return _receive(ways[name], rate, volume, roi, plain=name.startswith("NRRD"))

        with ThreadPoolExecutor(len(ways) if rate < _SLOW else 1) as pool:
            for name, times in zip(ways, pool.map(arrive, ways), strict=True):
                size = f"{len(ways[name]):,}".replace(",", " ")
                columns = " | ".join(f"{seconds:.1f} s" for seconds in times)
                lines.append(f"| {rate:g} Mbit/s | {name} | {size} | {columns} |")
    yield "\n".join(lines)


def _receive(content: bytes, rate: float, volume: Volume, roi: np.ndarray, plain: bool) -> tuple[float, float, float]:
    server = socket.create_server(("127.0.0.1", 0))
    sender = threading.Thread(target=_send, args=(server, content, rate), daemon=True)
    started = time.perf_counter()
    sender.start()
    exact = viewable = whole = 0.0
    with socket.create_connection(server.getsockname()) as line, line.makefile("rb") as stream:
        if plain:
            stages = [np.frombuffer(gzip.decompress(stream.read()), volume.array.dtype).reshape(volume.array.shape)]
        else:
            stages = (stage.volume.array for stage in read_progressively(stream))
        for array in stages:
            now = time.perf_counter() - started
            exact = exact or now * np.array_equal(array[roi], volume.array[roi])
            viewable = viewable or now * bool(psnr(volume.array, array, PEAK) > VIEWABLE)
            whole = whole or now * np.array_equal(array, volume.array)
    sender.join()
    server.close()
    return exact, viewable, whole


def _send(server: socket.socket, content: bytes, rate: float) -> None:
    """At most `rate` Mbit/s on the average of any 20 ms."""
    connection, _ = server.accept()
    source = io.BytesIO(content)
    with connection, suppress(BrokenPipeError):
        time.sleep(LATENCY)
        started, sent = time.perf_counter(), 0
        while piece := source.read(max(1, int(rate * 125000 * 0.02))):
            connection.sendall(piece)
            sent += len(piece)
            time.sleep(max(0.0, started + sent / (rate * 125000) - time.perf_counter()))
