"""What an archive with a region of interest is worth, as tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from MedCompressLib.volume import Volume
from slicer.i18n import tr as _

from .codec_choices import codecLabel
from .results import fileSize
from .roi_parameters import RoiMethod
from .tables import makeTable

_PEAKS = ("4096", "65535")


def regionText(volume: Volume, voxels: int, notes: Sequence[str] = ()) -> str:
    """How large a region is, and what had to be done to get it."""
    size = voxels * abs(_voxelVolume(volume)) / 1000
    text = _("{voxels:,} voxels, {share:.2g} % of the volume, {size} mL").format(
        voxels=voxels, share=100 * voxels / volume.array.size, size=f"{size:,.0f}" if size >= 100 else f"{size:.3g}"
    )
    return "\n".join([text, *(note[0].upper() + note[1:] for note in notes)])


def _voxelVolume(volume: Volume) -> float:
    geometry = volume.geometry
    return float(np.prod(geometry.spacing) * np.linalg.det(np.array(geometry.direction)))


def roiTable(document: dict, unit: str = "", node=None):
    """Table node of the figures in the region, around it and of the whole; document: `compress_roi`'s report."""
    last = document["layers"][-1]["quality"]
    sizes = [
        sum(layer["size"] for layer in document["layers"] if (layer["role"] in ("region", "box")) is inside)
        for inside in (True, False)
    ]
    bits = document["roi_bits_per_voxel"]
    shape = document["shape"]
    rows = [
        (
            _("Voxels"),
            *(f"{count:,}" for count in (last["inside"]["voxels"], last["outside"]["voxels"], last["voxels"])),
        ),
        (_("Largest error"), *(f"{part['max_error']:g}{unit}" for part in (last["inside"], last["outside"], last))),
    ]
    for peak in _PEAKS:
        parts = [document[name] for name in ("inside", "outside", "whole")]
        label = _("PSNR (peak {peak})").format(peak=peak)
        rows.append((label, *(_psnr(part, peak) for part in parts)))
        label = _("SSIM (peak {peak})").format(peak=peak)
        rows.append((label, *("" if part is None else f"{part[f'ssim_{peak}']:.5f}" for part in parts)))
    whole = 8 * document["file_size"] / (shape[0] * shape[1] * shape[2])
    rows += [
        (_("Size"), fileSize(sizes[0]) if sizes[0] else "", fileSize(sizes[1]), fileSize(document["file_size"])),
        (_("Bits per voxel"), "" if bits is None else f"{bits:.3f}", "", f"{whole:.3f}"),
        (_("Ratio"), "", "", f"{document['ratio']:.3f}:1"),
        (_("Entropy before"), "", "", _("{bits:.3f} bits").format(bits=document["entropy_before"])),
        (_("Entropy after"), "", "", _("{bits:.3f} bits").format(bits=document["entropy_after"])),
        (_("Seconds"), "", "", f"{document['seconds']:.1f}"),
    ]
    titles = _("Figure"), _("Region"), _("Around it"), _("Whole")
    columns = {title: [row[number] for row in rows] for number, title in enumerate(titles)}
    return makeTable(_("ROI figures"), columns, node)


def methodsTable(documents: dict[RoiMethod, dict], codecs: dict[RoiMethod, str], unit: str = "", node=None):
    """Table node with a row for each method, the smallest file marked; documents: reports of `compress_roi`."""
    smallest = min(documents, key=lambda method: documents[method]["file_size"])
    rows = [
        (
            method.shortLabel(),
            f"{document['ratio']:.2f}:1",
            fileSize(document["file_size"]) + (_(" (smallest)") if method is smallest else ""),
            f"{document['roi_max_error']:g}{unit}",
            _psnr(document["inside"], "4096"),
            _psnr(document["outside"], "4096"),
            _("{seconds:.1f} s").format(seconds=document["seconds"]),
            codecLabel(codecs[method]),
        )
        for method, document in documents.items()
    ]
    titles = (
        _("Method"),
        _("Ratio"),
        _("Size"),
        _("ROI error"),
        _("ROI PSNR"),
        _("Background"),
        _("Time"),
        _("Codec"),
    )
    columns = {title: [row[number] for row in rows] for number, title in enumerate(titles)}
    return makeTable(_("ROI methods"), columns, node)


def _psnr(part: dict | None, peak: str) -> str:
    if part is None:
        return ""
    value = part[f"psnr_{peak}"]
    return _("exact") if value is None else f"{value:.2f} dB"
