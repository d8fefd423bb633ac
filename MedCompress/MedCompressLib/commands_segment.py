"""The command `segment`: a volume, a model, a label map."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .errors import MedCompressError
from .jobs import Progress, thread_count

Read = Callable[[Path], Any]


def add_segment_options(command: argparse.ArgumentParser) -> None:
    """Options of `medcompress segment`."""
    text = "volume file, DICOM or TIFF folder, OME-Zarr, archive; one for each channel of the model"
    command.add_argument("input", metavar="IN", nargs="+", type=Path, help=text)
    command.add_argument("output", metavar="OUT", type=Path, help=".seg.nrrd, .nrrd, .nii, .nii.gz or .mha")
    command.add_argument("--model", metavar="M", required=True, help="name of a sample model, or path of a model")
    command.add_argument("--probability", metavar="P", type=Path, help="write the foreground's probability, too")
    command.add_argument("--probability-label", metavar="NAME", help="this label's probability instead")
    command.add_argument("--device", default="auto", metavar="D", help="auto (default), cpu or cuda")
    text = "mean over the flips that the model was trained with, each axis doubles the work"
    command.add_argument("--flips", action="store_true", help=text)
    command.add_argument("--keep-largest", action="store_true", help="only the largest connected part of each label")


def run_segment(options: argparse.Namespace, read: Read, progress: Progress) -> tuple[Any, str]:
    """Segment as asked; returns what was found for JSON and a line for the terminal."""
    from .unet.devices import choose_device
    from .unet.inference import segment
    from .unet.model_file import load_model
    from .unet.output import LABEL_MAP_SUFFIXES, SEGMENTATION_SUFFIX, check_output, write_labels
    from .volume import write_volume

    if options.probability_label and not options.probability:
        raise MedCompressError("--probability-label goes with a file: give --probability P.nrrd")
    check_output(options.output)
    if options.probability:
        check_output(options.probability, LABEL_MAP_SUFFIXES)
        if options.probability.name.lower().endswith(SEGMENTATION_SUFFIX):
            raise MedCompressError(f"{SEGMENTATION_SUFFIX} is for segmentations: write the probability as .nrrd")
        if options.probability.absolute() == options.output.absolute():
            raise MedCompressError("--probability and OUT are one file: give one of them another name")
    if options.threads is not None:
        thread_count(options.threads)
    choose_device(options.device)
    started = time.monotonic()
    progress(0.0, "Reading")
    model = load_model(options.model)
    volumes = [read(path) for path in options.input]
    found = segment(
        volumes,
        model,
        device=options.device,
        flips=options.flips,
        keep_largest=options.keep_largest,
        want_probability=options.probability_label or bool(options.probability),
        thread_count=options.threads,
        progress=progress.part(0.05, 0.95),
    )
    progress(0.95, "Writing")
    if options.probability:
        write_volume(found.probability, options.probability)
    write_labels(found.labels, model.card.labels, options.output)
    progress.done(f"Wrote {options.output.name}")
    for note in found.notes:
        print(f"medcompress: {note}", file=sys.stderr)
    volumes_ml = _volumes(found.labels, model.card.labels)
    result = {
        "output": str(options.output),
        "probability": str(options.probability) if options.probability else None,
        "model": model.card.name,
        "shape": list(found.labels.array.shape),
        "device": found.device,
        "labels": volumes_ml,
        "notes": list(found.notes),
        "seconds": round(time.monotonic() - started, 3),
    }
    shown = ", ".join(f"{label['name']} {label['milliliters']:.4g} ml" for label in volumes_ml)
    return result, f"{options.output}: {shown} ({found.device}, {result['seconds']:.1f} s)"


def _volumes(labels: Any, meanings: Any) -> list[dict[str, Any]]:
    import numpy as np

    counts = np.bincount(labels.array.ravel(), minlength=1 + max(label.value for label in meanings))
    spacing, direction = labels.geometry.spacing, np.array(labels.geometry.direction)
    voxel = float(np.prod(spacing) * abs(np.linalg.det(direction)) / 1000)
    return [
        {
            "value": label.value,
            "name": label.name,
            "color": list(label.color),
            "terminology": label.terminology,
            "voxels": int(counts[label.value]),
            "milliliters": float(counts[label.value]) * voxel,
        }
        for label in meanings
    ]
