"""The tables of a comparison as text: Hess's tables 6 to 8, and the distances of centroids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from openlumbar.evaluate.comparison import Comparison, Row
from openlumbar.stats.agreement import BlandAltman, Correlation, MeanError

_DASH = "–"
#: Digits after the point, by unit.
_DIGITS = {"mm": 2, "cm²": 3, "N": 1}


@dataclass(frozen=True)
class TextTable:
    """A table as it is printed.

    Attributes
    ----------
    note
        What stands beneath it.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def tables_of(comparison: Comparison) -> tuple[TextTable, ...]:
    """Every table that has a row."""
    where = f"{comparison.other} against {comparison.reference}"
    tables = (
        _agreement_table(f"Overall: {where} (Hess's table 6)", comparison.overall),
        _agreement_table("Disc height by level (Hess's table 7)", comparison.disc_heights),
        _agreement_table(
            f"Compression of the vertebrae, task '{comparison.task}' (Hess's table 8)",
            comparison.loads,
        ),
        _distance_table("Distances between centroids", comparison.centroids),
    )
    return tuple(table for table in tables if table.rows)


def _agreement_table(title: str, rows: Sequence[Row]) -> TextTable:
    header = (
        "what",
        "level",
        "exams",
        "n",
        "Pearson r (p)",
        "95 % of r",
        "MAE ± 95 %",
        "bias (95 %)",
        "limits of agreement (95 % of each)",
        "not compared",
    )
    cells = tuple(
        (
            f"{row.quantity.title}, {row.quantity.unit}",
            row.level or "all",
            str(row.exams),
            str(row.compared),
            _r(row.correlation),
            _r_interval(row.correlation),
            _error(row.error, row.quantity.unit),
            _bias(row.agreement, row.quantity.unit),
            _limits(row.agreement, row.quantity.unit),
            _not_compared(row),
        )
        for row in rows
    )
    why = sorted({row.note.partition(";")[0] for row in rows if row.note})
    note = f"{_DASH}: {'; '.join(why)}." if why else ""
    return TextTable(title, header, cells, note)


def _distance_table(title: str, rows: Sequence[Row]) -> TextTable:
    header = ("what", "exams", "n", "mean distance ± 95 %, mm", "largest, mm", "not compared")
    cells = tuple(
        (
            row.quantity.title.partition(", ")[2].capitalize(),
            str(row.exams),
            str(row.compared),
            _error(row.error, row.quantity.unit),
            _number(row.error.largest if row.error else None, row.quantity.unit),
            _not_compared(row),
        )
        for row in rows
    )
    return TextTable(title, header, cells)


def _not_compared(row: Row) -> str:
    """How many of the numbers are missing from the figures, and why."""
    parts = (
        (row.withheld, "withheld"),
        (row.only_reference, "only in the reference"),
        (row.only_other, "only in the other"),
    )
    return ", ".join(f"{count} {what}" for count, what in parts if count) or "0"


def _number(value: float | None, unit: str, sign: str = "") -> str:
    return _DASH if value is None else f"{value:{sign}.{_DIGITS[unit]}f}"


def _r(found: Correlation | None) -> str:
    return _DASH if found is None else f"{found.r:.3f} ({found.p:.2g})"


def _r_interval(found: Correlation | None) -> str:
    return _DASH if found is None else f"{found.low:.2f} … {found.high:.2f}"


def _error(found: MeanError | None, unit: str) -> str:
    if found is None:
        return _DASH
    mean = _number(found.mean, unit)
    return mean if found.half_width is None else f"{mean} ± {_number(found.half_width, unit)}"


def _range(ends: tuple[float, float], unit: str) -> str:
    return " … ".join(_number(end, unit, "+") for end in ends)


def _bias(found: BlandAltman | None, unit: str) -> str:
    if found is None:
        return _DASH
    return f"{_number(found.bias, unit, '+')} ({_range(found.bias_interval, unit)})"


def _limits(found: BlandAltman | None, unit: str) -> str:
    if found is None:
        return _DASH
    ends = (
        (found.lower, found.lower_interval),
        (found.upper, found.upper_interval),
    )
    return " to ".join(
        f"{_number(end, unit, '+')} ({_range(interval, unit)})" for end, interval in ends
    )
