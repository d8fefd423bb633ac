"""Modal dialogs and failures: a test answers the first, and none of the second gets lost."""

import logging
import re
import sys
import traceback
from collections import deque

import slicer
import vtk
from PySide6 import QtCore, QtWidgets

errors: list[str] = []
messages: list[tuple[str, str]] = []
installs: list = []
_answers: deque = deque()
_HARMLESS = re.compile("propagateSizeHints|QFontDatabase|QStandardPaths")


def answer(reply) -> None:
    """Give `reply`, a button or path, to the next modal dialog."""
    _answers.append(reply)


def takeErrors() -> list[str]:
    """Failures since the last call, unused answers among them; forgets them, the messages and the installs."""
    taken = errors + [f"no dialog asked for the answer {reply!r}" for reply in _answers]
    for kept in (errors, messages, installs, _answers):
        kept.clear()
    return taken


def collectErrors() -> None:
    """From now on keep what slots, observers, destructors, VTK and Qt report."""

    def onException(*raised):
        errors.append("".join(traceback.format_exception(*raised)))

    def onVtkError(caller, event, text):
        errors.append(f"VTK: {text}")

    def onQtMessage(kind, context, text):
        if kind not in (QtCore.QtMsgType.QtDebugMsg, QtCore.QtMsgType.QtInfoMsg) and not _HARMLESS.search(text):
            errors.append(f"Qt: {text}")

    sys.excepthook = onException
    sys.unraisablehook = lambda raised: onException(raised.exc_type, raised.exc_value, raised.exc_traceback)
    onVtkError.CallDataType = vtk.VTK_STRING
    vtk.vtkOutputWindow.GetInstance().AddObserver("ErrorEvent", onVtkError)
    QtCore.qInstallMessageHandler(onQtMessage)


def _ask(*arguments, **options):
    """In place of a modal dialog, or of a function that opens one with parent, title and text."""
    texts = [getattr(argument, "text", argument) for argument in arguments]
    messages.append(("DIALOG", " ".join(text for text in texts if isinstance(text, str))))
    if not _answers:
        raise AssertionError(f"a modal dialog opened and the test gave no answer: {messages[-1][1]}")
    return _answers.popleft()


def patchDialogs() -> None:
    """Dialogs get the test's answers; what is logged, displayed or would be installed is recorded."""
    functions = "information warning critical question getText getItem getInt getDouble"
    functions += " getOpenFileName getOpenFileNames getSaveFileName getExistingDirectory"
    for cls in (QtWidgets.QDialog, QtWidgets.QMessageBox, QtWidgets.QFileDialog, QtWidgets.QInputDialog):
        cls.exec = cls.exec_ = lambda self: _ask(self)
        for name in filter(vars(cls).__contains__, functions.split()):
            setattr(cls, name, staticmethod(_ask))
    logging.getLogger().addFilter(lambda record: messages.append((record.levelname, record.getMessage())) or True)
    for module in {slicer.util, getattr(slicer, "packaging", slicer.util)}:
        module.pip_install = lambda requirements, **options: installs.append(requirements)
