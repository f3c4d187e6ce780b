"""Random crops of training cases as a batch: what samplers of every plane share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from openlumbar.train.augment import Augmentation, randomise_contrast, sample_grid, warp

#: Channels ``[channel, row, column]`` in 0 … 1, label ``[row, column]``, and the column and
#: row that the middle of the crop falls on.
Case = tuple[NDArray[np.float32], NDArray[np.uint8], tuple[float, float]]


@dataclass(frozen=True)
class Crops:
    """How crops are drawn: how often each case, how many, of what size, how changed."""

    weights: Sequence[float]
    batch: int
    size: tuple[int, int]
    augmentation: Augmentation

    def draw(
        self, case: Callable[[int, np.random.Generator], Case], rng: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Images ``[batch, channels, rows, columns]`` and labels ``[batch, rows, columns]``."""
        chosen = torch.multinomial(
            torch.tensor(self.weights, dtype=torch.float), self.batch, True, generator=rng
        )
        numpy_rng = np.random.default_rng(int(torch.randint(2**31, (), generator=rng)))
        maps = sample_grid(self.batch, rng, self.augmentation)
        images, labels = [], []
        for index, matrix in zip(chosen.tolist(), maps, strict=True):
            picture, marked, centre = case(index, numpy_rng)
            image, label = warp(
                torch.from_numpy(picture)[None],
                torch.from_numpy(marked)[None],
                torch.tensor(centre, dtype=torch.float32)[None],
                matrix[None],
                self.size,
            )
            images.append(image)
            labels.append(label)
        image, label = torch.cat(images), torch.cat(labels)
        return randomise_contrast(image, label, rng, self.augmentation), label
