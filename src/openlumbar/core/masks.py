"""Segmentations: what a stage says each voxel of a series is."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.anatomy import STRUCTURES
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
        The vertebral bodies alone (S1 included), same codes; empty where a mask of
        another tool does not tell them from the posterior elements.
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


class AxialTissue:
    """Classes of the axial network; left and right are told apart afterwards."""

    BACKGROUND = 0
    MULTIFIDUS = 1
    ERECTOR_SPINAE = 2
    PSOAS = 3
    QUADRATUS_LUMBORUM = 4
    #: Vertebral bodies, those of S1 and S2 included.
    BODY = 5
    #: Pedicles, laminae and processes; of the sacrum all but the bodies of S1 and S2.
    POSTERIOR = 6
    DISC = 7
    #: The dural sac with its contents.
    SAC = 8


AXIAL_TISSUE_NAMES: tuple[str, ...] = (
    "background",
    "multifidus",
    "erector spinae",
    "psoas",
    "quadratus lumborum",
    "vertebral body",
    "posterior elements",
    "disc",
    "dural sac",
)

#: Class in axial slices of each class of the sagittal network.
AXIAL_OF_TISSUE: dict[int, int] = {
    Tissue.BACKGROUND: AxialTissue.BACKGROUND,
    Tissue.BODY: AxialTissue.BODY,
    Tissue.S1: AxialTissue.BODY,
    Tissue.S2: AxialTissue.BODY,
    Tissue.POSTERIOR: AxialTissue.POSTERIOR,
    Tissue.SACRUM: AxialTissue.POSTERIOR,
    Tissue.DISC: AxialTissue.DISC,
    Tissue.CANAL: AxialTissue.SAC,
}

#: Class in axial slices of each muscle's code, of either side.
AXIAL_OF_MUSCLE: dict[int, int] = {
    structure.code: AXIAL_TISSUE_NAMES.index(structure.name)
    for structure in STRUCTURES
    if structure.kind == "muscle"
}


@dataclass(frozen=True, eq=False)
class AxialMask:
    """What was found in one block of an axial series, slice by slice.

    Attributes
    ----------
    labels
        ``uint16[k, j, i]`` on the block's own grid, codes of
        :mod:`openlumbar.core.anatomy`: muscles with their side, vertebra and disc of
        unknown level, spinal canal for the dural sac. A slice that was not recognised is
        empty.
    bodies
        The vertebral bodies alone, same codes.
    certainty
        ``uint8[k, j, i]``: probability of the chosen class times 255; 255 throughout where
        the masks came from elsewhere.
    flags
        For each slice, words of :mod:`openlumbar.core.flags`.
    """

    labels: Volume
    bodies: Volume
    certainty: NDArray[np.uint8]
    flags: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, eq=False)
class Masks:
    """Named anatomy of an exam."""

    series: tuple[SeriesMasks, ...] = field(default_factory=tuple)

    def of(self, name: str) -> SeriesMasks | None:
        """The masks of a series, if it has any."""
        return next((masks for masks in self.series if masks.series == name), None)
