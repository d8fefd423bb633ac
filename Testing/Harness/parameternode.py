"""Double of slicer.parameterNodeWrapper: typed parameters kept in a vtkMRMLScriptedModuleNode under Slicer's keys, and
bound to widgets. Types, annotations and widgets it does not know are errors."""

import enum
import pathlib
import types
import typing
from dataclasses import dataclass

import ctk
import qt
import slicer
import vtk

_PROPERTY = "SlicerParameterName"


class Default:
    """The value that a parameter starts with."""

    def __init__(self, value=None, *, generator=None):
        self._value, self._generator = value, generator

    @property
    def value(self):
        return self._generator() if self._generator else self._value


class Validator:
    """Refuses values with ValueError."""

    def validate(self, value) -> None:
        if not self.accepts(value):
            raise ValueError(f"{value!r} is not valid: {self}")


@dataclass
class WithinRange(Validator):
    minimum: float
    maximum: float

    def accepts(self, value):
        return self.minimum <= value <= self.maximum


@dataclass
class Minimum(Validator):
    minimum: float

    def accepts(self, value):
        return value >= self.minimum


@dataclass
class Maximum(Validator):
    maximum: float

    def accepts(self, value):
        return value <= self.maximum


@dataclass
class Choice(Validator):
    choices: list

    def accepts(self, value):
        return value in self.choices


@dataclass
class Decimals:
    value: int


@dataclass
class SingleStep:
    value: float


def _isNode(kind) -> bool:
    return isinstance(kind, type) and issubclass(kind, slicer.vtkMRMLNode)


class _Plain:
    """A value kept as text: str, bool, int, float, enumeration (by name) or path."""

    def __init__(self, kind):
        self.kind = kind
        isEnum = issubclass(kind, enum.Enum)
        self.default = next(iter(kind)) if isEnum else kind()
        self.accepts = (int, float) if kind is float else kind
        self.encode = (lambda value: value.name) if isEnum else str
        self.decode = kind.__getitem__ if isEnum else (lambda text: text == "True") if kind is bool else kind

    def has(self, node, name):
        return node.HasParameter(name)

    def check(self, value):
        if not isinstance(value, self.accepts):
            raise TypeError(f"value must be {self.kind.__name__}, is {value!r}")

    def write(self, node, name, value):
        node.SetParameter(name, self.encode(value))

    def read(self, node, name):
        return self.decode(node.GetParameter(name))

    def remove(self, node, name):
        node.UnsetParameter(name)


class _Node(_Plain):
    """A node kept as a reference, beside an empty parameter that says that it was set."""

    default = None

    def __init__(self, kind):
        self.kind, self.accepts = kind, (kind, types.NoneType)

    def write(self, node, name, value):
        node.SetParameter(name, "")
        node.SetNodeReferenceID(name, value.GetID() if value else None)

    def read(self, node, name):
        return node.GetNodeReference(name)

    def remove(self, node, name):
        node.UnsetParameter(name)
        node.RemoveNodeReferenceIDs(name)


class _None(_Plain):
    default = None

    def __init__(self):
        self.kind = self.accepts = types.NoneType

    def write(self, node, name, value):
        node.SetParameter(name, "True")

    def read(self, node, name):
        return None


class _Union:
    """One of several kinds; the key tells which: name.0, name.1, ..."""

    def __init__(self, kinds):
        self.options = [_serializer(kind) for kind in kinds]
        isOptional = len(kinds) == 2 and kinds[1] is types.NoneType
        self.default = None if isOptional else self.options[0].default

    def _option(self, value):
        for index, option in enumerate(self.options):
            if isinstance(value, option.kind):
                return index, option
        raise TypeError(f"value must be one of {[option.kind.__name__ for option in self.options]}, is {value!r}")

    def has(self, node, name):
        return any(option.has(node, f"{name}.{index}") for index, option in enumerate(self.options))

    def check(self, value):
        self._option(value)

    def write(self, node, name, value):
        chosen, option = self._option(value)
        for index, other in enumerate(self.options):
            other.remove(node, f"{name}.{index}")
        option.write(node, f"{name}.{chosen}", value)

    def read(self, node, name):
        found = (i for i, option in enumerate(self.options) if option.has(node, f"{name}.{i}"))
        index = next(found)
        return self.options[index].read(node, f"{name}.{index}")


def _serializer(kind):
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return _Union(typing.get_args(kind))
    if kind is types.NoneType:
        return _None()
    if _isNode(kind):
        return _Node(kind)
    if kind in (str, bool, int, float, pathlib.Path) or (isinstance(kind, type) and issubclass(kind, enum.Enum)):
        return _Plain(kind)
    raise TypeError(f"Testing/Harness has no parameters of type {kind}")


class _Parameter:
    """A typed attribute of a parameter node class."""

    def __init__(self, name, annotated, defaults):
        self.name, self.kind, self.notes = name, annotated, ()
        if typing.get_origin(annotated) is typing.Annotated:
            self.kind, *self.notes = typing.get_args(annotated)
        for note in self.notes:
            if not isinstance(note, (Validator, Default, Decimals, SingleStep)):
                raise TypeError(f"Testing/Harness does not know the annotation {note!r} of '{name}'")
        self.serializer = _serializer(self.kind)
        given = [Default(defaults[name])] if name in defaults else [n for n in self.notes if isinstance(n, Default)]
        self.default = given[0] if given else Default(self.serializer.default)

    def note(self, kind):
        return next((note for note in self.notes if isinstance(note, kind)), None)

    def __get__(self, instance, owner=None):
        return self if instance is None else self.serializer.read(instance.parameterNode, self.name)

    def __set__(self, instance, value):
        self.serializer.check(value)
        for note in self.notes:
            if isinstance(note, Validator):
                note.validate(value)
        with slicer.util.NodeModify(instance.parameterNode):
            self.serializer.write(instance.parameterNode, self.name, value)


class _Binding:
    """A parameter's widget: which signal, how read, how written."""

    def __init__(self, widget, parameter):
        self.widget, kind, choice = widget, parameter.kind, parameter.note(Choice)
        kinds = typing.get_args(kind) or (kind,)
        simple = {
            (qt.QCheckBox, bool): ("stateChanged", "checked"),
            (qt.QPushButton, bool): ("toggled", "checked"),
            (qt.QLineEdit, str): ("textChanged", "text"),
            (qt.QLabel, str): (None, "text"),
            (qt.QSpinBox, int): ("valueChanged", "value"),
            (qt.QSlider, int): ("valueChanged", "value"),
            (qt.QDoubleSpinBox, float): ("valueChanged", "value"),
            (ctk.ctkSliderWidget, float): ("valueChanged", "value"),
            (ctk.ctkSliderWidget, int): ("valueChanged", "value"),
        }.get((type(widget), kind))
        if simple:
            signal, name = simple
            self._limit(parameter)
            self.read = lambda: kind(getattr(widget, name))
            self.write = lambda value: getattr(widget, name) == value or setattr(widget, name, value)
        elif type(widget) is ctk.ctkPathLineEdit and kind is pathlib.Path:
            signal, self.read = "currentPathChanged", lambda: kind(widget.currentPath)
            self.write = lambda value: setattr(widget, "currentPath", str(value))
        elif type(widget) is qt.QComboBox and (choice or (isinstance(kind, type) and issubclass(kind, enum.Enum))):
            signal, values = "currentIndexChanged", choice.choices if choice else list(kind)
            label = str if choice else getattr(kind, "label", lambda value: value.name)
            widget.clear()
            for value in values:
                widget.addItem(label(value))
            self.read = lambda: values[widget.currentIndex]
            self.write = lambda value: setattr(widget, "currentIndex", values.index(value))
        elif type(widget) is slicer.qMRMLNodeComboBox and all(_isNode(k) or k is types.NoneType for k in kinds):
            signal, self.read, self.write = "currentNodeChanged", widget.currentNode, widget.setCurrentNode
            widget.nodeTypes = [k().GetClassName() for k in kinds if _isNode(k)]
        else:
            raise RuntimeError(f"cannot bind parameter '{parameter.name}' ({kind}) to a {type(widget).__name__}")
        self.signal = getattr(widget, signal) if signal else None

    def _limit(self, parameter):
        widget, bounds = self.widget, parameter.note(WithinRange)
        low, high = (bounds or parameter.note(Minimum)), (bounds or parameter.note(Maximum))
        for kind, name in ((Decimals, "decimals"), (SingleStep, "singleStep")):
            if parameter.note(kind):
                setattr(widget, name, parameter.note(kind).value)
        if isinstance(widget, (qt.QSlider, ctk.ctkSliderWidget)) and not (low and high):
            raise RuntimeError(f"'{parameter.name}' needs WithinRange to be bound to a slider")
        if hasattr(widget, "setMinimum"):
            none = 2**31 - 1 if parameter.kind is int else float("inf")
            widget.setMinimum(low.minimum if low else -none)
            widget.setMaximum(high.maximum if high else none)
        if isinstance(widget, qt.QPushButton):
            widget.checkable = True

    def connect(self, changed):
        self._changed = lambda *_: changed(self.read())
        if self.signal:
            self.signal.connect(self._changed)

    def disconnect(self):
        if self.signal:
            self.signal.disconnect(self._changed)


class _Wrapper:
    """What every parameter node class can do."""

    def __init__(self, parameterNode, prefix=None):
        if prefix is not None:
            raise NotImplementedError("Testing/Harness has no prefixes of parameters")
        vars(self).update(parameterNode=parameterNode, _bindings={}, _updating=False)
        for name, parameter in self.allParameters.items():
            if not parameter.serializer.has(parameterNode, name):
                setattr(self, name, parameter.default.value)

    def _parameter(self, name):
        if name not in self.allParameters:
            raise ValueError(f"no parameter '{name}' among {list(self.allParameters)}")
        return self.allParameters[name]

    def getValue(self, name):
        return self._parameter(name).__get__(self)

    def setValue(self, name, value):
        self._parameter(name).__set__(self, value)

    def default(self, name):
        return self._parameter(name).default

    def connectGui(self, gui):
        isWidget = getattr(gui, "isWidgetType", lambda: False)()
        widgets = gui.findChildren(qt.QWidget) if isWidget else vars(gui).values()
        return self.connectParametersToGui({w.property(_PROPERTY): w for w in widgets if w.property(_PROPERTY)})

    def connectParametersToGui(self, mapping):
        bindings = {name: _Binding(widget, self._parameter(name)) for name, widget in mapping.items()}
        for name, binding in bindings.items():
            binding.write(self.getValue(name))
            binding.connect(lambda value, name=name: self._onGui(name, value))
        observer = self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda caller, event: self._updateGui())
        self._bindings[observer] = bindings
        return observer

    def disconnectGui(self, tag):
        self.RemoveObserver(tag)
        for binding in self._bindings.pop(tag).values():
            binding.disconnect()

    def _onGui(self, name, value):
        if not self._updating:
            self.setValue(name, value)

    def _updateGui(self):
        if self._updating:
            return
        vars(self)["_updating"] = True
        try:
            for bindings in list(self._bindings.values()):
                for name, binding in bindings.items():
                    binding.write(self.getValue(name))
        finally:
            vars(self)["_updating"] = False

    def StartModify(self):
        return self.parameterNode.StartModify()

    def EndModify(self, wasModifying):
        return self.parameterNode.EndModify(wasModifying)

    def AddObserver(self, event, callback, priority=0.0):
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag):
        return self.parameterNode.RemoveObserver(tag)

    def Modified(self):
        return self.parameterNode.Modified()


def parameterNodeWrapper(classtype=None):
    """Class decorator: the annotated attributes become parameters."""
    if classtype is None:
        return parameterNodeWrapper
    hints = typing.get_type_hints(classtype, include_extras=True)
    parameters = {name: _Parameter(name, hint, vars(classtype)) for name, hint in hints.items()}
    for name in parameters:
        if hasattr(_Wrapper, name):
            raise ValueError(f"'{name}' is a reserved name")
    members = {k: v for k, v in vars(classtype).items() if k not in ("__dict__", "__weakref__")}
    return type(classtype.__name__, (_Wrapper,), {**members, **parameters, "allParameters": parameters})
