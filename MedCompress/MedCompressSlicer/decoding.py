"""Archives decoded in a child process: what a crafted codestream does to a codec's library, it does not do to Slicer.

The child writes the samples as raw NRRD; the geometry comes from the manifest, every digit of it, which this process
reads by itself.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import slicer
from MedCompressLib.archive import Archive
from MedCompressLib.errors import MedCompressError
from MedCompressLib.jobs import Job
from MedCompressLib.sources import open_source
from MedCompressLib.volume import Volume
from slicer.i18n import tr as _

from .job_panel import pythonExecutable


def decodeArguments(archive: Path, output: Path) -> list[str]:
    """The command that decodes an archive into a .nrrd file for `decodedVolume`."""
    return ["decompress", str(archive.absolute()), str(output), "--uncompressed"]


def decodedVolume(archive: Path, output: Path) -> Volume:
    """The volume of an archive, from the file that the command has written; raises MedCompressError."""
    with Archive(archive) as opened:
        manifest = opened.manifest
    source = open_source(output)
    try:
        if (source.shape, source.scalar_type) != (manifest.shape, manifest.scalar_type):
            raise MedCompressError(f"{archive} was replaced while it was decoded: open it again")
        return Volume(source.read(0, source.shape[0]), manifest.geometry, manifest.modality)
    finally:
        source.close()


def deathOf(archive: Path) -> str:
    """What to say where the process that decoded an archive did not end by itself."""
    text = _(
        "{file} could not be decoded, the attempt ended its process: the archive is damaged or made to do harm, or"
        " memory ran out; close other programs, or restore the file from a copy"
    )
    return text.format(file=archive.name)


def decode(archive: Path, makeJob: Callable[..., Job] = Job) -> Volume:
    """The volume in an archive; waits for the child process that decodes it. Raises MedCompressError on any damage."""
    with tempfile.TemporaryDirectory(prefix="medcompress-", dir=slicer.app.temporaryPath) as folder:
        output = Path(folder) / "volume.nrrd"
        job = makeJob(decodeArguments(archive, output), python=pythonExecutable())
        try:
            job.wait()
        finally:
            job.cancel()
        if job.state != "done":
            raise MedCompressError(deathOf(archive) if job.died else job.error.removeprefix("medcompress: "))
        return decodedVolume(archive, output)
