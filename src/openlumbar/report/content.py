"""What a report says, in plain data: HTML and PDF show the same words and numbers.

Nothing here draws. Numbers come out as they are printed, every flag as a sentence of
:data:`openlumbar.core.flags.FLAGS`, and each withheld number as a dash with its reason.
No reference ranges: none is given before its source has been read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from openlumbar.core.anatomy import BY_CODE, disc_code, vertebra_code
from openlumbar.core.exam import Series, Weighting
from openlumbar.core.levels import LevelRow, Levels
from openlumbar.core.measurement import Measurement
from openlumbar.core.metrics import METRICS, Metric
from openlumbar.core.palette import colour_of
from openlumbar.core.plane import Plane
from openlumbar.io.analysis import Analysis
from openlumbar.report.axial import axial_sections
from openlumbar.report.axial_levels import level_warnings
from openlumbar.report.cells import cell_of, group_of
from openlumbar.report.facts import (
    definitions,
    failure_text,
    numbering_facts,
    provenance,
    series_facts,
    subject_facts,
    warnings_of,
)
from openlumbar.report.findings import doubts_of, findings_of
from openlumbar.report.loads import loads_section
from openlumbar.report.parts import (
    GROUPS,
    Cell,
    Column,
    Definition,
    Doubt,
    Fact,
    Finding,
    LevelSection,
    Note,
    NumberingFacts,
    Report,
    Row,
    SeriesFacts,
)
from openlumbar.report.wording import (
    GRAVITY,
    UNITS,
    confidence_text,
    flag_text,
    rank,
    with_unit,
)

#: What pages are made of comes from here, whichever file it lives in.
__all__ = [
    "GROUPS",
    "NOTICES",
    "TITLE",
    "Cell",
    "Column",
    "Definition",
    "Doubt",
    "Fact",
    "Finding",
    "LevelSection",
    "Note",
    "NumberingFacts",
    "Report",
    "Row",
    "SeriesFacts",
    "confidence_text",
    "report_of",
    "with_unit",
]

TITLE = "Lumbar spine MRI"
NOTICES: tuple[str, ...] = (
    "Research use only – not for diagnosis.",
    "Imaged supine: angles and slips are not those of standing.",
    "Left and right are the patient's, as the image header gives them.",
)


def report_of(analysis: Analysis) -> Report:
    """Put an analysis into the words and numbers of its report.

    Parameters
    ----------
    analysis
        Whole; series without masks, withheld numbers, or none at all are fine.

    Returns
    -------
    Report
        Without identity: no name, id, date or description out of a header is in it.
    """
    axial = axial_sections(analysis)
    everything, analysis = analysis, _without_axial(analysis)
    columns = _columns(analysis)
    primary = _primary(analysis, columns)
    spine, levels = _sections(analysis, columns, _cells(everything, columns))
    return Report(
        title=TITLE,
        subject=subject_facts(analysis.exam.subject),
        series=series_facts(everything),
        columns=columns,
        primary=primary,
        # Of axial series alone there are those of their sections.
        findings=findings_of(analysis, spine, levels, _index_of(columns, primary))
        if columns or not any(section.measured for section in axial)
        else (),
        spine=spine,
        levels=levels,
        axial=axial,
        doubts=doubts_of(analysis, columns),
        numbering=tuple(numbering_facts(entry, columns) for entry in analysis.levels.numbering),
        warnings=(*warnings_of(everything), *level_warnings(axial)),
        failures=tuple(failure_text(failure) for failure in analysis.failures),
        provenance=provenance(analysis.run),
        definitions=definitions(everything.measurements),
        notices=NOTICES,
        loads=loads_section(everything.loads),
    )


def _without_axial(analysis: Analysis) -> Analysis:
    """The same without what is of axial series, which have sections of their own."""
    axial = {series.name for series in analysis.exam.of_plane(Plane.AXIAL)}
    rows = tuple(
        row for row in analysis.levels.rows if row.series not in axial and row.structure != "slice"
    )
    numbering = tuple(one for one in analysis.levels.numbering if one.series not in axial)
    return replace(
        analysis,
        exam=replace(
            analysis.exam, series=tuple(s for s in analysis.exam.series if s.name not in axial)
        ),
        levels=replace(analysis.levels, rows=rows, numbering=numbering, looks=()),
        measurements=tuple(m for m in analysis.measurements if m.series not in axial),
    )


# Columns -----------------------------------------------------------------------------


def _columns(analysis: Analysis) -> tuple[Column, ...]:
    """Sagittal blocks with masks or numbers, in the exam's order."""
    measured = {(m.series, m.block) for m in analysis.measurements}
    places = [
        (series, block)
        for series in analysis.exam.series
        for block in range(len(series.blocks))
        if (series.name, block) in measured
        or (series.plane is Plane.SAGITTAL and analysis.masks.of(series.name) is not None)
    ]
    shared = Counter(series.weighting for series, _ in _first_blocks(places))
    blocks = Counter(series.name for series, _ in places)
    return tuple(
        Column(
            f"c{number}",
            _short_name(series, shared[series.weighting] == 1)
            + (f", block {block + 1}" if blocks[series.name] > 1 else ""),
            series.name,
            block,
        )
        for number, (series, block) in enumerate(places)
    )


def _first_blocks(places: Iterable[tuple[Series, int]]) -> list[tuple[Series, int]]:
    return list({series.name: (series, block) for series, block in places}.values())


def _short_name(series: Series, unique: bool) -> str:
    known = series.weighting is not Weighting.UNKNOWN
    return str(series.weighting) if unique and known else series.name


def _primary(analysis: Analysis, columns: Sequence[Column]) -> str:
    """The column with most given numbers; among equals T2, which shows the canal best."""
    given = Counter((m.series, m.block) for m in analysis.measurements if m.value is not None)
    weighting = {series.name: series.weighting for series in analysis.exam.series}

    def merit(column: Column) -> tuple[bool, int]:
        return weighting[column.series] is Weighting.T2, given[column.series, column.block]

    most = max((given[c.series, c.block] for c in columns), default=0)
    # A column that lacks a tenth of the numbers is as good as one that has them all.
    rich = [c for c in columns if given[c.series, c.block] >= 0.9 * most]
    return max(rich, key=merit).key if rich else ""


def _index_of(columns: Sequence[Column], key: str) -> int:
    return next((n for n, column in enumerate(columns) if column.key == key), 0)


# Numbers -----------------------------------------------------------------------------


def _cells(analysis: Analysis, columns: Sequence[Column]) -> list[tuple[Measurement, Cell]]:
    """The numbers of the columns, each as it is printed."""
    key = {(column.series, column.block): column.key for column in columns}
    return [
        (measurement, cell_of(number, measurement, key[measurement.series, measurement.block]))
        for number, measurement in enumerate(analysis.measurements)
        if (measurement.series, measurement.block) in key
    ]


# Sections ----------------------------------------------------------------------------


def _sections(
    analysis: Analysis,
    columns: Sequence[Column],
    cells: Sequence[tuple[Measurement, Cell]],
) -> tuple[tuple[LevelSection, ...], tuple[LevelSection, ...]]:
    """Sections of the spine as a whole, and of its levels from head to foot."""
    numbers: dict[tuple[bool, str], list[tuple[Measurement, Cell]]] = {}
    for measurement, cell in cells:
        whole = measurement.structure == "spine"
        numbers.setdefault((whole, measurement.level), []).append((measurement, cell))
    named = {row.level for row in analysis.levels.rows if row.structure != "slice"}
    names = {level for whole, level in numbers if not whole} | named
    spine = (
        _section(level, "spine", numbers[True, level], analysis.levels, columns)
        for level in (level for whole, level in numbers if whole)
    )
    levels = (
        _section(level, _kind(level), numbers.get((False, level), []), analysis.levels, columns)
        for level in sorted(names, key=lambda name: (rank(name), name))
    )
    return tuple(spine), tuple(levels)


def _kind(level: str) -> str:
    return "disc" if "-" in level or level.startswith("disc") else "vertebra"


def _section(
    name: str,
    kind: str,
    numbers: Sequence[tuple[Measurement, Cell]],
    levels: Levels,
    columns: Sequence[Column],
) -> LevelSection:
    named = [row for row in levels.rows if row.level == name and row.structure != "slice"]
    return LevelSection(
        name=name,
        kind=kind,
        colour=_colour(name, kind, named),
        confidence=min((row.level_confidence for row in named), default=None),
        rows=_rows(numbers, columns),
        notes=_notes(named, columns),
    )


def _colour(name: str, kind: str, named: Sequence[LevelRow]) -> str:
    code = next((row.label for row in named if row.label in BY_CODE), None)
    if code is not None:
        return colour_of(code)
    try:
        return colour_of(disc_code(name) if kind == "disc" else vertebra_code(name))
    except KeyError:
        return "#8A8A8A"


def _rows(
    numbers: Sequence[tuple[Measurement, Cell]], columns: Sequence[Column]
) -> tuple[Row, ...]:
    """A row a metric in the order of METRICS; one that repeats in a column gets more rows."""
    order = list(METRICS)
    found: dict[tuple[int, str], list[Cell]] = {}
    for measurement, cell in numbers:
        place = order.index((measurement.structure, measurement.metric))
        found.setdefault((place, measurement.side), []).append(cell)
    return tuple(
        _row(METRICS[order[place]], side, cells)
        for (place, side), same in sorted(found.items(), key=lambda item: item[0])
        for cells in _by_column(same, columns)
    )


def _by_column(cells: Sequence[Cell], columns: Sequence[Column]) -> list[tuple[Cell | None, ...]]:
    stacks = [[cell for cell in cells if cell.column == column.key] for column in columns]
    return [
        tuple(stack[n] if n < len(stack) else None for stack in stacks)
        for n in range(max((len(stack) for stack in stacks), default=0))
    ]


def _row(metric: Metric, side: str, cells: tuple[Cell | None, ...]) -> Row:
    # A level's own section tells its body and disc from everything but the canal.
    title = f"Canal, {metric.title.lower()}" if metric.structure == "canal" else metric.title
    return Row(
        metric=metric.name,
        title=f"{title}, {side}" if side else title,
        unit=UNITS[metric.unit][0],
        group=group_of(metric.structure, metric.name),
        cells=cells,
    )


def _notes(named: Sequence[LevelRow], columns: Sequence[Column]) -> tuple[Note, ...]:
    where: dict[str, list[str]] = {}
    for row in named:
        for flag in row.flags:
            where.setdefault(flag, []).extend(
                column.title for column in columns if column.series == row.series
            )
    return tuple(
        Note(flag_text(flag), tuple(dict.fromkeys(where[flag])))
        for flag in sorted(where, key=GRAVITY.index)
    )
