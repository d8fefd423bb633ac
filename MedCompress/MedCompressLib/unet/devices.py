"""The processor that runs a network: which one is taken, what it is, how much memory it has."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import MedCompressError
from ..jobs import thread_count
from .packages import require

CHOICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class DeviceInfo:
    """device: torch's name of it; name: the maker's; memory: bytes, None where unknown; torch: version of torch."""

    device: str
    name: str
    memory: int | None
    torch: str

    def as_dict(self) -> dict[str, Any]:
        """Values for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        memory = f", {self.memory / 2**30:.1f} GiB" if self.memory else ""
        return f"{self.device}: {self.name}{memory}, torch {self.torch}"


def choose_device(asked: str = "auto") -> str:
    """torch's name of a device: "cpu", "cuda" or "cuda:N". auto: the GPU where torch can use one, else the CPU.

    Raises MedCompressError for other names, and for cuda where torch cannot use a GPU.
    """
    torch = require("torch")
    kind, _colon, number = asked.partition(":")
    if kind not in CHOICES or (number and not (kind == "cuda" and number.isdigit())):
        raise MedCompressError(f"there is no device {asked!r}: choose auto, cpu or cuda")
    if kind == "cpu":
        return "cpu"
    if not torch.cuda.is_available():
        if kind == "auto":
            return "cpu"
        raise MedCompressError(
            f"torch {torch.__version__} finds no GPU: choose the device cpu, or install torch with CUDA and a driver"
        )
    if int(number or 0) >= torch.cuda.device_count():
        raise MedCompressError(f"there are {torch.cuda.device_count()} GPUs, not {asked}: choose a lower number")
    return "cuda" if kind == "auto" else asked


def describe_device(device: str) -> DeviceInfo:
    """What `choose_device` chose, for people."""
    torch = require("torch")
    if is_cuda(device):
        properties = torch.cuda.get_device_properties(device)
        return DeviceInfo(device, properties.name, int(properties.total_memory), torch.__version__)
    return DeviceInfo(device, _processor(), _memory(), torch.__version__)


def all_devices() -> list[DeviceInfo]:
    """The GPUs that torch can use, and the CPU last."""
    torch = require("torch")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return [describe_device(name) for name in (*(f"cuda:{number}" for number in range(count)), "cpu")]


def is_cuda(device: str) -> bool:
    return device.partition(":")[0] == "cuda"


def move_to(thing: Any, device: str) -> Any:
    """A network or tensor on the device."""
    return thing.to(device)


def half_precision(device: str) -> Any:
    """Context in which a GPU computes convolutions in float16, as nnU-Net does; elsewhere nothing changes.

    bfloat16 on CPUs moves logits by some hundredths: it is not used.
    """
    torch = require("torch")
    if is_cuda(device) and torch.cuda.is_available():
        return torch.autocast("cuda", dtype=torch.float16)
    return nullcontext()


def free_memory(device: str) -> int | None:
    """Bytes free on a GPU; None for a CPU or without a GPU."""
    torch = require("torch")
    if not (is_cuda(device) and torch.cuda.is_available()):
        return None
    return int(torch.cuda.mem_get_info(device)[0])


def release_memory() -> None:
    """Give back what torch keeps of a GPU's memory for itself."""
    torch = require("torch")
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """torch computes with `count` threads in the block, as many as it wants where None."""
    torch = require("torch")
    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(thread_count(count))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = models[0] if models else platform.processor() or platform.machine()
    return f"{name}, {thread_count()} cores"


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
