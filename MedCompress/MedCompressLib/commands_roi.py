"""Options of `compress` for a region of interest, and `decompress` layer by layer."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .errors import Cancelled, MedCompressError
from .jobs import Progress
from .targets import Target

_MASKS = (
    "label map or .seg.nrrd, box of Slicer's Markups (.mrk.json), probability:FILE, otsu, threshold:LOWER:UPPER "
    "(either may be empty), or box:X,Y,Z,SX,SY,SZ (center and size in mm, LPS)"
)


def add_roi_options(command: argparse.ArgumentParser) -> None:
    """Options of `medcompress compress` for a region of interest."""
    group = command.add_argument_group("region of interest")
    group.add_argument("--roi", metavar="MASK", help=_MASKS)
    group.add_argument(
        "--roi-labels",
        metavar="L,L:E,...",
        help="labels of the map or names of the segments, all unless given; L:E is a region of its own whose samples "
        "move by at most E; labels without E are one exact region; first come, first served",
    )
    group.add_argument("--margin", type=float, default=0.0, metavar="MM", help="added around the region, in mm")
    group.add_argument("--roi-method", choices=("exact", "diffusion", "two-quality"), default="exact")
    group.add_argument("--restore", action="store_true", help="exact: add a last layer that makes all of it exact")
    group.add_argument("--device", default="cpu", help="diffusion: cpu or cuda")
    group.add_argument("--in-plane", action="store_true", help="diffusion: nothing flows between slices")


def run_compress_roi(
    options: argparse.Namespace, target: Target, read: Callable[..., Any], progress: Progress
) -> tuple[Any, str]:
    """`medcompress compress --roi`; returns the report for JSON and a line for the terminal."""
    from dataclasses import replace

    from .roi import compress_roi

    if options.scheduler:
        raise MedCompressError("a volume with a region is compressed on this computer: leave --scheduler out")
    progress(0.0, f"Reading {options.input}")
    volume, replaced = _finite(read(options.input, options.series), options.nan)
    if options.modality:
        volume = replace(volume, modality=options.modality.upper())
    regions, probability, notes = _regions(options, volume, read)
    notes = replaced + notes
    for note in notes:
        print(f"medcompress: {note}", file=sys.stderr)
    report = compress_roi(
        volume,
        options.output,
        regions,
        options.roi_method,
        options.codec,
        target,
        restore=options.restore,
        probability=probability,
        peak=options.peak,
        device=options.device,
        in_plane=options.in_plane,
        threads=options.threads,
        progress=progress,
    )
    document = {**report.as_dict(), "notes": list(notes)}
    return document, f"{options.output}: {_summary(document)}"


def _finite(volume: Any, value: float | None) -> tuple[Any, tuple[str, ...]]:
    """The volume with this value for NaN and infinite samples, and a note that says so; as it is without a value."""
    from dataclasses import replace

    import numpy as np

    finite = np.isfinite(volume.array)
    if value is None or finite.all():
        return volume, ()
    array = np.where(finite, volume.array, volume.array.dtype.type(value))
    note = f"NaN and infinite samples ({np.count_nonzero(~finite)}) became {value:g}"
    return replace(volume, array=array), (note,)


def _regions(options: argparse.Namespace, volume: Any, read: Callable[[Path], Any]):
    """Regions in their order, the probability map that guides a diffusion or None, and notes."""
    from . import roi

    kind, _, rest = options.roi.partition(":")
    if not options.roi or options.roi == "probability:":
        raise MedCompressError(f"--roi {options.roi!r} names no file: give a {_MASKS}")
    markups = options.roi.lower().endswith(".json")
    if options.roi_labels and (markups or kind in ("otsu", "threshold", "box", "probability")):
        raise MedCompressError("--roi-labels goes with a label map or a segmentation alone: leave it out")
    probability = None
    if kind == "otsu":
        parts = [("ROI", 0, roi.from_otsu(volume))]
    elif kind == "threshold":
        low, _, high = rest.partition(":")
        lower, upper = (_numbers(text, 1)[0] if text else None for text in (low, high))
        parts = [("ROI", 0, roi.from_threshold(volume, lower, upper))]
    elif markups:
        parts = [("ROI", 0, roi.from_markups(options.roi, volume))]
    elif kind == "box":
        numbers = _numbers(rest, 6)
        parts = [("ROI", 0, roi.from_box(volume, numbers[:3], numbers[3:]))]
    elif kind == "probability":
        given = read(Path(rest))
        mask = roi.from_probability(given, volume)
        if options.roi_method == "diffusion":
            probability = roi.guidance(roi.onto_grid(given.array, given.geometry, volume)[0])
        parts = [("ROI", 0, mask)]
    else:
        parts = _labeled(Path(options.roi), _label_groups(options.roi_labels), volume, read)
    masks = [roi.with_margin(mask, options.margin, volume.geometry) for *_, mask in parts]
    if probability is not None and options.margin:
        probability[masks[0].array] = 1
    regions = [roi.Region(mask.array, error, name) for (name, error, _), mask in zip(parts, masks, strict=True)]
    return regions, probability, tuple(dict.fromkeys(note for mask in masks for note in mask.notes))


def _label_groups(text: str | None) -> list[tuple[list[str], int]]:
    """(labels or names, largest error) of each region, exact ones together at the place of the first of them; no labels
    are all."""
    groups: dict[object, tuple[list[str], int]] = {}
    for item in text.split(",") if text else []:
        label, _, error = item.rpartition(":") if ":" in item else (item, "", "0")
        try:
            bound = int(error)
        except ValueError:
            label, bound = item, 0
        groups.setdefault(item if bound else 0, ([], bound))[0].append(label.strip())
    return list(groups.values()) or [([], 0)]


def _labeled(path: Path, groups: list[tuple[list[str], int]], volume: Any, read: Callable[[Path], Any]):
    """(name, largest error, mask) of each group of a label map or a .seg.nrrd, whose segments may overlap."""
    from . import roi

    if path.name.lower().endswith(".seg.nrrd"):
        masks = _segments(path, groups)
        return [(name, error, roi.from_labels(mask, None, volume)) for name, error, mask in masks]
    label_map = read(path)
    result = []
    for labels, error in groups:
        try:
            values = [int(label) for label in labels] or None
        except ValueError:
            raise MedCompressError(f"--roi-labels: not all of {','.join(labels)} are whole numbers: correct") from None
        name = f"label {labels[0]}" if error and labels else "ROI"
        result.append((name, error, roi.from_labels(label_map, values, volume)))
    return result


def _segments(path: Path, groups: list[tuple[list[str], int]]) -> list[tuple[str, int, Any]]:
    """(name, largest error, mask as a label map) of each group of a .seg.nrrd."""
    import numpy as np

    from .comparison import read_segmentation
    from .volume import Volume

    segmentation = read_segmentation(path)
    result = []
    for labels, error in groups:
        chosen = [one for label in labels for one in _matching(segmentation.segments, label, path)]
        mask = np.zeros(segmentation.shape, np.uint8)
        for segment in chosen or segmentation.segments:
            mask |= segmentation.mask(segment)
        result.append((chosen[0].name if error and chosen else "ROI", error, Volume(mask, segmentation.geometry)))
    return result


def _matching(segments: Any, label: str, path: Path) -> list[Any]:
    """Segments of this name, or the one with this label value."""
    found = [one for one in segments if one.name == label] or [one for one in segments if str(one.value) == label]
    if len(found) == 1:
        return found
    names = ", ".join(one.name for one in segments)
    problem = "several segments are called" if found else "no segment is called"
    raise MedCompressError(f"{problem} {label!r} in {path}: choose by name among {names}")


def _numbers(text: str, count: int) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count:
        raise MedCompressError(f"{text!r} is not {count} numbers: see 'medcompress compress --help'")
    return numbers


def _summary(document: dict[str, Any]) -> str:
    outside = document["layers"][-1]["quality"]["outside"]["psnr"]
    inside = document["layers"][-1]["quality"]["inside"]
    rest = "exact" if outside is None else f"{outside:.2f} dB (peak {document['peak_reason']})"
    within = "exact" if inside["max_error"] == 0 else f"max error {inside['max_error']:g}"
    return f"{document['method']}, {document['ratio']:.3f}:1, region {within}, rest {rest}"


def run_layers(options: argparse.Namespace, progress: Progress) -> tuple[Any, str]:
    """`medcompress decompress IN OUT --layers`, where IN may be - for standard input: writes OUT anew after each
    completed layer, each better than the one before."""
    from contextlib import ExitStack

    from .archive import read_progressively
    from .volume import write_volume

    stages: list[dict[str, Any]] = []
    with ExitStack() as cleanup:
        if str(options.input) == "-":
            stream = sys.stdin.buffer
        else:
            try:
                stream = cleanup.enter_context(open(options.input, "rb"))
            except OSError as error:
                raise MedCompressError(f"{options.input} cannot be read ({error.strerror}): check the path") from None
        try:
            for stage in read_progressively(stream, options.threads):
                progress.check()
                if options.layers or stage.number == stage.total:
                    write_volume(stage.volume, options.output, not options.uncompressed)
                stages.append({"layer": stage.number, "of": stage.total, **_statement(stage.layer)})
                said = f"Layer {stage.number} of {stage.total}: {_words(stages[-1])}"
                if stage.number < stage.total:
                    progress(stage.number / stage.total, said)
        except (MedCompressError, Cancelled) as error:
            if not (options.layers and stages):
                raise
            holds = f"{options.output} holds layer {len(stages)} of {stages[-1]['of']}, {_words(stages[-1])}"
            if isinstance(error, Cancelled):
                raise Cancelled(f"cancelled: {holds}") from None
            raise MedCompressError(f"{error}; {holds}") from None
    progress.done(said)
    result = {"output": str(options.output), "shape": list(stage.volume.array.shape), "stages": stages}
    lines = [f"layer {entry['layer']} of {entry['of']}: {_words(entry)}" for entry in stages]
    return result, "\n".join([*lines, str(options.output)])


def _statement(layer: Any) -> dict[str, Any]:
    return {"role": layer.role, "name": layer.name, "exact": layer.exact, "quality": layer.quality}


def _words(entry: dict[str, Any]) -> str:
    if entry["exact"]:
        return "everything is exact"
    inside = entry["quality"].get("inside")
    roi = "" if inside is None else "region exact, " if inside["max_error"] == 0 else "region not exact, "
    psnr = entry["quality"]["psnr"]
    return f"{roi}volume at {'infinite' if psnr is None else f'{psnr:.2f}'} dB"
