"""The training loop: AdamW, cosine schedule, averaged weights, resumable checkpoints."""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from openlumbar.train.losses import dice_cross_entropy

log = logging.getLogger(__name__)

#: Takes what the network gives, and a target.
Loss = Callable[[Any, Tensor], Tensor]


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to learn."""

    iterations: int = 9000
    learning_rate: float = 2e-3
    warm_up: int = 200
    weight_decay: float = 1e-2
    average: float = 0.998
    checkpoint_every: int = 250
    report_every: int = 50
    bfloat16: bool = True
    seed: int = 1

    def rate(self, iteration: int) -> float:
        """Learning rate at an iteration: linear warm-up, then half a cosine to zero."""
        if iteration < self.warm_up:
            return self.learning_rate * (iteration + 1) / self.warm_up
        done = (iteration - self.warm_up) / max(1, self.iterations - self.warm_up)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def fit(
    network: nn.Module,
    draw: Callable[[torch.Generator], tuple[Tensor, Tensor]],
    schedule: Schedule,
    checkpoint: Path,
    *,
    until: int | None = None,
    loss: Loss = dice_cross_entropy,
) -> nn.Module:
    """Train and return the network with averaged weights.

    Parameters
    ----------
    network
        Maps ``[batch, channels, rows, columns]`` to what the loss takes; logits of the same
        grid for the loss of segmentations.
    draw
        Gives an augmented batch from a random generator: images and the loss's target.
    schedule
        Iterations and rates.
    checkpoint
        Where the state is kept; an existing file is resumed.
    until
        Stop after this iteration of the schedule; its end when None.
    loss
        Of what the network gives, against a target.
    """
    run = _Run(network, schedule, loss)
    if checkpoint.exists():
        run.restore(checkpoint)
    rng = torch.Generator().manual_seed(schedule.seed + run.iteration)
    last = min(until or schedule.iterations, schedule.iterations)
    losses: list[float] = []
    began = time.monotonic()
    while run.iteration < last:
        losses.append(run.step(*draw(rng)))
        if run.iteration % schedule.report_every == 0:
            recent = losses[-schedule.report_every :]
            log.info(
                "iteration %d of %d: loss %.4f, %.2f s an iteration",
                run.iteration,
                schedule.iterations,
                sum(recent) / len(recent),
                (time.monotonic() - began) / len(losses),
            )
        if run.iteration % schedule.checkpoint_every == 0 or run.iteration == last:
            run.save(checkpoint)
    return run.average.eval()


class _Run:
    """Network, its running average and the optimiser, moved on one step at a time."""

    def __init__(self, network: nn.Module, schedule: Schedule, loss: Loss) -> None:
        self._loss = loss
        self.network = network.train()
        self.average = copy.deepcopy(network)
        self.schedule = schedule
        self.iteration = 0
        self.optimiser = torch.optim.AdamW(network.parameters(), weight_decay=schedule.weight_decay)

    def step(self, image: Tensor, target: Tensor) -> float:
        """One optimisation step on a batch; returns its loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.schedule.rate(self.iteration)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.schedule.bfloat16):
            logits = self.network(image.contiguous(memory_format=torch.channels_last))
        loss = self._loss(logits, target)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        self.iteration += 1
        self._update_average()
        return loss.item()

    @torch.no_grad()
    def _update_average(self) -> None:
        # Early on the average forgets faster, so that it does not keep random weights.
        decay = min(self.schedule.average, self.iteration / (self.iteration + 9))
        pairs = zip(
            self.average.state_dict().values(), self.network.state_dict().values(), strict=True
        )
        for mean, new in pairs:
            if mean.is_floating_point():
                mean.lerp_(new, 1 - decay)
            else:
                mean.copy_(new)

    def save(self, path: Path) -> None:
        """Write the whole state beside its place, then move it there."""
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "iteration": self.iteration,
            "schedule": asdict(self.schedule),
        }
        partial = path.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(path)

    def restore(self, path: Path) -> None:
        """Take up a saved state."""
        state = torch.load(path, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.iteration = state["iteration"]
