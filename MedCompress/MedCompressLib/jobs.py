"""Long work: progress, cancellation, and the command line in a child process that cannot take the application down."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from .errors import Cancelled, MedCompressError

Show = Callable[[float, str], None]
_GRACE_SECONDS = 1.5
_LAST_WORDS_SECONDS, _CANCELLED_WORDS_SECONDS = 5.0, 0.2
"""How long to wait for the pipes of an ended process, which hold the result, and for each of a cancelled one."""

_ENDINGS = (0, 1, 2)
"""What Python ends a process with: done, an exception, an error that the command line has told."""

_WINDOWS_FLAGS = 0x200 | 0x08000000
"""CREATE_NEW_PROCESS_GROUP and CREATE_NO_WINDOW."""


class Progress:
    """Takes (fraction from 0 to 1, message) from the work, and a wish to cancel from the user.

    The work calls the object; after `cancel` that call raises Cancelled, and the work undoes what it began. ended:
    whether it has raised.
    """

    def __init__(self, show: Show | None = None):
        self._show = show
        self._cancelled = threading.Event()
        self.ended = False

    def __call__(self, fraction: float, message: str) -> None:
        self.check()
        if self._show is not None:
            self._show(min(1.0, max(0.0, fraction)), message)

    def check(self) -> None:
        """Raise Cancelled where that is the user's wish."""
        if self._cancelled.is_set():
            self.ended = True
            raise Cancelled("cancelled: nothing was written")

    def done(self, message: str) -> None:
        """The last step, after which the result is in its place: a wish to cancel comes too late."""
        with suppress(Cancelled):
            self(1.0, message)

    def cancel(self) -> None:
        self._cancelled.set()

    def quiet(self) -> Progress:
        """Progress of a part of the work that shows nothing and is cancelled with the whole."""
        return Progress(lambda fraction, message: self.check())

    def part(self, start: float, stop: float) -> Progress:
        """Progress of a part of the work: its 0 to 1 is start to stop of the whole."""
        return Progress(lambda fraction, message: self(start + fraction * (stop - start), message))


silent = Progress()


def thread_count(asked: int | None = None) -> int:
    """Threads to use: as many as asked for, else one for each core that this process may use."""
    if asked is not None:
        if asked < 1:
            raise MedCompressError(f"{asked} threads do no work: ask for at least 1, or leave the number out")
        return asked
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


class Job:
    """One `medcompress` command in a child process.

    start: how processes are started (subprocess.Popen's signature); clock: seconds, monotonic. `poll` may be called
    from a timer; it never blocks. State is one of "running", "done", "failed", "cancelled". log: lines of standard
    error. reports: steps that said more than fraction and message, such as the epochs of a training.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        python: str = sys.executable,
        start: Callable[..., subprocess.Popen] = subprocess.Popen,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.state = "running"
        self.fraction = 0.0
        self.message = "Starting"
        self.result: dict[str, Any] | list[Any] | None = None
        self.log: list[str] = []
        self.reports: list[dict[str, Any]] = []
        self._clock = clock
        self._started = clock()
        self._ended: float | None = None
        self._lines: list[str] = []
        self._lock = threading.Lock()
        self._partial_before = _partial_files(arguments)
        folder = str(Path(__file__).resolve().parent.parent)
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [folder, environment.get("PYTHONPATH")]))
        own_group = {"creationflags": _WINDOWS_FLAGS} if os.name == "nt" else {"start_new_session": True}
        self._process = start(
            [python, "-m", Path(__file__).resolve().parent.name, *arguments, "--progress", "json", "--json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            encoding="utf-8",
            errors="replace",
            **own_group,
        )
        self.process_id = self._process.pid
        self._arguments = arguments
        self._readers = [
            threading.Thread(target=self._collect, args=(pipe, keep), daemon=True)
            for pipe, keep in ((self._process.stdout, self._lines), (self._process.stderr, self.log))
        ]
        for reader in self._readers:
            reader.start()

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return (self._clock() if self._ended is None else self._ended) - self._started

    @property
    def remaining(self) -> float | None:
        """Estimated seconds to the end, None while nothing is known."""
        if self.state != "running" or self.fraction < 0.02:
            return None
        return self.elapsed * (1 - self.fraction) / self.fraction

    @property
    def died(self) -> bool:
        """Whether the process crashed or was killed, instead of ending with an error of its own."""
        return self.state == "failed" and self._process.returncode not in _ENDINGS

    @property
    def error(self) -> str:
        """The last meaningful line that the command wrote to standard error."""
        lines = [line.strip() for line in self.log if line.strip()]
        return lines[-1] if lines else "the process ended without a message; start it again or see the log"

    def poll(self) -> str:
        """Take in what the child has said; returns the state, "running" until all that it said has been read."""
        if self.state == "running" and self._process.poll() is not None:
            if self._ended is None:
                self._ended = self._clock()
            heard = not any(reader.is_alive() for reader in self._readers)
            if heard or self._clock() - self._ended >= _LAST_WORDS_SECONDS:
                self._end()
        self._take_lines()
        return self.state

    def wait(self) -> str:
        """Block until the child has ended; returns the state."""
        self._process.wait()
        if self.poll() == "running":
            self._finish_reading(_LAST_WORDS_SECONDS / len(self._readers))
            self._end()
        return self.state

    def cancel(self) -> None:
        """End the whole process tree, within two seconds, and what it had half written; blocks that long at most.

        A command that has given its result before its end came is done.
        """
        if self.poll() != "running":
            return
        self.state = "cancelled"
        self._signal(gentle=True)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE_SECONDS)
        self._signal(gentle=False)
        self._process.wait()
        self._ended = self._clock()
        self._finish_reading(_CANCELLED_WORDS_SECONDS)
        self._take_lines()
        if self.result is not None:
            self.state = "done"
        self._remove_partial_files()

    def _end(self) -> None:
        self._take_lines()
        self.state = "done" if self._process.returncode == 0 and self.result is not None else "failed"
        if self.state == "failed":
            self._remove_partial_files()

    def _remove_partial_files(self) -> None:
        for path in _partial_files(self._arguments) - self._partial_before:
            with suppress(OSError):
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _signal(self, gentle: bool) -> None:
        with suppress(OSError):
            if os.name == "nt":
                subprocess.run(["taskkill", "/F", "/T", "/PID", str(self.process_id)], capture_output=True)
            else:
                os.killpg(self.process_id, signal.SIGTERM if gentle else signal.SIGKILL)

    def _finish_reading(self, seconds: float) -> None:
        for reader in self._readers:
            reader.join(seconds)

    def _collect(self, pipe: Any, keep: list[str]) -> None:
        with pipe:
            for line in pipe:
                with self._lock:
                    keep.append(line)

    def _take_lines(self) -> None:
        with self._lock:
            lines, self._lines[:] = list(self._lines), []
        for line in lines:
            self._take(line)

    def _take(self, line: str) -> None:
        try:
            document = json.loads(line)
        except ValueError:
            self.log.append(line)
            return
        if not isinstance(document, dict | list):
            self.log.append(line)
        elif "fraction" in document:
            self.fraction, self.message = float(document["fraction"]), str(document["message"])
            if document.keys() > {"fraction", "message"}:
                self.reports.append(document)
        else:
            self.result = document


def _partial_files(arguments: Sequence[str]) -> set[Path]:
    """What a killed process leaves beside its output: hidden files .NAME.*.part and folders .STEM.*.partial."""
    found: set[Path] = set()
    for path in map(Path, arguments):
        with suppress(OSError, ValueError):
            stem = path.name.split(".")[0]
            found.update(
                entry
                for entry in path.parent.iterdir()
                if entry.name.startswith(f".{stem}.") and entry.suffix in (".part", ".partial")
            )
    return found
