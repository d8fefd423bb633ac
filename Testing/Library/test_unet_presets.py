"""Presets of the papers train on real volumes as they are shipped, smaller and shorter; their models segment them."""

import math
from dataclasses import replace

import numpy as np
import pytest
from MedCompressLib.unet.training import read_config
from MedCompressLib.volume import Geometry, Volume, read_volume, write_volume

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("monai", reason="MONAI is not installed")

from MedCompressLib.unet.inference import segment  # noqa: E402
from MedCompressLib.unet.model_file import load_model, read_card  # noqa: E402
from MedCompressLib.unet.training import train  # noqa: E402

BLADDER, COLON, LIVER = 21, 20, 5
SOURCES = {"bladder": (BLADDER,), "rectum": (COLON,), "liver": (LIVER,)}
PELVIS, ABDOMEN = ([(f"{name}/ct", f"{name}/labels")] for name in ("ct_abdomen_pelvis_3mm", "ct_abdomen_3mm"))
HEAD = [(f"brats/brats_2013_pat0001_1_{name}" for name in ("flair", "seg"))]
HIPPOCAMPI = [(f"hippocampus/{name}/hippocampus_{n:03d}" for name in ("images", "labels")) for n in (1, 3, 4)]
SIZE = 32, 64, 32
SMALL = {
    "el-khoury-2d": (PELVIS, (BLADDER, 8), {"network": {"features": 8, "patch": (64, 64)}}),
    "el-khoury-3d": (PELVIS, (BLADDER, 8), {"network": {"features": 4, "patch": SIZE}, "data": {"size": SIZE}}),
    "kurmukov": (HIPPOCAMPI, None, {"network": {"features": 4, "max_voxels": 32768}}),
    "luu": (ABDOMEN, (LIVER, 4), {"network": {"features": 8, "patch": (128, 128)}}),
    "srivastava": (HEAD, (1, 4), {"network": {"features": 4}}),
}
"""Volumes and their label maps, the label and the margin in voxels of the part that is taken, and what is smaller."""


def part(image: Volume, labels: Volume, value: int, margin: int) -> tuple[Volume, Volume]:
    """Both cut to the box around a label."""
    places = np.argwhere(labels.array == value)
    first, last = np.maximum(0, places.min(axis=0) - margin), places.max(axis=0) + margin + 1
    box = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
    old = image.geometry
    origin = np.array(old.origin) + np.array(old.direction) @ (first[::-1] * old.spacing)
    geometry = Geometry(old.spacing, tuple(origin), old.direction)
    return Volume(image.array[box], geometry), Volume(labels.array[box], geometry)


def write_real_cases(files, around, source, folder) -> Volume:
    """The cases as a folder for training; returns the first image as it was written."""
    for number, names in enumerate(files):
        pair = [read_volume(source / f"{name}.nii.gz") for name in names]
        for kind, volume in zip(("images", "labels"), part(*pair, *around) if around else pair, strict=True):
            (folder / kind).mkdir(exist_ok=True)
            write_volume(volume, folder / kind / f"case{number}.nrrd")
    return read_volume(folder / "images" / "case0.nrrd")


@pytest.mark.parametrize("preset", SMALL)
def test_a_preset_trains_on_real_volumes_and_its_model_segments_them(preset, data_folder, tmp_path):
    files, around, changes = SMALL[preset]
    volume = write_real_cases([list(names) for names in files], around, data_folder, tmp_path)
    shipped = read_config(preset)
    config = shipped.with_data(folder=str(tmp_path), folds=shipped.data.folds if len(files) > 1 else 0)
    for table, values in changes.items():
        config = replace(config, **{table: replace(getattr(config, table), **values)})
    labels = tuple(replace(label, sources=SOURCES.get(label.name, label.sources)) for label in config.labels)
    run = replace(config.training, epochs=3, steps=5, batch=min(4, config.training.batch))
    rows = []
    path = train(replace(config, device="cpu", labels=labels, training=run), tmp_path / "out", on_epoch=rows.append)

    losses = [row.loss for row in rows]
    assert all(map(math.isfinite, losses)) and losses[-1] < losses[0]
    model, card = load_model(path), read_card(path)
    assert model.card == card == type(card).from_json(card.to_json())
    wanted = [(label.value, label.name, label.color, label.terminology) for label in shipped.labels]
    planned = [(1, "label 1"), (2, "label 2")]
    if wanted:
        assert [(label.value, label.name, label.color, label.terminology) for label in card.labels] == wanted
    else:
        assert [(label.value, label.name) for label in card.labels] == planned
    assert bool(card.metrics) == bool(config.data.folds) and card.channels == (shipped.data.channels or ("image",))
    sizes = {np.load(one).shape[-card.dimension :] for one in (tmp_path / "out").rglob("*.image.npy")}
    assert card.size == (config.data.size or None) and (not card.size or sizes == {card.size})

    found = segment(volume, model, device="cpu", want_probability=True)
    for one in (found.labels, found.probability):
        assert one.geometry == volume.geometry and one.array.shape == volume.array.shape
    assert set(np.unique(found.labels.array)) <= {0, *(label.value for label in card.labels)}
    assert 0 <= found.probability.array.min() < found.probability.array.max() <= 1 and found.notes == ()
