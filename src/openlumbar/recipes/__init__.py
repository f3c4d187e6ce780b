"""Recipes of models: TOML files and their schema."""

from openlumbar.recipes.schema import SagittalRecipe, read_recipe

__all__ = ["SagittalRecipe", "read_recipe"]
