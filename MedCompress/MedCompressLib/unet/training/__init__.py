"""Training of segmentation networks: configuration, data, losses, the loop and its checkpoints.

`train` and everything that needs torch is imported when it is first asked for.
"""

from __future__ import annotations

from typing import Any

from .config import TrainingConfig, read_config

__all__ = ["TrainingConfig", "read_config", "train"]


def train(*arguments: Any, **named: Any) -> Any:
    """See `loop.train`."""
    from ..packages import require

    for package in ("torch", "safetensors.torch"):
        require(package)
    from .loop import train

    return train(*arguments, **named)
