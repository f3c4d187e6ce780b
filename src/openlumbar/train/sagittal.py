"""Training of the sagittal model, from a folder of data to weights with a card."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import numpy as np
from torch import nn

from openlumbar.core.anatomy import disc_code
from openlumbar.core.errors import InputError
from openlumbar.core.masks import TISSUE_NAMES
from openlumbar.models import ModelCard
from openlumbar.models.card import ModelData, ModelInput
from openlumbar.phantom.training import sagittal_training_case
from openlumbar.recipes import SagittalRecipe
from openlumbar.recipes.schema import StageRecipe
from openlumbar.train.export import export_onnx, write_card
from openlumbar.train.losses import IGNORE
from openlumbar.train.own import at_spacing, read_own
from openlumbar.train.sampling import SagittalSampler
from openlumbar.train.self_training import label_slices
from openlumbar.train.spider import (
    TrainingVolume,
    read_outlines,
    read_spider_midsagittal,
    read_spider_space,
)
from openlumbar.train.stages import Sources, TorchPredictor, fresh_network, mixture, train_stages

_RECIPES = Path(__file__).parents[1] / "recipes"

#: The source whose labels the network makes, so that it is read when its stage begins.
_SELF_LABELLED = "spider_midsagittal"

_CREDITS = {
    "spider_space": ModelData(
        name="SPIDER, T2 SPACE volumes",
        licence="CC BY 4.0",
        credit="van der Graaf et al. 2024, Lumbar spine segmentation in MR images",
        use="masks; body parted from posterior elements, sacrum outlined by us",
    ),
    "spider_midsagittal": ModelData(
        name="SPIDER, single sagittal slices",
        licence="CC BY 4.0",
        credit="van der Graaf et al. 2024, Lumbar spine segmentation in MR images",
        use="self-training: labels made by the network and accepted by eye",
    ),
    "phantom": ModelData(
        name="OpenLumbar phantoms", licence="Apache-2.0", credit="OpenLumbar", use="exact labels"
    ),
    "own": ModelData(
        name="the user's own annotations", licence="the user's", credit="the user", use="masks"
    ),
}


def train_sagittal(recipe: SagittalRecipe, data: Path, out: Path) -> Path:
    """Train by a recipe and write ``OUT/NAME.onnx`` with its card.

    Parameters
    ----------
    recipe
        What to train, on what, for how long.
    data
        Folder that holds the recipe's sources: ``spider_space/``,
        ``spider_midsagittal/``, and for ``own`` pairs ``NAME.nii.gz`` and
        ``NAME_dseg.nii.gz`` directly in it.
    out
        Folder of the weights and of the checkpoint ``NAME-WIDTHS.pt``; a run that was cut
        off goes on from there when started again.

    Returns
    -------
    Path
        The weights file.

    Raises
    ------
    InputError
        A source that the recipe asks for is absent or empty.
    """
    card = card_of(recipe)
    network = fresh_network(recipe, len(TISSUE_NAMES))

    def read(source: str, average: nn.Module) -> list[TrainingVolume]:
        return _read(source, recipe, data, TorchPredictor(average, card))

    def sampler(stage: StageRecipe, sources: dict[str, list[TrainingVolume]]) -> SagittalSampler:
        return _sampler(stage, sources, recipe)

    average = train_stages(
        recipe, network, out, Sources(read, sampler, late=frozenset({_SELF_LABELLED}))
    )
    weights = out / f"{recipe.name}.onnx"
    export_onnx(average, weights, len(recipe.network.channels), recipe.network.divisor)
    write_card(card, weights)
    return weights


def _read(
    source: str, recipe: SagittalRecipe, data: Path, predictor: TorchPredictor
) -> list[TrainingVolume]:
    """Training volumes of one source at the working spacing, held-out patients left out."""
    spacing = recipe.input.spacing_mm
    if source == "phantom":
        return [_phantom(seed, spacing) for seed in range(recipe.phantoms.count)]
    space = sorted((data / "spider_space").glob("sub-*_T2w.nii.gz"))
    annotated = frozenset(str(int(path.name[4:7])) for path in space)

    def trains(patient: str) -> bool:
        return recipe.held_out.role(patient, annotated) == "train"

    if source == "spider_space":
        outlines = read_outlines(_RECIPES / "sacrum_outlines.json")
        volumes = [read_spider_space(path, outlines) for path in space]
    elif source == _SELF_LABELLED:
        refused = tomllib.loads((_RECIPES / "self_training_refused.toml").read_text("utf-8"))
        slices = [
            single
            for single in read_spider_midsagittal(data / "spider_midsagittal")
            if trains(single.patient) and single.name not in refused
        ]
        volumes = label_slices(slices, predictor)
    else:
        volumes = read_own(data, spacing)
        annotated = frozenset(volume.patient for volume in volumes)
    kept = [at_spacing(volume, spacing) for volume in volumes if trains(volume.patient)]
    if not kept:
        raise InputError(
            f"{data}: the recipe {recipe.name!r} asks for {source!r}, but there is no such "
            "training case (docs/how-to/train.md tells how data is laid out)"
        )
    return kept


def _phantom(seed: int, spacing_mm: tuple[float, float]) -> TrainingVolume:
    case = sagittal_training_case(np.random.default_rng(1000 + seed))
    name = f"phantom-{seed}"
    # On patients the remnant of disc S1-S2 is background; phantoms must not contradict.
    label = np.where(case.codes == disc_code("S1-S2"), IGNORE, case.regions).astype(np.uint8)
    return at_spacing(TrainingVolume(name, name, case.image, label, case.spacing_mm), spacing_mm)


def _sampler(
    stage: StageRecipe, sources: dict[str, list[TrainingVolume]], recipe: SagittalRecipe
) -> SagittalSampler:
    volumes, weights = mixture(stage.weights, sources)
    least, _, greatest = recipe.input.neighbour_mm
    return SagittalSampler(
        volumes,
        weights,
        size=(recipe.batch.rows, recipe.batch.columns),
        batch=recipe.batch.size,
        neighbour_mm=(least, greatest),
        p_alone=recipe.batch.alone,
    )


def _held_out(recipe: SagittalRecipe) -> dict[str, tuple[str, ...]]:
    """Patients that training never sees: by name, and single slices by remainder."""
    split = recipe.held_out

    def listed(names: tuple[str, ...], rests: tuple[int, ...]) -> tuple[str, ...]:
        rule = f"of patients with single slices alone: number modulo {split.slices_of} in "
        return (*names, rule + " or ".join(map(str, rests))) if rests else names

    return {
        "tune": listed(split.tune, split.slices_tune),
        "report": listed(split.report, split.slices_report),
    }


def card_of(recipe: SagittalRecipe) -> ModelCard:
    """The card of weights that nobody has validated yet."""
    used: Iterable[str] = dict.fromkeys(s for stage in recipe.stage for s in stage.weights)
    return ModelCard(
        name=recipe.name,
        version=version("openlumbar"),
        task="tissue classes of sagittal lumbar slices, any contrast",
        recipe=recipe.name,
        input=ModelInput(
            spacing_mm=recipe.input.spacing_mm,
            channels=recipe.network.channels,
            divisor=recipe.network.divisor,
            neighbour_mm=recipe.input.neighbour_mm,
            intensity="percentiles 0.5 and 99.5 of the series become 0 and 1, cut off at 1.2",
            preprocessing="openlumbar.segment.preprocess.prepare",
        ),
        classes=TISSUE_NAMES,
        data=tuple(_CREDITS[source] for source in used),
        held_out=_held_out(recipe),
        results={},
        limits=("research use only", "not validated: no figures have been measured"),
        sha256="",
    )
