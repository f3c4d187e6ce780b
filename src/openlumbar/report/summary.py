"""What a person reads at the end of a run: a table a series."""

from __future__ import annotations

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from openlumbar.core.anatomy import STRUCTURES
from openlumbar.core.levels import LevelRow, Numbering
from openlumbar.core.palette import colour_of
from openlumbar.io.analysis import Analysis
from openlumbar.report.facts import warnings_of


def summary(analysis: Analysis) -> Group:
    """Tables of the named vertebrae and discs, one a series, and what to know of them."""
    tables = [
        _series_table(numbering, _of_series(analysis, numbering.series))
        for numbering in analysis.levels.numbering
    ]
    warnings = [Text(f"Note: {warning}") for warning in warnings_of(analysis)]
    return Group(*tables, *warnings)


def _of_series(analysis: Analysis, series: str) -> list[LevelRow]:
    """Rows of a series from the head downward."""
    rows = [row for row in analysis.levels.rows if row.series == series]
    return sorted(rows, key=lambda row: -row.z_mm)


def _series_table(numbering: Numbering, rows: list[LevelRow]) -> Table:
    flags = ", ".join(numbering.flags)
    caption = f"numbering as a whole: confidence {numbering.confidence:.2f}"
    table = Table(
        "structure",
        "level",
        "confidence",
        "flags",
        title=numbering.series,
        caption=f"{caption}, {flags}" if flags else caption,
        box=box.SIMPLE_HEAD,
    )
    for row in rows:
        level = Text(row.level, style=colour_of(row.label) if row.label else "")
        table.add_row(row.structure, level, f"{row.level_confidence:.2f}", ", ".join(row.flags))
    return table


def structure_table() -> Table:
    """Build the table of ``openlumbar labels``: every code, its name, kind and side."""
    table = Table("code", "name", "kind", "side", box=box.SIMPLE_HEAD)
    for structure in STRUCTURES:
        name = Text(structure.name, style=colour_of(structure.code))
        table.add_row(str(structure.code), name, structure.kind, structure.side or "")
    return table
