"""Writes golden_regions/: an archive of format version 2 that every later version must read the same.

Run once; a changed file means a changed format. The base is an exactly coded coarser image,
so that its decoding is the same everywhere.
"""

import hashlib
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "MedCompress"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
from archives import OBLIQUE, textured
from MedCompressLib.archive import read_progressively, write_archive
from MedCompressLib.roi.exact import _image
from MedCompressLib.roi.plan import make_plan
from MedCompressLib.roi.regions_coding import Region, encode_regions
from MedCompressLib.roi.stages import Stages
from MedCompressLib.targets import Lossless
from MedCompressLib.volume import Volume


def main() -> None:
    folder = Path(__file__).parent / "golden_regions"
    folder.mkdir(exist_ok=True)
    shape = (19, 40, 44)
    plan = make_plan(Volume(textured(shape), OBLIQUE, "CT"), None)
    liver, tumor = np.zeros(shape, bool), np.zeros(shape, bool)
    k, j, i = np.indices(shape)
    liver[((k - 9) / 7) ** 2 + ((j - 18) / 14) ** 2 + ((i - 22) / 17) ** 2 < 1] = True
    tumor[8:11, 15:20, 20:26] = True
    decoded = np.zeros_like(plan.codes)
    stages = Stages(plan, liver | tumor)
    for one in encode_regions(plan.codes, [Region(tumor, 0, "tumor"), Region(liver, 2, "liver")], decoded, 1):
        stages.add_region(one, decoded, int(plan.codes.min()))
    coarse = _image(plan, "deflate", liver, None, 1, lambda *_: None)
    coarse._image[:] = coarse._image // 16 * 16
    coarse.exactly()
    stages.add_image(coarse, "base")
    rest = _image(plan, "jpeg2000", tumor, None, 1, lambda *_: None)
    rest.exactly()
    stages.add_image(rest, "restore")
    path = folder / "regions.mcz"
    write_archive(path, stages.manifest(Lossless()), stages.chunks)
    with open(path, "rb") as stream:
        sums = [hashlib.sha256(stage.volume.array.tobytes()).hexdigest() for stage in read_progressively(stream)]
    assert sums[-1] == hashlib.sha256(plan.volume.array.tobytes()).hexdigest()
    (folder / "golden.json").write_text(json.dumps({"stages": sums}, indent=1) + "\n")


if __name__ == "__main__":
    main()
