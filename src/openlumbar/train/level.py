"""Training of the level classifier that ships, from phantoms to weights with a card."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import Tensor, nn
from torch.nn import functional

from openlumbar.core.errors import InputError, OptionError
from openlumbar.core.exam import Block, Series, Weighting
from openlumbar.core.levels import LEVEL_CLASSES, POSITIONS
from openlumbar.core.plane import Plane
from openlumbar.core.volume import Volume
from openlumbar.level.looks import (
    STANDARD_CHANNELS,
    STANDARD_MM,
    STANDARD_SHAPE,
    axial_tissue,
    spine_pose,
)
from openlumbar.models import ModelCard, load_model
from openlumbar.models.card import ModelData, ModelInput
from openlumbar.phantom.axial_training import (
    AxialTrainingCase,
    AxialTrainingOptions,
    axial_training_cases,
    other_training_cases,
)
from openlumbar.recipes import LevelRecipe
from openlumbar.recipes.schema import LevelStageRecipe, NetworkRecipe
from openlumbar.segment import segment_axial
from openlumbar.train.axial import SUDIRMAN_PIXEL_MM, single_slice
from openlumbar.train.classifier_network import ClassifierNetwork
from openlumbar.train.export import export_classifier, write_card
from openlumbar.train.level_sampling import (
    SIGNS,
    LevelSampler,
    LevelSlice,
    expected_position,
    plain_picture,
    signs_of,
    target_of,
)
from openlumbar.train.own_levels import LEVELS_FILE, read_own_slices
from openlumbar.train.stages import Sources, mixture, train_stages

#: Where seeds of phantom people begin: those learnt from, those of other pictures, and those
#: that the first figures are taken from. Seeds of published figures are 8000 to 8999.
_SEEDS, _OTHER_SEEDS, _TUNE_SEEDS = 250_000, 270_000, 7_000
#: Slices of one tuning person.
_TUNE_SLICES = 8
#: How much the signs weigh beside the level.
_SIGNS_WEIGHT = 0.5
#: Of the way from one disc to the next: within it, a slice is one of that disc.
_AT_DISC = 0.25
#: Levels read by eye, how sure the reader must have been, and what the second guess is worth.
_READING = Path(__file__).parents[1] / "recipes" / "axial_level_reading.toml"
_SURE, _SECOND = 2, 0.25
#: Slices that figures are taken of at a time.
_AT_ONCE = 24
_OTHER = LEVEL_CLASSES.index("other")

#: Puts found tissues in place of a slice's own.
Segment = Callable[[LevelSlice], LevelSlice]
#: Probabilities of classes and of signs, by standard pictures.
Classify = Callable[[NDArray[np.float32]], tuple[NDArray, NDArray]]
Cases = Callable[[np.random.Generator, AxialTrainingOptions], Iterator[AxialTrainingCase]]

_DATA = {
    "phantom": ModelData(
        name="OpenLumbar phantoms",
        licence="Apache-2.0",
        credit="OpenLumbar",
        use="pictures with exact places along the spine, tissues, kidneys and iliac wings",
    ),
    "sudirman_axial": ModelData(
        name="Lumbar spine MRI data set, 80 axial slices",
        licence="CC BY 4.0",
        credit="Sudirman et al., Lumbar Spine MRI Dataset",
        use="levels read by a non-expert from the slices alone",
    ),
    "own": ModelData(
        name="the user's own slices", licence="the user's", credit="the user", use="levels"
    ),
}
_LIMITS = (
    "research use only; not for diagnosis",
    "no real slice with a level that an expert had named was there to learn from or to be "
    "measured on: what it learnt from are phantoms, and where `data` names them the user's own "
    "slices, or 71 of a handful of patients whose levels a non-expert read",
    "tells where along five lumbar vertebrae a slice looks as if it were; people with four or "
    "six were left out, and no picture of one slice can count them",
    "where the axial model finds no tissues it hardly knows the place, and spreads its probability",
)


def train_level(recipe: LevelRecipe, data: Path, out: Path) -> Path:
    """Train by a recipe; returns the path of the new weights, whose card lies beside them.

    Parameters
    ----------
    recipe
        What to train on and how.
    data
        Folder of the user's own slices, for a recipe that draws from them.
    out
        Folder for checkpoint, weights and card; made if need be.

    Raises
    ------
    InputError
        A source is absent or empty.
    OptionError
        The recipe's channels are not those of the standard picture.
    """
    _check_channels(recipe)
    torch.manual_seed(recipe.schedule.seed)
    segment = axial_segmenter() if recipe.sources.segmented > 0 else None

    def read(source: str, _: nn.Module) -> list[LevelSlice]:
        return read_source(source, recipe, data, segment)

    def sampler(stage: LevelStageRecipe, cases: dict[str, list[LevelSlice]]) -> LevelSampler:
        return LevelSampler(*mixture(stage.weights, cases), **recipe.batch.model_dump())

    network = train_stages(
        recipe, level_network(recipe.network), out, Sources(read, sampler, loss=level_loss)
    )
    figures = first_figures(network_says(network), recipe.sources.tune, segment)
    return save_level(network, recipe, out, {"phantoms": figures} if figures else {})


def save_level(network: nn.Module, recipe: LevelRecipe, out: Path, results: dict[str, Any]) -> Path:
    """Write a trained network as weights with a card."""
    if not isinstance(network, ClassifierNetwork):
        raise TypeError(f"a level classifier is a ClassifierNetwork, not {type(network).__name__}")
    weights = out / f"{recipe.name}.onnx"
    export_classifier(network, weights, len(STANDARD_CHANNELS), STANDARD_SHAPE)
    write_card(card_of(recipe, results), weights)
    return weights


# -- network -----------------------------------------------------------------------------


def level_network(shape: NetworkRecipe) -> ClassifierNetwork:
    """A small network on folded pixels: two convolutions a scale, then the mean over places."""
    layers: list[nn.Module] = [nn.PixelUnshuffle(shape.fold)]
    before = len(shape.channels) * shape.fold**2
    for number, width in enumerate(shape.widths):
        if number:
            layers.append(nn.MaxPool2d(2))
        layers += _convolution(before, width)
        # The finest scale is the dearest, and has the least to say.
        layers += _convolution(width, width) if number else []
        before = width
    return ClassifierNetwork(
        nn.Sequential(*layers), before, len(LEVEL_CLASSES), len(SIGNS), dropout=0.2
    )


def _convolution(channels_in: int, channels_out: int) -> list[nn.Module]:
    return [
        nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    ]


def level_loss(said: tuple[Tensor, Tensor], target: Tensor) -> Tensor:
    """Cross entropy of the level and of the signs, where they are known.

    Parameters
    ----------
    said
        Logits ``[batch, classes]`` and ``[batch, signs]``.
    target
        ``[batch, classes + signs]`` probabilities; nan where nothing is known.
    """
    classes, signs = (part.float() for part in said)
    level, seen = target[:, : classes.shape[1]], target[:, classes.shape[1] :]
    known = ~level.isnan().any(1)
    loss = functional.cross_entropy(classes[known], level[known], reduction="sum")
    loss = loss / max(1, int(known.sum()))
    marked = ~seen.isnan()
    each = functional.binary_cross_entropy_with_logits(signs[marked], seen[marked], reduction="sum")
    return loss + _SIGNS_WEIGHT * each / max(1, int(marked.sum()))


# -- sources -----------------------------------------------------------------------------


def read_source(
    source: str, recipe: LevelRecipe, data: Path, segment: Segment | None
) -> list[LevelSlice]:
    """All slices of one source of the recipe; an error if there are none.

    Parameters
    ----------
    data
        Folder of the user's own slices.
    segment
        Of :func:`axial_segmenter`, for the share of people whose tissues are found; None for
        none.
    """
    made = recipe.sources
    if source == "phantom":
        segmented = round(made.segmented * made.phantoms)
        people = range(_SEEDS, _SEEDS + made.phantoms)
        found = [
            *phantom_slices(axial_training_cases, people[:segmented], made.slices, segment),
            *phantom_slices(axial_training_cases, people[segmented:], made.slices),
        ]
    elif source == "other":
        people = range(_OTHER_SEEDS, _OTHER_SEEDS + made.others)
        found = list(phantom_slices(other_training_cases, people, made.slices))
        # The axial stage finds nothing in most of them, and then their looks are all there is.
        found += [segment(one) for one in found] if segment is not None else []
    elif source == "sudirman_axial":
        found = list(_read_by_eye(data / source, segment or axial_segmenter()))
    else:
        own = _own(data, segment or axial_segmenter())
        found = [one for one in own if one.patient not in _held_out(recipe)]
    if not found:
        raise InputError(f"{data}: the recipe draws from {source!r}, but it holds no slices")
    return found


def phantom_slices(
    cases: Cases, seeds: Sequence[int], slices: int, segment: Segment | None = None
) -> Iterator[LevelSlice]:
    """Slices of phantom people, with their own tissues or those that a network finds.

    The level of people with four or six lumbar vertebrae is left open.
    """
    options = AxialTrainingOptions(slices=slices)
    for seed in seeds:
        for number, case in enumerate(cases(np.random.default_rng(seed), options)):
            one = of_case(case, f"phantom-{seed}-{number}", f"phantom-{seed}")
            yield one if segment is None else segment(one)


def of_case(case: AxialTrainingCase, name: str, patient: str) -> LevelSlice:
    """A phantom's slice with what is to be learnt of it."""
    target = target_of(case.position)
    if case.lumbar_count != 5 and not np.isnan(case.position):
        target = np.full_like(target, np.nan)
    pixel = (case.pixel_mm, case.pixel_mm)
    return LevelSlice(name, patient, case.image, case.label, pixel, target, case.landmarks)


def axial_segmenter() -> Segment:
    """What gives a slice the tissues that the axial stage finds in it, as in ``analyze``."""
    predictor, overview = load_model("axial"), load_model("axial-overview")

    def segment(one: LevelSlice) -> LevelSlice:
        affine = np.diag([one.spacing_mm[1], one.spacing_mm[0], 4.0, 1.0])
        block = Block(Volume(one.image[None].astype(np.float32), affine), (one.name,))
        series = Series(one.name, Plane.AXIAL, Weighting.UNKNOWN, (block,), "array")
        mask = segment_axial(series, predictor, overview=overview)[0]
        return replace(one, tissue=axial_tissue(mask.labels.array[0], mask.bodies.array[0]))

    return segment


def _own(data: Path, segment: Segment) -> Iterator[LevelSlice]:
    """Slices of the user's ``levels.csv``, whose tissues the axial model finds."""
    for own in read_own_slices(data, LEVEL_CLASSES):
        if own.spacing_mm is None:
            raise InputError(
                f"{LEVELS_FILE}: {own.name} is an image, whose pixels have no size in mm; this "
                "recipe learns from DICOM, NIfTI or MetaImage files"
            )
        target = _target(own.level)
        blank = np.zeros(own.picture.shape, np.uint8)
        one = LevelSlice(own.name, own.patient, own.picture, blank, own.spacing_mm, target)
        yield segment(one)


def _read_by_eye(folder: Path, segment: Segment) -> Iterator[LevelSlice]:
    """Real slices whose level a reader was sure of, the second guess with its part."""
    table = tomllib.loads(_READING.read_text("utf-8"))["sudirman_axial"]
    for number, level, second, sure, *_ in table["slices"]:
        path = folder / f"slice_{number:02d}.png"
        if sure < _SURE or not path.exists():
            continue
        target = (1 - _SECOND) * _target(level) + _SECOND * _target(second)
        image = single_slice(path).blocks[0].volume.array[0]
        blank, pixel = np.zeros(image.shape, np.uint8), (SUDIRMAN_PIXEL_MM, SUDIRMAN_PIXEL_MM)
        yield segment(LevelSlice(path.stem, path.stem, image, blank, pixel, target))


def _target(level: str) -> NDArray[np.float32]:
    return target_of(POSITIONS.get(level, float("nan")))


def _held_out(recipe: LevelRecipe) -> frozenset[str]:
    return frozenset((*recipe.held_out.tune, *recipe.held_out.report))


def _check_channels(recipe: LevelRecipe) -> None:
    if recipe.network.channels != STANDARD_CHANNELS:
        raise OptionError(
            f"network.channels is {', '.join(recipe.network.channels)}; the pictures of the level "
            f"classifier have {', '.join(STANDARD_CHANNELS)}"
        )


# -- figures -----------------------------------------------------------------------------


def first_figures(
    classify: Classify, people: int, segment: Segment | None
) -> dict[str, dict[str, float]]:
    """Figures on phantom people whom no training sees, but who may guide choices.

    Parameters
    ----------
    classify
        As in :func:`level_figures`.
    people
        How many; empty for none.
    segment
        Of :func:`axial_segmenter`, for figures with the tissues that it finds.
    """
    if not people:
        return {}
    seeds = range(_TUNE_SEEDS, _TUNE_SEEDS + people)
    slices = list(phantom_slices(axial_training_cases, seeds, _TUNE_SLICES))
    figures = {"own tissues": level_figures(classify, slices)}
    if segment is not None:
        found = [segment(one) for one in slices]
        figures["tissues of the axial model"] = level_figures(classify, found)
    return figures


def level_figures(classify: Classify, slices: Sequence[LevelSlice]) -> dict[str, float]:
    """How well a classifier tells the places of slices that it has not learnt from.

    Parameters
    ----------
    classify
        Of the standard pictures ``[n, 8, 128, 192]``, the probability of each class and of
        each sign.
    slices
        With targets and landmarks; those without a target count for the signs alone.

    Returns
    -------
    dict
        Number of slices within a quarter of the way from one of the discs L1-L2 to L5-S1 to
        the next; the percentage of them whose nearest disc is right, and that are taken for
        "other"; mean error of the place of all from L1-L2 to L5-S1 (1 is a disc with its
        vertebra); area under the curve of each sign.
    """
    place, other, signs = _said(classify, slices)
    target = np.stack([one.target for one in slices])
    truth = expected_position(np.nan_to_num(target))
    lumbar = (target[:, _OTHER] == 0) & (truth >= 1) & (truth <= 5)
    discs = lumbar & (np.abs(truth - np.rint(truth)) <= _AT_DISC)
    figures = {
        "slices": float(discs.sum()),
        "nearest disc right, percent": _percent((np.rint(place) == np.rint(truth))[discs]),
        "taken for other, percent": _percent(other[discs] > 0.5),
        "mean error of the place": round(float(np.abs(place - truth)[lumbar].mean()), 3),
    }
    seen = np.stack([signs_of(one, spine_pose(one.tissue, one.spacing_mm)[0]) for one in slices])
    for n, name in enumerate(SIGNS):
        figures[f"{name}, area under the curve"] = _area(signs[:, n], seen[:, n] >= 1)
    return figures


def network_says(network: nn.Module) -> Classify:
    """What :func:`level_figures` asks, of a network in training."""

    @torch.no_grad()
    def classify(pictures: NDArray[np.float32]) -> tuple[NDArray, NDArray]:
        level, signs = network.eval()(torch.from_numpy(pictures))
        return level.softmax(1).numpy(), signs.sigmoid().numpy()

    return classify


def _said(
    classify: Classify, slices: Sequence[LevelSlice]
) -> tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.float32]]:
    """Mean place, probability of "other" and of the signs of each slice."""
    levels, signs = [], []
    for first in range(0, len(slices), _AT_ONCE):
        pictures = [plain_picture(one) for one in slices[first : first + _AT_ONCE]]
        level, sign = classify(np.stack(pictures))
        levels.append(level)
        signs.append(sign)
    probability = np.concatenate(levels)
    return expected_position(probability), probability[:, _OTHER], np.concatenate(signs)


def _percent(true: NDArray[np.bool_]) -> float:
    return round(100 * float(true.mean()), 1) if len(true) else float("nan")


def _area(score: NDArray[np.float32], true: NDArray[np.bool_]) -> float:
    """Area under the receiver's curve: the chance that a true one scores above a false one."""
    if true.all() or not true.any():
        return float("nan")
    ranks = rankdata(score)[true]
    least = len(ranks) * (len(ranks) + 1) / 2
    return round(float((ranks.sum() - least) / (len(ranks) * (~true).sum())), 3)


# -- card --------------------------------------------------------------------------------


def card_of(recipe: LevelRecipe, results: dict[str, Any]) -> ModelCard:
    """The card of weights that only phantoms were there to measure on."""
    used = dict.fromkeys(source for stage in recipe.stage for source in stage.weights)
    made = tuple(_DATA[source] for source in used if source in _DATA)
    tune = (f"phantom-{n}" for n in range(_TUNE_SEEDS, _TUNE_SEEDS + recipe.sources.tune))
    return ModelCard(
        name=recipe.name,
        version=version("openlumbar"),
        task="place of an axial slice along the spine, kidney and ilium in view, any contrast",
        recipe=recipe.name,
        input=ModelInput(
            spacing_mm=(STANDARD_MM, STANDARD_MM),
            channels=STANDARD_CHANNELS,
            divisor=recipe.network.divisor,
            neighbour_mm=(0.0, 0.0, 0.0),
            intensity="background becomes 0 and percentile 92 of what is brighter becomes 1, cut "
            "off at 1.2; the other channels are tissues of the axial model",
            preprocessing="openlumbar.level.looks.standard_picture",
            pixels=STANDARD_SHAPE,
        ),
        classes=LEVEL_CLASSES,
        signs=tuple(SIGNS),
        data=made,
        held_out={
            "tune": (*recipe.held_out.tune, *tune),
            "report": recipe.held_out.report,
        },
        results=results,
        limits=_LIMITS,
        sha256="",
    )
