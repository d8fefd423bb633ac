"""What a press of a button does: commands in child processes, and at the very end everything for the scene at once."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import slicer
from MedCompressLib.errors import MedCompressError
from MedCompressLib.volume import Volume
from slicer.i18n import tr as _

from .decoding import deathOf, decodeArguments, decodedVolume


class Steps:
    """Base of a press. A subclass takes its nodes when it is made, as they are then, and overrides `begin`,
    which writes inputs into `self.folder` and calls `self.run`; the callback of the last command calls `self.finish`;
    `addNodes` then fills the scene, and passes each new node through `self.keep`.
    """

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.jobs = None
        self._kept: list = []

    def begin(self) -> None:
        """Start the first command."""
        raise NotImplementedError

    def addNodes(self) -> None:
        """Add the results to the scene."""

    def failure(self, message: str) -> str:
        """What to say where a step failed with this message."""
        return message

    def start(self, jobs, done: Callable, failed: Callable[[str], None]) -> None:
        """Begin; calls `done(self)` at the end, or `failed(message)` if a step fails or is cancelled."""
        self.jobs, self._done, self._failed, self._started = jobs, done, failed, time.monotonic()
        self.folder = Path(tempfile.mkdtemp(prefix="medcompress-", dir=slicer.app.temporaryPath))
        try:
            self.begin()
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        """Remove the temporary files; for an end that nobody is told of."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def run(
        self, arguments: list[str], then: Callable, refused=None, output: Path | None = None, step="", report=None
    ) -> None:
        """Run a command; later `then(result)`, or `refused(message)`, which fails unless given otherwise.

        output: archive that the command writes. step: which part of the work it is, for people. report: called with
        each step that says more than fraction and message.
        """
        self.jobs.run(arguments, then, refused or self.fail, output, step, report)

    def decode(self, archive: Path, then: Callable, step="") -> None:
        """Decode an archive in a child process; later `then()`, after which `decoded` gives the volume."""
        self._archivePath = archive

        def refused(message: str) -> None:
            self.fail(deathOf(archive) if self.jobs.died else message)

        self.run(decodeArguments(archive, self.decodedFile), lambda _result: then(), refused, step=step)

    @property
    def decodedFile(self) -> Path:
        """Raw NRRD with the samples that `decode` restored."""
        return self.folder / "restored.nrrd"

    def decoded(self) -> Volume:
        """The volume of the archive that was given to `decode`."""
        return decodedVolume(self._archivePath, self.decodedFile)

    def keep(self, node):
        """The node; it is removed again where a later one cannot be made."""
        self._kept.append(node)
        return node

    def finish(self) -> None:
        """Add all results, or none of them."""
        try:
            slicer.mrmlScene.SaveStateForUndo()
            self.addNodes()
        except BaseException as error:
            for node in self._kept:
                slicer.mrmlScene.RemoveNode(node)
            self.fail(str(error))
            if not isinstance(error, MedCompressError):
                raise
            return
        self.end(_("Done in {seconds:.1f} s").format(seconds=time.monotonic() - self._started))

    def end(self, text: str) -> None:
        """Say so, and that it is done."""
        self.discard()
        self.jobs.say(text)
        self._done(self)

    def fail(self, message: str) -> None:
        message = self.failure(message)
        self.discard()
        self.jobs.say(message)
        self._failed(message)
