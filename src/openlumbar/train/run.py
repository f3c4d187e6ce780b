"""Any recipe → weights with a card."""

from __future__ import annotations

from pathlib import Path

from openlumbar.recipes import AxialRecipe, SagittalRecipe
from openlumbar.train.axial import train_axial
from openlumbar.train.sagittal import train_sagittal


def train_network(recipe: SagittalRecipe | AxialRecipe, data: Path, out: Path) -> Path:
    """Train by a recipe; see :func:`train_sagittal` and :func:`train_axial`."""
    if isinstance(recipe, AxialRecipe):
        return train_axial(recipe, data, out)
    return train_sagittal(recipe, data, out)
