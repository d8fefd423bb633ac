"""Packages that the library needs beyond Slicer's own, asked for at the first press and never before."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import slicer
from slicer.i18n import tr as _

PACKAGES = {
    "av": "av>=14.4",
    "glymur": "glymur>=0.13",
    "imagecodecs": "imagecodecs>=2026.1.14",
    "scipy": "scipy>=1.11",
}
_IMAGECODECS = ("htj2k", "volumetric", "jpegls", "jpegxl", "jpegxl-fast", "zstd")


def packageOf(codec: str) -> str | None:
    """The package beyond those that the library always needs, None where the codec needs none."""
    if codec.startswith("hevc"):
        return "av"
    return "imagecodecs" if codec in _IMAGECODECS else None


def missingPackages(find=find_spec, codecs: Iterable[str] = ()) -> list[str]:
    """Requirements of the library and of these codecs that are not installed.

    OpenJPEG counts as missing only where no copy is found.
    """
    needed = {"glymur", "scipy", *filter(None, map(packageOf, codecs))} | (set() if _hasOpenJpeg() else {"imagecodecs"})
    return [PACKAGES[name] for name in sorted(needed) if find(name) is None]


def _hasOpenJpeg() -> bool:
    from MedCompressLib.codecs.openjpeg import find_library
    from MedCompressLib.errors import MedCompressError

    try:
        return bool(find_library())
    except MedCompressError:
        return False


def ensurePackages(find=find_spec, codecs: Iterable[str] = ()) -> bool:
    """Ask for, and install, what the library and these codecs lack; False when the user declined."""
    return installPackages(missingPackages(find, codecs))


def installPackages(missing: list[str], constraints: Path | None = None) -> bool:
    """Ask for, and install, these requirements; False when the user declined. constraints: a constraints file of pip.

    Slicer 5.12 and later ask and show progress themselves (slicer.packaging); 5.10 asks here.
    """
    if not missing:
        return True
    packaging = getattr(slicer, "packaging", None)
    if packaging is not None:
        try:
            packaging.pip_ensure(missing, constraints=constraints, requester="MedCompress")
        except RuntimeError:
            return False
        return True
    text = _("MedCompress needs these Python packages: {names}.\n\nInstall them now?")
    if not slicer.util.confirmOkCancelDisplay(text.format(names=", ".join(missing)), "MedCompress"):
        return False
    for package in missing:
        slicer.util.pip_install(package if constraints is None else ["-c", str(constraints), package])
    return True
