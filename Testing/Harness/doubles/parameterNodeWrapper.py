"""Double of slicer.parameterNodeWrapper: typed parameters in a vtkMRMLScriptedModuleNode under Slicer's keys (but a
union of node classes under one), bound to widgets. Types, notes, names and widgets that it does not know are errors.
"""

import enum
import functools
import typing
from pathlib import Path
from types import NoneType

import ctk
import qt
import slicer

_PARSERS = {str: str, bool: "True".__eq__, int: int, float: float, Path: Path}
_WIDGETS = {  # type of the parameter, property, signal
    qt.QCheckBox: (bool, "checked", "toggled"),
    qt.QLineEdit: (str, "text", "textChanged"),
    qt.QSpinBox: (int, "value", "valueChanged"),
    ctk.ctkSliderWidget: (float, "value", "valueChanged"),
    ctk.ctkPathLineEdit: (Path, "currentPath", "currentPathChanged"),
}


class WithinRange(typing.NamedTuple):
    minimum: float
    maximum: float

    def __contains__(self, value):
        return self.minimum <= value <= self.maximum


class Choice(list):
    """The values that a parameter may have."""


class _Parameter:
    """A typed attribute of a parameter node class."""

    def __init__(self, name, hint, defaults):
        annotated = typing.get_origin(hint) is typing.Annotated
        self.name, (self.kind, self.note) = name, typing.get_args(hint) if annotated else (hint, None)
        kinds = set(typing.get_args(self.kind) or [self.kind]) - {NoneType}
        self.isNode = all(issubclass(kind, slicer.vtkMRMLNode) for kind in kinds)
        self.isEnum = isinstance(self.kind, enum.EnumType)
        self.choices = list(self.kind) if self.isEnum else self.note
        self.parse = self.kind.__getitem__ if self.isEnum else _PARSERS.get(self.kind)
        if not (self.isNode or self.parse) or type(self.note) not in (WithinRange, Choice, NoneType):
            raise TypeError(f"Testing/Harness has no parameter of type {hint}")
        self.default = defaults.get(name, None if self.isNode else self.choices[0] if self.isEnum else self.kind())
        self.kinds = (*kinds, int if self.kind is float else type(self.default))

    def __get__(self, instance, owner):
        node = instance.parameterNode
        return node.GetNodeReference(self.name) if self.isNode else self.parse(node.GetParameter(self.name))

    def __set__(self, instance, value):
        if not isinstance(value, self.kinds):
            raise TypeError(f"'{self.name}' must be {self.kind}, is {value!r}")
        if self.note and value not in self.note:
            raise ValueError(f"'{self.name}' must be in {self.note}, is {value!r}")
        with slicer.util.NodeModify(instance.parameterNode) as node:
            if self.isNode:
                node.SetNodeReferenceID(self.name, value.GetID() if value else None)
            node.SetParameter(self.name, "" if self.isNode else value.name if self.isEnum else str(value))

    def bind(self, widget):
        """How a widget tells of a change, how it is read, how it is written."""
        if type(widget) is slicer.qMRMLNodeComboBox and self.isNode:
            return widget.currentNodeChanged, widget.currentNode, widget.setCurrentNode
        if type(widget) is qt.QComboBox and isinstance(self.choices, list):
            values = self.choices
            widget.clear()
            widget.addItems([v.label() if hasattr(v, "label") else getattr(v, "name", v) for v in values])
            read, signal = lambda: values[widget.currentIndex], widget.currentIndexChanged
            return signal, read, lambda value: widget.setCurrentIndex(values.index(value))
        kind, name, signal = _WIDGETS.get(type(widget), (None, "", ""))
        if kind is not self.kind:
            raise RuntimeError(f"cannot bind parameter '{self.name}' ({self.kind}) to a {type(widget).__name__}")
        if isinstance(self.note, WithinRange):
            widget.minimum, widget.maximum = self.note
        plain, read = str if kind is Path else kind, lambda: kind(getattr(widget, name))
        return getattr(widget, signal), read, lambda value: setattr(widget, name, plain(value))


class _Wrapper:
    """What every parameter node class can do."""

    def __init__(self, node):
        passed = {name: getattr(node, name) for name in ("StartModify", "EndModify", "AddObserver", "RemoveObserver")}
        vars(self).update(passed, parameterNode=node)
        for name, parameter in self.allParameters.items():
            if not node.HasParameter(name):
                setattr(self, name, parameter.default)

    def __setattr__(self, name, value):
        self.allParameters[name].__set__(self, value)

    def connectGui(self, gui):
        """Bind the widgets among the attributes of `gui`; returns what disconnectGui takes."""
        writers, undo, updating = {}, [], False
        for widget in vars(gui).values():
            if name := widget.property("SlicerParameterName"):
                signal, read, writers[name] = self.allParameters[name].bind(widget)
                slot = lambda *_, name=name, read=read: updating or setattr(self, name, read())  # noqa: E731
                signal.connect(slot)
                undo.append(functools.partial(signal.disconnect, slot))

        def updateGui(*_):
            nonlocal updating
            if not updating:
                updating = True
                for name, write in writers.items():
                    write(getattr(self, name))
                updating = False

        updateGui()
        return [functools.partial(self.RemoveObserver, self.AddObserver("ModifiedEvent", updateGui)), *undo]

    def disconnectGui(self, undo):
        for step in undo:
            step()


def parameterNodeWrapper(cls):
    """Class decorator: the annotated attributes become parameters."""
    hints = typing.get_type_hints(cls, include_extras=True)
    parameters = {name: _Parameter(name, hint, vars(cls)) for name, hint in hints.items()}
    return type(cls.__name__, (_Wrapper, cls), {**parameters, "allParameters": parameters})
