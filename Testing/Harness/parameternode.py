"""Double of slicer.parameterNodeWrapper: typed parameters kept in a vtkMRMLScriptedModuleNode under Slicer's keys, and
bound to widgets. Types, annotations, names and widgets that it does not know are errors."""

import enum
import types
import typing
from dataclasses import make_dataclass
from pathlib import Path

import ctk
import qt
import slicer
import vtk


class Default:
    """The value that a parameter starts with."""

    def __init__(self, value=None, *, generator=None):
        self._value, self._generator = value, generator

    value = property(lambda self: self._generator() if self._generator else self._value)


class Validator:
    def validate(self, value) -> None:
        if not self.accepts(value):
            raise ValueError(f"{value!r} is not valid: {self}")


def _validator(name, fields, accepts):
    return make_dataclass(name, fields, bases=(Validator,), namespace={"accepts": accepts})


WithinRange = _validator("WithinRange", ("minimum", "maximum"), lambda self, v: self.minimum <= v <= self.maximum)
Minimum = _validator("Minimum", ("minimum",), lambda self, v: v >= self.minimum)
Maximum = _validator("Maximum", ("maximum",), lambda self, v: v <= self.maximum)
Choice = _validator("Choice", ("choices",), lambda self, v: v in self.choices)
Decimals, SingleStep = make_dataclass("Decimals", ("value",)), make_dataclass("SingleStep", ("value",))


def _isA(kind, base) -> bool:
    return isinstance(kind, type) and issubclass(kind, base)


class _Single:
    """A plain value as text, a node as a reference beside an empty text, or None."""

    def __init__(self, kind):
        self.kind, self.isNode, self.isEnum = kind, _isA(kind, slicer.vtkMRMLNode), _isA(kind, enum.Enum)
        if not (self.isNode or self.isEnum or kind in (str, bool, int, float, Path, types.NoneType)):
            raise TypeError(f"Testing/Harness has no parameters of type {kind}")
        self.accepts = (int, float) if kind is float else (kind, types.NoneType) if self.isNode else kind
        self.default = None if self.isNode else next(iter(kind)) if self.isEnum else kind()

    def has(self, node, name):
        return node.HasParameter(name)

    def write(self, node, name, value):
        if self.isNode:
            node.SetParameter(name, "")
            node.SetNodeReferenceID(name, value.GetID() if value else None)
        else:
            node.SetParameter(name, value.name if self.isEnum else "True" if value is None else str(value))

    def read(self, node, name):
        if self.isNode:
            return node.GetNodeReference(name)
        text = node.GetParameter(name)
        special = {bool: text == "True", types.NoneType: None}
        return self.kind[text] if self.isEnum else special[self.kind] if self.kind in special else self.kind(text)

    def remove(self, node, name):
        node.UnsetParameter(name)
        if self.isNode:
            node.RemoveNodeReferenceIDs(name)


class _Union:
    """One of several kinds; the key tells which: name.0, name.1, ..."""

    def __init__(self, kinds):
        self.options = [_Single(kind) for kind in kinds]
        self.accepts = tuple(kinds)
        self.default = None if len(kinds) == 2 and kinds[1] is types.NoneType else self.options[0].default

    def _stored(self, node, name):
        keyed = [(f"{name}.{index}", option) for index, option in enumerate(self.options)]
        return [(key, option) for key, option in keyed if option.has(node, key)]

    def has(self, node, name):
        return bool(self._stored(node, name))

    def write(self, node, name, value):
        for key, option in self._stored(node, name):
            option.remove(node, key)
        index = next(i for i, option in enumerate(self.options) if isinstance(value, option.kind))
        self.options[index].write(node, f"{name}.{index}", value)

    def read(self, node, name):
        key, option = self._stored(node, name)[0]
        return option.read(node, key)


class _Parameter:
    """A typed attribute of a parameter node class."""

    def __init__(self, name, annotated, defaults):
        self.name, self.kind, self.notes = name, annotated, ()
        if typing.get_origin(annotated) is typing.Annotated:
            self.kind, *self.notes = typing.get_args(annotated)
        for note in self.notes:
            if not isinstance(note, (Validator, Default, Decimals, SingleStep)):
                raise TypeError(f"Testing/Harness does not know the annotation {note!r} of '{name}'")
        self.kinds = typing.get_args(self.kind) or (self.kind,)
        isUnion = typing.get_origin(self.kind) in (typing.Union, types.UnionType)
        self.storage = _Union(self.kinds) if isUnion else _Single(self.kind)
        own = Default(defaults[name]) if name in defaults else self.note(Default)
        self.default = own or Default(self.storage.default)

    def note(self, kind):
        return next((note for note in self.notes if isinstance(note, kind)), None)

    def __get__(self, instance, owner=None):
        return self if instance is None else self.storage.read(instance.parameterNode, self.name)

    def __set__(self, instance, value):
        if not isinstance(value, self.storage.accepts):
            raise TypeError(f"'{self.name}' must be {self.kind}, is {value!r}")
        for note in self.notes:
            if isinstance(note, Validator):
                note.validate(value)
        with slicer.util.NodeModify(instance.parameterNode):
            self.storage.write(instance.parameterNode, self.name, value)


_SIMPLE = {
    (qt.QCheckBox, bool): ("stateChanged", "checked"),
    (qt.QPushButton, bool): ("toggled", "checked"),
    (qt.QLineEdit, str): ("textChanged", "text"),
    (qt.QLabel, str): (None, "text"),
    (qt.QSpinBox, int): ("valueChanged", "value"),
    (qt.QSlider, int): ("valueChanged", "value"),
    (qt.QDoubleSpinBox, float): ("valueChanged", "value"),
    (qt.QDoubleSpinBox, int): ("valueChanged", "value"),
    (ctk.ctkSliderWidget, float): ("valueChanged", "value"),
    (ctk.ctkSliderWidget, int): ("valueChanged", "value"),
    (ctk.ctkPathLineEdit, Path): ("currentPathChanged", "currentPath"),
}


class _Binding:
    """A parameter's widget: its signal, how it is read and written."""

    def __init__(self, widget, parameter):
        kind, choice = parameter.kind, parameter.note(Choice)
        if (type(widget), kind) in _SIMPLE:
            signal, name = _SIMPLE[type(widget), kind]
            self._limit(widget, parameter)
            self.read = lambda: kind(getattr(widget, name))
            convert = str if kind is Path else kind
            self.write = lambda value: getattr(widget, name) == convert(value) or setattr(widget, name, convert(value))
        elif type(widget) is qt.QComboBox and (choice or _isA(kind, enum.Enum)):
            signal, values = "currentIndexChanged", choice.choices if choice else list(kind)
            label = str if choice else getattr(kind, "label", lambda value: value.name)
            widget.clear()
            for value in values:
                widget.addItem(label(value))
            self.read = lambda: values[widget.currentIndex]
            self.write = lambda value: setattr(widget, "currentIndex", values.index(value))
        elif type(widget) is slicer.qMRMLNodeComboBox and all(
            _isA(k, (slicer.vtkMRMLNode, types.NoneType)) for k in parameter.kinds
        ):
            signal, self.read, self.write = "currentNodeChanged", widget.currentNode, widget.setCurrentNode
            widget.nodeTypes = [k().GetClassName() for k in parameter.kinds if k is not types.NoneType]
        else:
            raise RuntimeError(f"cannot bind parameter '{parameter.name}' ({kind}) to a {type(widget).__name__}")
        self.signal = getattr(widget, signal) if signal else None

    def _limit(self, widget, parameter):
        bounds = parameter.note(WithinRange)
        low, high = bounds or parameter.note(Minimum), bounds or parameter.note(Maximum)
        for note, name in ((parameter.note(Decimals), "decimals"), (parameter.note(SingleStep), "singleStep")):
            if note:
                setattr(widget, name, note.value)
        if isinstance(widget, (qt.QSlider, ctk.ctkSliderWidget)) and not (low and high):
            raise RuntimeError(f"'{parameter.name}' needs WithinRange to be bound to a slider")
        if hasattr(widget, "setMinimum"):
            limit = 2**31 - 1 if isinstance(widget, (qt.QSpinBox, qt.QSlider)) else float("inf")
            widget.setMinimum(low.minimum if low else -limit)
            widget.setMaximum(high.maximum if high else limit)
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

    def __init__(self, parameterNode):
        vars(self).update(parameterNode=parameterNode, _bindings={}, _updating=False)
        for name, parameter in self.allParameters.items():
            if not parameter.storage.has(parameterNode, name):
                self.setValue(name, parameter.default.value)

    def __getattr__(self, name):
        if name in ("StartModify", "EndModify", "AddObserver", "RemoveObserver", "Modified"):
            return getattr(self.parameterNode, name)
        raise AttributeError(f"no parameter '{name}' among {list(self.allParameters)}")

    def __setattr__(self, name, value):
        self.setValue(name, value)

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
        named = [(widget.property("SlicerParameterName"), widget) for widget in widgets]
        return self.connectParametersToGui({name: widget for name, widget in named if name})

    def connectParametersToGui(self, mapping):
        bindings = {name: _Binding(widget, self._parameter(name)) for name, widget in mapping.items()}
        for name, binding in bindings.items():
            binding.write(self.getValue(name))
            binding.connect(lambda value, name=name: self._updating or self.setValue(name, value))
        tag = self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda caller, event: self._updateGui())
        self._bindings[tag] = bindings
        return tag

    def disconnectGui(self, tag):
        self.RemoveObserver(tag)
        for binding in self._bindings.pop(tag).values():
            binding.disconnect()

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


def parameterNodeWrapper(classtype=None):
    """Class decorator: the annotated attributes become parameters."""
    if classtype is None:
        return parameterNodeWrapper
    hints = typing.get_type_hints(classtype, include_extras=True)
    parameters = {name: _Parameter(name, hint, vars(classtype)) for name, hint in hints.items()}
    if taken := [name for name in parameters if hasattr(_Wrapper, name)]:
        raise ValueError(f"reserved names: {taken}")
    members = {k: v for k, v in vars(classtype).items() if k not in ("__dict__", "__weakref__")}
    return type(classtype.__name__, (_Wrapper,), {**members, **parameters, "allParameters": parameters})
