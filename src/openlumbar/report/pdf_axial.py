"""The axial pages of ``report.pdf``: pictures of slices, curves along the spine, tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from openlumbar.core.metrics import MUSCLES
from openlumbar.core.palette import MUSCLE_COLOURS
from openlumbar.io.analysis import Analysis
from openlumbar.report.axial import MUSCLE_TITLES
from openlumbar.report.axial_levels import disc_lines
from openlumbar.report.chart import Chart, charts_of, explained
from openlumbar.report.disc_chart import disc_chart
from openlumbar.report.level_maps import level_maps, map_panel
from openlumbar.report.locator import places_panel, printed_locator
from openlumbar.report.parts import AxialSection, AxialTable, Report
from openlumbar.report.rulers import panel_records
from openlumbar.report.sheet import slice_sheet, spaced
from openlumbar.report.stack import STACK_NOTE, stack_chart
from openlumbar.report.wording import confidence_text

#: Of the sheet of slices; of the ink of charts; most slices that are printed of a series.
_ROOM_MM, _INK, _MOST_SLICES = (178.0, 150.0), "#1A1A1A", 20
#: Width of the paper; of the sagittal picture with the slices across it, width and height.
_WIDTH_MM, _PLACES_MM = 178.0, (70.0, 84.0)
#: Height of a chart on paper: three rows of them leave room for a table.
_CHART_MM = 46.0
#: Tables that are printed, each of the columns of one or two.
_PRINTED: tuple[tuple[str, ...], ...] = (
    ("csa",),
    ("fat",),
    ("asymmetry", "sac"),
    ("template",),
)
#: Metrics that are printed: their definitions stand at the end of the report.
PRINTED_METRICS: frozenset[str] = frozenset(
    {
        "csa_cm2",
        "fat_fraction_partial_volume_percent",
        "asymmetry_percent",
        "area_mm2",
        "ap_diameter_mm",
        "transverse_diameter_mm",
        "tilt_deg",
        "beyond_erector_spinae_mm",
        "roundness",
        "back_muscle_share_percent",
    }
)


def axial_record(
    analysis: Analysis, report: Report, section: AxialSection
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """What the template reads of an axial series, and the files of its pictures.

    Parameters
    ----------
    report, section
        Of the same analysis.
    """
    places = spaced(section.slices, _MOST_SLICES)
    sheet = slice_sheet(analysis, section, places, _ROOM_MM)
    (record,), files = panel_records([sheet], f"{section.key}-")
    charts = charts_of(section, _INK, _CHART_MM)
    for chart in charts:
        files[_file(section, chart)] = chart.drawing.bytes()
    levels, drawn = _levels(analysis, report, section)
    at_discs = disc_chart(section, _INK)
    if at_discs is not None:
        files[f"{section.key}-discs.svg"] = at_discs.bytes()
    return {
        "title": section.title,
        "series": section.series,
        "measured": section.measured,
        "findings": [asdict(finding) for finding in section.findings],
        "sheet": record,
        "levels": levels,
        "disc_chart": at_discs and f"{section.key}-discs.svg",
        "muscles": [{"title": MUSCLE_TITLES[m], "colour": MUSCLE_COLOURS[m]} for m in MUSCLES],
        "charts": [
            {"drawing": _file(section, chart), "size_mm": _size(chart), "title": chart.title}
            for chart in charts
        ],
        "explained": explained(section),
        "tables": _tables(section, places),
        "remarks": [asdict(doubt) | {"where": "; ".join(doubt.levels)} for doubt in section.doubts],
    }, files | drawn


def _levels(
    analysis: Analysis, report: Report, section: AxialSection
) -> tuple[dict[str, Any] | None, dict[str, bytes]]:
    """How the slices were named: words, the chart, the places, where the classifier looked."""
    naming = section.naming
    if naming is None:
        return None, {}
    files: dict[str, bytes] = {}
    chart = stack_chart(section, _INK)
    if chart is not None:
        files[f"{section.key}-stack.svg"] = chart.drawing.bytes()
    found = printed_locator(analysis, report, section)
    maps = level_maps(analysis, section)
    panels = [places_panel(found, _PLACES_MM)] if found is not None else []
    panels += [map_panel(maps, _WIDTH_MM)] if maps else []
    records, drawn = panel_records(panels, f"{section.key}-")
    confidence = None if naming.confidence is None else confidence_text(naming.confidence)
    return asdict(naming) | {
        "confidence": confidence,
        "chart": chart and f"{section.key}-stack.svg",
        "chart_mm": chart and (chart.drawing.width_mm, chart.drawing.height_mm),
        "note": STACK_NOTE,
        "panels": {record["key"]: record for record in records},
        "discs": [asdict(line) for line in disc_lines(section)],
    }, files | drawn


def _file(section: AxialSection, chart: Chart) -> str:
    return f"{section.key}-{chart.key}.svg"


def _size(chart: Chart) -> tuple[float, float]:
    return chart.drawing.width_mm, chart.drawing.height_mm


def _tables(section: AxialSection, places: Sequence[int]) -> list[dict[str, Any]]:
    """At the discs, or of some slices where no level is known."""
    if section.level_tables:
        lines = [(n, (level.name, "")) for n, level in enumerate(section.levels)]
        known = {table.key: table for table in section.level_tables}
    else:
        slices = ((place, section.slices[place]) for place in places)
        lines = [(place, (one.title, one.level)) for place, one in slices]
        known = {table.key: table for table in section.tables}
    first = "Disc" if section.level_tables else "Slice"
    wanted = ([known[key] for key in keys if key in known] for keys in _PRINTED)
    return [_table(tables, lines) | {"first": first} for tables in wanted if tables]


def _table(
    tables: Sequence[AxialTable], lines: Sequence[tuple[int, tuple[str, str]]]
) -> dict[str, Any]:
    """The columns of some tables side by side; of each line its place, name and detail."""
    rows = {place for table in tables for place, _ in table.lines}
    return {
        "title": " · ".join(table.title for table in tables),
        "note": " ".join(table.note for table in tables if table.note),
        "heads": [
            {"title": f"{head.title} {head.side}".strip(), "unit": head.unit}
            for table in tables
            for head in table.heads
        ],
        "lines": [
            {"name": name, "detail": detail, "cells": list(_cells(tables, place))}
            for place, (name, detail) in lines
            if place in rows
        ],
    }


def _cells(tables: Sequence[AxialTable], place: int) -> Iterator[dict[str, Any] | None]:
    """The cells of a line in each table, blank where it has none."""
    for table in tables:
        for cell in dict(table.lines).get(place, (None,) * len(table.heads)):
            yield (
                None
                if cell is None
                else {
                    "value": cell.value,
                    "uncertainty": cell.uncertainty,
                    "doubtful": cell.doubtful,
                }
            )
