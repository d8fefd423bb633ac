"""Mixed precision: bfloat16 or float16 on GPUs, bfloat16 on CPUs that compute with it, else float32."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

_BFLOAT16_SINCE = (8, 0)
"""Compute capability of the first GPUs that multiply bfloat16 in hardware (Ampere)."""


@dataclass(frozen=True)
class Precision:
    """dtype: of convolutions, None for float32 throughout; scaler: of the gradients, where float16 needs it."""

    device: str
    dtype: torch.dtype | None
    scaler: torch.amp.GradScaler | None = None

    def __call__(self) -> AbstractContextManager:
        if self.dtype is None:
            return nullcontext()
        return torch.autocast(self.device.partition(":")[0], self.dtype)

    @property
    def name(self) -> str:
        return str(self.dtype or torch.float32).removeprefix("torch.")


def choose_precision(device: str, wanted: str, patch: Sequence[int] = (), divisor: Sequence[int] = ()) -> Precision:
    """wanted: "auto" or "off"; device: torch's name; patch [k, j, i] and the network's divisor, [j, i] in 2D.

    On CPUs float32 is kept for networks in which an axis comes down to 2 voxels: there PyTorch 2.13 was seen to give
    wrong gradients of 3 x 3 x 3 convolutions in bfloat16, other ones each time.
    """
    if wanted == "off":
        return Precision(device, None)
    if device.startswith("cuda"):
        if torch.cuda.get_device_capability(device) >= _BFLOAT16_SINCE:
            return Precision(device, torch.bfloat16)
        return Precision(device, torch.float16, torch.amp.GradScaler("cuda"))
    return Precision(device, torch.bfloat16 if cpu_has_bfloat16() and not _reaches_two(patch, divisor) else None)


def _reaches_two(patch: Sequence[int], divisor: Sequence[int]) -> bool:
    """Whether halving takes an axis of the patch through a size of 2."""
    sizes = [(size >> level, most >> level) for size, most in zip(patch, divisor, strict=True) for level in range(32)]
    return any(size == 2 and most > 0 for size, most in sizes)


def cpu_has_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16 in hardware (AVX-512 BF16 or AMX), as far as this torch can tell."""
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, bool)() for name in names)
