"""Segmentations: what a stage says each voxel of a series is."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.volume import Volume


@dataclass(frozen=True, eq=False)
class TissueMask:
    """What the sagittal network found in one block, before anything has a name.

    Attributes
    ----------
    tissue
        ``uint8[k, j, i]`` on the block's own grid, values of :class:`Tissue`.
    certainty
        ``uint8[k, j, i]``: probability of the chosen tissue times 255.
    """

    tissue: Volume
    certainty: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class SeriesMasks:
    """Named anatomy of one series, a volume a block.

    Attributes
    ----------
    series
        Name of the series.
    labels
        ``uint16[k, j, i]`` of codes of :mod:`openlumbar.core.anatomy`; a vertebra's
        code stands on its body and its posterior elements.
    bodies
        The vertebral bodies alone (S1 included), same codes; empty when not sagittal.
    """

    series: str
    labels: tuple[Volume, ...]
    bodies: tuple[Volume, ...] = ()


class Tissue:
    """Classes of the sagittal network (values of ``TissueMask.tissue``)."""

    BACKGROUND = 0
    BODY = 1
    POSTERIOR = 2
    DISC = 3
    CANAL = 4
    S1 = 5
    S2 = 6
    SACRUM = 7


TISSUE_NAMES: tuple[str, ...] = (
    "background",
    "vertebral body",
    "posterior elements",
    "disc",
    "spinal canal",
    "S1",
    "S2",
    "sacrum",
)


@dataclass(frozen=True, eq=False)
class Masks:
    """Named anatomy of an exam."""

    series: tuple[SeriesMasks, ...] = field(default_factory=tuple)

    def of(self, name: str) -> SeriesMasks | None:
        """The masks of a series, if it has any."""
        return next((masks for masks in self.series if masks.series == name), None)
