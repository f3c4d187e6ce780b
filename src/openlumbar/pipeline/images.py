"""The whole way: files → exam → tissue → named anatomy → numbers → output folder.

::

    read_exam ──► segment_sagittal ──► name_levels ──► measure_sagittal ──► Analysis
     (exam/)          (segment/)          (level/)         (measure/)          │
                                                                               ▼
                                      pictures, report, DICOM, files (report/, io/)

A stage that fails is recorded and the others go on; a part whose input is absent
(no sagittal series, say) is not a failure.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import openlumbar
from openlumbar.core.exam import Exam, Series
from openlumbar.core.levels import Levels
from openlumbar.core.masks import Masks, TissueMask
from openlumbar.core.measurement import Measurement
from openlumbar.core.plane import Plane
from openlumbar.core.progress import Progress, silent
from openlumbar.core.run import Run, Weights, peak_memory_mb
from openlumbar.exam import ReadOptions, read_exam
from openlumbar.io.analysis import Analysis
from openlumbar.io.outfolder import check_apart, replacing
from openlumbar.level import SeriesLevels, mark_turned, name_levels
from openlumbar.measure import measure_sagittal
from openlumbar.models import Predictor, load_model
from openlumbar.pipeline.results import write_results
from openlumbar.pipeline.stages import Stages
from openlumbar.segment import find_turn, segment_sagittal

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class AnalyzeOptions:
    """How an exam is analysed.

    Attributes
    ----------
    predictor
        The sagittal network; the one that ships with OpenLumbar when None.
    noted
        What else made the exam what it is (a weighting that was given, say): written
        to ``run.json`` and used for nothing. Never an identity or a path.
    """

    predictor: Predictor | None = None
    noted: Mapping[str, str | float | int | None] = field(default_factory=dict)


def analyze(
    exam: Exam, options: AnalyzeOptions | None = None, progress: Progress = silent
) -> Analysis:
    """Segment, name and measure the anatomy of an exam.

    Sagittal series are segmented, named and measured; others are kept as images.

    Parameters
    ----------
    exam
        What :func:`openlumbar.read_exam` found.
    options
        How; the defaults when None.
    progress
        Told how far the work is.

    Returns
    -------
    Analysis
        With a :class:`~openlumbar.core.run.Failure` for each stage that failed.
    """
    options = options or AnalyzeOptions()
    stages = Stages(progress)
    tissue, predictor = _segment(exam.of_plane(Plane.SAGITTAL), options, stages)
    named = _name(tissue, stages)
    if predictor is not None:
        named = _mark_turned(tissue, named, predictor, stages)
    measurements = _measure(tissue, named, stages)
    return Analysis(
        exam=exam,
        masks=Masks(tuple(result.masks for result in named)),
        levels=Levels(
            rows=tuple(row for result in named for row in result.rows),
            numbering=tuple(result.numbering for result in named),
        ),
        measurements=measurements,
        run=_run(exam, options, stages),
        failures=tuple(stages.failures),
    )


def _segment(
    sagittal: tuple[Series, ...], options: AnalyzeOptions, stages: Stages
) -> tuple[list[tuple[Series, tuple[TissueMask, ...]]], Predictor | None]:
    """Tissue of each sagittal series, in its blocks' own grids, and what found it."""
    found: list[tuple[Series, tuple[TissueMask, ...]]] = []
    predictor = None
    if not sagittal:
        return found, predictor
    with stages.stage("segment"):
        predictor = options.predictor or load_model("sagittal")
        stages.weights.append(_weights(predictor))
        for series in sagittal:
            with stages.stage("segment", series.name):
                tell = partial(_tell, stages.progress, series.name)
                found.append((series, segment_sagittal(series, predictor, tell)))
    return found, predictor


def _tell(progress: Progress, series: str, done: int, total: int) -> None:
    progress("segment", series, done / total)


def _name(
    tissue: list[tuple[Series, tuple[TissueMask, ...]]], stages: Stages
) -> list[SeriesLevels]:
    """Instances and their names, series by series."""
    named: list[SeriesLevels] = []
    for series, masks in tissue:
        with stages.stage("level", series.name):
            named.append(name_levels(series, masks))
    return named


def _mark_turned(
    tissue: list[tuple[Series, tuple[TissueMask, ...]]],
    named: list[SeriesLevels],
    predictor: Predictor,
    stages: Stages,
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


def _measure(
    tissue: list[tuple[Series, tuple[TissueMask, ...]]],
    named: list[SeriesLevels],
    stages: Stages,
) -> tuple[Measurement, ...]:
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


def _weights(predictor: Predictor) -> Weights:
    card = predictor.card
    return Weights(card.name, card.version, card.sha256)


def _run(exam: Exam, options: AnalyzeOptions, stages: Stages) -> Run:
    return Run(
        version=openlumbar.__version__,
        options=dict(options.noted),
        weights=tuple(stages.weights),
        timings=tuple(stages.timings),
        peak_memory_mb=round(peak_memory_mb(), 1),
        warnings=exam.warnings + _absent(exam),
    )


def _absent(exam: Exam) -> tuple[str, ...]:
    """Say what was not done because there was nothing to do it on."""
    if exam.of_plane(Plane.SAGITTAL):
        return ()
    return ("no sagittal series was found, so nothing was segmented or named",)


def analyze_files(
    inputs: Sequence[Path],
    out: Path,
    read: ReadOptions | None = None,
    options: AnalyzeOptions | None = None,
    progress: Progress = silent,
) -> Analysis:
    """Read an exam, analyse it, and write the output folder with its pictures.

    Parameters
    ----------
    inputs
        What :func:`openlumbar.read_exam` takes.
    out
        Absent, empty, or a previous output folder, which is replaced once the new one
        is whole.
    read, options
        How; the defaults when None.
    progress
        Told how far the work is.

    Raises
    ------
    InputError
        The exam cannot be read.
    OptionError
        ``out`` cannot be used, or holds one of the inputs.
    """
    check_apart(inputs, out)
    with replacing(out) as folder:
        return analyze_into(folder, inputs, read, options, progress)


def analyze_into(
    folder: Path,
    inputs: Sequence[Path],
    read: ReadOptions | None = None,
    options: AnalyzeOptions | None = None,
    progress: Progress = silent,
) -> Analysis:
    """Do as :func:`analyze_files` does, in a folder that is being made."""
    stages = Stages(progress)
    with stages.timed("read"):
        exam = read_exam(inputs, read or ReadOptions())
    return write_results(analyze(exam, options, progress), folder, stages, inputs)
