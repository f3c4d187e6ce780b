"""Recipes: strict schemas of the TOML files, and how they are read."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from openlumbar.core.errors import OptionError

_FOLDER = Path(__file__).parent

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


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
    """One stretch of training on one mixture of sources."""

    name: str
    iterations: Positive
    weights: dict[
        Literal["spider_space", "spider_midsagittal", "phantom", "own"],
        Annotated[float, Field(ge=0)],
    ]
    self_training: bool = False


class PhantomRecipe(_Strict):
    """How many phantom exams are made."""

    count: Annotated[int, Field(ge=0)]


class HeldOutRecipe(_Strict):
    """Patients that training never sees."""

    tune: tuple[str, ...]
    report: tuple[str, ...]
    slices_of: Positive
    slices_tune: tuple[int, ...]
    slices_report: tuple[int, ...]

    def role(self, patient: str, volumes: frozenset[str]) -> Literal["train", "tune", "report"]:
        """What a SPIDER patient is for.

        Parameters
        ----------
        patient
            SPIDER's number of the patient.
        volumes
            Patients with an annotated volume; they are listed by number, all others
            go by remainder.
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


def read_recipe(recipe: str | Path) -> SagittalRecipe:
    """Read a recipe by name (``sagittal``) or by the path of a TOML file.

    Raises
    ------
    OptionError
        There is no such recipe, or it does not follow the schema.
    """
    path = Path(recipe)
    if path.suffix != ".toml":
        path = _FOLDER / f"{recipe}.toml"
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except OSError:
        known = ", ".join(sorted(file.stem for file in _FOLDER.glob("*.toml")))
        raise OptionError(
            f"no recipe {str(recipe)!r}; there are: {known}, or a .toml file"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise OptionError(f"{path.name}: not valid TOML ({error})") from None
    try:
        return SagittalRecipe.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise OptionError(f"{path.name}: wrong at {where}: {first['msg']}") from None
