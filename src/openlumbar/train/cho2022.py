"""Training of a level classifier by the recipe of Cho et al. 2022."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from openlumbar.io.json_file import write_json
from openlumbar.level.looks import WHOLE_CHANNELS, WHOLE_SHAPE
from openlumbar.models import ModelCard, load_classifier
from openlumbar.models.card import ModelData, ModelInput
from openlumbar.recipes import Cho2022Recipe
from openlumbar.train.backbones import StartedBackbone, start_backbone
from openlumbar.train.cho2022_data import Parts, part, read_levels
from openlumbar.train.classifier_network import ClassifierNetwork
from openlumbar.train.epochs import Course, Epoch, fit_epochs, probabilities
from openlumbar.train.export import export_classifier, write_card
from openlumbar.train.level_batches import LevelBatches
from openlumbar.train.level_scores import LevelScores, level_scores
from openlumbar.train.own_levels import DISC_LEVELS, OTHER, LevelPicture

log = logging.getLogger(__name__)

#: Of ``NAME-results.json``.
RESULTS_VERSION = 1
_CREDITS = {
    "imagenet": ModelData(
        name="ImageNet-1k",
        licence="that of the weights, see timm",
        credit="timm",
        use="weights that training started from",
    ),
    "own": ModelData(
        name="the user's own slices", licence="the user's", credit="the user", use="levels"
    ),
    "phantom": ModelData(
        name="OpenLumbar phantoms", licence="Apache-2.0", credit="OpenLumbar", use="exact levels"
    ),
}


def train_cho2022(recipe: Cho2022Recipe, data: Path, out: Path) -> Path:
    """Train by the recipe and write ``OUT/NAME-BACKBONE.onnx`` with its card and figures.

    Parameters
    ----------
    recipe
        What to train, on what, for how long.
    data
        Folder of the user's slices with ``levels.csv`` (:mod:`openlumbar.train.own_levels`);
        nothing of it is read where the recipe's only source is the phantom.
    out
        Folder of the weights, of ``NAME-BACKBONE-results.json``, and of the checkpoint
        ``NAME-BACKBONE.pt``; a run that was cut off goes on with its next epoch when started
        again. A GPU is used where torch finds one.

    Returns
    -------
    Path
        The weights file.

    Raises
    ------
    InputError
        A source is absent or wrong, or holds too few patients.
    OptionError
        The file of ImageNet weights cannot be used.
    """
    torch.set_num_threads(os.cpu_count() or 1)
    task = _Task.read(recipe, data)
    torch.manual_seed(recipe.schedule.seed)
    started = start_backbone(
        recipe.network.backbone, recipe.network.pretrained, recipe.network.reduce
    )
    network = ClassifierNetwork(started.network, started.features, len(task.classes))
    out.mkdir(parents=True, exist_ok=True)
    stem = f"{recipe.name}-{recipe.network.backbone}"
    learnt = task.train(network, out / f"{stem}.pt")
    scores = {name: task.scores_of(network, name) for name in ("train", "tune")}
    weights = out / f"{stem}.onnx"
    export_classifier(network.cpu(), weights, len(WHOLE_CHANNELS), WHOLE_SHAPE)
    card = write_card(task.card(started), weights)
    scores["test"] = task.test(weights)
    write_card(card.model_copy(update={"results": _noted(scores["test"])}), weights)
    record = task.record(learnt, scores) | {"start": started.start}
    write_json(record, out / f"{stem}-results.json", RESULTS_VERSION)
    log.info("accuracy on the test part: %.3f", scores["test"].accuracy)
    return weights


class _Logits(nn.Module):
    """The classifier's logits alone: this recipe knows no signs."""

    def __init__(self, network: ClassifierNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.network(image)[0]
        return logits


@dataclass(frozen=True, eq=False)
class _Task:
    """The slices, how they are parted, and what they are to be told apart as."""

    recipe: Cho2022Recipe
    pictures: Sequence[LevelPicture]
    parts: Parts
    classes: tuple[str, ...]

    @classmethod
    def read(cls, recipe: Cho2022Recipe, data: Path) -> _Task:
        pictures = read_levels(recipe, data)
        levels = {picture.level for picture in pictures}
        classes = (*DISC_LEVELS, *((OTHER,) if OTHER in levels else ()))
        parts = part(pictures, recipe.split, recipe.schedule.seed)
        task = cls(recipe, pictures, parts, classes)
        counts = {name: len(places) for name, places in asdict(parts).items()}
        log.info("%d slices: %s", len(pictures), counts)
        if task.unseen:
            log.warning("no slice to train on shows %s", ", ".join(task.unseen))
        return task

    @property
    def unseen(self) -> tuple[str, ...]:
        """Classes that no slice of the training part shows."""
        shown = {self.pictures[n].level for n in self.parts.train}
        return tuple(name for name in self.classes if name not in shown)

    def batches(self, places: Sequence[int]) -> LevelBatches:
        return LevelBatches(self.pictures, places, self.classes, self.recipe.schedule.batch)

    def train(self, network: ClassifierNetwork, checkpoint: Path) -> tuple[list[Epoch], int]:
        """Train on the training part; the epoch that does best on the tuning part is kept."""
        schedule = self.recipe.schedule
        shown = self.batches(self.parts.train)
        course = Course(
            # By the epoch's number, so that a resumed run goes on as if it never stopped.
            train=lambda epoch: shown.shuffled(
                schedule.seed + 1000 * epoch, self.recipe.augmentation
            ),
            tune=self.batches(self.parts.tune).in_order,
            epochs=schedule.epochs,
            learning_rate=schedule.learning_rate,
            checkpoint=checkpoint,
        )
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return fit_epochs(_Logits(network).to(device), course)

    def scores_of(self, network: ClassifierNetwork, name: str) -> LevelScores:
        """Score a part by the network itself."""
        places = getattr(self.parts, name)
        said, true = probabilities(_Logits(network), self.batches(places).in_order())
        return level_scores(said.numpy(), true.tolist())

    def test(self, weights: Path) -> LevelScores:
        """Score the test part by the file that was written."""
        classifier = load_classifier(weights)
        said, truth = [], []
        for image, true in self.batches(self.parts.test).in_order():
            said.append(classifier.classify(np.ascontiguousarray(image.numpy())).probability)
            truth += true.tolist()
        return level_scores(np.concatenate(said), truth)

    def record(
        self, learnt: tuple[list[Epoch], int], scores: dict[str, LevelScores]
    ) -> dict[str, Any]:
        """What ``NAME-results.json`` holds (docs/how-to/train-levels.md)."""
        epochs, best = learnt
        return {
            "recipe": self.recipe.model_dump(mode="json"),
            "classes": self.classes,
            "patients": {name: self.patients(name) for name in asdict(self.parts)},
            "epochs": [asdict(epoch) for epoch in epochs],
            "best_epoch": best,
            **{name: asdict(score) for name, score in scores.items()},
        }

    def patients(self, name: str) -> tuple[str, ...]:
        """Whose slices a part holds."""
        return tuple(sorted({self.pictures[n].patient for n in getattr(self.parts, name)}))

    def card(self, started: StartedBackbone) -> ModelCard:
        """The card of the weights, without figures."""
        recipe, by_patient = self.recipe, self.recipe.split.by == "patient"
        held_out = {"tune": self.patients("tune"), "report": self.patients("test")}
        return ModelCard(
            name=f"{recipe.name}-{recipe.network.backbone}",
            version=version("openlumbar"),
            task="disc level that an axial lumbar slice shows",
            recipe=recipe.name,
            input=ModelInput(
                # Pictures have one size, whatever that of their pixels.
                spacing_mm=(0.0, 0.0),
                channels=WHOLE_CHANNELS,
                divisor=1,
                neighbour_mm=(0.0, 0.0, 0.0),
                intensity="the slice's background becomes 0 and percentile 92 of what is brighter "
                "becomes 1 / 1.2, cut off at 1",
                preprocessing="openlumbar.level.looks.whole_picture",
                pixels=WHOLE_SHAPE,
            ),
            classes=self.classes,
            data=tuple(
                _CREDITS[source]
                for source in (
                    *(("imagenet",) if started.imagenet else ()),
                    *dict.fromkeys(recipe.data.sources),
                )
            ),
            held_out=held_out if by_patient else {},
            results={},
            limits=(
                "research use only",
                started.start,
                *(() if by_patient else (_BY_SLICE,)),
                *((f"never shown in training: {', '.join(self.unseen)}",) if self.unseen else ()),
                *(() if OTHER in self.classes else (_NO_OTHER,)),
            ),
            sha256="",
        )


_BY_SLICE = (
    "slices of one patient are in training and in test, so its figures are better than those "
    "of patients it has never seen"
)
_NO_OTHER = "names a disc on every slice, also on one between two discs or without a spine"


def _noted(scores: LevelScores) -> dict[str, Any]:
    """Figures of the test part for the card."""
    return {
        "command": "openlumbar train cho2022",
        "slices": scores.slices,
        "accuracy": round(scores.accuracy, 4),
        "macro_auc": None if scores.macro_auc is None else round(scores.macro_auc, 4),
    }
