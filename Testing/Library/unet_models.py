"""Models whose answers are known, without training."""

import numpy as np
import torch
from MedCompressLib.unet.card import Label, ModelCard
from MedCompressLib.unet.model import Model
from MedCompressLib.volume import Geometry, Volume

OBLIQUE = ((0.8, 0.36, -0.48), (-0.6, 0.48, -0.64), (0.0, 0.8, 0.6))
GEOMETRY = Geometry((0.7, 0.8, 2.5), (-12.5, 30.25, -101.0), OBLIQUE)
UNCHANGED = {"kind": "fixed", "mean": 0.0, "std": 1.0}
LABELS = (Label(3, "bright", (1.0, 0.5, 0.25)), Label(7, "brighter", (0.0, 0.5, 1.0)))


def card(dimension=3, patch=(8, 16, 16), **more) -> ModelCard:
    known = {"name": "test", "network": {"architecture": "none"}, "normalization": UNCHANGED, "labels": LABELS}
    return ModelCard(dimension=dimension, patch=patch[3 - dimension :], **{**known, **more})


def thresholds(dimension=3, activation="softmax", **more) -> Model:
    """Above 10 is bright, above 20 brighter: logits are 0, x - 10 and 2 x - 30 (sigmoid: x - 10 and 2 x - 30)."""
    kind = torch.nn.Conv3d if dimension == 3 else torch.nn.Conv2d
    slopes, offsets = ([0, 1, 2], [0, -10, -30]) if activation == "softmax" else ([1, 2], [-10, -30])
    layer = kind(1, len(slopes), 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(slopes, dtype=torch.float32).reshape(layer.weight.shape))
        layer.bias.copy_(torch.tensor(offsets, dtype=torch.float32))
    layer.divisor = (1,) * dimension
    return Model(layer.eval(), card(dimension, activation=activation, **more))


def directed(dimension=3, **more) -> Model:
    """Its answer depends on what lies to the left, in front and below: other orientations give other labels."""
    torch.manual_seed(5)
    kind = torch.nn.Conv3d if dimension == 3 else torch.nn.Conv2d
    layers = kind(1, 4, 3, padding=1), torch.nn.ReLU(), kind(4, 3, 3, padding=1)
    network = torch.nn.Sequential(*layers).eval()
    network.divisor = (2,) * dimension
    return Model(network, card(dimension, **more))


def noise(shape=(11, 30, 21), geometry=GEOMETRY, seed=3) -> Volume:
    samples = np.random.default_rng(seed).normal(12, 8, shape).astype(np.float32)
    return Volume(samples, geometry, "CT", "noise")


def expected(array: np.ndarray) -> np.ndarray:
    """What `thresholds` finds."""
    return np.select([array > 20, array > 10], [7, 3], 0)
