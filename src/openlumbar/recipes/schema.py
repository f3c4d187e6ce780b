"""Recipes: strict schemas of the TOML files, and how they are read."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from openlumbar.core.errors import OptionError
from openlumbar.recipes.cho2022 import Cho2022Recipe
from openlumbar.recipes.strict import Positive, Share, validated
from openlumbar.recipes.strict import Strict as _Strict

_FOLDER = Path(__file__).parent
#: Recipes that are shipped, by name.
RECIPES: dict[str, Path] = {
    name: _FOLDER / f"{name}.toml"
    for name in ("sagittal", "axial", "level", "cho2022", "axial-overview")
}


class NetworkRecipe(_Strict):
    """Shape of the folded U-Net."""

    widths: tuple[Positive, ...]
    fold: Positive
    channels: tuple[str, ...]

    @property
    def divisor(self) -> int:
        """Rows and columns of its pictures must be multiples of this number."""
        return int(self.fold * 2 ** (len(self.widths) - 1))


class InputRecipe(_Strict):
    """Spacing of the pictures and distance of the neighbour slices, in millimetres."""

    spacing_mm: tuple[float, float]
    neighbour_mm: tuple[float, float, float]


class BatchRecipe(_Strict):
    """What one training step sees."""

    size: Positive
    rows: Positive
    columns: Positive
    alone: Share


class ScheduleRecipe(_Strict):
    """AdamW with warm-up, half a cosine and averaged weights."""

    learning_rate: Annotated[float, Field(gt=0)]
    warm_up: Positive
    weight_decay: Annotated[float, Field(ge=0)]
    average: Share
    seed: int


class StageRecipe(_Strict):
    """One stretch of training on one mixture of sources.

    Attributes
    ----------
    weights
        How often each source is drawn from, relative to the others.
    self_training
        Said where ``spider_midsagittal`` is drawn from: its labels are made by the network
        as it stands when that source is first read.
    """

    name: str
    iterations: Positive
    weights: Annotated[
        dict[
            Literal["spider_space", "spider_midsagittal", "phantom", "own"],
            Annotated[float, Field(ge=0)],
        ],
        Field(min_length=1),
    ]
    self_training: bool = False

    @model_validator(mode="after")
    def _says_that_it_trains_on_its_own_labels(self) -> StageRecipe:
        if self.self_training != ("spider_midsagittal" in self.weights):
            raise ValueError(
                "self_training must be true where weights name spider_midsagittal, which has no "
                "labels of its own, and only there"
            )
        return self


class PhantomRecipe(_Strict):
    """How many phantom exams are made."""

    count: Annotated[int, Field(ge=0)]


class HeldOutRecipe(_Strict):
    """Patients that training never sees.

    Attributes
    ----------
    tune, report
        Patients by name: those that may guide choices, and those that only figures are
        taken from.
    slices_of, slices_tune, slices_report
        SPIDER patients with nothing but single slices: their number divided by
        ``slices_of`` leaves a remainder, and the two others list remainders.
    """

    tune: tuple[str, ...]
    report: tuple[str, ...]
    slices_of: Positive = 1
    slices_tune: tuple[int, ...] = ()
    slices_report: tuple[int, ...] = ()

    def role(self, patient: str, volumes: frozenset[str]) -> Literal["train", "tune", "report"]:
        """What a patient is for.

        Parameters
        ----------
        patient
            SPIDER's number of the patient, or the name of one of the user's own.
        volumes
            Patients with annotated volumes; only the lists hold those out. All others are
            SPIDER's with single slices, and go by remainder.
        """
        if patient in self.report:
            return "report"
        if patient in self.tune:
            return "tune"
        if patient in volumes:
            return "train"
        rest = int(patient) % self.slices_of
        if rest in self.slices_report:
            return "report"
        return "tune" if rest in self.slices_tune else "train"


class SagittalRecipe(_Strict):
    """The recipe of the default sagittal model."""

    task: Literal["sagittal"] = "sagittal"
    name: str
    source: str
    network: NetworkRecipe
    input: InputRecipe
    batch: BatchRecipe
    schedule: ScheduleRecipe
    stage: tuple[StageRecipe, ...]
    phantoms: PhantomRecipe
    held_out: HeldOutRecipe

    @model_validator(mode="after")
    def _crop_fits_the_network(self) -> SagittalRecipe:
        divisor = self.network.divisor
        if self.batch.rows % divisor or self.batch.columns % divisor:
            raise ValueError(f"batch.rows and batch.columns must be multiples of {divisor}")
        return self


class AxialInputRecipe(_Strict):
    """Spacing of the pictures, in millimetres."""

    spacing_mm: Annotated[float, Field(gt=0)]


class AxialBatchRecipe(_Strict):
    """What one training step sees, turned by up to ``rotation_deg`` and in any ``scale``."""

    size: Positive
    rows: Positive
    columns: Positive
    rotation_deg: Annotated[float, Field(ge=0, le=45)] = 16.0
    scale: tuple[float, float] = (0.8, 1.25)


class AxialStageRecipe(_Strict):
    """One stretch of training on one mixture of sources.

    Attributes
    ----------
    weights
        How often each source is drawn from, relative to the others: phantoms; axial cuts of
        ``spider_space``; MuscleMap's label maps without pictures (``shapes``) and its
        annotated exam (``exam``); the real slices of ``sudirman_axial``, labelled by the
        network as it stands when they are first read; the user's ``own``.
    """

    name: str
    iterations: Positive
    weights: Annotated[
        dict[
            Literal["phantom", "spider_space", "shapes", "exam", "sudirman_axial", "own"],
            Annotated[float, Field(ge=0)],
        ],
        Field(min_length=1),
    ]


class AxialSourcesRecipe(_Strict):
    """How many pictures are made.

    Attributes
    ----------
    phantoms
        Phantom people; each gives several slices.
    cuts
        Axial cuts of each annotated sagittal volume.
    dressed
        Made-up pictures of each file of label maps, about.
    """

    phantoms: Annotated[int, Field(ge=0)]
    cuts: Annotated[int, Field(ge=0)]
    dressed: Annotated[int, Field(ge=0)]


class AxialRecipe(_Strict):
    """The recipe of the default axial model, or of the one that looks first.

    Attributes
    ----------
    teacher
        A model that ships and labels the slices of ``sudirman_axial``; without one the
        network in training does.
    """

    task: Literal["axial"]
    name: str
    source: str
    teacher: str | None = None
    network: NetworkRecipe
    input: AxialInputRecipe
    batch: AxialBatchRecipe
    schedule: ScheduleRecipe
    stage: tuple[AxialStageRecipe, ...]
    sources: AxialSourcesRecipe
    held_out: HeldOutRecipe

    @model_validator(mode="after")
    def _crop_fits_the_network(self) -> AxialRecipe:
        divisor = self.network.divisor
        if self.batch.rows % divisor or self.batch.columns % divisor:
            raise ValueError(f"batch.rows and batch.columns must be multiples of {divisor}")
        return self


class LevelBatchRecipe(_Strict):
    """What one training step sees.

    Attributes
    ----------
    size
        Pictures.
    fresh
        How many of them are cut anew; the others were seen a while before, in other contrast
        and with other mistakes in their tissues. Cutting costs more than learning.
    remembered
        Pictures to choose those others from.
    """

    size: Positive
    fresh: Positive
    remembered: Positive

    @model_validator(mode="after")
    def _fresh_fits(self) -> LevelBatchRecipe:
        if self.fresh > self.size:
            raise ValueError("fresh must not be more than size")
        return self


class LevelStageRecipe(_Strict):
    """One stretch of training on one mixture of sources.

    Attributes
    ----------
    weights
        How often each source is drawn from, relative to the others: phantoms, with their own
        tissues or as the axial model sees them; pictures that are no slices of a lumbar spine
        (``other``); the real slices of ``sudirman_axial``, with levels that a non-expert read
        (``recipes/axial_level_reading.toml``); the user's ``own``.
    """

    name: str
    iterations: Positive
    weights: Annotated[
        dict[Literal["phantom", "other", "sudirman_axial", "own"], Annotated[float, Field(ge=0)]],
        Field(min_length=1),
    ]


class LevelSourcesRecipe(_Strict):
    """How many pictures are made.

    Attributes
    ----------
    phantoms, others
        Phantom people whose slices, and people whose other pictures are learnt from.
    tune
        Phantom people that the card's first figures are taken from.
    slices
        Of one person.
    segmented
        Share of the people whose tissues the axial model finds, mistakes and all.
    """

    phantoms: Annotated[int, Field(ge=0)]
    others: Annotated[int, Field(ge=0)]
    tune: Annotated[int, Field(ge=0)]
    slices: Positive
    segmented: Share


class LevelRecipe(_Strict):
    """The recipe of the level classifier that ships."""

    task: Literal["level"]
    name: str
    source: str
    network: NetworkRecipe
    batch: LevelBatchRecipe
    schedule: ScheduleRecipe
    stage: tuple[LevelStageRecipe, ...]
    sources: LevelSourcesRecipe
    held_out: HeldOutRecipe


Recipe = SagittalRecipe | AxialRecipe | LevelRecipe | Cho2022Recipe
_SCHEMAS: dict[str, type[Recipe]] = {
    "sagittal": SagittalRecipe,
    "axial": AxialRecipe,
    "level": LevelRecipe,
    "cho2022": Cho2022Recipe,
}


def read_recipe(recipe: str | Path) -> Recipe:
    """Read a recipe by name (a key of :data:`RECIPES`) or by the path of a TOML file.

    The file's ``task`` says which schema it follows; without one, the sagittal one.

    Raises
    ------
    OptionError
        There is no such recipe, or it does not follow the schema.
    """
    path = RECIPES.get(str(recipe), Path(recipe))
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except OSError:
        raise OptionError(
            f"no recipe {str(recipe)!r}; there are: {', '.join(RECIPES)}, or a .toml file"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OptionError(f"{path.name}: not valid TOML ({error})") from None
    schema = _SCHEMAS.get(str(content.get("task", "sagittal")))
    if schema is None:
        raise OptionError(
            f"{path.name}: task is {content['task']!r}; it must be {' or '.join(_SCHEMAS)}"
        )
    return validated(schema, content, path.name)


def with_network(recipe: Recipe, backbone: str | None, pretrained: str | None) -> Recipe:
    """A recipe with what the command line says of its network in place of its own words.

    Parameters
    ----------
    recipe
        Any.
    backbone, pretrained
        As in :class:`~openlumbar.recipes.cho2022.Cho2022NetworkRecipe`; its own where None.

    Raises
    ------
    OptionError
        The recipe has no such choice, or there is no such network.
    """
    if backbone is None and pretrained is None:
        return recipe
    if not isinstance(recipe, Cho2022Recipe):
        raise OptionError(
            f"--backbone and --pretrained are for the recipe cho2022; {recipe.name!r} has a "
            "network of its own"
        )
    return recipe.with_network(backbone, pretrained)
