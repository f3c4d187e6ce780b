"""Sagittal series → tissue, named anatomy, numbers.

::

    segment_sagittal ──► name_levels ──► find_turn ──► measure_sagittal
        (segment/)         (level/)      (segment/)       (measure/)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from openlumbar.core.exam import Series
from openlumbar.core.masks import TissueMask
from openlumbar.core.measurement import Measurement
from openlumbar.level import SeriesLevels, mark_turned, name_levels
from openlumbar.measure import measure_sagittal
from openlumbar.models import Predictor
from openlumbar.pipeline.findings import Findings
from openlumbar.pipeline.stages import Stages
from openlumbar.segment import find_turn, segment_sagittal

_Tissue = list[tuple[Series, tuple[TissueMask, ...]]]


def sagittal_findings(
    series: Sequence[Series], load: Callable[[], Predictor], stages: Stages
) -> Findings:
    """Segment, name and measure sagittal series; one that fails leaves the others alone.

    Parameters
    ----------
    series
        Sagittal ones.
    load
        Gives the sagittal network; not called without a series.
    stages
        Runs, times and records each step.
    """
    tissue, predictor = _segment(series, load, stages)
    named = _name(tissue, stages)
    if predictor is not None:
        named = _mark_turned(tissue, named, predictor, stages)
    return Findings(
        masks=tuple(result.masks for result in named),
        rows=tuple(row for result in named for row in result.rows),
        numbering=tuple(result.numbering for result in named),
        measurements=_measure(tissue, named, stages),
        spines=tuple(named),
    )


def _segment(
    sagittal: Sequence[Series], load: Callable[[], Predictor], stages: Stages
) -> tuple[_Tissue, Predictor | None]:
    """Tissue of each series, in its blocks' own grids, and what found it."""
    found: _Tissue = []
    predictor = None
    if not sagittal:
        return found, predictor
    with stages.stage("segment"):
        predictor = load()
        for series in sagittal:
            with stages.stage("segment", series.name):
                tell = stages.teller("segment", series.name)
                found.append((series, segment_sagittal(series, predictor, tell)))
    return found, predictor


def _name(tissue: _Tissue, stages: Stages) -> list[SeriesLevels]:
    """Instances and their names, series by series."""
    named: list[SeriesLevels] = []
    for series, masks in tissue:
        with stages.stage("level", series.name):
            named.append(name_levels(series, masks))
    return named


def _mark_turned(
    tissue: _Tissue, named: list[SeriesLevels], predictor: Predictor, stages: Stages
) -> list[SeriesLevels]:
    """Find series that are stored upside down, and take back their names."""
    by_name = {result.masks.series: result for result in named}
    for series, masks in tissue:
        if series.name in by_name:
            with stages.stage("orientation", series.name):
                turn = find_turn(series, masks, predictor)
                if turn is not None:
                    by_name[series.name] = mark_turned(by_name[series.name], turn)
    return list(by_name.values())


def _measure(tissue: _Tissue, named: list[SeriesLevels], stages: Stages) -> tuple[Measurement, ...]:
    """Numbers of each series that was named."""
    by_name = {result.masks.series: result for result in named}
    found: list[Measurement] = []
    for series, masks in tissue:
        if series.name in by_name:
            result = by_name[series.name]
            certainty = [mask.certainty for mask in masks]
            with stages.stage("measure", series.name):
                found += measure_sagittal(series, result.masks, result.rows, certainty)
    return tuple(found)
