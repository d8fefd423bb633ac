"""What can run a network here, found out by a child process, so that Slicer itself never waits for PyTorch."""

from __future__ import annotations

import qt
from slicer.i18n import tr as _

from .steps import Steps
from .unet_parameters import Device

_FLAGS_ROLE = qt.Qt.UserRole - 1
_ENABLED, _DISABLED = 33, 0


def describeDevices(result: dict) -> str:
    """A line for each device; result: as the command `devices` prints it."""
    lines = []
    for device in result["devices"]:
        memory = _(", {size:.1f} GiB").format(size=device["memory"] / 2**30) if device["memory"] else ""
        lines.append(f"{device['device']}: {device['name']}{memory}")
    return "\n".join([*lines, _("PyTorch {version}").format(version=result["torch"])])


def offerDevices(combo, result: dict | None) -> None:
    """Let a GPU be chosen unless it is known that there is none."""
    found = {device["device"].partition(":")[0] for device in result["devices"]} if result else {"cuda"}
    index, absent = list(Device).index(Device.CUDA), "cuda" not in found
    combo.setItemData(index, _DISABLED if absent else _ENABLED, _FLAGS_ROLE)
    combo.setItemData(index, _("PyTorch finds no GPU here") if absent else "", qt.Qt.ToolTipRole)


class DeviceSteps(Steps):
    """Ask PyTorch; `result` is what the command `devices` prints."""

    result: dict

    def begin(self) -> None:
        self.run(["devices"], self._onFound)

    def _onFound(self, result: dict) -> None:
        self.result = result
        self.end(_("PyTorch {version}").format(version=result["torch"]))
