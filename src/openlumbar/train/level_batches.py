"""Batches of whole axial slices with their levels, moved about by chance."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from openlumbar.level.looks import WHOLE_CHANNELS
from openlumbar.recipes.cho2022 import Cho2022AugmentationRecipe
from openlumbar.train.epochs import Batch
from openlumbar.train.own_levels import LevelPicture


@dataclass(frozen=True, eq=False)
class LevelBatches:
    """Batches of some of the slices.

    Attributes
    ----------
    pictures
        All slices.
    places
        Which of them these batches hold.
    classes
        Names of the classes; a slice's target is its level's place among them.
    size
        Slices in a batch.
    """

    pictures: Sequence[LevelPicture]
    places: Sequence[int]
    classes: tuple[str, ...]
    size: int

    def in_order(self) -> Iterator[Batch]:
        """Every slice once, as it is."""
        for start in range(0, len(self.places), self.size):
            yield self._batch(self.places[start : start + self.size])

    def shuffled(self, seed: int, ranges: Cho2022AugmentationRecipe) -> Iterator[Batch]:
        """Every slice once, in an order and with moves that follow from the seed.

        A last batch of a single slice is left out: batch normalisation cannot learn from it.
        """
        rng = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(self.places), generator=rng).tolist()
        for start in range(0, len(order), self.size):
            chosen = [self.places[n] for n in order[start : start + self.size]]
            if len(chosen) > 1 or len(order) == 1:
                image, true = self._batch(chosen)
                yield moved(image, random_moves(len(chosen), rng, ranges)), true

    def _batch(self, places: Sequence[int]) -> Batch:
        chosen = [self.pictures[n] for n in places]
        stack = np.stack([one.picture for one in chosen])[:, None].astype(np.float32) / 255
        image = torch.from_numpy(stack).expand(-1, len(WHOLE_CHANNELS), -1, -1)
        return image, torch.tensor([self.classes.index(one.level) for one in chosen])


def random_moves(count: int, rng: torch.Generator, ranges: Cho2022AugmentationRecipe) -> Tensor:
    """Random zoom, rotation and shift.

    Returns
    -------
    Tensor
        ``[count, 2, 3]`` from places in the new picture to those in the old, in
        coordinates (column, row) of -1 … 1, for :func:`moved`.
    """

    def even(low: float, high: float) -> Tensor:
        return torch.rand(count, generator=rng) * (high - low) + low

    angle = even(-ranges.rotation_deg, ranges.rotation_deg) * math.pi / 180
    scale = even(*ranges.zoom)
    cos, sin = torch.cos(angle) / scale, torch.sin(angle) / scale
    # A whole picture is 2 wide.
    across, down = (2 * even(-ranges.shift, ranges.shift) for _ in range(2))
    return torch.stack(
        [torch.stack([cos, -sin, across], -1), torch.stack([sin, cos, down], -1)], -2
    )


def moved(image: Tensor, moves: Tensor) -> Tensor:
    """Square pictures ``[batch, channel, row, column]`` moved; black where nothing was seen."""
    grid = functional.affine_grid(moves, list(image.shape), align_corners=False)
    return functional.grid_sample(image, grid, mode="bilinear", align_corners=False)
