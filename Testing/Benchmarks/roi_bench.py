"""Regions of interest: sizes and times beside the paper's way, the whole command, and what comes when over a slow line.

    python roi_bench.py [--data FOLDER] [--slices N] [--psnr DB] [--rates 2,10,50]

On the procedural abdominal CT with its liver, then on the liver of a patient where the folder of real volumes is there.
Prints Markdown that stands in Docs/roi.md as it is. Run it on idle cores.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "MedCompress"))
sys.path.insert(0, str(Path(__file__).parent))

from MedCompressLib.codecs import get_codec  # noqa: E402
from MedCompressLib.phantom import abdominal_ct, origin, spacing  # noqa: E402
from MedCompressLib.roi import from_labels  # noqa: E402
from MedCompressLib.volume import Geometry, Volume, read_volume, write_volume  # noqa: E402
from roi_line import slow_lines  # noqa: E402
from roi_ways import compare_methods  # noqa: E402

PATIENT, LIVER = "ct_liver_dicom_j2k", 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of real volumes (default: MEDCOMPRESS_DATA)")
    parser.add_argument("--slices", type=int, default=100, help="of the procedural CT")
    parser.add_argument("--psnr", type=float, default=46.0, help="of the background, peak 4096")
    parser.add_argument("--rates", default="2,10,50", help="Mbit/s; empty for none")
    options = parser.parse_args()
    data = options.data or Path(os.environ.get("MEDCOMPRESS_DATA") or ROOT.parent / "shared" / "data")
    rates = [float(rate) for rate in options.rates.split(",") if rate]
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    started = time.perf_counter()
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores{load}, {_versions()}.", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for part in _sections(data, options.slices, options.psnr, rates, Path(folder)):
            print(f"\n{part}", flush=True)
    print(f"\nAll of it took {time.perf_counter() - started:.0f} s.")


def _versions() -> str:
    import SimpleITK
    import torch

    codecs = ", ".join(get_codec(name).version() for name in ("jpeg2000", "htj2k", "jpegls", "jpegxl", "hevc"))
    return f"numpy {np.__version__}, torch {torch.__version__}, SimpleITK {SimpleITK.__version__}, {codecs}"


def _sections(data: Path, slices: int, quality: float, rates: list[float], folder: Path) -> Iterator[str]:
    volume, roi = _procedural(slices)
    yield _title("Procedural CT", volume, roi)
    yield from compare_methods(volume, roi, quality, folder / "a.mcz")
    yield whole_command(volume, roi, quality, folder)
    path = data / PATIENT
    if path.exists():
        patient = read_volume(path)
        liver = from_labels(read_volume(data / f"{PATIENT}_labels.nrrd"), [LIVER], patient).array
        yield _title("Abdomen of a patient", patient, liver)
        yield from compare_methods(patient, liver, quality, folder / "a.mcz")
    else:
        yield f"No patient: {path} is not there."
    if rates:
        yield "### Over a slow line, procedural CT"
        yield from slow_lines(volume, roi, quality, rates, folder)


def _procedural(slices: int) -> tuple[Volume, np.ndarray]:
    shape = (slices, 512, 512)
    image, labels = abdominal_ct(shape)
    return Volume(image, Geometry(spacing(shape), origin(shape)), "CT"), (labels == 1) | (labels == 2)


def _title(name: str, volume: Volume, roi: np.ndarray) -> str:
    size = " x ".join(map(str, reversed(volume.array.shape)))
    return (
        f"### {name}\n\n{size} {volume.scalar_type}; the region, its liver, is {roi.mean():.1%} of it. "
        "PSNR with peak 4096 outside the region, which is bit-exact in all rows."
    )


def whole_command(volume: Volume, roi: np.ndarray, quality: float, folder: Path) -> str:
    """Markdown: seconds of `medcompress` from its start to its end, files and figures included."""
    source, mask, archive, restored = (folder / name for name in ("v.nrrd", "m.nrrd", "c.mcz", "r.nrrd"))
    write_volume(volume, source, compressed=False)
    write_volume(Volume(roi.astype(np.uint8), volume.geometry), mask)
    lines = [
        f"The whole command, {len(volume.array)} slices, from its start to its end, with all figures:\n",
        f"| codec | `compress IN OUT.mcz --roi MASK --psnr {quality:g}` | `decompress OUT.mcz BACK.nrrd` |",
        "|---|---|---|",
    ]
    for codec in ("htj2k", "hevc"):
        goal = ["--roi", mask, "--modality", "CT", "--codec", codec, "--psnr", quality]
        encoding = _seconds("compress", source, archive, *goal)
        lines.append(f"| {codec} | {encoding:.1f} s | {_seconds('decompress', archive, restored):.1f} s |")
    return "\n".join(lines)


def _seconds(*arguments: object) -> float:
    command = [sys.executable, "-m", "MedCompressLib", *map(str, arguments)]
    started = time.perf_counter()
    subprocess.run(command, cwd=ROOT / "MedCompress", check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
