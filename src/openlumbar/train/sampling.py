"""Random training batches of sagittal slices with their neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from openlumbar.train.augment import Augmentation
from openlumbar.train.crops import Case, Crops
from openlumbar.train.losses import IGNORE
from openlumbar.train.spider import TrainingVolume


@dataclass(frozen=True)
class SagittalSampler:
    """Draws augmented ``(image, label)`` batches from volumes.

    Attributes
    ----------
    volumes
        Source series, at the working in-plane spacing.
    weights
        How often each volume is drawn, relative to the others.
    size
        Rows and columns of a training crop; multiples of the network's divisor.
    neighbour_mm
        Range of distances at which the two neighbour channels are taken.
    p_alone
        Probability of training without neighbours (single-slice series).
    """

    volumes: Sequence[TrainingVolume]
    weights: Sequence[float]
    size: tuple[int, int] = (384, 256)
    batch: int = 6
    neighbour_mm: tuple[float, float] = (2.5, 6.5)
    p_alone: float = 0.4
    augmentation: Augmentation = field(default_factory=Augmentation)

    def draw(self, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return images ``[batch, 3, rows, columns]`` and labels ``[batch, rows, columns]``."""
        crops = Crops(self.weights, self.batch, self.size, self.augmentation)
        return crops.draw(self._case, rng)

    def _case(self, index: int, rng: np.random.Generator) -> Case:
        stack, marked = self._slice(self.volumes[index], rng)
        return stack, marked, self._centre(marked, rng)

    def _slice(
        self, volume: TrainingVolume, rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """A slice with its neighbours in 0 … 1, sometimes averaged to a thicker one."""
        count = len(volume.image)
        index = int(rng.integers(count))
        step_mm = volume.spacing_mm[0]
        half = int(rng.integers(0, 3)) if step_mm < 2 and rng.random() < 0.5 else 0

        def thick(middle: int) -> NDArray[np.float32]:
            first, last = max(0, middle - half), min(count, middle + half + 1)
            return volume.image[first:last].mean(0, dtype=np.float32) / 255

        centre = thick(index)
        planes = [centre, centre, centre]
        if rng.random() >= self.p_alone:
            away = max(1, round(rng.uniform(*self.neighbour_mm) / step_mm))
            for channel, other in ((1, index - away), (2, index + away)):
                if 0 <= other < count:
                    planes[channel] = thick(other)
            if rng.random() < 0.5:
                planes[1], planes[2] = planes[2], planes[1]
        return np.stack(planes), volume.label[index]

    def _centre(self, label: NDArray[np.uint8], rng: np.random.Generator) -> tuple[float, float]:
        rows, columns = label.shape
        marked = np.flatnonzero((label > 0) & (label < IGNORE))
        if not len(marked) or rng.random() < 0.08:
            return float(rng.uniform(0.2, 0.8) * columns), float(rng.uniform(0.2, 0.8) * rows)
        row, column = divmod(int(marked[rng.integers(len(marked))]), columns)
        # Drawn toward the middle of the picture, so that whole spines are common.
        row = 0.5 * (row + rows / 2) + rng.normal(0, 30)
        return float(column + rng.normal(0, 35)), float(row)
