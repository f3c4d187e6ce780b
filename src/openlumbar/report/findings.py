"""What to read first, and what to doubt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from openlumbar.core.levels import Levels
from openlumbar.core.measurement import Measurement
from openlumbar.io.analysis import Analysis
from openlumbar.report.parts import (
    DOUBTFUL_BELOW,
    Cell,
    Column,
    Doubt,
    Finding,
    LevelSection,
    Row,
)
from openlumbar.report.wording import GRAVITY, confidence_text, flag_text, rank, with_unit


def findings_of(
    analysis: Analysis,
    spine: Sequence[LevelSection],
    levels: Sequence[LevelSection],
    primary: int,
) -> tuple[Finding, ...]:
    """Few, of the column shown first; the tables have the rest."""
    # The least of all levels is named among those that the exam is made for.
    lumbar = [section for section in levels if section.name.startswith("L")]
    found = (
        *(_lordosis(section, row, primary) for section in spine for row in section.rows),
        _extreme("Lowest disc", lumbar, primary, "height_mm"),
        _slip(lumbar, primary),
        _extreme("Narrowest canal", lumbar, primary, "ap_diameter_mm"),
        _extreme("Most wedged body", levels, primary, "wedge_ratio"),
        _named(analysis.levels, levels),
        _withheld(analysis.measurements),
    )
    return tuple(finding for finding in found if finding is not None)


def _lordosis(section: LevelSection, row: Row, primary: int) -> Finding | None:
    cell = row.cells[primary]
    if cell is None:
        return None
    value = "not reported" if cell.withheld else with_unit(cell.text, row.unit)
    detail = "; ".join(cell.reasons) or f"{section.name}, supine"
    return Finding(row.title, value, detail, cell.doubtful, cell.key)


def _extreme(
    title: str, levels: Sequence[LevelSection], primary: int, metric: str
) -> Finding | None:
    """The level where a metric is least, of numbers that are given."""
    given = _given(levels, primary, metric)
    if not given:
        return None
    level, row, cell, _ = min(given, key=lambda item: item[3])
    return _at(title, level, row, cell)


def _slip(levels: Sequence[LevelSection], primary: int) -> Finding | None:
    """The largest shift of one vertebra on the next, with its grade from 3 mm up."""
    given = _given(levels, primary, "listhesis_mm")
    if not given:
        return None
    level, row, cell, number = max(given, key=lambda item: abs(item[3]))
    finding = _at("Largest slip", level, row, cell)
    grade = level.row("meyerding_grade")
    graded = grade.cells[primary] if grade else None
    if graded is None or not graded.number:
        way = "forward" if number >= 0 else "backward"
        return replace(finding, detail=f"{finding.detail} · {way}")
    return replace(finding, detail=f"{finding.detail} · Meyerding {graded.value}")


def _given(
    levels: Sequence[LevelSection], primary: int, metric: str
) -> list[tuple[LevelSection, Row, Cell, float]]:
    return [
        (level, row, cell, cell.number)
        for level in levels
        for row in level.rows
        if row.metric == metric and (cell := row.cells[primary]) is not None
        if cell.number is not None
    ]


def _at(title: str, level: LevelSection, row: Row, cell: Cell) -> Finding:
    detail = " · ".join((level.name, *cell.reasons))
    return Finding(title, with_unit(cell.text, row.unit), detail, cell.doubtful, cell.key)


def _named(levels: Levels, sections: Sequence[LevelSection]) -> Finding | None:
    """How many vertebrae have a name, from where to where, and the numbering's confidence."""
    names = [s.name for s in sections if s.kind == "vertebra" and s.confidence is not None]
    if not names:
        return Finding("Vertebrae", "none named", "No vertebra was found in this exam.", True)
    lowest = min((entry.confidence for entry in levels.numbering), default=0.0)
    doubtful = lowest < DOUBTFUL_BELOW or any(entry.flags for entry in levels.numbering)
    detail = f"{names[0]} to {names[-1]} · confidence of names {confidence_text(lowest)}"
    return Finding("Vertebrae", f"{len(names)} named", detail, doubtful)


def _withheld(measurements: Sequence[Measurement]) -> Finding | None:
    if not measurements:
        return Finding("Numbers", "none", "Nothing was measured.", True)
    withheld = [m for m in measurements if m.value is None]
    flagged = [m for m in measurements if m.flags and m.value is not None]
    given = len(measurements) - len(withheld)
    detail = f"{len(withheld)} withheld · {len(flagged)} given with a flag"
    return Finding("Numbers", f"{given} of {len(measurements)}", detail, bool(withheld))


# What is doubtful --------------------------------------------------------------------


@dataclass(frozen=True)
class _Marked:
    """One thing that carries flags: a number, a name, or a series' numbering."""

    flags: tuple[str, ...]
    level: str
    series: str
    block: int | None
    number: bool = False
    withheld: bool = False


def _marked(analysis: Analysis) -> list[_Marked]:
    return [
        *(_Marked(n.flags, "", n.series, None) for n in analysis.levels.numbering),
        *(_Marked(row.flags, row.level, row.series, None) for row in analysis.levels.rows),
        *(
            _Marked(m.flags, m.level, m.series, m.block, True, m.value is None)
            for m in analysis.measurements
        ),
    ]


def doubts_of(analysis: Analysis, columns: Sequence[Column]) -> tuple[Doubt, ...]:
    """Every flag of the analysis, gravest first, with what it stands on."""
    marked = _marked(analysis)
    flags = {flag for item in marked for flag in item.flags}
    return tuple(
        _doubt(flag, [item for item in marked if flag in item.flags], columns)
        for flag in sorted(flags, key=GRAVITY.index)
    )


def _doubt(flag: str, marked: Sequence[_Marked], columns: Sequence[Column]) -> Doubt:
    levels = sorted({item.level for item in marked if item.level}, key=rank)
    titles = (column.title for column in columns if any(_holds_in(item, column) for item in marked))
    return Doubt(
        flag=flag,
        text=flag_text(flag),
        levels=tuple(levels),
        columns=tuple(titles),
        numbers=sum(item.number for item in marked),
        withheld=sum(item.withheld for item in marked),
    )


def _holds_in(item: _Marked, column: Column) -> bool:
    return item.series == column.series and item.block in (None, column.block)
