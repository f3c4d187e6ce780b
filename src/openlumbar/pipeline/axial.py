"""Axial series → masks, a row a slice, numbers.

::

    segment_axial ──► name_slices ──► measure_axial
      (segment/)        (level/)        (measure/)

Which disc level a slice lies in is not known yet: rows and numbers have none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from openlumbar.core.exam import Series
from openlumbar.core.levels import LevelRow
from openlumbar.core.masks import AxialMask, SeriesMasks
from openlumbar.core.measurement import Measurement
from openlumbar.level import name_slices
from openlumbar.measure import measure_axial
from openlumbar.models import Predictor
from openlumbar.pipeline.findings import Findings
from openlumbar.pipeline.stages import Stages
from openlumbar.segment import segment_axial

_Found = list[tuple[Series, tuple[AxialMask, ...]]]


def axial_findings(
    series: Sequence[Series], load: Callable[[], Predictor], stages: Stages
) -> Findings:
    """Segment and measure axial series; one that fails leaves the others alone.

    Parameters
    ----------
    series
        Axial ones.
    load
        Gives the axial network; not called without a series.
    stages
        Runs, times and records each step.
    """
    found = _segment(series, load, stages)
    rows = _rows(found, stages)
    return Findings(
        masks=tuple(masks_of(one, masks) for one, masks in found),
        rows=rows,
        measurements=_measure(found, rows, stages),
    )


def masks_of(series: Series, found: Sequence[AxialMask]) -> SeriesMasks:
    """What an analysis keeps of the masks of a series."""
    labels = tuple(mask.labels for mask in found)
    return SeriesMasks(series.name, labels, tuple(mask.bodies for mask in found))


def _segment(axial: Sequence[Series], load: Callable[[], Predictor], stages: Stages) -> _Found:
    """Masks of each series, in its blocks' own grids."""
    found: _Found = []
    if not axial:
        return found
    with stages.stage("segment"):
        predictor = load()
        for series in axial:
            with stages.stage("segment", series.name):
                tell = stages.teller("segment", series.name)
                found.append((series, segment_axial(series, predictor, tell)))
    return found


def _rows(found: _Found, stages: Stages) -> tuple[LevelRow, ...]:
    """A row for each slice of each series."""
    rows: list[LevelRow] = []
    for series, masks in found:
        with stages.stage("level", series.name):
            rows += name_slices(series, masks).rows
    return tuple(rows)


def _measure(found: _Found, rows: Sequence[LevelRow], stages: Stages) -> tuple[Measurement, ...]:
    """Numbers of each series that was segmented."""
    measurements: list[Measurement] = []
    for series, masks in found:
        with stages.stage("measure", series.name):
            own = [row for row in rows if row.series == series.name]
            measurements += measure_axial(series, masks, own)
    return tuple(measurements)
