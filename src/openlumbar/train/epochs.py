"""Training by epochs: every slice once in each, and the best epoch's weights are kept."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

log = logging.getLogger(__name__)

#: Pictures ``[batch, channel, row, column]`` and classes ``[batch]``.
Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Epoch:
    """One pass over the training slices.

    Attributes
    ----------
    train_loss, tune_loss
        Mean cross entropy on each part; of the training part while it was learnt.
    tune_accuracy
        Part of the tuning slices that are named right.
    """

    train_loss: float
    tune_loss: float
    tune_accuracy: float


@dataclass(frozen=True, eq=False)
class Course:
    """What to train on, and how.

    Attributes
    ----------
    train
        Gives the batches of an epoch, by its number from 0.
    tune
        Gives the batches that choose the best epoch.
    epochs
        Number of them.
    learning_rate
        Of Adam.
    checkpoint
        Where the state is kept after each epoch; an existing file is resumed.
    """

    train: Callable[[int], Iterable[Batch]]
    tune: Callable[[], Iterable[Batch]]
    epochs: int
    learning_rate: float
    checkpoint: Path


@dataclass
class _State:
    """How far the training is."""

    epochs: list[Epoch] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)

    @property
    def best_epoch(self) -> int:
        """The epoch of the least loss on the tuning part, from 0."""
        return min(range(len(self.epochs)), key=lambda n: self.epochs[n].tune_loss)


def fit_epochs(network: nn.Module, course: Course) -> tuple[list[Epoch], int]:
    """Train a classifier, and leave in it the weights of its best epoch.

    Adam with one learning rate, cross entropy; the best epoch is that of the least cross
    entropy on the tuning part.

    Parameters
    ----------
    network
        From pictures to logits ``[batch, classes]``; left in evaluation mode.
    course
        What to train on, and how.

    Returns
    -------
    epochs : list of Epoch
        All of them.
    best : int
        Which one's weights are kept, from 0.
    """
    optimiser = torch.optim.Adam(network.parameters(), lr=course.learning_rate)
    state = _restored(network, optimiser, course.checkpoint)
    for number in range(len(state.epochs), course.epochs):
        began = time.monotonic()
        loss = _train(network, optimiser, course.train(number))
        state.epochs.append(Epoch(loss, *_tune(network, course.tune())))
        if state.best_epoch == number:
            state.best = {name: value.clone() for name, value in network.state_dict().items()}
        _save(network, optimiser, state, course.checkpoint)
        log.info(
            "epoch %d of %d: loss %.4f, of the tuning part %.4f, accuracy %.3f, %.0f s",
            *(number + 1, course.epochs, loss, state.epochs[-1].tune_loss),
            *(state.epochs[-1].tune_accuracy, time.monotonic() - began),
        )
    network.load_state_dict(state.best)
    network.eval()
    return state.epochs, state.best_epoch


@torch.no_grad()
def probabilities(network: nn.Module, batches: Iterable[Batch]) -> tuple[Tensor, Tensor]:
    """What a classifier says of batches: ``float[n, classes]``, and the true classes ``[n]``."""
    network.eval()
    device = next(network.parameters()).device
    said = [(network(image.to(device)).softmax(1).cpu(), true) for image, true in batches]
    return torch.cat([one for one, _ in said]), torch.cat([true for _, true in said])


def _train(network: nn.Module, optimiser: torch.optim.Optimizer, batches: Iterable[Batch]) -> float:
    """Learn from every batch once; returns the mean loss."""
    network.train()
    device = next(network.parameters()).device
    total, count = 0.0, 0
    for image, true in batches:
        loss = functional.cross_entropy(network(image.to(device)), true.to(device))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        total, count = total + loss.item() * len(true), count + len(true)
    return total / count


def _tune(network: nn.Module, batches: Iterable[Batch]) -> tuple[float, float]:
    """Mean cross entropy and accuracy."""
    said, true = probabilities(network, batches)
    loss = functional.nll_loss(said.clamp(min=1e-12).log(), true)
    return loss.item(), (said.argmax(1) == true).float().mean().item()


def _save(network: nn.Module, optimiser: torch.optim.Optimizer, state: _State, path: Path) -> None:
    """Write the whole state beside its place, then move it there."""
    content: dict[str, Any] = {
        "network": network.state_dict(),
        "optimiser": optimiser.state_dict(),
        "epochs": [asdict(epoch) for epoch in state.epochs],
        "best": state.best,
    }
    partial = path.with_suffix(".partial")
    torch.save(content, partial)
    partial.replace(path)


def _restored(network: nn.Module, optimiser: torch.optim.Optimizer, path: Path) -> _State:
    """Take up a saved state, if there is one."""
    if not path.exists():
        return _State()
    device = next(network.parameters()).device
    content = torch.load(path, weights_only=True, map_location=device)
    network.load_state_dict(content["network"])
    optimiser.load_state_dict(content["optimiser"])
    return _State([Epoch(**epoch) for epoch in content["epochs"]], content["best"])
