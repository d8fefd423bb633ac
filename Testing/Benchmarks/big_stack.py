"""A stack larger than memory through the library and back: peak memory, speed and ratio; every sample is compared.

    python Testing/Benchmarks/big_stack.py --gigabytes 8

The stack is computed slab by slab and never stored; disk is needed for the archive (twice, while it is written) and
for the restored volume, in a folder that is removed at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "MedCompress"))

from MedCompressLib.compression import compress, restore  # noqa: E402
from MedCompressLib.jobs import Progress  # noqa: E402
from MedCompressLib.sources import open_source  # noqa: E402
from MedCompressLib.targets import Lossless, Ratio  # noqa: E402
from MedCompressLib.volume import Geometry  # noqa: E402

SIDE = 1024
SIGMA = 12


class SyntheticStack:
    """Rounded shapes that change from slice to slice, with noise, as a source of int16 [k, j, i]."""

    scalar_type, modality, name = "int16", "CT", "synthetic"
    geometry = Geometry((0.4, 0.4, 0.5))

    def __init__(self, slices: int):
        self.shape = (slices, SIDE, SIDE)
        self._noise = np.random.default_rng(0).normal(0, SIGMA, (2 * SIDE, 2 * SIDE)).astype(np.int16)
        axis = np.linspace(-1, 1, SIDE, dtype=np.float32)
        self._radius = np.hypot(axis[:, None], axis)
        self._waves = (np.sin(40 * axis)[:, None] * np.cos(25 * axis)).astype(np.float32)

    def read(self, start: int, stop: int) -> np.ndarray:
        slab = np.empty((stop - start, SIDE, SIDE), np.int16)
        for k in range(start, stop):
            inside = self._radius < 0.75 + 0.1 * np.sin(k / 50)
            j, i = 389 * k % SIDE, 757 * k % SIDE
            slab[k - start] = np.where(inside, 60 + 90 * np.sin(k / 30) * self._waves, -1000)
            slab[k - start] += self._noise[j : j + SIDE, i : i + SIDE]
        return slab

    def close(self) -> None:
        pass


def peak_mb() -> float:
    """Largest resident memory so far of this process or any of its children, in MB."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    both = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(who).ru_maxrss for who in both) * unit / 1e6


def progress() -> Progress:
    last = [0.0]

    def show(fraction: float, message: str) -> None:
        if time.monotonic() - last[0] > 10:
            last[0] = time.monotonic()
            print(f"  {fraction:4.0%} {message} ({peak_mb():.0f} MB)", file=sys.stderr, flush=True)

    return Progress(show)


def differing_slices(source: SyntheticStack, path: Path) -> int:
    """Number of slices of the restored volume that are not, sample for sample, those of the source."""
    restored = open_source(path)
    return sum(not np.array_equal(source.read(k, k + 1), restored.read(k, k + 1)) for k in range(source.shape[0]))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--gigabytes", type=float, default=8)
    options.add_argument("--codec", default="htj2k")
    options.add_argument("--ratio", type=float, help="lossy at this ratio (default: lossless)")
    options.add_argument("--threads", type=int)
    options.add_argument("--folder", type=Path, help="where the files go meanwhile (default: the system's)")
    options.add_argument("--output", type=Path, help="also write the figures here, as JSON")
    chosen = options.parse_args()
    source = SyntheticStack(max(1, round(chosen.gigabytes * 1e9 / (2 * SIDE * SIDE))))
    megabytes = np.prod(source.shape, dtype=float) * 2 / 1e6
    started_with = peak_mb()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        archive, restored = Path(folder) / "stack.mcz", Path(folder) / "stack.nrrd"
        target = Lossless() if chosen.ratio is None else Ratio(chosen.ratio)
        start = time.perf_counter()
        report = compress(source, archive, chosen.codec, target, threads=chosen.threads, progress=progress())
        encoding, after_encoding = time.perf_counter() - start, peak_mb()
        start = time.perf_counter()
        restore(archive, restored, compressed=False, threads=chosen.threads, progress=progress())
        decoding, after_decoding = time.perf_counter() - start, peak_mb()
        differing = differing_slices(source, restored)
    figures = {
        "gigabytes": megabytes / 1000,
        "shape": list(source.shape),
        "codec": report.as_dict()["codec_version"],
        "target": str(target),
        "ratio": report.ratio,
        "quality": report.as_dict()["quality"],
        "encode_mb_s": megabytes / encoding,
        "decode_mb_s": megabytes / decoding,
        "peak_mb_before": started_with,
        "peak_mb_encode": after_encoding,
        "peak_mb_decode": after_decoding,
        "differing_slices": differing,
        "cores": os.cpu_count(),
    }
    if chosen.output:
        chosen.output.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    print(
        f"{figures['gigabytes']:.2f} GB, {figures['codec']}, {target}: ratio {report.ratio:.2f}, "
        f"encode {figures['encode_mb_s']:.0f} MB/s, decode to raw NRRD {figures['decode_mb_s']:.0f} MB/s\n"
        f"peak resident memory: {started_with:.0f} MB before, {after_encoding:.0f} MB after encoding, "
        f"{after_decoding:.0f} MB after decoding; {differing} of {source.shape[0]} slices differ from the source"
    )
    if report.manifest.lossless and differing:
        sys.exit("the restored stack is not the source")


if __name__ == "__main__":
    main()
