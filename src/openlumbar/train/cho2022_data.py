"""The slices that the recipe ``cho2022`` trains on, and how they are parted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from openlumbar.core.errors import InputError
from openlumbar.core.levels import POSITIONS
from openlumbar.phantom.anatomy import TRAINING_RANGES
from openlumbar.phantom.axial_training import (
    AxialTrainingCase,
    AxialTrainingOptions,
    axial_training_cases,
)
from openlumbar.recipes import Cho2022Recipe
from openlumbar.recipes.cho2022 import Cho2022SplitRecipe
from openlumbar.train.own_levels import DISC_LEVELS, LevelPicture, level_picture, read_own_levels

#: Where the seeds of training phantoms begin; those of figures lie below, those of the other
#: recipes elsewhere.
_FIRST_SEED = 600_000
#: A phantom slice is of a disc when its plane cuts the spine within so much of the way from
#: one disc to the next; ours.
_NEAR_DISC = 0.25
#: As in the paper: slices parallel to a disc, people without a transitional vertebra.
_PHANTOMS = AxialTrainingOptions(
    slices=8,
    p_parallel=1.0,
    p_plain=0.0,
    anatomy=replace(TRAINING_RANGES, lumbar_count=5, transition="none"),
)


@dataclass(frozen=True)
class Parts:
    """Slices for training, tuning and test, by their place in the list of all."""

    train: tuple[int, ...]
    tune: tuple[int, ...]
    test: tuple[int, ...]


def read_levels(recipe: Cho2022Recipe, data: Path) -> list[LevelPicture]:
    """All slices of the recipe's sources.

    Parameters
    ----------
    recipe
        Names the sources.
    data
        Folder of the user's slices.

    Raises
    ------
    InputError
        A source is absent, wrong or empty.
    """
    readers: dict[str, Callable[[], list[LevelPicture]]] = {
        "own": lambda: read_own_levels(data),
        "phantom": lambda: list(phantom_levels(recipe.data.phantoms)),
    }
    sources = dict.fromkeys(recipe.data.sources)
    return [picture for source in sources for picture in readers[source]()]


def phantom_levels(count: int, options: AxialTrainingOptions = _PHANTOMS) -> Iterator[LevelPicture]:
    """The slices at a disc from L1-L2 to L5-S1 of phantom people.

    Parameters
    ----------
    count
        Of people.
    options
        Of each person's slices; those between two discs are left out.
    """
    for seed in range(_FIRST_SEED, _FIRST_SEED + count):
        for case in axial_training_cases(np.random.default_rng(seed), options):
            level = disc_of_case(case)
            if level is not None:
                spacing = (case.pixel_mm, case.pixel_mm)
                yield level_picture(f"phantom-{seed}", level, case.image, spacing)


def disc_of_case(case: AxialTrainingCase) -> str | None:
    """The disc that a phantom slice shows; None between discs, above L1-L2 and below L5-S1."""
    near = {name: abs(case.position - POSITIONS[name]) for name in DISC_LEVELS}
    name = min(near, key=near.__getitem__)
    return name if near[name] <= _NEAR_DISC else None


def part(pictures: Sequence[LevelPicture], split: Cho2022SplitRecipe, seed: int) -> Parts:
    """Part slices into training, tuning and test, by patient or slice by slice.

    Parameters
    ----------
    pictures
        All of them.
    split
        The rule. Each part gets its share of patients (or of slices), and at least one.
    seed
        Of the order in which they are drawn.

    Raises
    ------
    InputError
        There are fewer than three patients, or slices.
    """
    owners = [
        picture.patient if split.by == "patient" else str(number)
        for number, picture in enumerate(pictures)
    ]
    drawn = list(np.random.default_rng(seed).permutation(sorted(set(owners))))
    if len(drawn) < 3:
        raise InputError(
            f"the slices are of {len(drawn)} {split.by}{'' if len(drawn) == 1 else 's'}; at least "
            "3 are needed, one each for training, tuning and test"
        )
    tune = max(1, round(split.tune * len(drawn)))
    test = min(max(1, round(split.test * len(drawn))), len(drawn) - tune - 1)
    role = dict.fromkeys(drawn[:tune], "tune") | dict.fromkeys(drawn[tune : tune + test], "test")
    roles = [role.get(owner, "train") for owner in owners]

    def places(name: str) -> tuple[int, ...]:
        return tuple(n for n, one in enumerate(roles) if one == name)

    return Parts(places("train"), places("tune"), places("test"))
