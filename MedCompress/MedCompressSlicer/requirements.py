"""Packages that the library needs beyond Slicer's own, asked for at the first press and never before."""

from __future__ import annotations

from importlib.util import find_spec

import slicer
from slicer.i18n import tr as _

PACKAGES = {"glymur": "glymur>=0.13", "imagecodecs": "imagecodecs>=2024.6.1", "scipy": "scipy>=1.11"}


def missingPackages(find=find_spec) -> list[str]:
    """Requirements of the library that are not installed; OpenJPEG counts as missing only where no copy is found."""
    needed = ["glymur", "scipy"] + ([] if _hasOpenJpeg() else ["imagecodecs"])
    return [PACKAGES[name] for name in needed if find(name) is None]


def _hasOpenJpeg() -> bool:
    from MedCompressLib.codecs.openjpeg import find_library
    from MedCompressLib.errors import MedCompressError

    try:
        return bool(find_library())
    except MedCompressError:
        return False


def ensurePackages(find=find_spec) -> bool:
    """Ask for, and install, what is missing; False when the user declined.

    Slicer 5.12 and later ask and show progress themselves (slicer.packaging); 5.10 asks here.
    """
    missing = missingPackages(find)
    if not missing:
        return True
    packaging = getattr(slicer, "packaging", None)
    if packaging is not None:
        try:
            packaging.pip_ensure(missing, requester="MedCompress")
        except RuntimeError:
            return False
        return True
    text = _("MedCompress needs these Python packages: {names}.\n\nInstall them now?")
    if not slicer.util.confirmOkCancelDisplay(text.format(names=", ".join(missing)), "MedCompress"):
        return False
    for package in missing:
        slicer.util.pip_install(package)
    return True
