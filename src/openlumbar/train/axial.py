"""Training of the axial model, from a folder of data to weights with a card."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
from skimage.io import imread
from torch import nn

from openlumbar.core.errors import InputError
from openlumbar.core.exam import Block, Series, Weighting
from openlumbar.core.masks import AXIAL_TISSUE_NAMES, AxialTissue
from openlumbar.core.plane import Plane
from openlumbar.core.volume import Volume
from openlumbar.models import ModelCard, Predictor, load_model
from openlumbar.models.card import ModelData, ModelInput
from openlumbar.phantom.axial_training import AxialTrainingOptions, axial_training_cases
from openlumbar.recipes import AxialRecipe
from openlumbar.recipes.schema import AxialStageRecipe
from openlumbar.segment import segment_axial
from openlumbar.train.augment import AXIAL
from openlumbar.train.axial_dress import dress
from openlumbar.train.axial_pictures import (
    AxialPicture,
    at_spacing,
    classes_of_axial_mask,
    cut_axially,
    of_phantom,
    read_own_axial,
    read_shapes,
    widen,
)
from openlumbar.train.axial_sampling import AxialSampler
from openlumbar.train.export import export_onnx, write_card
from openlumbar.train.losses import IGNORE
from openlumbar.train.spider import read_outlines, read_spider_space
from openlumbar.train.stages import Sources, TorchPredictor, fresh_network, mixture, train_stages

_RECIPES = Path(__file__).parents[1] / "recipes"

#: The source whose labels the network makes, so that it is read when its stage begins.
_SELF_LABELLED = "sudirman_axial"
#: Spacing that the pictures of ``sudirman_axial`` are taken to have; theirs is lost.
SUDIRMAN_PIXEL_MM = 0.7
#: Where seeds of training phantoms begin; those of figures lie below.
_FIRST_SEED = 200_000
#: The annotated exam of MuscleMap.
_EXAM = "sub-01_axial"

_MUSCLEMAP = {"licence": "MIT", "credit": "MuscleMap, axial lumbar template and exams"}
_CREDITS = {
    "phantom": ModelData(
        name="OpenLumbar phantoms", licence="Apache-2.0", credit="OpenLumbar", use="exact labels"
    ),
    "spider_space": ModelData(
        name="SPIDER, T2 SPACE volumes",
        licence="CC BY 4.0",
        credit="van der Graaf et al. 2024, Lumbar spine segmentation in MR images",
        use="axial cuts; masks of vertebra, disc and canal, sacrum outlined by us",
    ),
    "shapes": ModelData(
        name="MuscleMap label maps", use="muscles, in made-up pictures", **_MUSCLEMAP
    ),
    "exam": ModelData(name="MuscleMap exam", use="masks of muscles", **_MUSCLEMAP),
    _SELF_LABELLED: ModelData(
        name="Lumbar spine MRI data set, 80 axial slices",
        licence="CC BY 4.0",
        credit="Sudirman et al., Lumbar Spine MRI Dataset",
        use="self-training: labels made by the network and accepted by eye",
    ),
    "own": ModelData(
        name="the user's own annotations", licence="the user's", credit="the user", use="masks"
    ),
}


def train_axial(recipe: AxialRecipe, data: Path, out: Path) -> Path:
    """Train by a recipe and write ``OUT/NAME.onnx`` with its card.

    Parameters
    ----------
    recipe
        What to train, on what, for how long.
    data
        Folder that holds the recipe's sources: ``spider_space/``, ``musclemap/``,
        ``sudirman_axial/``, and for ``own`` pairs ``NAME.nii.gz`` and ``NAME_dseg.nii.gz``
        directly in it.
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

    def read(source: str, average: nn.Module) -> list[AxialPicture]:
        teacher = load_model(recipe.teacher) if recipe.teacher else TorchPredictor(average, card)
        return read_source(source, recipe, data, teacher)

    def sampler(stage: AxialStageRecipe, cases: dict[str, list[AxialPicture]]) -> AxialSampler:
        return _sampler(stage, cases, recipe)

    average = train_stages(
        recipe,
        fresh_network(recipe, len(AXIAL_TISSUE_NAMES)),
        out,
        Sources(read, sampler, late=frozenset({_SELF_LABELLED})),
    )
    weights = out / f"{recipe.name}.onnx"
    export_onnx(average, weights, len(recipe.network.channels), recipe.network.divisor)
    write_card(card, weights)
    return weights


def _sampler(
    stage: AxialStageRecipe, cases: dict[str, list[AxialPicture]], recipe: AxialRecipe
) -> AxialSampler:
    pictures, weights = mixture(stage.weights, cases)
    batch = recipe.batch
    return AxialSampler(
        pictures,
        weights,
        size=(batch.rows, batch.columns),
        batch=batch.size,
        augmentation=replace(AXIAL, rotation_deg=batch.rotation_deg, scale=batch.scale),
    )


# -- sources -----------------------------------------------------------------------------


def read_source(
    source: str, recipe: AxialRecipe, data: Path, predictor: Predictor
) -> list[AxialPicture]:
    """Training pictures of one source at the working spacing, held-out patients left out.

    Parameters
    ----------
    source
        As in :class:`~openlumbar.recipes.schema.AxialStageRecipe`.
    predictor
        Labels ``sudirman_axial``; not asked for other sources.

    Raises
    ------
    InputError
        There is nothing to train on.
    """
    readers: dict[str, Callable[[], Iterator[AxialPicture]]] = {
        "phantom": lambda: _phantoms(recipe),
        "spider_space": lambda: _cuts(recipe, data / "spider_space"),
        "shapes": lambda: _dressed(recipe, data / "musclemap"),
        "exam": lambda: _exam(recipe, data / "musclemap"),
        _SELF_LABELLED: lambda: _self_labelled(recipe, data / _SELF_LABELLED, predictor),
        "own": lambda: iter(read_own_axial(data, recipe.input.spacing_mm)),
    }
    held = {*recipe.held_out.tune, *recipe.held_out.report}
    pictures = [picture for picture in readers[source]() if picture.patient not in held]
    if not pictures:
        raise InputError(
            f"{data}: the recipe {recipe.name!r} asks for {source!r}, but there is no such "
            "training case (docs/how-to/train.md tells how data is laid out)"
        )
    return pictures


def _phantoms(recipe: AxialRecipe) -> Iterator[AxialPicture]:
    for seed in range(_FIRST_SEED, _FIRST_SEED + recipe.sources.phantoms):
        yield from phantom_pictures(seed, recipe.input.spacing_mm)


def phantom_pictures(
    seed: int, spacing_mm: float, options: AxialTrainingOptions | None = None
) -> Iterator[AxialPicture]:
    """The slices of one phantom person."""
    cases = axial_training_cases(np.random.default_rng(seed), options)
    for number, case in enumerate(cases):
        yield of_phantom(case, f"phantom-{seed}-{number}", spacing_mm)


def _cuts(recipe: AxialRecipe, folder: Path) -> Iterator[AxialPicture]:
    outlines = read_outlines(_RECIPES / "sacrum_outlines.json")
    held = {*recipe.held_out.tune, *recipe.held_out.report}
    for path in sorted(folder.glob("sub-*_T2w.nii.gz")):
        patient = int(path.name[4:7])
        if str(patient) in held:
            continue
        rng = np.random.default_rng((recipe.schedule.seed, patient))
        volume = read_spider_space(path, outlines)
        for cut in cut_axially(volume, rng, recipe.sources.cuts, recipe.input.spacing_mm):
            yield widen(cut, recipe.batch.columns, rng)


def _dressed(recipe: AxialRecipe, folder: Path) -> Iterator[AxialPicture]:
    spacing = recipe.input.spacing_mm
    for path in sorted(folder.glob("*_dseg.nii.gz")):
        if path.name.startswith(_EXAM):
            continue
        name = path.name.removesuffix("_dseg.nii.gz")
        shapes = read_shapes(path, spacing)
        rng = np.random.default_rng((recipe.schedule.seed, *name.encode()))
        for number in range(recipe.sources.dressed if shapes else 0):
            made = dress(shapes[number % len(shapes)], spacing, rng)
            if made is not None:
                yield AxialPicture(f"shapes-{name}-{number}", name, *made)


def _exam(recipe: AxialRecipe, folder: Path) -> Iterator[AxialPicture]:
    for picture in read_own_axial(folder, recipe.input.spacing_mm):
        if picture.name.startswith(_EXAM):
            yield picture


def _self_labelled(
    recipe: AxialRecipe, folder: Path, predictor: Predictor
) -> Iterator[AxialPicture]:
    """The accepted slices, as the network labels them; what it doubts is left open.

    So are vertebral body and disc: it takes one for the other before it has seen real ones.
    """
    verdicts = tomllib.loads((_RECIPES / "axial_verdicts.toml").read_text("utf-8"))
    spacing = recipe.input.spacing_mm
    for path in sorted(folder.glob("slice_*.png")):
        if path.stem in verdicts["refused"]:
            continue
        series = single_slice(path)
        found = segment_axial(series, predictor)[0]
        label = classes_of_axial_mask(found)
        label[np.isin(label, (AxialTissue.BODY, AxialTissue.DISC))] = IGNORE
        own = (SUDIRMAN_PIXEL_MM, SUDIRMAN_PIXEL_MM)
        image = series.blocks[0].volume.array[0]
        yield AxialPicture(f"real-{path.stem}", path.stem, *at_spacing(image, label, own, spacing))


def single_slice(path: Path, pixel_mm: float = SUDIRMAN_PIXEL_MM) -> Series:
    """A picture as an axial series of one slice: rows front to back, columns leftward."""
    picture = imread(path)
    picture = picture if picture.ndim == 2 else picture[..., :3].mean(-1)
    affine = np.diag([pixel_mm, pixel_mm, 4.0, 1.0])
    block = Block(Volume(picture[None].astype(np.float32), affine), (path.name,))
    return Series(path.stem, Plane.AXIAL, Weighting.UNKNOWN, (block,), "array")


# -- card --------------------------------------------------------------------------------


def card_of(recipe: AxialRecipe) -> ModelCard:
    """The card of weights that nobody has validated yet."""
    used = dict.fromkeys(s for stage in recipe.stage for s in stage.weights)
    spacing = recipe.input.spacing_mm
    return ModelCard(
        name=recipe.name,
        version=version("openlumbar"),
        task="muscles, vertebra, disc and dural sac on axial lumbar slices, any contrast",
        recipe=recipe.name,
        input=ModelInput(
            spacing_mm=(spacing, spacing),
            channels=recipe.network.channels,
            divisor=recipe.network.divisor,
            neighbour_mm=(0.0, 0.0, 0.0),
            intensity="after N4, the slice's background becomes 0 and percentile 92 of what is "
            "brighter becomes 1, cut off at 1.2",
            preprocessing="openlumbar.segment.axial_preprocess.normalise_slice",
        ),
        classes=AXIAL_TISSUE_NAMES,
        data=tuple(_CREDITS[source] for source in used),
        held_out={
            "tune": recipe.held_out.tune,
            "report": (*recipe.held_out.report, *(() if "exam" in used else (_EXAM,))),
        },
        results={},
        limits=("research use only", "not validated: no figures have been measured"),
        sha256="",
    )
