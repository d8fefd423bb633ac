"""Qt with PythonQt's ways: PySide6's own classes, patched in place, shown to modules as ``qt``.

Properties are attributes beside their setters, ``connect`` takes a signal's signature as text and keeps the receiver,
``name`` is the object's name; what neither Qt's meta-objects nor a stand-in's class know is an error.
"""

import functools
import re
import types

from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets
from PySide6.QtCore import QObject, SignalInstance

_VIRTUAL = "sizeHint", "minimumSizeHint"  # Qt reads these properties by calling the functions of the same names
connected: list = []  # PythonQt keeps the object of a connected method alive, PySide does not
_getOriginal, _operations = QObject.__getattribute__, {"connect": QObject.connect, "disconnect": QObject.disconnect}


def _property(self, name: str):
    meta = _getOriginal(self, "metaObject")()
    return meta.property(meta.indexOfProperty("objectName" if name == "name" else name))


def _getAttribute(self, name, original):
    if name in _operations:
        return functools.partial(_byText, _operations[name], self)
    known = _property(self, name)
    return known.read(self) if known.isValid() and name not in _VIRTUAL else original(self, name)


def _setAttribute(self, name, value):
    known, cls, default = _property(self, name), type(self), getattr(type(self), name, print)
    if known.isValid():
        if not known.write(self, list(value) if isinstance(value, tuple) else value):
            raise AttributeError(f"property '{name}' of {cls.__name__} is read-only or cannot be {value!r}")
    elif isinstance(default, property):
        default.__set__(self, value)
    elif name[0] == "_" or not callable(default) or cls.__module__.split(".")[0] not in ("PySide6", "Harness"):
        vars(self)[name] = value
    elif not isinstance(value, SignalInstance) and getattr(value, "objectName", "") != name:  # PySide sets these itself
        raise AttributeError(f"{cls.__name__} has no attribute '{name}', and PythonQt lets nobody add one")


def _byText(operation, self, signal, slot, *own):
    if own:  # PySide's own call: sender, signal, function
        return operation(signal, slot, *own)
    signature = QtCore.QMetaObject.normalizedSignature(withoutVtkTypes(signal)).data().decode()
    if self.metaObject().indexOfSignal(signature) < 0:
        raise AttributeError(f"{type(self).__name__} has no signal '{signal}'")
    connected.append(slot)
    return bool(operation(self, QtCore.SIGNAL(signature), slot))


def withoutVtkTypes(text: str) -> str:
    """Signatures as stand-ins declare them: a pointer to a VTK object is a Python object."""
    return re.sub(r"vtk\w+ ?\*", "PyObject", text)


class QUiLoader(QtUiTools.QUiLoader):
    """Of unknown widget classes, signals, slots and flags Qt warns, which fails the test."""

    def load(self, device, parent=None):
        text, buffer = withoutVtkTypes(device.readAll().data().decode()), QtCore.QBuffer()
        buffer.setData(re.sub(r"<set>(ctkPathLineEdit::\w+\|?)+</set>", "<number>0</number>", text).encode())
        buffer.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
        top = super().load(buffer, parent)
        for widget in [top, *top.findChildren(QtWidgets.QWidget)]:
            for key in (name.data().decode() for name in widget.dynamicPropertyNames()):
                if key[0] != "_" and key != "SlicerParameterName":
                    setattr(widget, key, widget.property(key))
        return top


def createModule() -> types.ModuleType:
    """Patch PySide6 and return the module ``qt``; to be called once."""
    module = types.ModuleType("qt", "Qt as PythonQt shows it to Slicer's modules")
    for library in (QtCore, QtGui, QtWidgets, QtUiTools):
        vars(module).update({name: getattr(library, name) for name in dir(library) if name[0] in "Qq"})
    for cls in vars(module).values():
        if isinstance(cls, type) and issubclass(cls, QObject):
            cls.__setattr__ = _setAttribute
            if own := vars(cls).get("__getattribute__"):
                cls.__getattribute__ = lambda self, name, own=own: _getAttribute(self, name, own)
    connect, module.QUiLoader = SignalInstance.connect, QUiLoader
    SignalInstance.connect = lambda self, *slots: connected.extend(slots) or connect(self, *slots)
    return module
