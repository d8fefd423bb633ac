"""Where the uncompressed samples of NRRD, MetaImage and NIfTI files lie.

Headers: Teem's NRRD (NRRD0005), MetaIO's MetaImage, NIfTI-1.1's nifti1.h. ITK reads type and geometry, so that a volume
lies where Slicer and `volume.read_volume` put it.
"""

from __future__ import annotations

import math
from pathlib import Path

from ..volume_checksum import meta_fields, nrrd_fields
from ..volume_files import read_itk_header, split_extension
from ..volume_nifti import unscaled_place
from .raw import RawSource

_LONGEST_LINE = 1 << 20
_AT_THE_END = -1


def open_raw(path: Path) -> RawSource | None:
    """The samples of a file that lie uncompressed and in one piece, else None. Raises MedCompressError, OSError."""
    name, extension = split_extension(path)
    if extension == ".nii":
        place = unscaled_place(path)
        return place and RawSource(path, place[2], place[0], place[1], place[3], None, name)
    kind = {".nrrd": "nrrd", ".nhdr": "nrrd", ".mha": "meta", ".mhd": "meta"}.get(extension)
    header = read_itk_header(path, kind) if kind else None
    if header is None:
        return None
    shape, dtype, geometry = header
    try:
        file, offset, big = _nrrd_place(path) if kind == "nrrd" else _meta_place(path)
    except ValueError:
        return None
    if offset == _AT_THE_END:
        offset = file.stat().st_size - math.prod(shape) * dtype.itemsize
    if offset < 0:
        return None
    return RawSource(file, offset, dtype.newbyteorder(">" if big else "<"), shape, geometry, None, name)


def _nrrd_place(path: Path) -> tuple[Path, int, bool]:
    """File, offset and whether it is big-endian; raises ValueError for what is not raw and in one piece."""
    fields = nrrd_fields(path)
    name = fields.get("data file", fields.get("datafile"))
    if fields["encoding"].lower() != "raw" or int(fields.get("line skip", fields.get("lineskip", 0))):
        raise ValueError
    file, start = (path, _header_length(path, b"")) if name is None else (_one_file(path, name), 0)
    skip = int(fields.get("byte skip", fields.get("byteskip", 0)))
    return file, _AT_THE_END if skip == -1 else start + skip, fields.get("endian", "").lower() == "big"


def _meta_place(path: Path) -> tuple[Path, int, bool]:
    fields = meta_fields(path)
    name, skip = fields["elementdatafile"], int(fields.get("headersize", 0))
    if fields.get("compresseddata", "false") != "false" or fields.get("binarydata", "true") != "true":
        raise ValueError
    big = "true" in (fields.get("binarydatabyteordermsb"), fields.get("elementbyteordermsb"))
    if name.upper() != "LOCAL":
        return _one_file(path, name), _AT_THE_END if skip == -1 else skip, big
    if skip:
        raise ValueError
    return path, _header_length(path, b"elementdatafile"), big


def _one_file(path: Path, name: str) -> Path:
    file = path.parent / name
    if name.upper().startswith("LIST") or "%" in name or not file.is_file():
        raise ValueError
    return file


def _header_length(path: Path, last: bytes) -> int:
    """Bytes up to the end of the first line that begins with `last`, the first empty line unless given."""
    with open(path, "rb") as file:
        for line in iter(lambda: file.readline(_LONGEST_LINE), b""):
            found = line.strip().lower()
            if found.startswith(last) if last else not found:
                return file.tell()
    raise ValueError
