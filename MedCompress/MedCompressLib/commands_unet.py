"""The command `train`: a network from a folder of images and label maps."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from .errors import Cancelled
from .jobs import Progress


def add_train_options(command: argparse.ArgumentParser) -> None:
    """Options of `medcompress train`."""
    from .unet.training.config import presets

    names = ", ".join(presets())
    command.add_argument(
        "config", metavar="CONFIG.toml", help=f"configuration, or the name of one that is here: {names}"
    )
    command.add_argument("--data", metavar="FOLDER", help="folder of the cases (default: data.folder)")
    command.add_argument(
        "--output", metavar="FOLDER", type=Path, help="folder of the training (default: its name, and -foldN)"
    )
    command.add_argument("--fold", type=int, metavar="N", help="which fold is held back (default: data.fold)")
    command.add_argument("--device", choices=("auto", "cpu", "cuda"), help="what computes (default: device)")
    command.add_argument("--restart", action="store_true", help="forget a training that was stopped in the folder")


def run_train(options: argparse.Namespace, progress: Progress) -> tuple[Any, str | None]:
    """Train as asked; returns the model's path and figures for JSON and a line for the terminal.

    Of several processes that torchrun started the first one alone reports: the others have None for a line.
    """
    from .training_copies import compressed_copies
    from .unet.model_file import read_card
    from .unet.training import read_config, train
    from .unet.training.launch import place

    config = read_config(options.config)
    changes = {"folder": options.data, "fold": options.fold}
    config = config.with_data(**{name: value for name, value in changes.items() if value is not None})
    if options.device:
        config = replace(config, device=options.device)
    fold = "" if options.fold is None else f"-fold{options.fold}"
    first = place().rank == 0
    output = options.output or Path(f"{config.name}{fold}")
    try:
        path = train(
            config,
            output,
            variants=compressed_copies(output / "copies"),
            restart=options.restart,
            progress=progress if first else progress.quiet(),
            on_epoch=_tell if options.progress == "json" else _keep_quiet,
        )
    except KeyboardInterrupt:
        raise Cancelled("cancelled: the same training started again goes on from its last whole epoch") from None
    card = read_card(path)
    result = {"model": str(path), "metrics": card.metrics, "training": card.training}
    return result, f"{path}: {_summary(card)}" if first else None


def _tell(epoch: Any) -> None:
    print(json.dumps(epoch.progress_line()), flush=True)


def _keep_quiet(epoch: Any) -> None:
    pass


def _summary(card: Any) -> str:
    minutes = card.training["seconds"] / 60
    trained = f"{card.training['epochs']} epochs on {card.training['cases']} cases in {minutes:.1f} min"
    validation = card.metrics.get("validation")
    if not validation:
        return trained
    dice = ", ".join(f"{name} {value:.4f}" for name, value in validation["dice"].items())
    return f"{trained}; validation Dice {dice} ({validation['cases']} cases)"
