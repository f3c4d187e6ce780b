"""Recipes of models: TOML files and their schema."""

from openlumbar.recipes.schema import AxialRecipe, SagittalRecipe, read_recipe

__all__ = ["AxialRecipe", "SagittalRecipe", "read_recipe"]
