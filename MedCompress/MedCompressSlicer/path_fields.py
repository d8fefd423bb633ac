"""Path fields bound to text parameters: nothing chosen is an empty field, which a path parameter cannot say."""

from __future__ import annotations

from collections.abc import Callable


class PathFields:
    """fields: parameter name to ctkPathLineEdit. changed(name, text): called when the user, or `show`, changes one."""

    def __init__(self, fields: dict, changed: Callable[[str, str], None]):
        self._fields = fields
        for name, field in fields.items():
            field.connect("currentPathChanged(QString)", lambda text, name=name: changed(name, text))

    def show(self, parameters) -> None:
        """Let the fields follow a parameter node."""
        for name, field in self._fields.items():
            text = getattr(parameters, name)
            if field.currentPath != text:
                field.currentPath = text
