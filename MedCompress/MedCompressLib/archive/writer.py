"""Writes archives: into a temporary file beside the target, checked, synced and only then renamed."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from ..errors import MedCompressError
from .container import Member, directory
from .manifest import DIGEST_NAME, MANIFEST_NAME, Manifest

_MIDNIGHT = bytes(32)


class Chunks(Protocol):
    """The encoded chunks of one layer, in the order of the slices."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> bytes: ...


def temporary_path(path: Path, process: int) -> Path:
    """Where the process with this number keeps an archive until it is whole."""
    return path.with_name(f".{path.name}.{process}.part")


def archive_size(manifest: Manifest) -> int:
    """Bytes of the whole file that `write_archive` makes of this manifest; the layers need not exist yet."""
    placed = manifest
    for number in range(len(manifest.layers)):
        placed = placed.with_digest(number, _MIDNIGHT.hex())
    members = _place(placed, placed.to_json(), [0] * len(manifest.layers))
    return members[-1].end + len(directory(members))


def write_archive(
    path: Path, manifest: Manifest, layers: Sequence[Chunks], verify: Callable[[Path], None] | None = None
) -> int:
    """Write `path` at once or not at all and return its size in bytes.

    layers: the chunks of each layer of the manifest. verify: called with the finished temporary file; what it raises
    keeps the file from taking its name. Raises MedCompressError when the folder cannot be written or the disk is full.
    """
    temporary = temporary_path(path, os.getpid())
    try:
        with open(temporary, "wb") as file:
            _write(file, manifest, layers)
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        if verify is not None:
            verify(temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise MedCompressError(
            f"{path} could not be written ({error.strerror or error}): nothing was changed; "
            "free space or choose another folder"
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink()
    _sync_folder(path.parent)
    return size


def _write(file: BinaryIO, manifest: Manifest, layers: Sequence[Chunks]) -> None:
    crcs = []
    for number, chunks in enumerate(layers):
        digest, crc = hashlib.sha256(), 0
        for index in range(len(chunks)):
            chunk = chunks[index]
            digest.update(chunk)
            crc = zlib.crc32(chunk, crc)
        manifest = manifest.with_digest(number, digest.hexdigest())
        crcs.append(crc)
    content = manifest.to_json()
    members = _place(manifest, content, crcs)
    for member, piece in zip(members, (content, digest_line(content)), strict=False):
        file.write(member.local_header())
        file.write(piece)
    for member, chunks in zip(members[2:], layers, strict=True):
        file.write(member.local_header())
        for index in range(len(chunks)):
            file.write(chunks[index])
    file.write(directory(members))


def digest_line(content: bytes) -> bytes:
    """The manifest's SHA-256 in the form that the tool sha256sum checks."""
    return f"{hashlib.sha256(content).hexdigest()}  {MANIFEST_NAME}\n".encode()


def _place(manifest: Manifest, content: bytes, crcs: Sequence[int]) -> list[Member]:
    line = digest_line(content)
    entries = [(MANIFEST_NAME, len(content), zlib.crc32(content)), (DIGEST_NAME, len(line), zlib.crc32(line))]
    entries += [(layer.member, layer.size, crc) for layer, crc in zip(manifest.layers, crcs, strict=True)]
    members: list[Member] = []
    for name, size, crc in entries:
        members.append(Member(name, size, crc, members[-1].end if members else 0))
    return members


def _sync_folder(folder: Path) -> None:
    """Make the new name survive a power cut, where the system lets folders be synced."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
