"""Figures of quality and rate as tables and plots in the scene."""

from __future__ import annotations

import math
from collections.abc import Sequence

from MedCompressLib.quality import compare
from slicer.i18n import tr as _

from .codec_choices import codecLabel
from .tables import makeLinePlot, makeTable
from .volumes import unitOf, volumeFromNode


def compareNodes(reference, test) -> dict:
    """Figures of one volume node against another; raises MedCompressError unless their geometries agree."""
    first, second = volumeFromNode(reference), volumeFromNode(test)
    first.geometry.assert_close(second.geometry)
    return compare(first.array, second.array, modality=first.modality).as_dict()


def qualityTable(quality: dict | None, archive: dict | None = None, node=None):
    """Table node of figure and value, with units; archive: the report of `medcompress compress` or `info`."""
    rows: list[tuple[str, str]] = []
    unit = unitOf(archive["modality"]) if archive else ""
    if archive:
        rows += [
            (_("Codec"), codecLabel(archive["codec"])),
            (_("Ratio"), f"{archive['ratio']:.3f}:1"),
            (_("Bits per voxel"), f"{archive['bits_per_voxel']:.3f}"),
            (_("File size"), fileSize(archive["file_size"])),
            (_("Lossless"), _("yes") if archive["lossless"] else _("no")),
        ]
    if quality:
        rows += [
            (_("PSNR"), _decibels(quality["psnr"])),
            (_("Peak"), quality["peak_reason"]),
            (_("SSIM"), f"{quality['ssim']:.5f}"),
            (_("MS-SSIM"), f"{quality['ms_ssim']:.5f}"),
            (_("Largest error"), f"{quality['max_error']:g}{unit}"),
            (_("RMS error"), f"{math.sqrt(quality['mse']):.4g}{unit}"),
            (_("Entropy before"), _("{bits:.3f} bits per voxel").format(bits=quality["entropy_reference"])),
            (_("Entropy after"), _("{bits:.3f} bits per voxel").format(bits=quality["entropy_test"])),
        ]
    columns = {_("Figure"): [name for name, _value in rows], _("Value"): [value for _name, value in rows]}
    return makeTable(_("Quality figures"), columns, node)


def fileSize(size: int) -> str:
    return f"{size / 1e6:.2f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB"


def _decibels(psnr: float | None) -> str:
    return _("infinite (no difference)") if psnr is None else f"{psnr:.2f} dB"


def curveChart(volumeName: str, curves: dict[str, Sequence[tuple[float, float | None]]]):
    """Plot chart node of PSNR (dB) over ratio, a line for each codec; points where nothing was lost are left out."""
    lines = {}
    for codec, points in curves.items():
        finite = [(ratio, psnr) for ratio, psnr in points if psnr is not None and math.isfinite(psnr)]
        lines[codecLabel(codec)] = [ratio for ratio, _psnr in finite], [psnr for _ratio, psnr in finite]
    title = _("{name}: quality against ratio").format(name=volumeName)
    return makeLinePlot(title, lines, _("Compression ratio"), _("PSNR (dB)"), logX=True)
