"""Finds the OpenJPEG library and hands it to glymur.

Order: the environment variable MEDCOMPRESS_OPENJPEG or glymur's own configuration file, Slicer's copy, the system's,
the copy inside the imagecodecs wheel, the one inside the Pillow wheel.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib
import importlib.util
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from configparser import ConfigParser
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from ..errors import MedCompressError

SETTING = "MEDCOMPRESS_OPENJPEG"
REMEDY = (
    "install it with 'pip install imagecodecs' (its wheel carries OpenJPEG), or with 'apt-get install libopenjp2-7', "
    f"or set {SETTING} to the path of the library"
)
_OLDEST = (2, 3)
_lock = threading.Lock()


def candidates() -> Iterator[str]:
    """Paths and names under which OpenJPEG may be loaded, most wanted first."""
    home = os.environ.get("SLICER_HOME")
    if home:
        yield from _libraries(Path(home, "bin"), Path(home, "lib"), *sorted(Path(home, "lib").glob("Slicer-*")))
    system = ctypes.util.find_library("openjp2")
    if system:
        yield system
    for package, folder in (("imagecodecs", "imagecodecs"), ("PIL", "pillow")):
        found = importlib.util.find_spec(package)
        if found and found.origin:
            inside = Path(found.origin).parent
            yield from _libraries(inside.parent / f"{folder}.libs", inside / ".dylibs", inside)


def _libraries(*folders: Path) -> Iterator[str]:
    for folder in folders:
        for pattern in ("libopenjp2*.so*", "libopenjp2*.dylib", "*openjp2*.dll"):
            yield from sorted(str(path) for path in folder.glob(pattern))


def library_version(path: str) -> tuple[int, ...] | None:
    """Version of the OpenJPEG library at `path`, or None where it cannot be loaded."""
    try:
        library = ctypes.CDLL(path)
        library.opj_version.restype = ctypes.c_char_p
        return tuple(int(part) for part in library.opj_version().decode().split("."))
    except (OSError, AttributeError, ValueError):
        return None


def find_library() -> str:
    """Path of the library to use; raises MedCompressError where none is found."""
    wanted = os.environ.get(SETTING)
    if wanted:
        if (library_version(wanted) or (0,)) >= _OLDEST:
            return wanted
        raise MedCompressError(
            f"{SETTING} names {wanted}, which is no OpenJPEG library of version 2.3 or later: correct it or unset it"
        )
    for path in candidates():
        if (library_version(path) or (0,)) >= _OLDEST:
            return path
    raise MedCompressError(f"the OpenJPEG library was not found: {REMEDY}")


def openjpeg() -> ModuleType:
    """glymur's binding of the OpenJPEG library, loaded once; raises MedCompressError with the remedy."""
    with _lock:
        return _load()


@lru_cache(maxsize=1)
def _load() -> ModuleType:
    if importlib.util.find_spec("glymur") is None:
        raise MedCompressError("the package glymur is missing: install it with 'pip install glymur'")
    binding = None if os.environ.get(SETTING) else _configured()
    return binding or _bind(find_library())


def _configured() -> ModuleType | None:
    """The binding as a user's glymurrc file sets it, if there is one."""
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    files = [path for path in (Path.cwd() / "glymurrc", home / "glymur" / "glymurrc") if path.is_file()]
    settings = ConfigParser()
    settings.read(files[:1])
    if not settings.has_option("library", "openjp2"):
        return None
    binding = importlib.import_module("glymur.lib.openjp2")
    if binding.OPENJP2 is None:
        raise MedCompressError(f"{files[0]} names an OpenJPEG library that cannot be loaded: correct the file")
    return binding


def _bind(path: str) -> ModuleType:
    """Import glymur's binding on the library at `path`.

    glymur lays out its structures for the version of the library that it finds at import, so a library that is set
    afterwards would be called with the wrong layout: the path goes in through glymur's configuration file.
    """
    kept = os.environ.get("XDG_CONFIG_HOME")
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "glymur" / "glymurrc"
        settings.parent.mkdir()
        settings.write_text(f"[library]\nopenjp2: {path}\n", encoding="utf-8")
        os.environ["XDG_CONFIG_HOME"] = folder
        try:
            loaded = sys.modules.get("glymur.lib.openjp2")
            binding = importlib.reload(loaded) if loaded else importlib.import_module("glymur.lib.openjp2")
        finally:
            if kept is None:
                del os.environ["XDG_CONFIG_HOME"]
            else:
                os.environ["XDG_CONFIG_HOME"] = kept
    if binding.OPENJP2 is None:
        raise MedCompressError(f"glymur could not load the OpenJPEG library {path}: {REMEDY}")
    return binding
