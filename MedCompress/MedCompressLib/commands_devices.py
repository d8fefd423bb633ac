"""The command `devices`: what can run a network here."""

from __future__ import annotations

import argparse
from typing import Any

from .jobs import Progress


def run_devices(options: argparse.Namespace, progress: Progress) -> tuple[Any, str]:
    """The processor and each GPU that torch can use, the one that `auto` takes first."""
    from .unet.devices import all_devices, choose_device

    progress(0.0, "Starting torch")
    found = all_devices()
    progress(1.0, f"Found {len(found)}")
    result = {"auto": choose_device(), "torch": found[0].torch, "devices": [device.as_dict() for device in found]}
    return result, "\n".join(map(str, found))
