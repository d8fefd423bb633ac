"""A training's moving parts, and one epoch of it: forward, backward, running average, validation, state."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from typing import Any

import torch

from ...errors import MedCompressError
from ..card import ModelCard
from ..networks import build_network
from .augmentation import Augmentation
from .checkpoint import load_network, load_optimizer, network_tensors, optimizer_tensors
from .config import TrainingConfig
from .distributed import Processes
from .losses import deep, make_loss
from .precision import choose_precision
from .preparation import Prepared
from .sampling import Sampler
from .schedules import learning_rate, make_optimizer, set_learning_rate


class Trainer:
    """Network, optimizer, running average and sampler of one process.

    Everything random follows from (seed, epoch, step, rank), so a training that goes on from its last checkpoint
    gives the weights of one that never stopped, on equal hardware and with equally many threads.
    """

    def __init__(
        self, config: TrainingConfig, card: ModelCard, cases: Sequence[Prepared], device: str, group: Processes
    ):
        self.config, self.card, self.device, self._group = config, card, device, group
        torch.backends.cudnn.benchmark = device.startswith("cuda")
        torch.manual_seed(config.seed)
        self.network = build_network(card.network, len(card.channels), card.outputs, card.dimension).to(device)
        self.averaged = deepcopy(self.network).eval().requires_grad_(False)
        self._rate = config.rate()
        self._optimizer = make_optimizer(self.network.parameters(), config.optimizer, self._rate)
        self._precision = choose_precision(
            device, config.training.mixed_precision, card.patch, self.network.divisor
        )
        if config.loss.weights and len(config.loss.weights) != len(card.labels):
            raise MedCompressError(f"loss.weights must be one per label, {len(card.labels)} in all: correct them")
        self._loss = make_loss(config.loss.kind, config.loss.weights)
        spacing = tuple(reversed(cases[0].spacing))[3 - card.dimension :]
        self._augment = Augmentation(config.augmentation, card.patch, spacing)
        self.sampler = Sampler(
            cases,
            card.patch,
            self._augment.source_size(),
            config.training.batch,
            config.seed,
            config.training.steps,
            group.size,
            config.training.foreground,
            config.compress.probability if config.compress.ratios else 0.0,
        )
        self._updates = 0
        self._shared = group.share(self.network, device)

    @property
    def precision(self) -> str:
        return self._precision.name

    def start_from(self, weights: dict[str, torch.Tensor]) -> None:
        """Take a model's weights for fine-tuning."""
        self.network.load_state_dict(weights)
        self.averaged.load_state_dict(weights)

    def state(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """(tensors, JSON) from which `restore` makes an equal trainer."""
        tensors = {
            **network_tensors(self.network, "network"),
            **network_tensors(self.averaged, "average"),
            **optimizer_tensors(self._optimizer),
        }
        scaler = self._precision.scaler
        return tensors, {"updates": self._updates, "scaler": scaler.state_dict() if scaler else None}

    def restore(self, tensors: dict[str, torch.Tensor], state: dict[str, Any]) -> None:
        load_network(self.network, "network", tensors)
        load_network(self.averaged, "average", tensors)
        load_optimizer(self._optimizer, tensors)
        self._updates = state["updates"]
        if self._precision.scaler and state["scaler"]:
            self._precision.scaler.load_state_dict(state["scaler"])

    def train_epoch(self, epoch: int, step_done: Any) -> tuple[float, float]:
        """Epoch `epoch` (from 0): (mean loss over all processes, last learning rate).

        step_done(number, of): called after each step. Raises MedCompressError when the loss is not finite.
        """
        self._shared.train()
        steps = self.sampler.steps_per_epoch()
        losses = torch.zeros((), device=self.device)
        rate = self._rate
        with ThreadPoolExecutor(1) as reader:
            drawn = reader.submit(self.sampler.draw, epoch, 0, self._group.rank)
            for step in range(steps):
                images, labels, seed = drawn.result()
                if step + 1 < steps:
                    drawn = reader.submit(self.sampler.draw, epoch, step + 1, self._group.rank)
                rate = learning_rate(
                    self.config.optimizer, self._rate, epoch + step / steps, self.config.training.epochs
                )
                set_learning_rate(self._optimizer, rate)
                losses += self._step(torch.from_numpy(images), torch.from_numpy(labels), seed)
                step_done(step + 1, steps)
        loss = self._group.mean(float(losses) / steps)
        if not math.isfinite(loss):
            raise MedCompressError("the loss is no number any more: lower optimizer.learning_rate and start again")
        return loss, rate

    def _step(self, images: torch.Tensor, labels: torch.Tensor, seed: int) -> torch.Tensor:
        images, labels = images.to(self.device, non_blocking=True), labels.to(self.device, non_blocking=True)
        images, labels = self._augment(images, labels, seed)
        torch.manual_seed(seed)  # of dropout
        with self._precision():
            outputs = self._shared(images)
        loss = deep(self._loss, outputs, labels)
        scaler, optimizer, clip = self._precision.scaler, self._optimizer, self.config.training.clip
        optimizer.zero_grad(set_to_none=True)
        (scaler.scale(loss) if scaler else loss).backward()
        if clip:
            if scaler:
                scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), clip)
        if scaler:
            scaler.step(optimizer)
            scaler.update()
        else:
            optimizer.step()
        self._average()
        return loss.detach()

    @torch.no_grad()
    def _average(self) -> None:
        """Running average of the weights; its decay grows from 0.1 so that the first weights are soon forgotten."""
        self._updates += 1
        decay = min(self.config.training.average, (1 + self._updates) / (10 + self._updates))
        averages, weights = list(self.averaged.parameters()), list(self.network.parameters())
        if self.config.training.average:
            torch._foreach_lerp_(averages, weights, 1 - decay)
        else:
            torch._foreach_copy_(averages, weights)
        for average, buffer in zip(self.averaged.buffers(), self.network.buffers(), strict=True):
            average.copy_(buffer)
