"""Regions of interest: sizes and times beside the paper's way, and what arrives when over a slow line.

    python roi_bench.py [VOLUME LABELS LABEL] [--slices N] [--psnr DB] [--rates 2,10,50]

Without arguments on the procedural abdominal CT with its liver. The paper's way: SimpleITK's filter, the region put
back into what it gives, a lossless codec. The slow line is a loopback connection whose sender is throttled (token
bucket) and starts 50 ms late; all bytes really travel, and the receiver decodes while it receives.
"""

from __future__ import annotations

import argparse
import gzip
import io
import os
import platform
import socket
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "MedCompress"))

from MedCompressLib.archive import read_progressively  # noqa: E402
from MedCompressLib.codecs import get_codec  # noqa: E402
from MedCompressLib.compression import compress, decompress  # noqa: E402
from MedCompressLib.errors import MedCompressError  # noqa: E402
from MedCompressLib.phantom import abdominal_ct, origin, spacing  # noqa: E402
from MedCompressLib.quality import entropy, psnr  # noqa: E402
from MedCompressLib.roi import compress_roi, from_labels  # noqa: E402
from MedCompressLib.roi.diffusion import diffuse  # noqa: E402
from MedCompressLib.targets import Lossless, Psnr  # noqa: E402
from MedCompressLib.volume import Geometry, Volume, read_volume  # noqa: E402

LATENCY = 0.05
LOSSLESS = ("gzip", "bzip2", "lzma", "jpeg2000", "jpegls", "jpegxl", "hevc")
PEAK = 4096.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("input", nargs="*", help="volume, label map and label")
    parser.add_argument("--slices", type=int, default=100)
    parser.add_argument("--psnr", type=float, default=46.0, help="of the background, peak 4096")
    parser.add_argument("--rates", default="2,10,50", help="Mbit/s; empty for none")
    options = parser.parse_args()
    volume, roi = _case(options)
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {_versions()}")
    print(f"{volume.array.shape}, region {roi.mean():.1%}, entropy in it {entropy(volume.array, roi):.2f} bit")
    with tempfile.TemporaryDirectory() as folder:
        compare_methods(volume, roi, options.psnr, Path(folder) / "a.mcz")
        if options.rates:
            slow_lines(volume, roi, options.psnr, [float(rate) for rate in options.rates.split(",")], Path(folder))


def _versions() -> str:
    import SimpleITK
    import torch

    codecs = ", ".join(get_codec(name).version() for name in ("jpeg2000", "htj2k", "jpegls", "jpegxl", "hevc"))
    return f"numpy {np.__version__}, torch {torch.__version__}, SimpleITK {SimpleITK.__version__}, {codecs}"


def _case(options: argparse.Namespace) -> tuple[Volume, np.ndarray]:
    if options.input:
        path, labels, label = options.input
        volume = read_volume(path)
        return volume, from_labels(read_volume(labels), [int(label)], volume).array
    shape = (options.slices, 512, 512)
    image, labels = abdominal_ct(shape)
    return Volume(image, Geometry(spacing(shape), origin(shape)), "CT"), (labels == 1) | (labels == 2)


def compare_methods(volume: Volume, roi: np.ndarray, quality: float, path: Path) -> None:
    """A line for each way: ratio, encoding and decoding seconds, bits per voxel of the region, PSNR around it."""
    print(f"{'way':34} {'ratio':>7} {'encode':>8} {'decode':>8} {'bit/voxel':>9} {'outside':>9}")
    started = time.perf_counter()
    theirs = _itk_diffused(volume, roi)
    itk = time.perf_counter() - started
    started = time.perf_counter()
    smooth = np.rint(diffuse(volume.array, roi.astype(np.float32), volume.geometry.spacing))
    ours = time.perf_counter() - started
    itk_best = max(_paper_way(codec, itk, theirs, volume, roi, path) for codec in LOSSLESS)
    reports = [_one(f"diffusion + {codec}", volume, roi, path, "diffusion", codec, Lossless()) for codec in LOSSLESS]
    our_best = max(report.ratio for report in reports if report)
    goals = {
        quality: ("the best diffused one", max(itk_best, our_best)),
        psnr(volume.array, theirs, PEAK, ~roi): ("the best of SimpleITK's", itk_best),
        psnr(volume.array, smooth, PEAK, ~roi): ("the best of ours", our_best),
    }
    for codec in ("htj2k", "jpeg2000", "hevc"):
        for goal, (name, best) in goals.items():
            report = _one(f"exact + {codec}, {goal:.1f} dB", volume, roi, path, "exact", codec, Psnr(goal))
            if report:
                print(f"{'':34} {report.ratio / best:.2f} times as small as {name}")
    print(f"diffusion alone: ours {ours:.1f} s, SimpleITK {itk:.1f} s")


def _one(name, volume, roi, path, method, codec, target):
    try:
        report = compress_roi(volume, path, roi, method, codec, target, figures=False)
    except MedCompressError as error:
        print(f"{name:34} {error}")
        return None
    started = time.perf_counter()
    result = decompress(path).array
    seconds = time.perf_counter() - started
    if not np.array_equal(result[roi], volume.array[roi]):
        raise SystemExit(f"{name}: the region did not come back")
    bits = f"{report.roi_bits_per_voxel:.2f}" if report.roi_bits_per_voxel else ""
    _row(name, report.ratio, report.seconds, seconds, bits, psnr(volume.array, result, PEAK, ~roi))
    return report


def _row(name: str, ratio: float, encoding: float, decoding: float, bits: str, outside: float) -> None:
    print(f"{name:34} {ratio:7.2f} {encoding:6.1f} s {decoding:6.1f} s {bits:>9} {outside:6.2f} dB", flush=True)


def _paper_way(codec: str, seconds: float, diffused: np.ndarray, volume: Volume, roi: np.ndarray, path: Path) -> float:
    started = time.perf_counter()
    report = compress(replace(volume, array=diffused), path, codec, Lossless())
    seconds += time.perf_counter() - started
    started = time.perf_counter()
    result = decompress(path).array
    decoding = time.perf_counter() - started
    _row(f"SimpleITK + {codec}", report.ratio, seconds, decoding, "", psnr(volume.array, result, PEAK, ~roi))
    return report.ratio


def _itk_diffused(volume: Volume, roi: np.ndarray) -> np.ndarray:
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    image = sitk.GetImageFromArray(volume.array.astype(np.float32))
    image.SetSpacing(volume.geometry.spacing)
    smoother = sitk.GradientAnisotropicDiffusionImageFilter()
    smoother.SetNumberOfIterations(15)
    smoother.SetConductanceParameter(0.4)
    smoother.SetTimeStep(0.03)
    smooth = np.rint(sitk.GetArrayFromImage(smoother.Execute(image))).astype(volume.array.dtype)
    return np.where(roi, volume.array, smooth)


def slow_lines(volume: Volume, roi: np.ndarray, quality: float, rates: list[float], folder: Path) -> None:
    """Seconds until the region is exact, the whole can be viewed, and all is exact, at each rate."""
    layered, single = folder / "layered.mcz", folder / "single.mcz"
    compress_roi(volume, layered, roi, codec="hevc", target=Psnr(quality), restore=True, figures=False)
    compress(volume, single, "jpeg2000", Lossless())
    packed = gzip.compress(volume.array.tobytes(), 6)
    print(f"{'line':12} {'way':24} {'bytes':>10} {'region exact':>13} {'viewable':>10} {'all exact':>10}")
    ways = {"layers": layered.read_bytes(), "jpeg2000": single.read_bytes(), "NRRD gzip": packed}
    for rate in rates:
        for name, content in ways.items():
            times = _receive(content, rate, volume, roi, plain=content is packed)
            columns = " ".join(f"{seconds:8.2f} s" for seconds in times)
            print(f"{rate:5g} Mbit/s {name:>15} {len(content):19} {columns}", flush=True)


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
            viewable = viewable or now * bool(psnr(volume.array, array, PEAK) > 35)
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


if __name__ == "__main__":
    main()
