"""Models to choose from, and what their cards say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import qt
from MedCompressLib.errors import MedCompressError
from MedCompressLib.unet.foreign import carries_code
from MedCompressLib.unet.model_file import SUFFIX, read_card, sample_models
from slicer.i18n import tr as _

from .unet_parameters import FILE


def cardOf(model: str):
    """Card of a sample model or .mcmodel file, without PyTorch; None for foreign models, whose cards need it.

    Raises MedCompressError where there is no such model or it is damaged.
    """
    if model not in sample_models():
        path = Path(model)
        if not path.exists():
            raise MedCompressError(f"there is no model {model}: choose a file or folder, or a sample model")
        if path.suffix != SUFFIX:
            return None
    return read_card(model)


def describeModel(model: str) -> str:
    """What the model is, in a line or two; the reason where it cannot be read; what to do where none is chosen."""
    if not model:
        return _("Choose a model file")
    try:
        card = cardOf(model)
    except MedCompressError as error:
        return str(error)
    if card is None:
        if carries_code(Path(model)):
            return _("This kind of file carries code that runs on your computer: use it only if you trust its author")
        return _("A model of another maker; what it segments is shown when it has been used")
    text = " ".join(card.description.split())
    labels = ", ".join(label.name for label in card.labels[:8]) + (", ..." if len(card.labels) > 8 else "")
    lines = [text] if text else []
    lines.append(_("Input: {channels}. Segments: {labels}").format(channels=", ".join(card.channels), labels=labels))
    return "\n".join(lines)


def channelsOf(model: str) -> Sequence[str]:
    """Names of the volumes that the model takes; one without a name where that cannot be told."""
    try:
        card = cardOf(model) if model else None
    except MedCompressError:
        card = None
    return card.channels if card else ("",)


class ModelChoice:
    """A combo box of sample models and `From a file or folder`, and the path field beside it.

    chosen(name): called when the user chooses; name is FILE where the path says which.
    """

    def __init__(self, combo, field, label, chosen: Callable[[str], None]):
        self._combo, self._field, self._label = combo, field, label
        self._names = [*sample_models(), FILE]
        self._shown = None
        for number, name in enumerate(self._names):
            combo.addItem(_("From a file or folder") if name == FILE else name)
            if name != FILE:
                combo.setItemData(number, describeModel(name), qt.Qt.ToolTipRole)
        combo.connect("activated(int)", lambda number: chosen(self._names[number]))

    @property
    def first(self) -> str:
        return self._names[0]

    def show(self, name: str, model: str) -> None:
        """Follow the parameters: the name in the box, and the model that it leads to."""
        if name and name not in self._names:
            self._names.insert(0, name)
            self._combo.insertItem(0, name)
        self._combo.setCurrentIndex(self._names.index(name or self.first))
        self._field.visible = name == FILE
        state = model, _changed(model)
        if state != self._shown:
            self._shown = state
            self._label.text = describeModel(model)


def _changed(path: str) -> float:
    try:
        return Path(path).stat().st_mtime if path else 0.0
    except OSError:
        return 0.0
