"""The tables of a comparison on a terminal, without what only a wide page can hold."""

from __future__ import annotations

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from openlumbar.evaluate.comparison import Comparison
from openlumbar.evaluate.tables import TextTable, tables_of

#: Columns that the files have and a terminal has not.
_WIDE = ("exams", "95 % of r", "bias (95 %)", "limits of agreement (95 % of each)")


def shown(comparison: Comparison) -> Group:
    """Every table, and what to know of it."""
    tables = [_table(table) for table in tables_of(comparison)]
    return Group(*tables, *(Text(f"Note: {note}") for note in comparison.notes))


def _table(text: TextTable) -> Table:
    table = Table(title=text.title, caption=text.note or None, title_justify="left", box=box.SIMPLE)
    kept = [place for place, name in enumerate(text.header) if name not in _WIDE]
    for place in kept:
        # What a row is of, and what it lacks, are words and may be broken; figures may not.
        table.add_column(text.header[place], no_wrap=place not in (kept[0], kept[-1]))
    said = ""
    for row in text.rows:
        first = "" if row[0] == said else row[0]
        table.add_row(Text(first), *(Text(row[place]) for place in kept[1:]))
        said = row[0]
    return table
