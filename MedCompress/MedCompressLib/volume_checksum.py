"""The checksum at the end of a compressed NRRD or MetaImage, which ITK's readers do not always look at.

A gzip stream ends with the CRC-32 of its contents (RFC 1952, 2.3.1), a zlib stream with their Adler-32 (RFC 1950, 2.2).
"""

import gzip
import sys
import zlib
from pathlib import Path

import numpy as np

from .errors import MedCompressError

_LONGEST_HEADER = 1 << 20


def check_compressed_samples(path: Path, kind: str, array: np.ndarray) -> None:
    """Raise MedCompressError when compressed samples in `path` (kind "nrrd" or "meta") lack the checksum of `array`.

    array: [k, j, i] as ITK returned it. Files that are not compressed, or hold the samples in several files, pass.
    """
    fields = nrrd_fields(path) if kind == "nrrd" else meta_fields(path)
    if kind == "nrrd":
        packed, name = (
            fields.get("encoding") in ("gzip", "gz"),
            fields.get("data file", fields.get("datafile", "LOCAL")),
        )
        big = fields.get("endian") == "big"
    else:
        packed, name = fields.get("compresseddata") == "true", fields.get("elementdatafile", "LOCAL")
        big = "true" in (fields.get("binarydatabyteordermsb"), fields.get("elementbyteordermsb"))
    data = path if name.upper() == "LOCAL" else path.parent / name
    if not packed or not data.is_file():
        return
    samples = array if big == (sys.byteorder == "big") else array.byteswap()
    tail = _tail(data, 8)
    if kind == "nrrd":
        whole = int.from_bytes(tail[:4], "little") == _running(zlib.crc32, 0, samples) or _inflates(data, path)
    else:
        whole = int.from_bytes(tail[4:], "big") == _running(zlib.adler32, 1, samples)
    if not whole:
        raise MedCompressError(
            f"{path} is damaged or cut off: its samples do not match their checksum; copy or export it again"
        )


def _running(checksum: object, value: int, samples: np.ndarray) -> int:
    for slab in samples:
        value = checksum(np.ascontiguousarray(slab), value)
    return value


def _inflates(data: Path, header: Path) -> bool:
    """Whether the gzip stream ends as it should: it may hold more than the samples (byte skip, several members)."""
    with open(data, "rb") as file:
        if data == header:
            while file.readline(_LONGEST_HEADER).strip():
                pass
        try:
            with gzip.GzipFile(fileobj=file) as stream:
                while stream.read(1 << 24):
                    pass
        except (EOFError, OSError, zlib.error):
            return False
    return True


def _tail(path: Path, count: int) -> bytes:
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - count))
        return file.read(count).rjust(count, b"\0")


def nrrd_fields(path: Path) -> dict[str, str]:
    """The fields of an NRRD header, names in lower case."""
    fields = {}
    with open(path, "rb") as file:
        for line in iter(lambda: file.readline(_LONGEST_HEADER).decode("latin-1").strip(), ""):
            name, colon, value = line.partition(":")
            if colon and not value.startswith("="):
                fields[name.strip().lower()] = value.strip()
    return fields


def meta_fields(path: Path) -> dict[str, str]:
    """The fields of a MetaImage header in lower case, but for the name of the data file."""
    fields = {}
    with open(path, "rb") as file:
        for _ in range(1000):
            name, sign, value = file.readline(_LONGEST_HEADER).decode("latin-1").partition("=")
            if not sign:
                break
            key, value = name.strip().lower(), value.strip()
            fields[key] = value if key == "elementdatafile" else value.lower()
            if key == "elementdatafile":
                break
    return fields
