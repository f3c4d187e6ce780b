"""The whole way: files → exam → masks → names → numbers → output folder.

::

    read_exam ─┬─► sagittal: segment ──► name levels ─┬───────► measure ─┬─► Analysis
     (exam/)   │                                      ▼                  │      │
               └─► axial:    segment ──► look ──► name slices ► measure ─┤      ▼
                                                                         │   pictures, report,
                                                        loads ◄──────────┘   DICOM, files
                                                    (mechanics/)             (report/, io/)

``sagittal`` and ``axial`` have the two ways through ``segment/``, ``level/`` and ``measure/``.
A stage that fails is recorded and the others go on; a plane without a series is not a
failure.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import openlumbar
from openlumbar.core.exam import Exam
from openlumbar.core.levels import Levels
from openlumbar.core.masks import Masks
from openlumbar.core.plane import Plane
from openlumbar.core.progress import Progress, silent
from openlumbar.core.run import Run, Weights, peak_memory_mb
from openlumbar.exam import ReadOptions, read_exam
from openlumbar.io.analysis import Analysis
from openlumbar.io.outfolder import check_apart, replacing
from openlumbar.mechanics import LoadsOptions
from openlumbar.models import Classifier, ModelCard, Predictor, load_classifier, load_model
from openlumbar.pipeline.axial import AxialNetworks, axial_findings
from openlumbar.pipeline.findings import together
from openlumbar.pipeline.loads import loads_of
from openlumbar.pipeline.results import write_results
from openlumbar.pipeline.sagittal import sagittal_findings
from openlumbar.pipeline.stages import Stages

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class AnalyzeOptions:
    """How an exam is analysed.

    Attributes
    ----------
    predictor
        The sagittal network; the one that ships with OpenLumbar when None.
    axial_predictor
        The axial network, likewise.
    level_classifier
        The network that says which level an axial slice shows, likewise.
    overview_predictor
        The network that looks at an axial slice first, likewise.
    loads
        How the loads on the spine are solved; None for none.
    noted
        What else made the exam what it is (a weighting that was given, say): written
        to ``run.json`` and used for nothing. Never an identity or a path.
    """

    predictor: Predictor | None = None
    axial_predictor: Predictor | None = None
    level_classifier: Classifier | None = None
    overview_predictor: Predictor | None = None
    loads: LoadsOptions | None = field(default_factory=LoadsOptions)
    noted: Mapping[str, str | float | int | None] = field(default_factory=dict)


def analyze(
    exam: Exam, options: AnalyzeOptions | None = None, progress: Progress = silent
) -> Analysis:
    """Segment, name and measure the anatomy of an exam.

    Sagittal and axial series are segmented and measured; others are kept as images. What
    fails in one plane leaves the other alone. The loads on the spine rest on both.

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
    sagittal = sagittal_findings(
        exam.of_plane(Plane.SAGITTAL), _ready(options.predictor, "sagittal", stages), stages
    )
    networks = AxialNetworks(
        segment=_ready(options.axial_predictor, "axial", stages),
        overview=_ready(options.overview_predictor, "axial-overview", stages),
        level=partial(_classifier, options.level_classifier, stages),
    )
    axial = axial_findings(exam.of_plane(Plane.AXIAL), networks, sagittal.spines, stages)
    found = together((sagittal, axial))
    loads = loads_of(exam, found.measurements, found.rows, options.loads, stages)
    return Analysis(
        exam=exam,
        masks=Masks(found.masks),
        levels=Levels(rows=found.rows, numbering=found.numbering, looks=found.looks),
        measurements=found.measurements,
        loads=loads,
        run=_run(exam, options, stages),
        failures=tuple(stages.failures),
    )


def _ready(given: Predictor | None, name: str, stages: Stages) -> Callable[[], Predictor]:
    """Gives a network that was given, or the one that ships, when asked; noted as used."""

    def load() -> Predictor:
        predictor = given or load_model(name)
        _note(predictor.card, stages)
        return predictor

    return load


def _classifier(given: Classifier | None, stages: Stages) -> Classifier:
    """The level classifier that was given, or the one that ships; noted as used."""
    classifier = given or load_classifier("level")
    _note(classifier.card, stages)
    return classifier


def _note(card: ModelCard, stages: Stages) -> None:
    stages.weights.append(Weights(card.name, card.version, card.sha256))


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
    if exam.of_plane(Plane.AXIAL):
        return (
            "no sagittal series was found, so no vertebra was named; axial slices have their "
            "levels by their looks alone",
        )
    return ("no sagittal and no axial series was found, so nothing was segmented or named",)


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
