"""Writes golden_codecs/: archives by every codec, and of HEVC with a quality, that later versions must read alike.

Run it by hand, once for each new codec: files that exist are left as they are, for they are the promise.
"""

import json
import sys
from pathlib import Path

from make_golden import OBLIQUE, digest, source

FOLDER = Path(__file__).resolve().parent / "golden_codecs"
NAME = "int16_two_layers"
"""Of the samples in make_golden, 5 x 23 x 30."""

QUALITIES = {"hevc-coarse": ("hevc", 40.0), "hevc-residual": ("hevc", 10.0)}


def main() -> None:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "MedCompress"))
    from MedCompressLib.codecs import codec_names
    from MedCompressLib.compression import compress, decompress
    from MedCompressLib.targets import Lossless, Quality
    from MedCompressLib.volume import Geometry, Volume

    FOLDER.mkdir(exist_ok=True)
    listing = FOLDER / "golden.json"
    sums = json.loads(listing.read_text()) if listing.exists() else {}
    volume = Volume(source(NAME), Geometry((0.7, 0.8, 2.5), (-120.25, 33.1, -1e-3), OBLIQUE), "CT")
    wanted = {name: (name, Lossless()) for name in codec_names()}
    wanted |= {name: (codec, Quality(value)) for name, (codec, value) in QUALITIES.items()}
    for name, (codec, target) in wanted.items():
        path = FOLDER / f"{name}.mcz"
        if not path.exists():
            compress(volume, path, codec, target)
            sums[name] = digest(decompress(path).array)
    listing.write_text(json.dumps(sums, indent=1) + "\n")


if __name__ == "__main__":
    main()
