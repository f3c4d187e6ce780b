"""``report.pdf``: the words of :mod:`openlumbar.report.content` and the rulers, for print.

The first page is what a clinician reads; the numbers of each series, with the evidence
behind them, follow; definitions and provenance stand last. Text reaches the typesetter as
data, never as markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from openlumbar.io.analysis import Analysis
from openlumbar.report.content import report_of
from openlumbar.report.fonts import FAMILIES, legible
from openlumbar.report.load_chart import CHART_NOTE, loads_chart
from openlumbar.report.load_pictures import PICTURE_NOTE, task_drawings
from openlumbar.report.panel import Panel
from openlumbar.report.parts import Cell, Doubt, Fact, LevelSection, NumberingFacts, Report, Row
from openlumbar.report.pdf_axial import PRINTED_METRICS, axial_record
from openlumbar.report.rulers import cells_of, panel_records, ruler_panels
from openlumbar.report.typeset import typeset
from openlumbar.report.wording import confidence_text, with_unit

#: Width and height of panels, on the first page and on a series' own: there the heights and
#: the canal stand side by side over the angles.
_FIRST_ROOM_MM = {"heights": (124.0, 122.0)}
_ROOMS_MM = {"heights": (110.0, 102.5), "angles": (110.0, 102.5), "canal": (66.0, 102.5)}
#: Of the axes and words of charts.
_INK = "#1A1A1A"


@dataclass(frozen=True)
class _Head:
    """A column of a table: metric, and what stands above it."""

    metric: str
    title: str
    unit: str = ""


_VERTEBRA_HEADS = (
    _Head("anterior_height_mm", "Anterior", "mm"),
    _Head("middle_height_mm", "Middle", "mm"),
    _Head("posterior_height_mm", "Posterior", "mm"),
    _Head("wedge_ratio", "Wedge"),
    _Head("biconcavity_ratio", "Biconcavity"),
    _Head("crush_ratio", "Crush"),
    _Head("rotation_deg", "Rotation", "°"),
    _Head("ap_diameter_mm", "Canal", "mm"),
)
_DISC_HEADS = (
    _Head("height_mm", "Height", "mm"),
    _Head("bounding_height_mm", "Bounding", "mm"),
    _Head("anterior_distance_mm", "Anterior", "mm"),
    _Head("posterior_distance_mm", "Posterior", "mm"),
    _Head("disc_height_index", "Index"),
    _Head("disc_angle_deg", "Disc angle", "°"),
    _Head("segmental_angle_deg", "Segment", "°"),
    _Head("listhesis_mm", "Slip", "mm"),
    _Head("listhesis_percent", "Slip", "%"),
    _Head("meyerding_grade", "Meyerding"),
    _Head("ap_diameter_mm", "Canal", "mm"),
)
#: Of the first page, where vertebrae and discs stand in turn.
_SUMMARY_HEADS = (
    _Head("anterior_height_mm", "Anterior", "mm"),
    _Head("middle_height_mm", "Middle", "mm"),
    _Head("posterior_height_mm", "Posterior", "mm"),
    _Head("wedge_ratio", "Wedge"),
    _Head("height_mm", "Disc", "mm"),
    _Head("disc_height_index", "Index"),
    _Head("segmental_angle_deg", "Segment", "°"),
    _Head("listhesis_mm", "Slip", "mm"),
    _Head("ap_diameter_mm", "Canal", "mm"),
)


def write_pdf(analysis: Analysis, path: Path, made: datetime | None = None) -> None:
    """Write the report as a file.

    Parameters
    ----------
    path
        Of the file, in an existing folder.
    made
        As in :func:`pdf_bytes`.

    Raises
    ------
    StageError
        The report cannot be set.
    """
    path.write_bytes(pdf_bytes(analysis, made))


def pdf_bytes(analysis: Analysis, made: datetime | None = None) -> bytes:
    """Set the report as PDF/A-2b, A4.

    Parameters
    ----------
    analysis
        Whole; one without sagittal series, masks or numbers gives a report that says so.
    made
        Date within the file, with a time zone; now when None. The same analysis and date
        give the same bytes.

    Returns
    -------
    bytes
        Without patient identity and without an author.

    Raises
    ------
    StageError
        The report cannot be set.
    """
    report = report_of(analysis)
    record, files = _record(analysis, report)
    return typeset("report.typ", _legible(record), files, made=made)


def _record(analysis: Analysis, report: Report) -> tuple[dict[str, Any], dict[str, bytes]]:
    """What the template reads, and the pictures that it names."""
    files: dict[str, bytes] = {}
    details = []
    for place, column in enumerate(report.columns):
        panels = ruler_panels(analysis, report, column, _ROOMS_MM)
        record, drawn = _detail(report, place, panels)
        details.append(record)
        files |= drawn
    axial = []
    for section in report.axial:
        record, drawn = axial_record(analysis, report, section)
        axial.append(record)
        files |= drawn
    loads, drawn = _loads(analysis, report)
    files |= drawn
    first, drawn = _first_panel(analysis, report)
    return {
        "title": report.title,
        "version": analysis.run.version,
        "families": FAMILIES,
        "notices": report.notices,
        "subject": _facts(report.subject),
        "picture": first,
        "measured": [column.series for column in report.columns],
        "findings": [asdict(finding) for finding in report.findings],
        "summary": _summary(report),
        "doubts": [_doubt(doubt) for doubt in report.doubts],
        "warnings": report.warnings,
        "failures": report.failures,
        "details": details,
        "axial": axial,
        "loads": loads,
        "series": [asdict(series) for series in report.series],
        "definitions": _definitions(report),
        "provenance": _facts(report.provenance),
    }, files | drawn


def _legible(value: Any) -> Any:
    """The same with every text fit for our typeface."""
    if isinstance(value, str):
        return legible(value)
    if isinstance(value, dict):
        return {key: _legible(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_legible(item) for item in value]
    return value


def _facts(facts: Iterable[Fact]) -> list[dict[str, str]]:
    return [{"name": fact.name, "text": fact.text} for fact in facts]


def _doubt(doubt: Doubt) -> dict[str, Any]:
    return asdict(doubt) | {"where": ", ".join((*doubt.levels, *doubt.columns))}


def _definitions(report: Report) -> list[dict[str, str]]:
    """Of the numbers that are printed; places are in ``measurements.csv`` alone."""
    printed = {
        row.metric
        for section in (*report.spine, *report.levels)
        for row in section.rows
        if row.group != "position"
    }
    if any(section.measured for section in report.axial):
        printed |= PRINTED_METRICS
    return [asdict(item) for item in report.definitions if item.metric in printed]


# The first page -----------------------------------------------------------------------


def _first_panel(
    analysis: Analysis, report: Report
) -> tuple[dict[str, Any] | None, dict[str, bytes]]:
    """The heights of the block that is shown first, as large as the page allows."""
    column = next((column for column in report.columns if column.key == report.primary), None)
    if column is None:
        return None, {}
    panels = ruler_panels(analysis, report, column, _FIRST_ROOM_MM)
    records, files = panel_records(panels, "first-")
    return (records[0] | {"series": column.title} if records else None), files


def _summary(report: Report) -> dict[str, Any] | None:
    """Vertebrae and discs in turn, in the numbers that are asked for most."""
    place = next((n for n, c in enumerate(report.columns) if c.key == report.primary), None)
    if place is None:
        return None
    return _table("Level by level", report.levels, _SUMMARY_HEADS, place)


# Spinal loads -------------------------------------------------------------------------


def _loads(analysis: Analysis, report: Report) -> tuple[dict[str, Any] | None, dict[str, bytes]]:
    """Words, the chart, and the model in each task; None where none were asked for."""
    if report.loads is None or analysis.loads is None:
        return None, {}
    chart = loads_chart(analysis.loads, _INK)
    drawings = task_drawings(analysis.loads)
    shown = [task for task in report.loads.tasks if task.name in drawings]
    files = {f"loads-{task.key}.svg": drawings[task.name].bytes() for task in shown}
    if chart is not None:
        files["loads-chart.svg"] = chart.bytes()
    doubts = [
        asdict(one) | {"where": ", ".join((*one.levels, "; ".join(one.columns) or "all loads"))}
        for one in report.loads.doubts
    ]
    return asdict(report.loads) | {
        "doubts": doubts,
        "models": [{"title": task.title, "drawing": f"loads-{task.key}.svg"} for task in shown],
        "picture_note": PICTURE_NOTE,
        "chart": chart and "loads-chart.svg",
        "chart_note": CHART_NOTE,
    }, files


# A series -----------------------------------------------------------------------------


def _detail(
    report: Report, place: int, panels: Sequence[Panel]
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """One block: pictures, tables, remarks, and how it was numbered."""
    column = report.columns[place]
    records, files = panel_records(panels, f"{column.key}-")
    of_kind = {
        kind: [section for section in report.levels if section.kind == kind]
        for kind in ("vertebra", "disc")
    }
    tables = (
        _table("Vertebrae", of_kind["vertebra"], _VERTEBRA_HEADS, place),
        _table("Discs", of_kind["disc"], _DISC_HEADS, place),
    )
    return {
        "title": column.title,
        "series": column.series,
        "panels": {record["key"]: record for record in records},
        "spine": _spine(report.spine, place),
        "tables": [table for table in tables if table is not None],
        "remarks": _remarks(report, place),
        "numbering": [_numbering(n) for n in report.numbering if n.series == column.series],
    }, files


def _numbering(numbering: NumberingFacts) -> dict[str, Any]:
    return asdict(numbering) | {"confidence": confidence_text(numbering.confidence)}


def _spine(sections: Sequence[LevelSection], place: int) -> list[dict[str, Any]]:
    """Numbers of the spine as a whole."""
    return [
        {
            "title": f"{row.title}, {section.name}, supine",
            "value": cell.value if cell.withheld else with_unit(cell.text, row.unit),
            "detail": "; ".join(cell.reasons),
            "doubtful": cell.doubtful,
        }
        for section in sections
        for row in section.rows
        if (cell := row.cells[place]) is not None
    ]


def _table(
    title: str, sections: Sequence[LevelSection], heads: Sequence[_Head], place: int
) -> dict[str, Any] | None:
    """Lines of the sections that have a number; columns that nobody has are left out."""
    numbers = {section.name: cells_of(section, place) for section in sections}
    used = [head for head in heads if any(head.metric in cells for cells in numbers.values())]
    lines = [
        {
            "name": section.name,
            "kind": section.kind,
            "colour": section.colour,
            "cells": [
                _cell(numbers[section.name][head.metric])
                if head.metric in numbers[section.name]
                else None
                for head in used
            ],
        }
        for section in sections
        if any(head.metric in numbers[section.name] for head in used)
    ]
    heads_record = [{"title": head.title, "unit": head.unit} for head in used]
    return {"title": title, "heads": heads_record, "lines": lines} if lines else None


def _cell(cell: Cell) -> dict[str, Any]:
    return {"value": cell.value, "uncertainty": cell.uncertainty, "doubtful": cell.doubtful}


def _remarks(report: Report, place: int) -> list[dict[str, str]]:
    """What casts doubt on one block, in words: on which levels, and which of their numbers."""
    title = report.columns[place].title
    where: dict[str, list[str]] = {}
    for section in (*report.spine, *report.levels):
        reasons: dict[str, list[str]] = {n.text: [] for n in section.notes if title in n.where}
        for row in section.rows:
            for reason in _reasons(row, place):
                reasons.setdefault(reason, []).append(row.title)
        for reason, titles in reasons.items():
            numbers = f" ({_some(titles)})" if titles else ""
            where.setdefault(reason, []).append(section.name + numbers)
    return [{"text": text, "where": ", ".join(places)} for text, places in where.items()]


def _reasons(row: Row, place: int) -> tuple[str, ...]:
    cell = row.cells[place]
    return () if cell is None else cell.reasons


def _some(titles: Sequence[str]) -> str:
    """Few titles by name, many by number."""
    if len(titles) > 2:
        return f"{len(titles)} numbers"
    return ", ".join(title[0].lower() + title[1:] for title in titles)
