"""Modal dialogs and failures: a test answers the first, and none of the second gets lost."""

import contextlib
import re
import sys
import traceback
from collections import deque

from PySide6 import QtCore, QtWidgets

errors: list[str] = []
messages: list[tuple[str, str]] = []
installs: list[list[str]] = []
_answers: deque = deque()
_HARMLESS = re.compile("propagateSizeHints|QFontDatabase|QStandardPaths")


def answer(reply) -> None:
    """Give `reply` to the next modal dialog: a button, a path, or a function of the dialog that returns the result."""
    _answers.append(reply)


@contextlib.contextmanager
def expectError(pattern: str):
    """The block must cause a failure, in a slot, an observer or itself, whose text matches `pattern`."""
    before = len(errors)
    try:
        yield
    except Exception:
        errors.append(traceback.format_exc())
    caught = errors[before:]
    if not any(re.search(pattern, text) for text in caught):
        raise AssertionError(f"no failure matches '{pattern}'; caught: {caught or 'none'}")
    errors[before:] = [text for text in caught if not re.search(pattern, text)]


def takeErrors() -> list[str]:
    """Failures since the last call, unused answers among them; forgets them, the messages and the installs."""
    taken = errors + [f"no dialog asked for the answer {reply!r}" for reply in _answers]
    for kept in (errors, messages, installs, _answers):
        kept.clear()
    return taken


def collectErrors() -> None:
    """From now on keep what slots, observers, destructors, VTK and Qt report."""
    import vtk

    def onException(*raised):
        errors.append("".join(traceback.format_exception(*raised)))
        sys.__excepthook__(*raised)

    sys.excepthook = onException
    sys.unraisablehook = lambda raised: errors.append("".join(traceback.format_exception(raised.exc_value)))

    def onVtkError(caller, event, text):
        errors.append(f"VTK: {text}")

    def onQtMessage(kind, context, text):
        if kind not in (QtCore.QtMsgType.QtDebugMsg, QtCore.QtMsgType.QtInfoMsg) and not _HARMLESS.search(text):
            errors.append(f"Qt: {text}")

    onVtkError.CallDataType = vtk.VTK_STRING
    vtk.vtkOutputWindow.GetInstance().AddObserver("ErrorEvent", onVtkError)
    QtCore.qInstallMessageHandler(onQtMessage)


def _reply(dialog, text: str):
    if not _answers:
        raise AssertionError(f"a modal dialog opened and the test gave no answer: {text}")
    reply = _answers.popleft()
    return reply(dialog) if callable(reply) else reply


def _execute(dialog):
    text = getattr(dialog, "text", "") or dialog.windowTitle
    messages.append(("DIALOG", text))
    return _reply(dialog, text)


def patchDialogs() -> None:
    QtWidgets.QDialog.exec = QtWidgets.QDialog.exec_ = QtWidgets.QMessageBox.exec = _execute
    QtWidgets.QMessageBox.exec_ = QtWidgets.QFileDialog.exec_ = _execute

    def asking(name):
        def ask(parent=None, title="", text="", *rest):
            messages.append((name, text or title))
            return _reply(None, text or title)

        return staticmethod(ask)

    for name in ("information", "warning", "critical", "question"):
        setattr(QtWidgets.QMessageBox, name, asking(name))
    for name in ("getOpenFileName", "getOpenFileNames", "getSaveFileName", "getExistingDirectory"):
        setattr(QtWidgets.QFileDialog, name, asking(name))
    for name in ("getText", "getItem", "getInt", "getDouble"):
        setattr(QtWidgets.QInputDialog, name, asking(name))
