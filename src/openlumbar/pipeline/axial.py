"""Axial series → masks, levels, numbers.

::

    segment_axial ─┬─► look_at_slices ─► name_slices ──► measure_axial
      (segment/)   └──────────────────────┘ (level/)      (measure/)
                        sagittal names ───┘

A level comes from where a slice cuts the spine of a sagittal series, from the looks of the
slices, or from both; without either rows and numbers have none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from openlumbar.core.exam import Series
from openlumbar.core.levels import SliceLooks
from openlumbar.core.masks import AxialMask, SeriesMasks
from openlumbar.core.measurement import Measurement
from openlumbar.level import SeriesLevels, SliceNames, look_at_slices, name_slices
from openlumbar.measure import measure_axial
from openlumbar.models import Classifier, Predictor
from openlumbar.pipeline.findings import Findings
from openlumbar.pipeline.stages import Stages
from openlumbar.segment import segment_axial

_Found = list[tuple[Series, tuple[AxialMask, ...]]]


@dataclass(frozen=True)
class AxialNetworks:
    """Gives each network of the axial way; none is loaded before it is asked for.

    Attributes
    ----------
    segment, overview
        What names the pixels, and what looks first.
    level
        What says which level a slice shows.
    """

    segment: Callable[[], Predictor]
    overview: Callable[[], Predictor]
    level: Callable[[], Classifier]


def axial_findings(
    series: Sequence[Series],
    networks: AxialNetworks,
    spines: Sequence[SeriesLevels],
    stages: Stages,
) -> Findings:
    """Segment, name and measure axial series; one that fails leaves the others alone.

    Parameters
    ----------
    series
        Axial ones.
    networks
        Not asked for without a series.
    spines
        Named anatomy of the exam's sagittal series.
    stages
        Runs, times and records each step.
    """
    found = _segment(series, networks, stages)
    looks = _look(found, networks, stages)
    named = _name(found, spines, looks, stages)
    return Findings(
        masks=tuple(masks_of(one, masks) for one, masks in found),
        rows=tuple(row for names in named.values() for row in names.rows),
        numbering=tuple(names.numbering for names in named.values() if names.numbering),
        measurements=_measure(found, named, looks, stages),
        looks=looks,
    )


def masks_of(series: Series, found: Sequence[AxialMask]) -> SeriesMasks:
    """What an analysis keeps of the masks of a series."""
    labels = tuple(mask.labels for mask in found)
    return SeriesMasks(series.name, labels, tuple(mask.bodies for mask in found))


def _segment(axial: Sequence[Series], networks: AxialNetworks, stages: Stages) -> _Found:
    """Masks of each series, in its blocks' own grids."""
    found: _Found = []
    if not axial:
        return found
    with stages.stage("segment"):
        predictor, overview = networks.segment(), networks.overview()
        for series in axial:
            with stages.stage("segment", series.name):
                tell = stages.teller("segment", series.name)
                masks = segment_axial(series, predictor, tell, overview=overview)
                found.append((series, masks))
    return found


def _look(found: _Found, networks: AxialNetworks, stages: Stages) -> tuple[SliceLooks, ...]:
    """What the classifier says of each slice of each series."""
    looks: list[SliceLooks] = []
    if not found:
        return ()
    with stages.stage("looks"):
        classifier = networks.level()
        for series, masks in found:
            with stages.stage("looks", series.name):
                tell = stages.teller("looks", series.name)
                looks += look_at_slices(series, masks, classifier, tell)
    return tuple(looks)


def _name(
    found: _Found,
    spines: Sequence[SeriesLevels],
    looks: Sequence[SliceLooks],
    stages: Stages,
) -> dict[str, SliceNames]:
    """The levels of each series' slices."""
    named: dict[str, SliceNames] = {}
    for series, masks in found:
        with stages.stage("level", series.name):
            own = [one for one in looks if one.series == series.name]
            named[series.name] = name_slices(series, masks, spines, own)
    return named


def _measure(
    found: _Found,
    named: dict[str, SliceNames],
    looks: Sequence[SliceLooks],
    stages: Stages,
) -> tuple[Measurement, ...]:
    """Numbers of each series that was segmented."""
    measurements: list[Measurement] = []
    for series, masks in found:
        with stages.stage("measure", series.name):
            rows = named[series.name].rows if series.name in named else ()
            own = [one for one in looks if one.series == series.name]
            measurements += measure_axial(series, masks, rows, own)
    return tuple(measurements)
