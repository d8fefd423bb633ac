"""Training and inference of U-Nets beside MONAI's, on the same cores in one run: patches/s, voxels/s, ratios.

    python unet_bench.py [--threads N] [--rounds N] [--json FILE]

Training: our trainer on its default network (patches cut from the files, augmentation, running average, deep
supervision) beside plain steps on one batch that lies ready, and beside the same steps fed by MONAI's crops and
augmentation: of an equal net, MONAI's DynUNet with deep supervision, and of MONAI's BasicUNet without it, which has as
many weights and multiplies a third less. All have SGD and clipped gradients, MONAI's its DiceCELoss.
Inference: label maps by our windows beside MONAI's sliding_window_inference with its BasicUNet, which runs in ours too,
prepared as a bundle's is; and our default network of about as many weights.
Rounds take turns; the fastest counts.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "MedCompress"))

from MedCompressLib.phantom import abdominal_ct  # noqa: E402
from MedCompressLib.unet.card import Label, ModelCard  # noqa: E402
from MedCompressLib.unet.decisions import Decisions  # noqa: E402
from MedCompressLib.unet.devices import choose_device, describe_device  # noqa: E402
from MedCompressLib.unet.networks import build_network  # noqa: E402
from MedCompressLib.unet.networks.channels_last import keep_channels_last  # noqa: E402
from MedCompressLib.unet.training.config import TrainingConfig  # noqa: E402
from MedCompressLib.unet.training.distributed import Processes  # noqa: E402
from MedCompressLib.unet.training.options import RunOptions  # noqa: E402
from MedCompressLib.unet.training.preparation import Prepared  # noqa: E402
from MedCompressLib.unet.training.trainer import Trainer  # noqa: E402
from MedCompressLib.unet.windows import WindowSettings, default_batch, sliding_window  # noqa: E402

SHAPE, PATCH, BATCH, STEPS, OVERLAP = (48, 80, 80), (24, 40, 40), 2, 4, 0.5
FEATURES = (16, 32, 64, 128)
NETWORK = {"architecture": "dynunet", "features": list(FEATURES), "deep_supervision": 2}
BASIC_FEATURES = (16, 16, 32, 64, 128, 16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    warnings.filterwarnings("ignore")
    device = choose_device(options.device)
    print(f"{describe_device(device)}, {options.threads} threads")
    image, labels = abdominal_ct(SHAPE)
    samples = ((image - image.mean()) / image.std()).astype(np.float32)[None]
    organs = np.minimum(labels, 2).astype(np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        training = measure_training(samples, organs, Path(folder), device, options.rounds)
    inference = measure_inference(torch.from_numpy(samples), device, options.rounds)
    figures = {
        "device": device,
        "threads": options.threads,
        "torch": torch.__version__,
        "training, patches/s": training,
        "inference, voxels/s": inference,
    }
    print(json.dumps(figures))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1), "utf-8")


def fastest(ways: dict[str, Callable[[], Any]], rounds: int, device: str) -> dict[str, float]:
    """Seconds of the fastest round of each; one round of each before that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            if device != "cpu":
                torch.cuda.synchronize()
            if number:
                seconds[name].append(time.perf_counter() - started)
    return {name: min(times) for name, times in seconds.items()}


def rates(seconds: dict[str, float], amount: float, unit: str, ours: str) -> dict[str, float]:
    for name, time_taken in seconds.items():
        ratio = time_taken / seconds[ours]
        print(f"  {name:44} {amount / time_taken:12.4g} {unit}   ours is {ratio:5.2f} times as fast")
    return {name: amount / time_taken for name, time_taken in seconds.items()}


def model_card() -> ModelCard:
    return ModelCard("bench", 3, NETWORK, PATCH, (Label(1, "liver"), Label(2, "other")))


def measure_training(samples: np.ndarray, organs: np.ndarray, folder: Path, device: str, rounds: int) -> dict:
    from monai.losses import DiceCELoss

    np.save(folder / "image.npy", samples)
    np.save(folder / "label.npy", organs)
    places = np.flatnonzero(organs)[::50]
    locations = np.stack([organs.ravel()[places].astype(np.int64), places], axis=1)
    case = Prepared("a", (folder / "image.npy",), folder / "label.npy", locations, organs.shape, (1.0, 1.0, 1.0))
    config = TrainingConfig(training=RunOptions(steps=STEPS, batch=BATCH, epochs=1000))
    trainer = Trainer(config, model_card(), [case, case], device, Processes())
    dice = DiceCELoss(to_onehot_y=True, softmax=True)

    def plain(network: torch.nn.Module) -> Callable[[torch.Tensor, torch.Tensor], None]:
        network = network.to(device).train()
        optimizer = torch.optim.SGD(network.parameters(), 0.01, 0.99, nesterov=True, weight_decay=3e-5)

        def step(images: torch.Tensor, truth: torch.Tensor) -> None:
            optimizer.zero_grad(set_to_none=True)
            answer = network(images.to(device))
            outputs = torch.unbind(answer, 1) if answer.ndim == 6 else [answer]
            loss = sum(dice(output, truth.to(device)) / 2**level for level, output in enumerate(outputs))
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 12)
            optimizer.step()

        return step

    steps = {"DynUNet": plain(monai_dynunet()), "BasicUNet": plain(monai_basicunet())}
    k, j, i = PATCH
    batch = torch.from_numpy(np.stack([samples[:, :k, :j, :i]] * BATCH))
    truth = torch.from_numpy(np.stack([organs[None, :k, :j, :i]] * BATCH).astype(np.int64))
    patches = monai_patches(samples, organs)
    ours = f"MedCompress, {trainer.precision}"
    print(f"training, {BATCH} patches of {PATCH}, {sum(p.numel() for p in trainer.network.parameters()):,} weights")
    seconds = fastest(
        {
            ours: lambda: trainer.train_epoch(0, lambda *_: None),
            **{
                f"MONAI's {name}, {fed}": partial(repeat, step, batches)
                for name, step in steps.items()
                for fed, batches in {"batch lies ready": lambda: (batch, truth), "its augmentation": patches}.items()
            },
        },
        rounds,
        device,
    )
    return rates(seconds, BATCH * STEPS, "patches/s", ours)


def repeat(step: Callable[..., None], batch: Callable[[], tuple]) -> None:
    for _ in range(STEPS):
        step(*batch())


def monai_basicunet() -> torch.nn.Module:
    from monai.networks.nets import BasicUNet

    return BasicUNet(3, 1, 3, features=BASIC_FEATURES)


def monai_dynunet() -> torch.nn.Module:
    """An equal net, with logits of the same three resolutions."""
    from monai.networks.nets import DynUNet

    strides = [1, *[2] * (len(FEATURES) - 1)]
    kernels = [3] * len(FEATURES)
    more = {"filters": FEATURES, "deep_supervision": True, "deep_supr_num": 2}
    return DynUNet(3, 1, 3, kernels, strides, strides[1:], **more)


def monai_patches(samples: np.ndarray, organs: np.ndarray) -> Callable[[], tuple[torch.Tensor, torch.Tensor]]:
    """Batches by MONAI's transforms, with the changes and probabilities of our defaults that MONAI has."""
    from monai import transforms as t

    keys, image = ["image", "label"], ["image"]
    turn = {"rotate_range": [np.pi / 6] * 3, "scale_range": [0.3] * 3, "mode": ("bilinear", "nearest")}
    chain = t.Compose(
        [
            t.RandCropByPosNegLabeld(keys, "label", PATCH, pos=1, neg=2, num_samples=BATCH),
            t.RandAffined(keys, prob=0.36, padding_mode="zeros", **turn),
            *(t.RandFlipd(keys, prob=0.5, spatial_axis=axis) for axis in range(3)),
            t.RandGaussianNoised(image, prob=0.1),
            t.RandGaussianSmoothd(image, prob=0.1),
            t.RandScaleIntensityd(image, factors=0.25, prob=0.15),
            t.RandAdjustContrastd(image, prob=0.3, gamma=(0.7, 1.5)),
        ]
    )
    case = {"image": torch.from_numpy(samples), "label": torch.from_numpy(organs[None])}

    def batch() -> tuple[torch.Tensor, torch.Tensor]:
        parts = chain(case)
        images, labels = (torch.stack([part[key].as_tensor() for part in parts]) for key in keys)
        return images, labels.long()

    return batch


def measure_inference(samples: torch.Tensor, device: str, rounds: int) -> dict:
    from monai.inferers import sliding_window_inference

    basic = monai_basicunet().to(device).eval()
    prepared = keep_channels_last(deepcopy(basic))
    own = build_network({**NETWORK, "deep_supervision": 0}, 1, 3, 3).to(device).eval()
    weights = [sum(p.numel() for p in network.parameters()) for network in (basic, own)]
    labels: dict[str, np.ndarray] = {}

    def ours(network: torch.nn.Module, name: str) -> None:
        settings = WindowSettings(PATCH, 3, OVERLAP, default_batch(PATCH, device), device=device)
        decisions = Decisions([1, 2], "softmax")
        decisions.fill(sliding_window(samples, network, 3, settings), samples.shape[1:])
        labels[name] = decisions.labels

    def monai(batch: int) -> None:
        with torch.inference_mode():
            logits = sliding_window_inference(samples[None].to(device), PATCH, batch, basic, OVERLAP, mode="gaussian")
        labels["monai"] = logits.argmax(1)[0].to(torch.uint8).cpu().numpy()

    print(f"inference, {SHAPE} in windows of {PATCH}, {weights[0]:,} weights (BasicUNet), {weights[1]:,} (ours)")
    first = "MedCompress with MONAI's BasicUNet"
    seconds = fastest(
        {
            first: lambda: ours(prepared, "ours"),
            "MedCompress with its default network": lambda: ours(own, "own"),
            "MONAI's sliding_window_inference, single": lambda: monai(1),
            "MONAI's sliding_window_inference, 4 at once": lambda: monai(4),
        },
        rounds,
        device,
    )
    same = float((labels["ours"] == labels["monai"]).mean())
    print(f"  equal labels: {same:.4%}")
    return {**rates(seconds, samples[0].numel(), "voxels/s", first), "equal labels": same}


if __name__ == "__main__":
    main()
