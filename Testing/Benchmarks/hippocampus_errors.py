"""Where the sample model hippocampus-t1 and the people who drew its held-back cases disagree: a table.

    python Testing/Benchmarks/hippocampus_errors.py --data FOLDER [--model FILE]

FOLDER holds images/ and labels/ of the Medical Segmentation Decathlon's Task04. Beside the mean Dice of the two parts:
of the hippocampus as a whole, which leaves out the border between them; and after each result was moved by the voxels
(up to 2 along each axis) that suit its label map best, which leaves out label maps that lie beside what they label.
"""

from __future__ import annotations

import argparse
import sys
from itertools import product
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "MedCompress")]

from MedCompressLib.unet.cases import find_cases, label_values  # noqa: E402
from MedCompressLib.unet.inference import segment  # noqa: E402
from MedCompressLib.unet.model_file import load_model  # noqa: E402
from MedCompressLib.unet.training import read_config  # noqa: E402
from MedCompressLib.unet.training.folds import split  # noqa: E402
from MedCompressLib.unet.training.sampling import cut  # noqa: E402
from MedCompressLib.unet.training.validation import dice  # noqa: E402
from MedCompressLib.volume import read_volume  # noqa: E402

MOVES = list(product(range(-2, 3), repeat=3))
CONSPICUOUS = 0.03


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--model", default="hippocampus-t1")
    options = parser.parse_args()
    model, config = load_model(options.model), read_config("hippocampus-t1")
    _, held = split(find_cases(options.data), config.data, config.seed)
    parts, whole, moved = [], [], []
    for case in held:
        truth = label_values(read_volume(case.label), case.name)
        found = segment([read_volume(path) for path in case.images], model).labels.array
        parts.append(dice(found, truth, 2))
        whole.append(dice(found > 0, truth > 0, 1))
        scores = {move: float(np.mean(dice(cut(found, move, found.shape), truth, 2))) for move in MOVES}
        best = max(scores, key=scores.__getitem__)
        moved.append(scores[best])
        if scores[best] > np.mean(parts[-1]) + CONSPICUOUS:
            print(f"{case.name}: {np.mean(parts[-1]):.3f}, moved by {best} (k, j, i) voxels {scores[best]:.3f}")
    anterior, posterior = np.mean(parts, 0)
    print(f"{len(held)} cases: anterior {anterior:.4f}, posterior {posterior:.4f}, mean {np.mean(parts):.4f}")
    print(f"as a whole {np.mean(whole):.4f}; mean of the parts where each result is moved {np.mean(moved):.4f}")


if __name__ == "__main__":
    main()
