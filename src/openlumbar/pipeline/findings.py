"""What one way through the pipeline found, before it becomes part of an analysis."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from openlumbar.core.levels import LevelRow, Numbering, SliceLooks
from openlumbar.core.masks import SeriesMasks
from openlumbar.core.measurement import Measurement
from openlumbar.level import SeriesLevels


@dataclass(frozen=True, eq=False)
class Findings:
    """Of series of one plane.

    Attributes
    ----------
    masks
        Of each series that was segmented.
    rows, numbering
        Names of what is in them, and how far each series' can be trusted.
    measurements
        Numbers of all of them.
    looks
        What the level classifier says of axial slices.
    spines
        Named anatomy of sagittal series: what axial slices are named after.
    """

    masks: tuple[SeriesMasks, ...] = ()
    rows: tuple[LevelRow, ...] = ()
    numbering: tuple[Numbering, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    looks: tuple[SliceLooks, ...] = ()
    spines: tuple[SeriesLevels, ...] = ()


def together(parts: Iterable[Findings]) -> Findings:
    """Several as one, in their order."""
    given = list(parts)
    return Findings(
        masks=tuple(masks for part in given for masks in part.masks),
        rows=tuple(row for part in given for row in part.rows),
        numbering=tuple(entry for part in given for entry in part.numbering),
        measurements=tuple(entry for part in given for entry in part.measurements),
        looks=tuple(entry for part in given for entry in part.looks),
        spines=tuple(spine for part in given for spine in part.spines),
    )
