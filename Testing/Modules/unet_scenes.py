"""What the tests of U-Net Segmentation put into the scene and into folders."""

import numpy as np
import slicer
from scenes import OBLIQUE, addVolume
from segmentation_scenes import addSegmentation

GRID = {"spacing": (1.5, 1.0, 2.0), "origin": (3.0, -4.0, 5.0), "direction": OBLIQUE}
TERMINOLOGY = "Segmentation category and type - 3D Slicer General Anatomy list~SCT^85756007^Tissue"
TERMINOLOGY += "~SCT^10200004^Liver~^^~Anatomic codes - DICOM master list~^^~^^"
CONFIG = """
[data]
folds = 2
[network]
features = 4
patch = [8, 16, 16]
[training]
epochs = 2
steps = 2
batch = 1
average = 0.0
mixed_precision = "off"
"""


def ball(seed, shape=(12, 24, 28)):
    """(samples, labels) of a bright ball and, beside it, a dark one."""
    random = np.random.default_rng(seed)
    grid, labels = np.indices(shape), np.zeros(shape, np.uint8)
    for value, center, radius in ((1, (6, 10, 8), 5), (2, (6, 14, 20), 4)):
        moved = random.integers(-1, 2, 3) + center
        labels[sum((axis - c) ** 2 for axis, c in zip(grid, moved, strict=True)) <= radius**2] = value
    samples = np.array([0, 100, -100])[labels] + random.normal(0, 20, shape)
    return samples.astype(np.int16), labels


def writeCases(folder, count=4):
    """A folder of image/label pairs."""
    from MedCompressLib.volume import Geometry, Volume, write_volume

    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True)
    for number in range(count):
        for kind, array in zip(("images", "labels"), ball(number), strict=True):
            write_volume(Volume(array, Geometry(**GRID)), folder / kind / f"case{number}.nrrd")
    return folder


def addPairs(count=2, names=None):
    """Volumes CT 0, CT 1 ... with segmentations truth 0, truth 1 ..."""
    pairs = []
    for number in range(count):
        samples, labels = ball(number)
        volume = addVolume(samples, f"CT {number}", **GRID)
        segmentation = addSegmentation(labels, f"truth {number}", names or {1: "liver", 2: "spleen"}, **GRID)
        segmentation.SetReferenceImageGeometryParameterFromVolumeNode(volume)
        pairs.append((volume, segmentation))
    return pairs


def writeModel(path, channels=("CT",)):
    """A network of two levels with random weights: its answers are nonsense, but always the same."""
    import torch
    from MedCompressLib.unet.card import Label, ModelCard
    from MedCompressLib.unet.model_file import save_model
    from MedCompressLib.unet.networks import build_network

    torch.manual_seed(1)
    network = {"architecture": "dynunet", "features": [4, 8, 8]}
    labels = Label(2, "liver", (0.8, 0.4, 0.2), TERMINOLOGY), Label(5, "spleen", (0.1, 0.5, 0.9))
    card = ModelCard("tiny", 3, network, (8, 16, 16), labels, channels, description="Balls, for tests")
    save_model(path, build_network(network, len(channels), 3, 3), card)
    return path


def cell(table, row, title):
    """Text of a cell of a table node."""
    titles = [table.GetColumnName(number) for number in range(table.GetNumberOfColumns())]
    return table.GetCellText(row, titles.index(title))


def nodeNames(kind) -> list[str]:
    return sorted(node.GetName() for node in slicer.util.getNodesByClass(kind))
