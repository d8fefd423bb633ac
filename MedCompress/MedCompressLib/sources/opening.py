"""Which source a path needs."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ..errors import MedCompressError
from ..volume import Volume, read_volume
from ..volume_dicom import looks_like_dicom
from .source import Source, VolumeSource

WHOLE_LIMIT = 64 << 20
"""Bytes of a file or DICOM folder up to which it is read at once; larger ones are streamed where the format can."""


def as_source(volume: Volume | Source) -> Source:
    """A volume in memory as a source; a source as it is."""
    return VolumeSource(volume) if isinstance(volume, Volume) else volume


def open_source(path: str | os.PathLike, series: str | None = None) -> Source:
    """The volume at a path, to be read slab by slab; close it when done.

    Streamed: raw NRRD and MetaImage, uncompressed NIfTI, folders of DICOM slices, archives (.mcz), TIFF stacks (a file
    or a folder), OME-Zarr. All else is read into memory. series: see volume.read_volume.

    Raises MedCompressError as `read_volume` does, and for what is no stack of scalar slices.
    """
    path = Path(path)
    try:
        return _open(path, series)
    except OSError as error:
        raise MedCompressError(
            f"{error.filename or path} cannot be read ({error.strerror or error}); check the file and its permissions"
        ) from None


def _open(path: Path, series: str | None) -> Source:
    if path.is_dir():
        return _open_folder(path, series)
    if not path.exists() or series is not None:
        return VolumeSource(read_volume(path, series))
    if path.suffix.lower() == ".mcz":
        from .archived import ArchiveSource

        return ArchiveSource(path)
    from .tiff import EXTENSIONS, open_tiff

    if path.suffix.lower() in EXTENSIONS:
        return open_tiff(path)
    if path.suffix.lower() in (".nhdr", ".mhd") or _size([path]) > WHOLE_LIMIT:
        from .raw_headers import open_raw

        return open_raw(path) or VolumeSource(read_volume(path))
    return VolumeSource(read_volume(path))


def _open_folder(path: Path, series: str | None) -> Source:
    from .ome_zarr import is_zarr, open_ome_zarr
    from .tiff import TiffFolder, tiff_files

    if is_zarr(path):
        return open_ome_zarr(path)
    tiffs = tiff_files(path)
    if tiffs and not any(looks_like_dicom(entry) for entry in path.iterdir() if entry.is_file() and entry not in tiffs):
        return TiffFolder(path)
    if _size(path.iterdir()) > WHOLE_LIMIT:
        from .dicom import DicomSource

        return DicomSource(path, series)
    return VolumeSource(read_volume(path, series))


def _size(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in paths if path.is_file())
