"""One network, trained stage by stage on changing mixtures of sources."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from openlumbar.models import ModelCard
from openlumbar.recipes.schema import NetworkRecipe, ScheduleRecipe
from openlumbar.train.loop import Loss, Schedule, fit
from openlumbar.train.losses import dice_cross_entropy
from openlumbar.train.network import FoldedUNet

log = logging.getLogger(__name__)


class TorchPredictor:
    """A network in training behind the protocol of :class:`openlumbar.models.Predictor`."""

    def __init__(self, network: nn.Module, card: ModelCard) -> None:
        self._network = network.eval()
        self._card = card

    @property
    def card(self) -> ModelCard:
        """The contract of the weights."""
        return self._card

    @torch.no_grad()
    def predict(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map ``[n, channels, rows, columns]`` to probabilities of the same grid."""
        result: NDArray[np.float32] = self._network(torch.from_numpy(images)).softmax(1).numpy()
        return result


class Sampler(Protocol):
    """Draws training batches."""

    def draw(self, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Images and labels."""


class StagedRecipe(Protocol):
    """What the recipes of our own networks share."""

    @property
    def name(self) -> str:
        """Of the weights file."""

    @property
    def network(self) -> NetworkRecipe:
        """Its shape."""

    @property
    def schedule(self) -> ScheduleRecipe:
        """Learning rate and the like."""

    @property
    def stage(self) -> Sequence[Any]:
        """The stages in their order."""


@dataclass(frozen=True)
class Sources:
    """Where training cases come from.

    Attributes
    ----------
    read
        Takes a source's name and the network as it stands; gives its cases.
    sampler
        Takes a stage and the cases by source.
    late
        Sources that need the network, and are read when their stage begins.
    loss
        Of what the network gives, against a batch's target.
    """

    read: Callable[[str, nn.Module], list[Any]]
    sampler: Callable[[Any, dict[str, list[Any]]], Sampler]
    late: frozenset[str] = frozenset()
    loss: Loss = dice_cross_entropy


def mixture(
    weights: Mapping[Any, float], cases: Mapping[str, list[Any]]
) -> tuple[list[Any], list[float]]:
    """All cases of a stage's sources, and how often each is drawn relative to the others."""
    drawn: list[Any] = []
    often: list[float] = []
    for source, weight in weights.items():
        drawn += cases[source]
        often += [weight / len(cases[source])] * len(cases[source])
    return drawn, often


def fresh_network(recipe: StagedRecipe, classes: int) -> FoldedUNet:
    """The recipe's network with weights drawn from its seed."""
    torch.manual_seed(recipe.schedule.seed)
    shape = recipe.network
    return FoldedUNet(len(shape.channels), classes, shape.widths, shape.fold)


def train_stages(
    recipe: StagedRecipe, network: nn.Module, out: Path, sources: Sources
) -> nn.Module:
    """Train a network by its recipe; returns it with averaged weights.

    The checkpoint ``OUT/NAME-WIDTHS.pt`` is resumed where there is one.

    Parameters
    ----------
    recipe
        Stages on one schedule.
    network
        From :func:`fresh_network`.
    out
        Folder of the checkpoint, made if need be.
    sources
        Where the cases come from. All that needs no network is read first, so that what is
        absent shows before hours of training.
    """
    torch.set_num_threads(os.cpu_count() or 1)
    out.mkdir(parents=True, exist_ok=True)
    schedule = Schedule(
        iterations=sum(stage.iterations for stage in recipe.stage),
        **recipe.schedule.model_dump(),
    )
    # Widths are written into the name, so that another network is never resumed.
    checkpoint = out / f"{recipe.name}-{'-'.join(map(str, recipe.network.widths))}.pt"
    names = dict.fromkeys(source for stage in recipe.stage for source in stage.weights)
    cases = {name: sources.read(name, network) for name in names if name not in sources.late}
    done = 0
    average: nn.Module = network
    for stage in recipe.stage:
        done += stage.iterations
        for name in stage.weights:
            if name not in cases:
                log.info("reading %s", name)
                cases[name] = sources.read(name, average)
        sampler = sources.sampler(stage, cases)
        average = fit(network, sampler.draw, schedule, checkpoint, until=done, loss=sources.loss)
    return average
