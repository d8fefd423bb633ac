"""Double of slicer.parameterNodeWrapper: typed parameters kept in a vtkMRMLScriptedModuleNode under Slicer's keys (but
unions of node classes under one), and bound to widgets. What it does not know is an error: types, annotations, names,
widgets.
"""

import enum
import types
import typing
from dataclasses import dataclass
from pathlib import Path

import ctk
import qt
import slicer


@dataclass
class WithinRange:
    minimum: float
    maximum: float

    def __contains__(self, value):
        return self.minimum <= value <= self.maximum


@dataclass
class Choice:
    choices: list

    def __contains__(self, value):
        return value in self.choices


class _Parameter:
    """A typed attribute of a parameter node class."""

    def __init__(self, name, hint, defaults):
        annotated = typing.get_origin(hint) is typing.Annotated
        self.name, (self.kind, *notes) = name, typing.get_args(hint) if annotated else (hint,)
        self.kinds = tuple(kind for kind in typing.get_args(self.kind) or (self.kind,) if kind is not types.NoneType)
        self.note = next(iter(notes), None)
        self.isNode = all(issubclass(kind, slicer.vtkMRMLNode) for kind in self.kinds)
        self.isEnum = isinstance(self.kind, enum.EnumType)
        known = self.isNode or self.isEnum or self.kind in (str, bool, int, float, Path)
        if not known or len(notes) > 1 or not isinstance(self.note, (WithinRange, Choice, type(None))):
            raise TypeError(f"Testing/Harness has no parameter of type {hint}")
        start = None if self.isNode else next(iter(self.kind)) if self.isEnum else self.kind()
        self.default = defaults.get(name, start)

    def __get__(self, instance, owner):
        if self.isNode:
            return instance.parameterNode.GetNodeReference(self.name)
        text = instance.parameterNode.GetParameter(self.name)
        return self.kind[text] if self.isEnum else text == "True" if self.kind is bool else self.kind(text)

    def __set__(self, instance, value):
        if not isinstance(value, (*self.kinds, int if self.kind is float else type(self.default))):
            raise TypeError(f"'{self.name}' must be {self.kind}, is {value!r}")
        if self.note and value not in self.note:
            raise ValueError(f"'{self.name}' must be in {self.note}, is {value!r}")
        with slicer.util.NodeModify(instance.parameterNode):
            if self.isNode:
                instance.parameterNode.SetNodeReferenceID(self.name, value.GetID() if value else None)
            text = "" if self.isNode else value.name if self.isEnum else str(value)
            instance.parameterNode.SetParameter(self.name, text)


_PROPERTIES = {
    (qt.QCheckBox, bool): ("stateChanged", "checked"),
    (qt.QLineEdit, str): ("textChanged", "text"),
    (qt.QSpinBox, int): ("valueChanged", "value"),
    (ctk.ctkSliderWidget, float): ("valueChanged", "value"),
    (ctk.ctkPathLineEdit, Path): ("currentPathChanged", "currentPath"),
}


def _accessors(widget, parameter):
    """How a widget tells of a change, how it is read, how it is written."""
    kind, note = parameter.kind, parameter.note
    if type(widget) is qt.QComboBox and (parameter.isEnum or isinstance(note, Choice)):
        values = list(kind) if parameter.isEnum else note.choices
        labels = [value.label() if hasattr(value, "label") else getattr(value, "name", value) for value in values]
        widget.clear()
        widget.addItems(labels)
        signal, read = widget.currentIndexChanged, lambda: values[widget.currentIndex]
        return signal, read, lambda value: widget.setCurrentIndex(values.index(value))
    if type(widget) is slicer.qMRMLNodeComboBox and parameter.isNode:
        return widget.currentNodeChanged, widget.currentNode, widget.setCurrentNode
    if (type(widget), kind) not in _PROPERTIES:
        raise RuntimeError(f"cannot bind parameter '{parameter.name}' ({kind}) to a {type(widget).__name__}")
    if isinstance(note, WithinRange):
        widget.minimum, widget.maximum = note.minimum, note.maximum
    signal, name = _PROPERTIES[type(widget), kind]
    convert = str if kind is Path else kind
    return getattr(widget, signal), lambda: kind(getattr(widget, name)), lambda v: setattr(widget, name, convert(v))


class _Wrapper:
    """What every parameter node class can do."""

    def __init__(self, node):
        passed = {name: getattr(node, name) for name in ("StartModify", "EndModify", "AddObserver", "RemoveObserver")}
        vars(self).update(passed, parameterNode=node, _updating=False)
        for name, parameter in self.allParameters.items():
            if not node.HasParameter(name):
                setattr(self, name, parameter.default)

    def _parameter(self, name):
        if name not in self.allParameters:
            raise ValueError(f"no parameter '{name}' among {list(self.allParameters)}")
        return self.allParameters[name]

    def __setattr__(self, name, value):
        self._parameter(name).__set__(self, value)

    def connectGui(self, gui):
        """Bind the widgets among the attributes of `gui`; returns what disconnectGui takes."""
        named = {widget.property("SlicerParameterName"): widget for widget in vars(gui).values()}
        bound = {name: _accessors(widget, self._parameter(name)) for name, widget in named.items() if name}
        slots = []
        for name, (signal, read, write) in bound.items():
            slot = lambda *_, name=name, read=read: self._updating or setattr(self, name, read())  # noqa: E731
            write(getattr(self, name))
            signal.connect(slot)
            slots.append((signal, slot))
        return self.AddObserver("ModifiedEvent", lambda *_: self._updateGui(bound)), slots

    def disconnectGui(self, connection):
        tag, slots = connection
        self.RemoveObserver(tag)
        for signal, slot in slots:
            signal.disconnect(slot)

    def _updateGui(self, bound):
        if not self._updating:
            vars(self)["_updating"] = True
            for name, (_signal, _read, write) in bound.items():
                write(getattr(self, name))
            vars(self)["_updating"] = False


def parameterNodeWrapper(cls):
    """Class decorator: the annotated attributes become parameters."""
    hints = typing.get_type_hints(cls, include_extras=True)
    parameters = {name: _Parameter(name, hint, vars(cls)) for name, hint in hints.items()}
    return type(cls.__name__, (_Wrapper, cls), {**parameters, "allParameters": parameters})
