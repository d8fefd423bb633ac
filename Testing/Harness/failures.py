"""Modal dialogs and failures: a test answers the first, and none of the second gets lost."""

import logging
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
_HARMLESS = "propagateSizeHints", "QFontDatabase", "QStandardPaths"
_ASKING = "exec exec_ information warning critical question getText getItem getInt getDouble getOpenFileName"
_ASKING += " getOpenFileNames getSaveFileName getExistingDirectory"


def answer(reply) -> None:
    """Give `reply`, a button or path, to the next modal dialog."""
    _answers.append(reply)


def takeErrors() -> list[str]:
    """Failures since the last call, unused answers among them; forgets them, the messages and the installs."""
    taken = errors + [f"no dialog asked for the answer {reply!r}" for reply in _answers]
    for kept in (errors, messages, installs, _answers):
        kept.clear()
    return taken


def _ask(*arguments, **options):
    """In place of a modal dialog's exec, or of a function that opens one with parent, title and text."""
    texts = [getattr(argument, "text", argument) for argument in arguments]
    messages.append(("DIALOG", " ".join(text for text in texts if isinstance(text, str))))
    assert _answers, f"a modal dialog opened and the test gave no answer: {messages[-1][1]}"
    return _answers.popleft()


def watch() -> None:
    """From now on keep what slots, observers, destructors, VTK and Qt report, what is logged, what pip would install;
    dialogs get the test's answers."""

    def onException(*raised):
        errors.append("".join(traceback.format_exception(*raised[:3])))

    @vtk.calldata_type(vtk.VTK_STRING)
    def onVtkError(caller, event, text):
        errors.append(f"VTK: {text}")

    def onQtMessage(kind, context, text):
        if kind.name not in ("QtDebugMsg", "QtInfoMsg") and not any(name in text for name in _HARMLESS):
            errors.append(f"Qt: {text}")

    sys.excepthook, sys.unraisablehook = onException, lambda raised: onException(*raised)
    vtk.vtkOutputWindow.GetInstance().AddObserver("ErrorEvent", onVtkError)
    QtCore.qInstallMessageHandler(onQtMessage)
    logging.getLogger().addFilter(lambda record: messages.append((record.levelname, record.getMessage())) or True)
    for module in {slicer.util, getattr(slicer, "packaging", slicer.util)}:
        module.pip_install = lambda requirements, **options: installs.append(requirements)
    for cls in (QtWidgets.QDialog, QtWidgets.QMessageBox, QtWidgets.QFileDialog, QtWidgets.QInputDialog):
        for name in filter(vars(cls).__contains__, _ASKING.split()):
            setattr(cls, name, _ask if name[:4] == "exec" else staticmethod(_ask))
