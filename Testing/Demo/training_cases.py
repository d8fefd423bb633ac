"""Cases of the procedural abdominal CT to train and fine-tune networks on, in a folder of images and labels.

    python Testing/Demo/training_cases.py FOLDER [--cases 30]

Patient 0 is the demo's and not among them.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "MedCompress"))

from MedCompressLib import phantom
from MedCompressLib.volume import Geometry, Volume, write_volume

SHAPE = (30, 128, 128)
"""[k, j, i]: 3.125 mm in the plane, 5 mm between slices."""


def write_cases(folder: Path, count: int, shape: tuple[int, int, int] = SHAPE) -> None:
    """Write images/phantom_SEED.nrrd (int16 HU) and labels/phantom_SEED.nrrd (uint8, phantom.LABELS), seeds from 1."""
    geometry = Geometry(phantom.spacing(shape), phantom.origin(shape))
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for seed in range(1, count + 1):
        ct, labels = phantom.abdominal_ct(shape, seed)
        name = f"phantom_{seed:03d}.nrrd"
        write_volume(Volume(ct, geometry, "CT"), folder / "images" / name)
        write_volume(Volume(labels, geometry), folder / "labels" / name)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", metavar="FOLDER", type=Path)
    parser.add_argument("--cases", type=int, default=30, help="how many patients (%(default)s)")
    options = parser.parse_args()
    write_cases(options.folder, options.cases)
