"""Recipes of models: TOML files and their schema."""

from openlumbar.recipes.cho2022 import Cho2022Recipe
from openlumbar.recipes.schema import (
    AxialRecipe,
    LevelRecipe,
    Recipe,
    SagittalRecipe,
    read_recipe,
    with_network,
)

__all__ = [
    "AxialRecipe",
    "Cho2022Recipe",
    "LevelRecipe",
    "Recipe",
    "SagittalRecipe",
    "read_recipe",
    "with_network",
]
