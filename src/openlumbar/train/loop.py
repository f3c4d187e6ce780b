"""The training loop: AdamW, cosine schedule, averaged weights, resumable checkpoints."""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from openlumbar.train.losses import dice_cross_entropy

log = logging.getLogger(__name__)


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
    start_from: Path | None = None,
) -> nn.Module:
    """Train and return the network with averaged weights.

    Parameters
    ----------
    network
        Maps ``[batch, channels, rows, columns]`` to logits of the same grid.
    draw
        Gives an augmented batch from a random generator.
    schedule
        Iterations and rates.
    checkpoint
        Where the state is kept; an existing file is resumed.
    start_from
        Checkpoint whose averaged weights are taken as the start of a new schedule.
    """
    network = network.to(memory_format=torch.channels_last)
    rng = torch.Generator().manual_seed(schedule.seed)
    if start_from is not None:
        network.load_state_dict(torch.load(start_from, weights_only=True)["average"])
    average = copy.deepcopy(network)
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=schedule.weight_decay)
    first = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        first = state["iteration"]
        rng.manual_seed(schedule.seed + first)

    def save(iteration: int) -> None:
        state = {
            "network": network.state_dict(),
            "average": average.state_dict(),
            "optimiser": optimiser.state_dict(),
            "iteration": iteration,
            "schedule": asdict(schedule),
        }
        partial = checkpoint.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(checkpoint)

    network.train()
    losses: list[float] = []
    began = time.monotonic()
    for iteration in range(first, schedule.iterations):
        for group in optimiser.param_groups:
            group["lr"] = schedule.rate(iteration)
        image, target = draw(rng)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=schedule.bfloat16):
            logits = network(image.contiguous(memory_format=torch.channels_last))
        loss = dice_cross_entropy(logits, target)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        decay = min(schedule.average, (iteration + 1) / (iteration + 10))
        with torch.no_grad():
            for mean, new in zip(average.state_dict().values(), network.state_dict().values(),
                                 strict=True):
                if mean.is_floating_point():
                    mean.lerp_(new, 1 - decay)
                else:
                    mean.copy_(new)
        losses.append(loss.item())
        if (iteration + 1) % schedule.report_every == 0:
            recent = losses[-schedule.report_every :]
            log.info(
                "iteration %d of %d: loss %.4f, %.2f s an iteration",
                iteration + 1,
                schedule.iterations,
                sum(recent) / len(recent),
                (time.monotonic() - began) / len(losses),
            )
        if (iteration + 1) % schedule.checkpoint_every == 0 or iteration + 1 == schedule.iterations:
            save(iteration + 1)
    return average.eval()
