"""What a report says, in plain data: HTML and PDF show the same words and numbers.

Nothing here draws. Numbers come out as they are printed, every flag as a sentence of
:data:`openlumbar.core.flags.FLAGS`, and each withheld number as a dash with its reason.
No reference ranges: none is given before its source has been read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from openlumbar.core.anatomy import BY_CODE, disc_code, vertebra_code
from openlumbar.core.exam import Series, Weighting
from openlumbar.core.levels import LevelRow, Levels
from openlumbar.core.measurement import Measurement
from openlumbar.core.metrics import METRICS, Metric
from openlumbar.core.palette import colour_of
from openlumbar.core.plane import Plane
from openlumbar.io.analysis import Analysis
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
    uncertainty_text,
    value_text,
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

_GROUP_OF: dict[str, str] = {
    "anterior_height_mm": "heights",
    "middle_height_mm": "heights",
    "posterior_height_mm": "heights",
    "wedge_ratio": "heights",
    "biconcavity_ratio": "heights",
    "crush_ratio": "heights",
    "height_mm": "discs",
    "bounding_height_mm": "discs",
    "anterior_distance_mm": "discs",
    "posterior_distance_mm": "discs",
    "disc_height_index": "discs",
    "rotation_deg": "angles",
    "disc_angle_deg": "angles",
    "segmental_angle_deg": "angles",
    "lordosis_deg": "angles",
    "listhesis_mm": "listhesis",
    "listhesis_percent": "listhesis",
    "meyerding_grade": "listhesis",
    "ap_diameter_mm": "canal",
}


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
    columns = _columns(analysis)
    cells = _cells(analysis.measurements, columns)
    primary = _primary(analysis, columns)
    spine, levels = _sections(analysis, columns, cells)
    doubts = doubts_of(analysis, columns)
    return Report(
        title=TITLE,
        subject=subject_facts(analysis.exam.subject),
        series=series_facts(analysis),
        columns=columns,
        primary=primary,
        findings=findings_of(analysis, spine, levels, _index_of(columns, primary)),
        spine=spine,
        levels=levels,
        doubts=doubts,
        numbering=tuple(numbering_facts(entry, columns) for entry in analysis.levels.numbering),
        warnings=warnings_of(analysis),
        failures=tuple(failure_text(failure) for failure in analysis.failures),
        provenance=provenance(analysis.run),
        definitions=definitions(analysis.measurements),
        notices=NOTICES,
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


def _cells(measurements: Sequence[Measurement], columns: Sequence[Column]) -> tuple[Cell, ...]:
    key = {(column.series, column.block): column.key for column in columns}
    return tuple(
        _cell(number, measurement, key[measurement.series, measurement.block])
        for number, measurement in enumerate(measurements)
    )


def _cell(number: int, measurement: Measurement, column: str) -> Cell:
    uncertain = measurement.value is not None and measurement.uncertainty is not None
    return Cell(
        key=f"m{number}",
        column=column,
        value=value_text(measurement),
        uncertainty=uncertainty_text(measurement.uncertainty or 0.0, measurement.unit)
        if uncertain and measurement.metric != "meyerding_grade"
        else "",
        number=measurement.value,
        confidence=measurement.confidence,
        slice=measurement.slice,
        flags=measurement.flags,
        reasons=tuple(flag_text(flag) for flag in measurement.flags),
        withheld=measurement.value is None,
        lines=measurement.lines,
    )


# Sections ----------------------------------------------------------------------------


def _sections(
    analysis: Analysis, columns: Sequence[Column], cells: Sequence[Cell]
) -> tuple[tuple[LevelSection, ...], tuple[LevelSection, ...]]:
    """Sections of the spine as a whole, and of its levels from head to foot."""
    numbers: dict[tuple[bool, str], list[tuple[Measurement, Cell]]] = {}
    for measurement, cell in zip(analysis.measurements, cells, strict=True):
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
        group=_GROUP_OF.get(metric.name, "position"),
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
