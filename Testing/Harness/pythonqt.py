"""Qt with PythonQt's ways: PySide6's own classes, patched in place, shown to modules as ``qt``.

Properties are attributes beside their setters, ``connect`` takes a signal's signature as text, ``name`` is the object's
name, and an attribute, property or signal that Qt does not know is an error.
"""

import functools
import inspect
import re
import types
import weakref

from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

from . import dialogs

_LIBRARIES = (QtCore, QtGui, QtWidgets, QtUiTools)
_connect, _disconnect = QtCore.QObject.connect, QtCore.QObject.disconnect
loading: list[bool] = []
_slots: "weakref.WeakValueDictionary" = weakref.WeakValueDictionary()


class _QtProperty:
    """One Qt property as a data attribute; seen from the class it stays the method of the same name."""

    def __init__(self, name: str, shadowed, getter, setter):
        self.name, self.shadowed, self.getter, self.setter = name, shadowed, getter, setter

    def __get__(self, instance, owner):
        return self.shadowed if instance is None else self.getter(instance)

    def __set__(self, instance, value):
        if self.setter is None:
            raise AttributeError(f"Qt property '{self.name}' of {type(instance).__name__} is read-only")
        self.setter(instance, value)


def _properties(cls):
    """(name, descriptor) of the Qt properties that `cls` itself declares."""
    meta = cls.staticMetaObject
    for index in range(meta.propertyOffset(), meta.propertyCount()):
        qtProperty = meta.property(index)
        name = qtProperty.name()
        capital = name[0].upper() + name[1:]
        found = [getattr(cls, candidate, None) for candidate in ("is" + capital, "has" + capital, name)]
        methods = [method for method in found if inspect.isroutine(method)]
        getter = methods[0] if methods else lambda instance, name=name: instance.property(name)
        setter = getattr(cls, "set" + capital, None)
        if setter is None and qtProperty.isWritable():
            setter = lambda instance, value, name=name: instance.setProperty(name, value)  # noqa: E731
        yield name, _QtProperty(name, found[2], getter, setter)


@functools.cache
def _signals(cls) -> set[str]:
    meta = cls.staticMetaObject
    methods = [meta.method(index) for index in range(meta.methodCount())]
    kind = QtCore.QMetaMethod.MethodType.Signal
    return {bytes(method.methodSignature()).decode() for method in methods if method.methodType() == kind}


def hasProperty(cls, name: str) -> bool:
    return any(isinstance(vars(base).get(name), (_QtProperty, QtCore.Property)) for base in cls.__mro__)


def signature(sender, signal: str) -> str:
    """The normalized signature of a signal that `sender` really has; AttributeError otherwise."""
    text = bytes(QtCore.QMetaObject.normalizedSignature(signal)).decode()
    text = re.sub(r"vtkMRML\w+\*|vtkObject\*", "PyObject", text)
    if text not in _signals(type(sender)):
        raise AttributeError(f"{type(sender).__name__} has no signal '{signal}'")
    return text


_ARITIES = (
    lambda call: lambda: call(),
    lambda call: lambda a=_slots: call(a),
    lambda call: lambda a=_slots, b=_slots: call(a, b),
    lambda call: lambda a=_slots, b=_slots, c=_slots: call(a, b, c),
)


def _slot(function):
    """PythonQt keeps a connected bound method alive, PySide does not: stand a function in for it."""
    receiver = getattr(function, "__self__", None)
    if not isinstance(function, types.MethodType) or isinstance(receiver, QtCore.QObject):
        return function
    code, key = getattr(function, "__code__", None), (id(receiver), function.__func__)
    if code is None or code.co_flags & inspect.CO_VARARGS or code.co_argcount > len(_ARITIES):
        return _slots.setdefault(key, lambda *arguments: function(*arguments))

    def call(*arguments):
        return function(*(argument for argument in arguments if argument is not _slots))

    return _slots.setdefault(key, _ARITIES[code.co_argcount - 1](call))


def _byText(operation):
    def apply(self, signal, receiver, slot=None):
        if isinstance(signal, QtCore.QObject):  # PySide's own calls: sender, signal, function
            return operation(signal, receiver, slot)
        function = getattr(receiver, slot.split("(")[0]) if slot else receiver
        if not callable(function):
            raise TypeError(f"cannot connect '{signal}' to {function!r}, which is not callable")
        return bool(operation(self, QtCore.SIGNAL(signature(self, signal)), _slot(function)))

    return apply


def _setAttribute(self, name, value):
    for cls in type(self).__mro__:
        if name in cls.__dict__:
            attribute = cls.__dict__[name]
            if isinstance(attribute, QtCore.Property):
                if attribute.fset is None:
                    raise AttributeError(f"property '{name}' of {type(self).__name__} is read-only")
                return attribute.fset(self, value)
            if hasattr(type(attribute), "__set__"):
                return attribute.__set__(self, value)
            break
    cls = type(self)
    if loading and isinstance(value, QtCore.QObject) and not name.startswith("_"):
        return
    if isinstance(value, QtCore.SignalInstance):
        return self.__dict__.__setitem__(name, value)
    foreign = cls.__module__.startswith("PySide6") or getattr(cls, "isStandIn", False)
    if foreign and not name.startswith("_"):
        raise AttributeError(f"{cls.__name__} has no attribute '{name}', and PythonQt lets nobody add one")
    self.__dict__[name] = value


def _patchClass(cls, original, properties):
    bound = {"connect": _byText(_connect), "disconnect": _byText(_disconnect)}

    def getAttribute(self, name):
        return types.MethodType(bound[name], self) if name in bound else original(self, name)

    cls.__getattribute__ = getAttribute
    cls.__setattr__ = _setAttribute
    for name, descriptor in properties:
        setattr(cls, name, descriptor)


def _patchSignals():
    connectSignal, disconnectSignal = QtCore.SignalInstance.connect, QtCore.SignalInstance.disconnect

    def connect(self, function, *arguments):
        return connectSignal(self, _slot(function), *arguments)

    def disconnect(self, *arguments):
        return disconnectSignal(self, *(_slot(argument) for argument in arguments))

    QtCore.SignalInstance.connect, QtCore.SignalInstance.disconnect = connect, disconnect


def createModule(loaderClass) -> types.ModuleType:
    """Patch PySide6 and return the module ``qt``; to be called once."""
    classes = []
    for library in _LIBRARIES:
        for value in (getattr(library, name) for name in dir(library)):
            if inspect.isclass(value) and issubclass(value, QtCore.QObject) and value not in classes:
                classes.append(value)
    found = [(cls, cls.__getattribute__, list(_properties(cls))) for cls in classes]
    getName, setName = QtCore.QObject.objectName, QtCore.QObject.setObjectName
    for patch in found:
        _patchClass(*patch)
    QtCore.QObject.name = _QtProperty("name", None, getName, setName)
    _patchSignals()
    dialogs.patchDialogs()
    module = types.ModuleType("qt", "Qt as PythonQt shows it to Slicer's modules")
    module.QUiLoader = loaderClass

    def find(name):
        for library in _LIBRARIES:
            if name[:1] in "Qq" and name not in ("QtCore", "QtGui", "QtWidgets") and hasattr(library, name):
                return getattr(library, name)
        raise AttributeError(f"module 'qt' has no attribute '{name}'")

    module.__getattr__ = find
    return module
