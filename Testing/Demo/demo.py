"""Compress a volume in three ways and show what each did: a table, a web page, a Slicer scene.

    python Testing/Demo/demo.py [--input PATH] [--series S] [--output FOLDER]

Without --input the volume is a procedural abdominal CT, 512 x 512 x 60. Its organs are then segmented before and after
a fourth compression, which leaves the liver as it is.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "MedCompress"))

from measure import measure
from MedCompressLib import phantom
from MedCompressLib.errors import MedCompressError
from MedCompressLib.targets import Lossless, Ratio
from MedCompressLib.volume import Geometry, Volume, read_volume
from page import write_page
from segmentation import HEADINGS, MODEL, NOTE, Outcome, missing_packages, organ_rows, segment_and_compare, verdict
from table import aligned, as_text

TARGETS = (Lossless(), Ratio(10), Ratio(50))


def phantom_patient(shape: tuple[int, int, int]) -> tuple[Volume, Volume]:
    """The procedural abdominal CT of shape [k, j, i], and its labels."""
    geometry = Geometry(phantom.spacing(shape), phantom.origin(shape))
    ct, labels = phantom.abdominal_ct(shape)
    return Volume(ct, geometry, "CT", "Abdominal CT (procedural)"), Volume(labels, geometry, "SEG", "truth")


def run(volume: Volume, truth: Volume | None, output: Path) -> None:
    """Compress, restore, measure; write index.html, demo.mrb and one .mcz file a target into output.

    truth: the phantom's labels, None for another volume, which is not segmented. A ratio that cannot be reached and a
    segmentation that cannot be made are left out and said so, on the terminal and the page.
    """
    output.mkdir(parents=True, exist_ok=True)
    results, skipped = [], []
    for target in TARGETS:
        print(f"compressing: {target}", flush=True)
        try:
            results.append(measure(volume, target, output))
        except MedCompressError as error:
            if isinstance(target, Lossless):
                raise
            skipped.append(f"{target} left out: {error}")
            print(skipped[-1])
    print("\n" + as_text(results) + "\n")
    outcome, reason = None, _why_not_segmented(truth)
    if reason:
        skipped.append(f"segmentation left out: {reason}")
        print(skipped[-1])
    else:
        print("segmenting, compressing with the liver exact, segmenting again", flush=True)
        outcome = segment_and_compare(volume, truth, output)
        print(f"{verdict(outcome)}\n\n{aligned(HEADINGS, organ_rows(outcome))}\n\n{NOTE}")
        print("; ".join(f"{step} {seconds:.1f} s" for step, seconds in outcome.seconds.items()) + "\n")
    scene = _write_scene(output / "demo.mrb", volume, results, outcome)
    write_page(output / "index.html", volume, results, scene, skipped, outcome)
    print(f"page:  {output / 'index.html'}")


def _why_not_segmented(truth: Volume | None) -> str:
    if truth is None:
        return f"the model {MODEL} knows the procedural CT alone; medcompress segment takes models for other volumes"
    return missing_packages()


def _write_scene(path: Path, volume: Volume, results, outcome: Outcome | None) -> Path | None:
    try:
        from scene import write_scene
    except ImportError as error:
        print(f"scene: not written, the package slicer-core is missing ({error}); install it with pip (Linux, Windows)")
        return None
    write_scene(path, volume, results, outcome)
    print(f"scene: {path}")
    return path


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--input", type=Path, help="volume file (NRRD, NIfTI, MetaImage) or folder of DICOM slices")
    parser.add_argument("--series", help="which DICOM series, where the folder has several")
    parser.add_argument("--output", type=Path, default=Path("demo-output"), help="folder to write to (%(default)s)")
    parser.add_argument(
        "--shape", type=int, nargs=3, default=(60, 512, 512), metavar=("K", "J", "I"), help="size of the procedural CT"
    )
    options = parser.parse_args(arguments)
    try:
        if options.input:
            volume, truth = read_volume(options.input, options.series), None
        else:
            volume, truth = phantom_patient(tuple(options.shape))
        run(volume, truth, options.output)
    except MedCompressError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
