"""The codecs as a user reads them: names and what each is good for."""

from __future__ import annotations

import qt
from MedCompressLib.codecs import codec_names
from slicer.i18n import tr as _


def codecLabel(codec: str) -> str:
    """The codec's name for people; the codec's own name where it has no other."""
    return _texts().get(codec, (codec, ""))[0]


def codecTip(codec: str) -> str:
    """What the codec is good for, in one line."""
    return _texts().get(codec, ("", codec))[1]


def labelCodecs(combo) -> None:
    """Give the entries of a combo box of all codecs, in the order of `codec_names`, their labels and tooltips."""
    for index, codec in enumerate(codec_names()):
        if combo.itemText(index) != codecLabel(codec):
            combo.setItemText(index, codecLabel(codec))
            combo.setItemData(index, codecTip(codec), qt.Qt.ToolTipRole)


def _texts() -> dict[str, tuple[str, str]]:
    return {
        "jpeg2000": (_("JPEG 2000"), _("The codec of DICOM and of the literature; exact or lossy, slice by slice")),
        "jpeg2000-budget": (
            _("JPEG 2000, one budget"),
            _("JPEG 2000 with equal quality of all slices instead of equal bytes; two to three times as long"),
        ),
        "htj2k": (_("HTJ2K"), _("High-throughput JPEG 2000: the fastest lossy codec, a little larger than JPEG 2000")),
        "volumetric": (
            _("Volumetric HTJ2K"),
            _("HTJ2K with a wavelet along the slices: fast, and denser than JPEG 2000 where slices are thin"),
        ),
        "volumetric-jpeg2000": (
            _("Volumetric JPEG 2000"),
            _("JPEG 2000 with a wavelet along the slices: a little denser than volumetric HTJ2K, ten times slower"),
        ),
        "hevc": (
            _("HEVC (x265)"),
            _("Slices as a video of 12-bit gray: the densest lossy codec, slow; patents may apply to its use"),
        ),
        "hevc-intra": (_("HEVC, intra only"), _("HEVC without prediction between slices; patents may apply")),
        "hevc-cunha": (
            _("HEVC, as Cunha et al."),
            _("HEVC with random access as in the study of Cunha et al. (2023); patents may apply"),
        ),
        "hevc-slow": (_("HEVC, slow"), _("HEVC with all of x265's search: up to 0.5 dB more; patents may apply")),
        "jpegls": (_("JPEG-LS"), _("Exact or with a bound on each error, small and fast")),
        "jpegxl": (_("JPEG XL"), _("Exact; mostly the smallest files, slowly made")),
        "jpegxl-fast": (_("JPEG XL, fast"), _("Exact; some percent larger than JPEG XL, ten times as fast")),
        "deflate": (_("Deflate (ZIP)"), _("General-purpose, exact, any scalar type")),
        "gzip": (_("gzip"), _("General-purpose, exact, any scalar type; what NRRD and NIfTI files use")),
        "bzip2": (_("bzip2"), _("General-purpose, exact, any scalar type; a little denser than Deflate")),
        "lzma": (_("LZMA (7z, xz)"), _("General-purpose, exact, any scalar type; dense and slow")),
        "zstd": (_("Zstandard"), _("General-purpose, exact, any scalar type; fast")),
    }
