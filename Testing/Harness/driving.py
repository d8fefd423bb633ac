"""The user's hands and eyes: real mouse and key events on visible, enabled widgets."""

import time

from PySide6 import QtCore, QtTest, QtWidgets

_LEFT = QtCore.Qt.MouseButton.LeftButton


def _reachable(widget):
    QtWidgets.QApplication.processEvents()
    if not widget.isVisible():
        raise AssertionError(f"'{widget.name}' cannot be used: it is not visible")
    if not widget.isEnabled():
        raise AssertionError(f"'{widget.name}' cannot be used: it is disabled")
    return widget


def click(widget) -> None:
    """Click a widget with the left button where it reacts to clicks."""
    _reachable(widget)
    position = widget.rect.center()
    if isinstance(widget, (QtWidgets.QCheckBox, QtWidgets.QRadioButton)):
        position = QtCore.QPoint(8, position.y())
    if not widget.visibleRegion().contains(position):
        raise AssertionError(f"'{widget.name}' cannot be clicked: nothing of it is seen there")
    QtTest.QTest.mouseClick(widget, _LEFT, QtCore.Qt.KeyboardModifier.NoModifier, position)
    QtWidgets.QApplication.processEvents()


def typeText(widget, text) -> None:
    """Replace the text of a line edit, spin box or the like by key strokes, and press Enter."""
    widget = _reachable(getattr(widget, "_spinBox", None) or getattr(widget, "_edit", None) or widget)
    widget.setFocus()
    widget.selectAll()
    QtTest.QTest.keyClicks(widget, str(text))
    if not isinstance(widget, QtWidgets.QPlainTextEdit):
        QtTest.QTest.keyClick(widget, QtCore.Qt.Key.Key_Return)
    QtWidgets.QApplication.processEvents()


def drag(slider, value) -> None:
    """Move a slider to `value` as its handle would; a value outside the range is an error."""
    _reachable(slider)
    if not slider.minimum <= value <= slider.maximum:
        raise AssertionError(f"'{slider.name}' reaches from {slider.minimum} to {slider.maximum}, not to {value}")
    if isinstance(slider, QtWidgets.QAbstractSlider):
        slider.setValue(value)
    else:
        handle = slider.slider()
        handle.setSliderDown(True)
        handle.setSliderPosition(round(1000 * (value - slider.minimum) / (slider.maximum - slider.minimum)))
        handle.setSliderDown(False)
    QtWidgets.QApplication.processEvents()


def choose(combo, text: str) -> None:
    """Choose the entry `text` of a combo box or node selector as a pick in its list does."""
    box = _reachable(getattr(combo, "_combo", combo))
    index = box.findText(text)
    if index < 0:
        raise AssertionError(f"'{combo.name}' has no entry '{text}', but {[box.itemText(i) for i in range(box.count)]}")
    box.setCurrentIndex(index)
    box.activated.emit(index)
    QtWidgets.QApplication.processEvents()


def waitFor(condition, seconds: float = 10) -> None:
    """Let events happen until `condition()` holds; AssertionError after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"did not happen within {seconds} s: {getattr(condition, '__name__', condition)}")
        QtTest.QTest.qWait(10)


def grab(widget, path) -> None:
    """Save a picture of the widget as PNG."""
    QtWidgets.QApplication.processEvents()
    if not widget.grab().save(str(path), "PNG"):
        raise OSError(f"could not write {path}")
