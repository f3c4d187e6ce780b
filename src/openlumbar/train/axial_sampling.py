"""Random training batches of axial slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from openlumbar.core.masks import AxialTissue
from openlumbar.train.augment import AXIAL, Augmentation
from openlumbar.train.axial_pictures import AxialPicture
from openlumbar.train.crops import Case, Crops
from openlumbar.train.losses import IGNORE


@dataclass(frozen=True)
class AxialSampler:
    """Draws augmented ``(image, label)`` batches from pictures.

    Attributes
    ----------
    pictures
        At the working spacing.
    weights
        How often each is drawn, relative to the others.
    size
        Rows and columns of a training crop; multiples of the network's divisor.
    shift
        Standard deviation of the crop's place, in pixels; three times as far in every fourth.
    """

    pictures: Sequence[AxialPicture]
    weights: Sequence[float]
    size: tuple[int, int] = (256, 288)
    batch: int = 6
    shift: float = 10.0
    augmentation: Augmentation = AXIAL

    def draw(self, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return images ``[batch, 1, rows, columns]`` and labels ``[batch, rows, columns]``."""
        crops = Crops(self.weights, self.batch, self.size, self.augmentation)
        return crops.draw(self._case, rng)

    def _case(self, index: int, rng: np.random.Generator) -> Case:
        picture, marked = self._mirrored(self.pictures[index], rng)
        return picture[None], marked, self._centre(marked, rng)

    def _mirrored(
        self, picture: AxialPicture, rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """The picture in 0 … 1, every other time left for right: classes have no side."""
        image: NDArray[np.float32] = picture.image.astype(np.float32) / np.float32(255)
        if rng.random() < 0.5:
            return image, picture.label
        return np.ascontiguousarray(image[:, ::-1]), np.ascontiguousarray(picture.label[:, ::-1])

    def _centre(self, label: NDArray[np.uint8], rng: np.random.Generator) -> tuple[float, float]:
        """Column and row that the middle of the crop falls on."""
        marked = np.argwhere((label > AxialTissue.BACKGROUND) & (label < IGNORE))
        if not len(marked):
            return label.shape[1] / 2, label.shape[0] / 2
        spread = self.shift * (3 if rng.random() < 0.25 else 1)
        row, column = (marked.min(0) + marked.max(0)) / 2 + rng.normal(0, spread, 2)
        return float(column), float(row)
