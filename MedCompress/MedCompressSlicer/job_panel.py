"""Progress bar, message and Cancel of work in child processes, one command after another."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import qt
from MedCompressLib.archive.writer import temporary_path
from MedCompressLib.jobs import Job
from slicer.i18n import tr as _

_INTERVAL_MS = 100


def pythonExecutable() -> str:
    """The Python that runs without the application: PythonSlicer in Slicer, else this one."""
    return shutil.which("PythonSlicer") or sys.executable


class JobPanel:
    """Runs commands of the library in child processes and shows how they go.

    bar, label, cancelButton: the widgets. makeJob: starts a child process (MedCompressLib.jobs.Job's signature).
    log: lines that the last command wrote to standard error. wasCancelled, died: how it ended, see Job.
    """

    def __init__(self, bar, label, cancelButton, makeJob: Callable[..., Job] = Job):
        self._bar, self._label, self._cancelButton = bar, label, cancelButton
        self._makeJob = makeJob
        self._job: Job | None = None
        self._output: Path | None = None
        self._done = self._failed = self._report = None
        self._step = ""
        self._reported = 0
        self.wasCancelled = self.died = False
        self.log: list[str] = []
        self._timer = qt.QTimer()
        self._timer.setInterval(_INTERVAL_MS)
        self._timer.connect("timeout()", self._onTimer)
        self._cancelButton.connect("clicked(bool)", self._onCancel)
        self._show(running=False)

    @property
    def running(self) -> bool:
        return self._job is not None

    def run(
        self,
        arguments: list[str],
        done: Callable,
        failed: Callable,
        output: Path | None = None,
        step: str = "",
        report: Callable[[dict], None] | None = None,
    ) -> None:
        """Start a command; later calls done(result: dict), or failed(message: str) also when it was cancelled.

        output: archive that the command writes; what a killed process left of it is removed. step: which part of the
        work it is, for people. report: called with each step that says more than fraction and message.
        """
        if self.running:
            raise RuntimeError("another command is running")
        self._job = self._makeJob(arguments, python=pythonExecutable())
        self._output, self._done, self._failed, self._step = output, done, failed, step
        self._report, self._reported = report, 0
        self.wasCancelled, self.died, self.log = False, False, []
        self._show(running=True)
        self._timer.start()
        self._onTimer()

    def say(self, text: str) -> None:
        """Show a line below the progress bar."""
        self._label.setText(text)

    def stop(self, reason: str = "") -> None:
        """End the running command and call nobody back; for the end of the scene or the module."""
        if self._job is not None:
            self._job.cancel()
            self._forget()
            self.say(reason)

    def _onTimer(self) -> None:
        job = self._job
        if job is None:
            return
        state = job.poll()
        self._bar.setValue(round(100 * job.fraction))
        self.say(" ".join(filter(None, [self._step, f"{job.message} - {_times(job)}"])))
        self._tell(job)
        if state != "running" and self._job is job:
            self._finish(job, state)

    def _tell(self, job: Job) -> None:
        new, self._reported = job.reports[self._reported :], len(job.reports)
        for document in new:
            if self._report is not None:
                self._report(document)

    def _onCancel(self, *_unused) -> None:
        while self._job is not None:  # a command may have ended just before: the one that follows it is cancelled then
            job = self._job
            job.cancel()
            self._tell(job)
            if self._job is job:
                self._finish(job, job.state)

    def _finish(self, job: Job, state: str) -> None:
        done, failed, writes = self._done, self._failed, self._output is not None
        self.log = job.log
        self._forget()
        if state == "done":
            done(job.result)
            return
        self.wasCancelled, self.died = state == "cancelled", job.died
        message = job.error.removeprefix("medcompress: ")
        if self.wasCancelled:
            message = _("Cancelled, nothing was written") if writes else _("Cancelled")
        self.say(message)
        failed(message)

    def _forget(self) -> None:
        self._timer.stop()
        job, output = self._job, self._output
        self._job = self._output = self._done = self._failed = self._report = None
        if output is not None:
            temporary_path(output, job.process_id).unlink(missing_ok=True)
        self._show(running=False)

    def _show(self, running: bool) -> None:
        self._bar.setVisible(running)
        self._cancelButton.setVisible(running)


def _times(job: Job) -> str:
    text = _("{seconds:.0f} s").format(seconds=job.elapsed)
    if job.remaining is not None:
        text += _(", about {seconds:.0f} s left").format(seconds=job.remaining)
    return text
