"""Tiny cases and configurations for the tests of training."""

from pathlib import Path

import numpy as np
from MedCompressLib.unet.training import TrainingConfig
from MedCompressLib.unet.training.config import parse_config
from MedCompressLib.volume import Geometry, Volume, write_volume

TINY = """
name = "tiny"
device = "cpu"
[data]
folds = 3
[network]
features = 4
patch = [8, 16, 16]
[network.parameters]
features = [4, 8, 8]
strides = [[1, 1, 1], [2, 2, 2], [2, 2, 2]]
kernels = [[3, 3, 3], [3, 3, 3], [3, 3, 3]]
deep_supervision = 1
[optimizer]
kind = "adamw"
learning_rate = 0.01
[training]
epochs = 2
batch = 2
average = 0.5
mixed_precision = "off"
"""


def tiny(extra: str = "", **replaced: str) -> TrainingConfig:
    """A configuration for cubes; `replaced`: text in it -> another text."""
    text = TINY
    for old, new in replaced.items():
        text = text.replace(f"{old} =", f"{old} = {new} #")
    return parse_config(text + extra)


def write_cases(folder: Path, count: int = 6, shape: tuple[int, int, int] = (10, 18, 16)) -> Path:
    """Cases with a bright box (label 1) and a dark one (label 2) in noise, in images and labels."""
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(3)
    geometry = Geometry((1.0, 1.0, 1.5), (5.0, -3.0, 2.0))
    for number in range(count):
        image = random.normal(100, 10, shape)
        label = np.zeros(shape, np.uint8)
        k, j, i = (int(random.integers(1, size - 7)) for size in shape)
        label[k : k + 6, j : j + 6, i : i + 3] = 1
        label[k : k + 6, j : j + 6, i + 3 : i + 6] = 2
        image[label == 1] += 80
        image[label == 2] -= 80
        write_volume(Volume(image.astype(np.int16), geometry), folder / "images" / f"case{number}.nrrd")
        write_volume(Volume(label, geometry), folder / "labels" / f"case{number}.nrrd")
    return folder
