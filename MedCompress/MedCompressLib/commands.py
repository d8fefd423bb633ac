"""The commands: their options, what they call, and what they print."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from . import __version__
from .codecs import codec_names
from .commands_cases import add_cases_options, run_cases
from .commands_compare import add_compare_options, run_compare
from .commands_devices import run_devices
from .commands_match import add_match_options, run_match
from .commands_roi import add_roi_options, run_compress_roi, run_layers
from .commands_segment import add_segment_options, run_segment
from .commands_trials import add_curve_options, run_curve, run_recommend
from .commands_unet import add_train_options, run_train
from .errors import MedCompressError
from .jobs import Progress
from .targets import Lossless, MaxError, Psnr, Quality, Ratio, Target

Printed = tuple[Any, str]


class _Parser(argparse.ArgumentParser):
    """argparse with one line for an error, as every failure of the command has."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}: see '{self.prog} --help'\n")


def build_parser() -> argparse.ArgumentParser:
    """The parser; `run(options, progress)` of a parsed command does the work and gives its result and a
    line for people, None where another process reports."""
    parser = _Parser(prog="medcompress", description="Make volumes small, and see what that does to them.")
    parser.add_argument("--version", action="version", version=f"medcompress {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)

    command = _add(commands, "compress", _compress, "compress a volume into a .mcz archive", progress=True)
    _volume_input(command)
    command.add_argument("output", metavar="OUT.mcz", type=Path)
    _codec(command)
    goal = command.add_mutually_exclusive_group(required=True)
    goal.add_argument("--lossless", action="store_true", help="every sample comes back bit for bit")
    goal.add_argument("--ratio", type=float, metavar="R", help="source bytes to bytes of the whole file, such as 10")
    goal.add_argument("--psnr", type=float, metavar="DB", help="peak signal-to-noise ratio of the volume in dB")
    goal.add_argument("--max-error", type=float, metavar="E", help="no sample moves by more, in units of the samples")
    goal.add_argument("--quality", type=float, metavar="Q", help="a value on the codec's own scale, such as HEVC's QP")
    add_roi_options(command)
    _peak(command)
    command.add_argument("--nan", type=float, metavar="VALUE", help="what NaN and infinity become in lossy coding")
    _threads(command)
    command.add_argument("--scheduler", metavar="URL", help="Dask cluster that does the work, such as tcp://host:8786")

    command = _add(commands, "decompress", _decompress, "restore the volume in an archive", progress=True)
    command.add_argument("input", metavar="IN.mcz", type=Path)
    command.add_argument("output", metavar="OUT", type=Path, help=".nrrd, .ome.zarr, .nii, .nii.gz or .mha")
    command.add_argument(
        "--salvage", action="store_true", help="save the slices that are whole, zero where one is lost"
    )
    command.add_argument(
        "--layers", action="store_true", help="write OUT after each completed layer; IN.mcz may be - (standard input)"
    )
    command.add_argument("--uncompressed", action="store_true", help="write NRRD or MetaImage as they are: large, fast")
    _threads(command)

    command = _add(commands, "info", _info, "what an archive says of itself")
    command.add_argument("input", metavar="IN.mcz", type=Path)

    command = _add(commands, "verify", _verify, "check every byte and decode every slice", progress=True)
    command.add_argument("input", metavar="IN.mcz", type=Path)
    _threads(command)

    command = _add(commands, "quality", _quality, "compare a volume with its reference", progress=True)
    command.add_argument("reference", metavar="REF", type=Path, help="volume file, DICOM folder or archive")
    command.add_argument("test", metavar="TEST", type=Path, help="the same")
    command.add_argument("--mask", metavar="M", type=Path, help="label map; figures inside and outside are added")
    command.add_argument("--nan", type=float, metavar="VALUE", help="what NaN and infinity count as, in both")
    _modality_option(command)
    _peak(command)

    text = "compare segmentations with a reference: overlap and distances of each segment"
    add_compare_options(_add(commands, "compare", run_compare, text, progress=True))

    text = "PSNR at several ratios, on slices spread over the volume"
    command = _add(commands, "curve", run_curve, text, progress=True)
    _volume_input(command)
    add_curve_options(command)
    _peak(command)
    command.add_argument("--nan", type=float, metavar="VALUE", help="what NaN and infinity become")
    _threads(command)

    text = "try the codecs on some slices and name the one for each need"
    command = _add(commands, "recommend", run_recommend, text, progress=True)
    _volume_input(command)
    _threads(command)

    command = _add(commands, "match", run_match, "sizes of several codecs at equal PSNR", progress=True)
    _volume_input(command)
    add_match_options(command)
    _peak(command)
    command.add_argument("--nan", type=float, metavar="VALUE", help="what NaN and infinity become")
    _threads(command)

    command = _add(commands, "segment", _segment, "segment a volume with a trained network", progress=True)
    add_segment_options(command)
    _threads(command)

    text = "the training cases in a folder, and what is wrong with them"
    add_cases_options(_add(commands, "cases", run_cases, text, progress=True))

    _add(commands, "devices", run_devices, "what can run a network here", progress=True)

    text = "train a segmentation network on a folder of cases"
    add_train_options(_add(commands, "train", run_train, text, progress=True))
    return parser


def _add(commands: Any, name: str, run: Any, text: str, progress: bool = False) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    command.set_defaults(run=run)
    command.add_argument("--json", action="store_true", help="print the result as JSON")
    if progress:
        command.add_argument(
            "--progress", choices=("json", "none"), help="json: one line of JSON per step on standard output"
        )
    return command


def _volume_input(command: argparse.ArgumentParser) -> None:
    command.add_argument("input", metavar="IN", type=Path, help="volume file, DICOM or TIFF folder, OME-Zarr")
    command.add_argument("--series", metavar="UID", help="which series of a DICOM folder: UID or number")
    _modality_option(command)


def _modality_option(command: argparse.ArgumentParser) -> None:
    text = "DICOM's modality, such as CT, where the file does not say"
    command.add_argument("--modality", type=_modality, metavar="M", help=text)


def _modality(text: str) -> str:
    from .volume_dicom import MODALITIES

    if text.upper() not in MODALITIES:
        raise argparse.ArgumentTypeError(f"{text} is no modality of DICOM: give CT, MR, PT, US, NM, MG, SEG, OT ...")
    return text.upper()


def _codec(command: argparse.ArgumentParser) -> None:
    command.add_argument("--codec", choices=codec_names(), default=codec_names()[0])


def _peak(command: argparse.ArgumentParser) -> None:
    text = "peak of the PSNR (default: 4096 for CT, else data range)"
    command.add_argument("--peak", type=float, metavar="P", help=text)


def _threads(command: argparse.ArgumentParser) -> None:
    command.add_argument("--threads", type=int, metavar="N", help="threads (default: all cores)")


def _target(options: argparse.Namespace) -> Target:
    if options.lossless:
        return Lossless()
    kinds = {Ratio: options.ratio, Psnr: options.psnr, MaxError: options.max_error, Quality: options.quality}
    return next(kind(value) for kind, value in kinds.items() if value is not None)


def _reader(progress: Progress) -> Callable[..., Any]:
    return partial(_read, progress=progress.quiet())


def _read(path: Path, series: str | None = None, *, progress: Progress) -> Any:
    from .compression import decompress
    from .sources import open_source
    from .volume import Volume

    if path.suffix.lower() == ".mcz":
        return decompress(path, progress=progress)
    with closing(open_source(path, series)) as source:
        return Volume(source.read(0, source.shape[0]), source.geometry, source.modality, source.name)


def _compress(options: argparse.Namespace, progress: Progress) -> Printed:
    if options.roi is not None:
        return run_compress_roi(options, _target(options), _reader(progress), progress)
    if options.restore or options.margin or options.roi_labels or options.in_plane or options.roi_method != "exact":
        raise MedCompressError("--restore, --margin, --in-plane and --roi-... go with a region: give --roi MASK")
    from .compression import compress

    report = compress(
        options.input,
        options.output,
        options.codec,
        _target(options),
        series=options.series,
        modality=options.modality,
        peak=options.peak,
        nan=options.nan,
        threads=options.threads,
        scheduler=options.scheduler,
        progress=progress,
    )
    return report.as_dict(), f"{options.output}: {_summary(report.as_dict())}"


def _decompress(options: argparse.Namespace, progress: Progress) -> Printed:
    if options.layers or str(options.input) == "-":
        return run_layers(options, progress)
    from .compression import restore

    lost: list[int] = []
    compressed = not options.uncompressed
    if options.salvage:
        from .archive import Archive
        from .volume import write_volume

        with Archive(options.input) as archive:
            volume, lost = archive.salvage(threads=options.threads)
            manifest = archive.manifest
        progress(0.7, f"Writing {options.output.name}")
        write_volume(volume, options.output, compressed)
    else:
        manifest = restore(
            options.input, options.output, compressed=compressed, threads=options.threads, progress=progress
        )
    progress.done(f"Wrote {options.output.name}")
    result = {"output": str(options.output), "shape": list(manifest.shape), "lost_slices": lost}
    if lost:
        print(f"medcompress: {len(lost)} slices were lost and are zero: {_ranges(lost)}", file=sys.stderr)
    return result, f"{options.output}: {_size(manifest.shape)} {manifest.scalar_type}"


def _info(options: argparse.Namespace, progress: Progress) -> Printed:
    from .compression import info

    document = info(options.input).as_dict()
    lines = [f"{options.input}: {_summary(document)}"]
    lines += [f"  {name}: {document[name]}" for name in ("scalar_type", "spacing", "origin", "direction", "modality")]
    lines += [f"  {layer['member']}: {layer['codec']}, {layer['size']} bytes" for layer in document["layers"]]
    return document, "\n".join(lines)


def _verify(options: argparse.Namespace, progress: Progress) -> Printed:
    from .compression import verify

    report = verify(options.input, options.threads, progress)
    return {"verified": True, **report.as_dict()}, f"{options.input}: every byte checked, every slice decoded"


def _segment(options: argparse.Namespace, progress: Progress) -> Printed:
    return run_segment(options, _reader(progress), progress)


def _quality(options: argparse.Namespace, progress: Progress) -> Printed:
    from .quality import compare

    read = _reader(progress)
    reference, test = read(options.reference), read(options.test)
    reference.geometry.assert_close(test.geometry, 1e-3)
    mask = None
    if options.mask:
        region = read(options.mask)
        reference.geometry.assert_close(region.geometry, 1e-3)
        mask = region.array
    report = compare(
        _finite(reference.array, options.nan),
        _finite(test.array, options.nan),
        modality=options.modality or reference.modality or test.modality,
        peak=options.peak,
        mask=mask,
        progress=progress,
    )
    return report.as_dict(), _quality_text(report)


def _finite(array: Any, value: float | None) -> Any:
    import numpy as np

    if value is None or array.dtype.kind != "f":
        return array
    return np.where(np.isfinite(array), array, array.dtype.type(value))


def _quality_text(report: Any) -> str:
    def row(name: str, part: Any) -> str:
        return f"{name}: PSNR {part.psnr:.2f} dB, SSIM {part.ssim:.5f}, max error {part.max_error:g}, MSE {part.mse:g}"

    lines = [row("whole volume", report)]
    lines += [row(name, part) for name, part in (("inside", report.inside), ("outside", report.outside)) if part]
    return "\n".join([*lines, f"peak {report.peak_reason}"])


def _summary(document: dict[str, Any]) -> str:
    kind = "lossless"
    if not document["lossless"]:
        quality = document["quality"]
        psnr = "infinite" if quality["psnr"] is None else f"{quality['psnr']:.2f} dB"
        kind = f"PSNR {psnr} (peak {document['peak_reason']}), max error {quality['max_error']:g}"
    return (
        f"{_size(document['shape'])}, {document['codec']}, {document['ratio']:.3f}:1, "
        f"{document['bits_per_voxel']:.3f} bits per voxel, {kind}"
    )


def _size(shape: Any) -> str:
    return " x ".join(str(count) for count in reversed(shape))


def _ranges(numbers: list[int]) -> str:
    shown = ", ".join(str(number) for number in numbers[:12])
    return shown + (", ..." if len(numbers) > 12 else "")
