"""The user's hands and eyes: real mouse and key events on visible, enabled widgets."""

import time

from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QCheckBox, QRadioButton


def _reachable(widget):
    """The widget, or the Qt widget inside a stand-in; AssertionError where no user could use it."""
    QApplication.processEvents()
    if not widget.isVisible() or not widget.isEnabled():
        raise AssertionError(f"'{widget.name}' cannot be used: it is {'disabled' if widget.isVisible() else 'hidden'}")
    return getattr(widget, "_part", widget)


def click(widget) -> None:
    """Click a widget with the left button where it reacts to clicks."""
    position = _reachable(widget).rect.center()
    if isinstance(widget, (QCheckBox, QRadioButton)):
        position = QPoint(8, position.y())
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton, pos=position)
    QApplication.processEvents()


def typeText(widget, text) -> None:
    """Replace the text of a line edit or spin box by key strokes, and press Enter."""
    part = _reachable(widget)
    part.selectAll()
    QTest.keyClicks(part, str(text))
    QTest.keyClick(part, Qt.Key.Key_Return)
    QApplication.processEvents()


def drag(slider, value) -> None:
    """Move a slider to `value`; a value outside the range is an error."""
    _reachable(slider)
    if not slider.minimum <= value <= slider.maximum:
        raise AssertionError(f"'{slider.name}' reaches from {slider.minimum} to {slider.maximum}, not to {value}")
    slider.value = value


def choose(combo, text: str) -> None:
    """Choose the entry `text` of a combo box or node selector."""
    part = _reachable(combo)
    index = part.findText(text)
    if index < 0:
        raise AssertionError(f"'{combo.name}' has no entry '{text}'")
    part.setCurrentIndex(index)
    part.activated.emit(index)


def waitFor(condition, seconds: float = 120) -> None:
    """Let events happen until `condition()` holds; AssertionError after `seconds`, which only a failing test waits."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"did not happen within {seconds} s"
        QTest.qWait(10)


def grab(widget, path) -> None:
    """Save a picture of the widget as PNG."""
    QApplication.processEvents()
    assert widget.grab().save(str(path), "PNG"), f"could not write {path}"
