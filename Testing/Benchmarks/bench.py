"""make bench: MedCompress beside what a user would use instead, in one run on one machine, as ratios.

Writes a table to the terminal and to bench-output/bench.md, and the figures to bench-output/bench.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "MedCompress"))
sys.path.insert(0, str(Path(__file__).parent))

from codec_rows import (  # noqa: E402
    fast_against_dense,
    lossless_rows,
    lossless_table,
    quality_rows,
    quality_table,
    versions,
)
from contenders import contenders, preview_seconds, slab_seconds  # noqa: E402
from timing import best_of  # noqa: E402


def volumes(folder: Path) -> dict:
    """The real volumes where they are, and always the procedural CT: 64 slices at 1 mm."""
    from MedCompressLib.phantom import abdominal_ct, spacing
    from MedCompressLib.volume import Geometry, Volume, read_volume

    found = {}
    real = {
        "chest CT": "ct_chest_dicom",
        "abdominal MR": "mr_abdomen_3mm/mr.nii.gz",
        "brain MR (FLAIR)": "brats/brats_2013_pat0001_1_flair.nii.gz",
    }
    for name, path in real.items():
        if (folder / path).exists():
            found[name] = read_volume(folder / path)
    shape = (round(spacing((1, 512, 512))[2]), 512, 512)
    thin = abdominal_ct(shape)[0]
    middle = slice(len(thin) // 2 - 32, len(thin) // 2 + 32)
    found["procedural abdominal CT, 1 mm"] = Volume(thin[middle].copy(), Geometry(spacing(shape)), "CT")
    return found


def measure(name: str, volume, folder: Path, repeats: int) -> list[dict]:
    """One row a contender: size, seconds and what they are against the first contender of the same task."""
    megabytes = volume.array.nbytes / 1e6
    rows = []
    for contender in contenders(volume, folder):
        encode, size = best_of(contender.encode, repeats)
        decode, _ = best_of(contender.decode, repeats)
        rows.append(
            {
                "volume": name,
                "task": contender.task,
                "contender": contender.name,
                "ratio": volume.array.nbytes / size,
                "encode_mb_s": megabytes / encode,
                "decode_mb_s": megabytes / decode,
                "psnr": contender.psnr(),
            }
        )
        print(f"  {contender.task:10} {contender.name}", file=sys.stderr, flush=True)
    return rows


def table(rows: list[dict]) -> str:
    titles = "volume, task, what, ratio, PSNR dB, encode MB/s, decode MB/s, encode against ours, decode against ours"
    lines = ["| " + " | ".join(titles.split(", ")) + " |", "|---" * 9 + "|"]
    for row in rows:
        ours = next(other for other in rows if (other["volume"], other["task"]) == (row["volume"], row["task"]))
        psnr = "exact" if row["psnr"] is None else f"{row['psnr']:.2f}"
        lines.append(
            f"| {row['volume']} | {row['task']} | {row['contender']} | {row['ratio']:.2f} | {psnr} "
            f"| {row['encode_mb_s']:.1f} | {row['decode_mb_s']:.1f} "
            f"| x {row['encode_mb_s'] / ours['encode_mb_s']:.2f} | x {row['decode_mb_s'] / ours['decode_mb_s']:.2f} |"
        )
    return "\n".join(lines)


def other_benches(data: Path) -> Iterator[str]:
    """Sections of the benchmarks that stand in files of their own."""
    folder = Path(__file__).parent
    if (folder / "compare_bench.py").exists():
        import compare_bench

        yield f"## Comparing segmentations\n\n{compare_bench.table(compare_bench.run(data))}"
    others = (
        ("Regions of interest", "roi_bench.py", ["--data", data], True),
        ("Networks", "unet_bench.py", [], False),
    )
    for title, name, arguments, markdown in others:
        if (folder / name).exists():
            print(title, file=sys.stderr, flush=True)
            command = [sys.executable, folder / name, *arguments]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            said = (done.stdout if done.returncode == 0 else done.stdout + done.stderr).rstrip()
            yield f"## {title}\n\n{said}" if markdown and done.returncode == 0 else f"## {title}\n\n```\n{said}\n```"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, help="folder of real volumes (default: MEDCOMPRESS_DATA)")
    options.add_argument("--output", type=Path, default=ROOT / "bench-output")
    options.add_argument("--repeats", type=int, default=3, help="the fastest of so many runs counts")
    options.add_argument("--only-codecs", action="store_true", help="no segmentations, regions and networks")
    chosen = options.parse_args()
    data = chosen.data or Path(os.environ.get("MEDCOMPRESS_DATA") or ROOT.parent / "shared" / "data")
    rows, latencies, codecs, sections = [], {}, {}, []
    with tempfile.TemporaryDirectory() as folder:
        for name, volume in volumes(data).items():
            print(f"{name}: {volume.array.shape} {volume.scalar_type}", file=sys.stderr, flush=True)
            rows += measure(name, volume, Path(folder), chosen.repeats)
            latencies[name] = {
                "preview_ms": 1000 * preview_seconds(volume, chosen.repeats),
                "slab_of_whole": slab_seconds(volume, Path(folder), chosen.repeats),
            }
            lossless = list(lossless_rows(volume, chosen.repeats))
            quality = list(quality_rows(volume, Path(folder)))
            codecs[name] = {"lossless": lossless, "quality": quality}
            sections.append(f"## {name}: every codec, lossless\n\n{lossless_table(lossless)}")
            equal = f"{quality_table(quality)}\n\n{fast_against_dense(quality)}"
            sections.append(f"## {name}: PSNR and SSIM at equal ratios\n\n{equal}")
            print("\n\n".join(sections[-2:]), file=sys.stderr, flush=True)
    sections.append(f"Versions: {versions()}.")
    text = "\n\n".join(sections) + "\n\n## Archives beside what is used today\n\n" + table(rows) + "\n\n" + "\n".join(
        f"{name}: preview of one slice {figures['preview_ms']:.0f} ms; "
        f"one slice read from the archive in {figures['slab_of_whole']:.3f} of the time of all"
        for name, figures in latencies.items()
    )
    machine = {"cores": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
    chosen.output.mkdir(exist_ok=True)
    (chosen.output / "bench.md").write_text(text + "\n", encoding="utf-8")
    document = {"machine": machine, "rows": rows, "latencies": latencies, "codecs": codecs, "versions": versions()}
    (chosen.output / "bench.json").write_text(json.dumps(document, indent=1), encoding="utf-8")
    print(text, flush=True)
    if not chosen.only_codecs:
        for section in other_benches(data):
            text += f"\n\n{section}"
            (chosen.output / "bench.md").write_text(text + "\n", encoding="utf-8")
            print(f"\n{section}", flush=True)


if __name__ == "__main__":
    main()
