"""Loads Qt Designer's files as Slicer does, and refuses what neither Qt nor a stand-in knows."""

from xml.etree import ElementTree

from PySide6 import QtCore, QtUiTools, QtWidgets

from . import pythonqt, standins

_DYNAMIC = {"SlicerParameterName"}
_READ = {
    "string": lambda e: e.text or "",
    "bool": lambda e: e.text == "true",
    "number": lambda e: int(e.text),
    "double": lambda e: float(e.text),
    "stringlist": lambda e: [item.text or "" for item in e],
}


def _value(prop, cls):
    element = prop[0]
    if element.tag in ("set", "enum"):
        values = [getattr(cls, key.split("::")[-1]) for key in element.text.split("|") if key]
        return values[0] if element.tag == "enum" else sum(values)
    return _READ[element.tag](element)


class QUiLoader(QtUiTools.QUiLoader):
    """Strict: classes, properties, signals and slots that are unknown raise instead of being left out."""

    def createWidget(self, className, parent=None, name=""):
        if className not in standins.widgets:
            return super().createWidget(className, parent, name)
        widget = standins.widgets[className](parent)
        widget.setObjectName(name)
        return widget

    def load(self, device, parent=None):
        root = ElementTree.fromstring(bytes(device.readAll()))
        later = [item for element in root.iter("widget") for item in self._check(element)]
        connections = root.find("connections")
        wires = [] if connections is None else [[c.findtext(k) for k in _ENDS] for c in connections]
        if connections is not None:
            root.remove(connections)
        data = QtCore.QBuffer()
        data.setData(ElementTree.tostring(root))
        data.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
        pythonqt.loading.append(True)  # PySide's loader would make each child an attribute of the top widget
        try:
            top = super().load(data, parent)
        finally:
            pythonqt.loading.pop()
        objects = {top.name: top, **{child.name: child for child in top.findChildren(QtCore.QObject) if child.name}}
        for name, key, value in later:
            setattr(objects[name], key, value)
        for sender, signal, receiver, slot in wires:
            objects[sender].connect(signal, objects[receiver], slot)
        return top

    def _check(self, element):
        """Refuse unknown names; take out and return the properties that a stand-in gets after loading."""
        className, name = element.get("class"), element.get("name")
        standIn = standins.widgets.get(className)
        if standIn is None and className not in self.availableWidgets():
            raise LookupError(f"widget '{name}' is a {className}, for which Testing/Harness has no stand-in")
        cls = standIn or getattr(QtWidgets, className, QtWidgets.QFrame)
        own = {key for base in cls.__mro__ for key, value in vars(base).items() if isinstance(value, QtCore.Property)}
        later = []
        for prop in element.findall("property"):
            key = prop.get("name")
            if key in own:
                later.append((name, key, _value(prop, cls)))
                element.remove(prop)
            elif not pythonqt.hasProperty(cls, key) and not (key in _DYNAMIC and prop.get("stdset") == "0"):
                raise LookupError(f"widget '{name}' ({className}) has no property '{key}'")
        return later


_ENDS = "sender", "signal", "receiver", "slot"
