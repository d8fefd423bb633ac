"""Configurations of trainings to choose from, and what they say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from MedCompressLib.errors import MedCompressError
from MedCompressLib.unet.training.config import presets
from slicer.i18n import tr as _

from .unet_config import trainingConfig
from .unet_parameters import FILE


class PresetChoice:
    """A combo box of the default configuration, the presets and `From a TOML file`, with a path field and a label.

    chosen(name): called when the user chooses: "" is the default, FILE the file whose path is in the field.
    """

    def __init__(self, combo, field, label, chosen: Callable[[str], None]):
        self._combo, self._field, self._label = combo, field, label
        self._names, self._shown = ["", *presets(), FILE], None
        texts = {"": _("Planned from the cases (default)"), FILE: _("From a TOML file")}
        combo.addItems([texts.get(name, name) for name in self._names])
        combo.connect("activated(int)", lambda number: chosen(self._names[number]))

    def show(self, name: str, path: str) -> None:
        """Follow the parameters."""
        self._combo.setCurrentIndex(self._names.index(name) if name in self._names else 0)
        self._field.visible = name == FILE
        if (name, path) != self._shown:
            self._shown = name, path
            self.document(path if name == FILE else name)

    def document(self, config: str) -> dict | None:
        """Every value of a configuration, which is described below the box; None where it cannot be read."""
        if config and config not in self._names and not Path(config).is_file():
            self._label.text = _("Choose a TOML file")
            return None
        try:
            found = trainingConfig(config)
        except MedCompressError as error:
            self._label.text = str(error)
            return None
        network, loss = found["network"], found["loss"]
        self._label.text = _("{architecture} in {dimension}D, loss {loss}, optimizer {optimizer}").format(
            architecture=network["architecture"],
            dimension=network["dimension"],
            loss=loss["kind"],
            optimizer=found["optimizer"]["kind"],
        )
        return found
