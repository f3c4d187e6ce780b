"""What was analysed, with what, and how each number is defined: the facts of a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from openlumbar.core.exam import LeftOut, Series, Subject
from openlumbar.core.levels import Numbering
from openlumbar.core.measurement import Measurement
from openlumbar.core.metrics import METRICS, Metric
from openlumbar.core.run import Failure, Run, Weights
from openlumbar.io.analysis import Analysis
from openlumbar.report.parts import Column, Definition, Fact, NumberingFacts, SeriesFacts
from openlumbar.report.wording import UNITS, flag_text

_SEX = {"F": "female", "M": "male", "O": "other"}


def subject_facts(subject: Subject) -> tuple[Fact, ...]:
    """Facts of the person that were given or found; no identity."""
    facts = (
        ("Sex", _SEX.get(subject.sex or "")),
        ("Age", _number("{:.0f} years", subject.age_years)),
        ("Height", _number("{:.2f} m", subject.height_m)),
        ("Mass", _number("{:.0f} kg", subject.mass_kg)),
    )
    return tuple(Fact(name, text) for name, text in facts if text)


def _number(template: str, value: object) -> str:
    return template.format(value) if isinstance(value, int | float) else ""


def series_facts(analysis: Analysis) -> tuple[SeriesFacts, ...]:
    """Every series of the exam, used or left out, in the exam's order."""
    used = (_series_facts(series, analysis) for series in analysis.exam.series)
    return (*used, *(_left_out(entry) for entry in analysis.exam.left_out))


def _series_facts(series: Series, analysis: Analysis) -> SeriesFacts:
    measured = any(m.series == series.name for m in analysis.measurements)
    segmented = analysis.masks.of(series.name) is not None
    use = "measured" if measured else "segmented" if segmented else "kept as images"
    return SeriesFacts(
        name=series.name,
        plane=str(series.plane),
        weighting=str(series.weighting),
        grid="; ".join(_grids(series)),
        acquisition=_acquisition(series),
        use=use,
        warnings=series.warnings,
    )


def _left_out(entry: LeftOut) -> SeriesFacts:
    files = f"{entry.files} file{'s' if entry.files != 1 else ''}"
    return SeriesFacts(entry.name, "", "", files, "", "left out", (), entry.reason)


def _grids(series: Series) -> list[str]:
    """Each kind of grid among the blocks, in words."""
    grids = Counter(
        (b.volume.shape, np.round(b.volume.spacing_mm, 2).tobytes()) for b in series.blocks
    )
    first = {
        (b.volume.shape, np.round(b.volume.spacing_mm, 2).tobytes()): b.volume
        for b in series.blocks
    }
    found = []
    for key, count in grids.items():
        (slices, rows, columns), (k, j, i) = first[key].shape, first[key].spacing_mm
        apart = f", {k:.1f} mm apart" if slices > 1 else ""
        plural = "s" if slices > 1 else ""
        blocks = f"{count} blocks of " if count > 1 else ""
        found.append(
            f"{blocks}{slices} slice{plural} of {rows} × {columns} pixels of "
            f"{j:.2f} × {i:.2f} mm{apart}"
        )
    return found


def _acquisition(series: Series) -> str:
    """Field strength and times; no description, which may hold anything."""
    facts = series.facts
    parts = (
        _number("{:.3g} T", facts.get("field_strength_t")),
        _number("TR {:.0f} ms", facts.get("repetition_time_ms")),
        _number("TE {:.0f} ms", facts.get("echo_time_ms")),
        _number("TI {:.0f} ms", facts.get("inversion_time_ms")),
        _number("slices {:.1f} mm thick", facts.get("slice_thickness_mm")),
    )
    return ", ".join(part for part in parts if part)


def numbering_facts(numbering: Numbering, columns: Sequence[Column]) -> NumberingFacts:
    """How far the names of one series can be trusted, in words."""
    titles = (column.title for column in columns if column.series == numbering.series)
    return NumberingFacts(
        series=numbering.series,
        title=next(titles, numbering.series),
        confidence=numbering.confidence,
        reasons=tuple(flag_text(flag) for flag in numbering.flags),
        evidence=numbering.evidence,
    )


def warnings_of(analysis: Analysis) -> tuple[str, ...]:
    """What to know before any number is read: of the exam, then of each series with masks."""
    of_series = (
        f"{series.name}: {warning}"
        for series in analysis.exam.series
        if analysis.masks.of(series.name) is not None
        for warning in series.warnings
    )
    return (*analysis.run.warnings, *of_series)


def failure_text(failure: Failure) -> str:
    """A failed stage in one sentence."""
    of = f" of {failure.series}" if failure.series else ""
    return f"The stage “{failure.stage}”{of} failed: {failure.message}"


def provenance(run: Run) -> tuple[Fact, ...]:
    """What made the analysis: version, weights, options, times, memory."""
    return (
        Fact("OpenLumbar", f"version {run.version}"),
        *(Fact("Weights", _weights(weights)) for weights in run.weights),
        *(Fact(f"Option {name}", str(value)) for name, value in run.options.items()),
        *(Fact("Time", text) for text in (_times(run),) if text),
        *(Fact("Peak memory", f"{mb:.0f} MB") for mb in (run.peak_memory_mb,) if mb),
    )


def _weights(weights: Weights) -> str:
    digest = f", SHA-256 {weights.sha256}" if weights.sha256 else ""
    return f"{weights.name} {weights.version}{digest}"


def _times(run: Run) -> str:
    """Seconds a stage; a stage timed as a whole counts its series already."""
    whole = {timing.stage for timing in run.timings if not timing.series}
    seconds: dict[str, float] = {}
    for timing in run.timings:
        if not timing.series or timing.stage not in whole:
            seconds[timing.stage] = seconds.get(timing.stage, 0.0) + timing.seconds
    return ", ".join(f"{stage} {value:.1f} s" for stage, value in seconds.items())


def definitions(measurements: Sequence[Measurement]) -> tuple[Definition, ...]:
    """Of what was measured, in the order of METRICS; one for structures that share it."""
    measured = {(m.structure, m.metric) for m in measurements}
    shared: dict[Metric, list[str]] = {}
    for key, metric in METRICS.items():
        if key in measured:
            shared.setdefault(replace(metric, structure=""), []).append(metric.structure)
    return tuple(
        Definition(m.title, ", ".join(of), UNITS[m.unit][0], m.definition, m.source, metric=m.name)
        for m, of in shared.items()
    )
