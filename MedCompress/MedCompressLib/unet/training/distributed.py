"""Processes that train together: one per GPU or machine as torchrun starts them, or this one alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from .launch import place


@dataclass(frozen=True)
class Processes:
    """rank: number of this process, 0 writes files; size: how many there are; local: number on this machine."""

    rank: int = 0
    size: int = 1
    local: int = 0

    @property
    def first(self) -> bool:
        return self.rank == 0

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            dist.barrier()

    def gather(self, value: Any) -> list[Any]:
        """What every process gives, in the order of the ranks, in every process."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values

    def mean(self, value: float) -> float:
        return sum(self.gather(value)) / self.size

    def share(self, network: torch.nn.Module, device: str) -> torch.nn.Module:
        """The network, with gradients that are means over all processes."""
        if self.size == 1:
            return network
        ids = [torch.device(device).index or 0] if device.startswith("cuda") else None
        return torch.nn.parallel.DistributedDataParallel(network, device_ids=ids)


@contextmanager
def processes(device: str) -> Iterator[Processes]:
    """The processes that torchrun started (see launch), else this one alone.

    device: "cpu" or "cuda"; decides between gloo and nccl.
    """
    rank, size, local = place()
    if size == 1:
        yield Processes()
        return
    started = not dist.is_initialized()
    if started:
        backend = "nccl" if device.startswith("cuda") else "gloo"
        dist.init_process_group(backend, rank=rank, world_size=size, timeout=timedelta(hours=6))
    try:
        yield Processes(rank, size, local)
    finally:
        if started:
            dist.destroy_process_group()
