"""The command line: `medcompress COMMAND ...`, or `python -m MedCompressLib COMMAND ...`."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from .commands import build_parser
from .errors import Cancelled, MedCompressError
from .jobs import Progress

FAILURE = 2
_SIGNALS = [number for name in ("SIGTERM", "SIGALRM") if (number := getattr(signal, name, None))]
_ATTEMPTS, _AGAIN_SECONDS = 5, 0.2


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns 0, or 2 after one line on standard error that names the cause and the remedy."""
    options = build_parser().parse_args(arguments)
    progress = _progress(options)
    try:
        with _cancelled_by_sigterm(progress):
            result, text = options.run(options, progress)
            if text is not None:
                print(json.dumps(result) if options.json else text, flush=True)
        return 0
    except (MedCompressError, Cancelled) as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        return _fail("cancelled: nothing was written")
    except MemoryError:
        return _fail("there is not enough memory for this volume: close other programs or use a smaller volume")
    except ImportError as error:
        return _fail(f"a package cannot be imported ({error}): install it with 'pip install {error.name or 'PACKAGE'}'")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE
    except OSError as error:
        return _fail(f"{error.filename or 'a file'}: {error.strerror or error}: check the disk and its connection")


def _fail(message: str) -> int:
    print("medcompress: " + " ".join(message.split()), file=sys.stderr)
    return FAILURE


@contextmanager
def _cancelled_by_sigterm(progress: Progress) -> Iterator[None]:
    """SIGTERM ends the block with Cancelled: at once, or, where that would do harm or be lost, at the next step.

    An exception in the midst of a wait for threads breaks the locks that they share, so that it comes after the wait,
    or in spite of that after a second. Callbacks of the interpreter, such as those of its imports, print it and go on.
    """
    attempts = 0

    def cancel(_: int, frame: FrameType | None) -> None:
        nonlocal attempts
        if progress.ended:
            return
        progress.cancel()
        attempts += 1
        if attempts <= _ATTEMPTS and _waits_for_threads(frame):
            _alarm(_AGAIN_SECONDS)
        else:
            raise Cancelled("cancelled: nothing was written")

    def show_others(unraisable: Any) -> None:
        if not isinstance(unraisable.exc_value, Cancelled):
            show(unraisable)

    previous, show = {number: signal.signal(number, cancel) for number in _SIGNALS}, sys.unraisablehook
    sys.unraisablehook = show_others
    try:
        yield
    finally:
        _alarm(0)
        for number, handler in previous.items():
            signal.signal(number, handler)
        sys.unraisablehook = show


def _alarm(seconds: float) -> None:
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _waits_for_threads(frame: FrameType | None) -> bool:
    module = frame.f_globals.get("__name__", "") if frame else ""
    return module.partition(".")[0] in ("concurrent", "queue", "threading")


def _progress(options: Any) -> Progress:
    if getattr(options, "progress", None) == "json":
        return Progress(lambda fraction, message: _say({"fraction": round(fraction, 4), "message": message}))
    if getattr(options, "progress", None) == "none" or options.json or not sys.stderr.isatty():
        return Progress()
    return Progress(_bar(time.monotonic))


def _say(document: dict[str, Any]) -> None:
    print(json.dumps(document), flush=True)


def _bar(clock: Callable[[], float]) -> Callable[[float, str], None]:
    """A line on the terminal that is drawn over at most ten times a second."""
    last = [0.0]

    def show(fraction: float, message: str) -> None:
        now = clock()
        if fraction >= 1 or now - last[0] >= 0.1:
            last[0] = now
            end = "\r\x1b[K" if fraction >= 1 else ""
            print(f"\r\x1b[K{fraction:4.0%} {message[:70]}{end}", end="", file=sys.stderr, flush=True)

    return show


if __name__ == "__main__":
    sys.exit(main())
