"""Any recipe → weights with a card."""

from __future__ import annotations

from pathlib import Path

from openlumbar.core.errors import OptionError
from openlumbar.recipes import AxialRecipe, Cho2022Recipe, LevelRecipe, Recipe
from openlumbar.train.axial import train_axial
from openlumbar.train.level import train_level
from openlumbar.train.sagittal import train_sagittal

#: What the recipes of published networks need beyond what ours do, by the name of import.
_LIBRARIES = {"timm": "timm", "torchvision": "torchvision", "sklearn": "scikit-learn"}


def train_network(recipe: Recipe, data: Path, out: Path) -> Path:
    """Train by a recipe.

    See :func:`train_sagittal`, :func:`train_axial`, :func:`train_level` and ``train_cho2022``.

    Raises
    ------
    OptionError
        The recipe needs a library that is not installed.
    """
    if isinstance(recipe, Cho2022Recipe):
        return _train_cho2022(recipe, data, out)
    if isinstance(recipe, AxialRecipe):
        return train_axial(recipe, data, out)
    if isinstance(recipe, LevelRecipe):
        return train_level(recipe, data, out)
    return train_sagittal(recipe, data, out)


def _train_cho2022(recipe: Cho2022Recipe, data: Path, out: Path) -> Path:
    """Only here timm and scikit-learn are imported, which our own recipes do without."""
    try:
        from openlumbar.train.cho2022 import train_cho2022
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _LIBRARIES:
            raise
        raise OptionError(
            f"the recipe {recipe.name!r} needs {_LIBRARIES[missing]}, which is not installed: "
            "pip install 'openlumbar[train]'"
        ) from error
    return train_cho2022(recipe, data, out)
