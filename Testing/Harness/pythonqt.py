"""Qt with PythonQt's ways: PySide6's own classes, patched in place, shown to modules as ``qt``.

Properties are attributes beside their setters, ``connect`` takes a signal's signature as text and keeps the receiver,
``name`` is the object's name; what Qt's meta-objects do not know is an error.
"""

import functools
import re
import types

from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

_LIBRARIES = QtCore, QtGui, QtWidgets, QtUiTools
_getOriginal = QtCore.QObject.__getattribute__
_CONNECT = {"connect": QtCore.QObject.connect, "disconnect": QtCore.QObject.disconnect}
connected: list = []  # PythonQt keeps the object of a connected method alive, PySide does not


def withoutVtkTypes(text: str) -> str:
    """Signatures as stand-ins declare them: a pointer to a VTK object is a Python object."""
    return re.sub(r"vtk\w+ ?\*", "PyObject", text)


def _property(self, name: str):
    meta = _getOriginal(self, "metaObject")()
    index = meta.indexOfProperty("objectName" if name == "name" else name)
    return meta.property(index) if index >= 0 else None


def _getAttribute(self, name, original):
    if name in _CONNECT:
        return functools.partial(_byText, _CONNECT[name], self)
    known = _property(self, name)
    return known.read(self) if known else original(self, name)


def _setAttribute(self, name, value):
    known, home = _property(self, name), type(self).__module__.split(".")[0]
    if known:
        if not known.write(self, list(value) if isinstance(value, tuple) else value):
            raise AttributeError(f"property '{name}' of {type(self).__name__} is read-only or cannot be {value!r}")
        return
    ours = name[0] == "_" or name in self.__dict__ or isinstance(value, QtCore.SignalInstance)
    if home in ("PySide6", "Harness") and not ours:
        if QUiLoader.loading:  # PySide's loader would make each child an attribute of the top widget
            return
        raise AttributeError(f"{type(self).__name__} has no attribute '{name}', and PythonQt lets nobody add one")
    self.__dict__[name] = value


def _byText(operation, self, signal, slot, *own):
    if own:  # PySide's own call: sender, signal, function
        return operation(signal, slot, *own)
    signature = QtCore.QMetaObject.normalizedSignature(withoutVtkTypes(signal)).data().decode()
    if self.metaObject().indexOfSignal(signature) < 0:
        raise AttributeError(f"{type(self).__name__} has no signal '{signal}'")
    if not callable(slot):
        raise TypeError(f"cannot connect '{signal}' to {slot!r}, which is not callable")
    connected.append(slot)
    return bool(operation(self, QtCore.SIGNAL(signature), slot))


class QUiLoader(QtUiTools.QUiLoader):
    """Strict: unknown widget classes and properties raise; about unknown signals, slots and flags Qt warns, which fails
    the test."""

    loading = False

    def load(self, device, parent=None):
        text, buffer = withoutVtkTypes(device.readAll().data().decode()), QtCore.QBuffer()
        for name in set(re.findall(r'<widget class="(\w+)"', text)) - set(self.availableWidgets()):
            raise LookupError(f"Testing/Harness has no stand-in for {name}")
        text = re.sub(r"<set>(ctkPathLineEdit::(Files|Writable)\|?)+</set>", "<number>0</number>", text)
        buffer.setData(text.encode())
        buffer.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
        QUiLoader.loading = True
        try:
            top = super().load(buffer, parent)
        finally:
            QUiLoader.loading = False
        for widget in [top, *top.findChildren(QtWidgets.QWidget)]:
            for key in widget.dynamicPropertyNames():
                if not key.startsWith(b"_") and key != b"SlicerParameterName":
                    raise LookupError(f"widget '{widget.name}' ({type(widget).__name__}) has no property {key}")
        return top


def createModule() -> types.ModuleType:
    """Patch PySide6 and return the module ``qt``; to be called once."""
    module = types.ModuleType("qt", "Qt as PythonQt shows it to Slicer's modules")
    names = {name: getattr(library, name) for library in _LIBRARIES for name in dir(library) if name[0] in "Qq"}
    vars(module).update(names, QUiLoader=QUiLoader)
    for cls in names.values():
        if isinstance(cls, type) and issubclass(cls, QtCore.QObject):
            cls.__setattr__ = _setAttribute
            if own := vars(cls).get("__getattribute__"):
                cls.__getattribute__ = lambda self, name, own=own: _getAttribute(self, name, own)
    connect = QtCore.SignalInstance.connect
    QtCore.SignalInstance.connect = lambda self, *slots: connected.extend(slots) or connect(self, *slots)
    return module
