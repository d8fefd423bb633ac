"""Networks fine-tuned on compressed images beside the untuned one, on held-back cases: Markdown tables and JSON.

    python Testing/Benchmarks/fine_tuning.py {phantom,brats} --work FOLDER [--data FOLDER] [--threads N] [--json FILE]

phantom: 3D, organs of the procedural CT, cases of 128 x 128 x 30; starts from the sample model abdomen-phantom, whose
own held-back cases are held back here, too. brats: 2D, whole tumor in FLAIR slices of 128 x 128 as Srivastava 2024, but
with a network of 1.3 instead of 31 million weights; starts from one trained here on all cases but the last, which is
held back; --data is the folder of NAME_flair.nii.gz and NAME_seg.nii.gz.

Besides the untuned network there is one trained on as long with the originals alone, so that a gain by more training
is not taken for one by compressed images. A stopped run goes on where it was when it is started again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "MedCompress"), str(Path(__file__).parents[1] / "Demo")]

from MedCompressLib.quality import psnr  # noqa: E402
from MedCompressLib.training_copies import compressed_copies  # noqa: E402
from MedCompressLib.unet.cases import Case, find_cases, label_values  # noqa: E402
from MedCompressLib.unet.inference import segment  # noqa: E402
from MedCompressLib.unet.model import Model  # noqa: E402
from MedCompressLib.unet.model_file import load_model  # noqa: E402
from MedCompressLib.unet.training import TrainingConfig, read_config, train  # noqa: E402
from MedCompressLib.unet.training.blueprint import label_sources  # noqa: E402
from MedCompressLib.unet.training.folds import split  # noqa: E402
from MedCompressLib.unet.training.options import (  # noqa: E402
    AugmentationOptions,
    CompressOptions,
    DataOptions,
    FinetuneOptions,
    LabelOptions,
    NetworkOptions,
    OptimizerOptions,
    RunOptions,
)
from MedCompressLib.unet.training.validation import dice, means  # noqa: E402
from MedCompressLib.volume import Volume, read_volume  # noqa: E402
from training_cases import write_cases  # noqa: E402

CODEC = "jpeg2000"
UNTUNED, LONGER = "untuned", "longer on originals"
PEAK, PROBABILITY = 4096.0, 1.0


@dataclass(frozen=True)
class Study:
    """config: of the untuned network. start: the sample model that it is, "" to train it here. optimizer, epochs: of
    fine-tuning."""

    title: str
    cases: Sequence[Case]
    config: TrainingConfig
    start: str
    ratios: Sequence[float]
    optimizer: OptimizerOptions
    epochs: int


def phantom(folder: Path) -> Study:
    cases = folder / "cases"
    if not (cases / "labels" / "phantom_030.nrrd").exists():
        write_cases(cases, 30)
    config = read_config("abdomen-phantom")
    optimizer = replace(config.optimizer, learning_rate=0.001, warmup=0.0)
    title = "Procedural abdominal CT, 6 held-back cases"
    return Study(title, find_cases(cases), config, "abdomen-phantom", (64, 96), optimizer, 5)


def brats(data: Path) -> Study:
    cases = [
        Case(path.name.removesuffix("_flair.nii.gz"), (path,), Path(str(path).replace("_flair.", "_seg.")))
        for path in sorted(data.glob("*_flair.nii.gz"))
    ]
    levels = 5
    network = {
        "features": [16, 32, 64, 128, 128],
        "kernels": [[3, 3]] * levels,
        "strides": [[1, 1]] + [[2, 2]] * (levels - 1),
        "deep_supervision": 2,
    }
    config = TrainingConfig(
        name="tumor",
        data=DataOptions(channels=("FLAIR",), spacing=(1.875, 1.875, 1.0)),
        labels=(LabelOptions(1, "tumor", sources=(1, 2, 3, 4)),),
        network=NetworkOptions(dimension=2, patch=(128, 128), parameters=network),
        optimizer=OptimizerOptions("adamw", 0.002, weight_decay=0.02, schedule="cosine", warmup=1),
        augmentation=AugmentationOptions(flips="i", low_resolution_probability=0.0, rotation_degrees=15),
        training=RunOptions(epochs=12, steps=12, batch=16, foreground=0.5, average=0.98, validate_every=1000),
    )
    config = config.with_data(validation=(cases[-1].name,))
    optimizer = OptimizerOptions("adamw", 0.0005, weight_decay=0.02, schedule="cosine")
    title = f"FLAIR slices of BraTS, {len(cases) - 1} cases to train, 1 held back"
    return Study(title, cases, config, "", (50, 100), optimizer, 5)


def run(study: Study, folder: Path) -> dict[str, Any]:
    """{"images": {image: {model: {label: Dice, "mean": Dice}}}, "psnr": {image: dB}, ...}: image "original" or "64:1",
    model UNTUNED, LONGER or "tuned at 64:1"; means over all held-back cases."""
    started = time.perf_counter()
    copies = compressed_copies(folder / "copies")
    models = {
        UNTUNED: study.start or str(train(study.config, folder / "base", cases=study.cases, on_epoch=_tell("base")))
    }
    for name, ratios in ((LONGER, ()), *((f"tuned at {ratio:g}:1", (ratio,)) for ratio in study.ratios)):
        config = _tuning(study, models[UNTUNED], ratios)
        output = folder / name.replace(" ", "-").replace(":", "-")
        models[name] = str(train(config, output, cases=study.cases, variants=copies, on_epoch=_tell(name)))
    held = split(study.cases, study.config.data, study.config.seed)[1]
    images: dict[str, dict[str, Any]] = {}
    quality: dict[str, float] = {}
    for image, ratio in (("original", 0), *((f"{ratio:g}:1", ratio) for ratio in study.ratios)):
        originals = [read_volume(case.images[0]) for case in held]
        volumes = [copies(case.images[0], CODEC, ratio) for case in held] if ratio else originals
        if ratio:
            pairs = zip(originals, volumes, strict=True)
            quality[image] = float(np.mean([psnr(original.array, volume.array, PEAK) for original, volume in pairs]))
        images[image] = {name: _scores(load_model(path), study, held, volumes) for name, path in models.items()}
    return {
        "title": study.title,
        "images": images,
        "psnr": quality,
        "fine-tuning": {
            "epochs": study.epochs,
            "learning_rate": study.optimizer.learning_rate,
            "probability": PROBABILITY,
        },
        "seconds": round(time.perf_counter() - started, 1),
    }


def _tuning(study: Study, start: str, ratios: tuple[float, ...]) -> TrainingConfig:
    return replace(
        study.config,
        optimizer=study.optimizer,
        training=replace(study.config.training, epochs=study.epochs, validate_every=1000),
        compress=CompressOptions(CODEC, ratios, PROBABILITY),
        finetune=FinetuneOptions(start),
    )


def _scores(model: Model, study: Study, held: Sequence[Case], volumes: Sequence[Volume]) -> dict[str, Any]:
    """Mean Dice by label and their mean, and Dice of each case."""
    sources = label_sources(study.config, model.card)
    scores = []
    for case, volume in zip(held, volumes, strict=True):
        values, found = label_values(read_volume(case.label), case.name), segment(volume, model).labels.array
        truth, numbered = np.zeros(values.shape, np.uint8), np.zeros(values.shape, np.uint8)
        for channel, (label, items) in enumerate(zip(model.card.labels, sources, strict=True), 1):
            truth[np.isin(values, items)] = channel
            numbered[found == label.value] = channel
        scores.append(dice(numbered, truth, len(sources)))
    mean, by_label = means(scores, [label.name for label in model.card.labels])
    return {**by_label, "mean": mean, "cases": scores}


def _tell(what: str):
    return lambda epoch: print(f"{what}: {epoch.message()}, {epoch.seconds:.0f} s", file=sys.stderr, flush=True)


def table(result: dict[str, Any], label: str, title: str) -> str:
    """Markdown: an image a row, a network a column."""
    images = result["images"]
    names = list(next(iter(images.values())))
    lines = [f"{result['title']}: Dice, {title}", "", f"| image | PSNR (dB) | {' | '.join(names)} |"]
    lines.append("|" + "---|" * (2 + len(names)))
    for image, row in images.items():
        decibel = f"{result['psnr'][image]:.1f}" if image in result["psnr"] else ""
        lines.append(f"| {image} | {decibel} | {' | '.join(f'{row[name][label]:.4f}' for name in names)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", choices=("phantom", "brats"))
    parser.add_argument("--work", type=Path, required=True, help="folder for cases, copies and models")
    parser.add_argument("--data", type=Path, help="brats: the folder of the cases")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    options = parser.parse_args()
    if options.study == "brats" and options.data is None:
        parser.error("brats needs --data FOLDER")
    torch.set_num_threads(options.threads)
    folder = options.work / options.study
    folder.mkdir(parents=True, exist_ok=True)
    result = run(phantom(folder) if options.study == "phantom" else brats(options.data), folder)
    if options.study == "phantom":
        print(table(result, "liver", "liver") + "\n\n" + table(result, "mean", "mean of the 8 labels"))
    else:
        print(table(result, "tumor", "whole tumor"))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1), "utf-8")


if __name__ == "__main__":
    main()
