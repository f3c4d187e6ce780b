"""What a report says, in plain data: HTML and PDF show the same words and numbers.

Nothing here draws. Numbers come out as they are printed, every flag as a sentence of
:data:`openlumbar.core.flags.FLAGS`, and each withheld number as a dash with its reason.
No reference ranges: none is given before its source has been read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from openlumbar.core.anatomy import BY_CODE, VERTEBRAE, disc_code, vertebra_code
from openlumbar.core.exam import LeftOut, Series, Subject, Weighting
from openlumbar.core.flags import FLAGS
from openlumbar.core.levels import LevelRow, Levels, Numbering
from openlumbar.core.measurement import Line, Measurement
from openlumbar.core.metrics import METRICS, Metric
from openlumbar.core.palette import colour_of
from openlumbar.core.plane import Plane
from openlumbar.core.run import Failure, Run, Weights
from openlumbar.io.analysis import Analysis

TITLE = "Lumbar spine MRI"
NOTICES: tuple[str, ...] = (
    "Research use only – not for diagnosis.",
    "Imaged supine: angles and slips are not those of standing.",
    "Left and right are the patient's, as the image header gives them.",
)
WITHHELD = "–"
#: A number below this confidence is shown as doubtful even where it carries no flag.
DOUBTFUL_BELOW = 0.5

#: Which switch of the viewer, and which part of a table, a metric belongs to.
GROUPS: dict[str, str] = {
    "heights": "Vertebral heights",
    "discs": "Discs",
    "angles": "Angles",
    "listhesis": "Listhesis",
    "canal": "Canal",
    "position": "Position",
}
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

#: What casts doubt on most numbers comes first; the rest follow in the order of FLAGS.
_GRAVEST: tuple[str, ...] = (
    "not-a-lumbar-spine",
    "upside-down",
    "numbering-uncertain",
    "possible-l6",
    "possible-sacralised-l5",
    "possible-lumbarised-s1",
    "sacrum-out-of-view",
    "leaves-slices",
    "fused",
    "missing-disc",
    "collapsed",
)
_GRAVITY: tuple[str, ...] = (*_GRAVEST, *(flag for flag in FLAGS if flag not in _GRAVEST))

#: By UCUM unit: how it is printed, and with how many decimals.
_UNITS: dict[str, tuple[str, int]] = {"mm": ("mm", 1), "deg": ("°", 1), "%": ("%", 0), "1": ("", 2)}
_ROMAN = ("0", "I", "II", "III", "IV", "V")
_SEX = {"F": "female", "M": "male", "O": "other"}


@dataclass(frozen=True)
class Column:
    """One measured block: a column of every table.

    Attributes
    ----------
    key
        ``c0``, ``c1`` …: unique in the report, fit for an identifier in HTML.
    title
        As short as tells it from the other columns: ``T2w``, or the series' name.
    series, block
        Which images (``block`` counts from 0).
    """

    key: str
    title: str
    series: str
    block: int


@dataclass(frozen=True)
class Cell:
    """One number as it is printed.

    Attributes
    ----------
    key
        ``m0``, ``m1`` …: the place in ``Analysis.measurements``.
    column
        Key of its :class:`Column`.
    value, uncertainty
        Printed with the same decimals, without a unit; the uncertainty (one standard
        deviation) is rounded up to the last decimal so that it never reads 0. A
        withheld value is :data:`WITHHELD` and its uncertainty empty.
    number
        The value as it was measured; None where it is withheld.
    confidence
        0 … 1.
    slice
        Of the block, from 0; None for a number of all slices.
    reasons
        Each flag in words.
    withheld
        The number is not given.
    lines
        To be drawn, LPS millimetres.
    """

    key: str
    column: str
    value: str
    uncertainty: str
    number: float | None
    confidence: float
    slice: int | None
    flags: tuple[str, ...]
    reasons: tuple[str, ...]
    withheld: bool
    lines: tuple[Line, ...]

    @property
    def doubtful(self) -> bool:
        """Worth a second look: withheld, flagged or of low confidence."""
        return self.withheld or bool(self.flags) or self.confidence < DOUBTFUL_BELOW

    @property
    def text(self) -> str:
        """``27.4 ± 0.3``, or a dash."""
        return f"{self.value} ± {self.uncertainty}" if self.uncertainty else self.value


@dataclass(frozen=True)
class Row:
    """One metric of one level: a cell for each column, None where it was not measured.

    ``group`` is a key of :data:`GROUPS`; ``unit`` is as printed, empty for a ratio.
    """

    metric: str
    title: str
    unit: str
    group: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class Note:
    """A sentence about something and where it holds (titles of columns)."""

    text: str
    where: tuple[str, ...] = ()


@dataclass(frozen=True)
class LevelSection:
    """All that is known of a vertebra, a disc, or the spine as a whole.

    Attributes
    ----------
    name
        ``L4``, ``L4-L5``, ``L1-S1``.
    kind
        ``vertebra``, ``disc`` or ``spine``.
    colour
        ``#rrggbb`` of the palette.
    confidence
        Lowest, over the columns, that the name is right; None where it was not named.
    """

    name: str
    kind: str
    colour: str
    confidence: float | None
    rows: tuple[Row, ...]
    notes: tuple[Note, ...]

    def row(self, metric: str) -> Row | None:
        """The row of a metric, if it was measured here."""
        return next((row for row in self.rows if row.metric == metric), None)


@dataclass(frozen=True)
class Finding:
    """One of the few things to read first.

    ``cell`` is the key of the number it rests on, empty where it is none; ``doubtful``
    asks for a second look.
    """

    title: str
    value: str
    detail: str
    doubtful: bool = False
    cell: str = ""


@dataclass(frozen=True)
class Doubt:
    """One flag in words, where it holds, and how many numbers it withheld.

    Attributes
    ----------
    levels
        From head to foot; empty for what concerns a whole series.
    columns
        Titles of the columns.
    numbers, withheld
        Numbers that carry the flag, and how many of them are not given.
    """

    flag: str
    text: str
    levels: tuple[str, ...]
    columns: tuple[str, ...]
    numbers: int
    withheld: int


@dataclass(frozen=True)
class SeriesFacts:
    """One series of the exam, or one left out: then ``left_out`` says why."""

    name: str
    plane: str
    weighting: str
    grid: str
    acquisition: str
    use: str
    warnings: tuple[str, ...] = ()
    left_out: str = ""


@dataclass(frozen=True)
class NumberingFacts:
    """How far the names of one series can be trusted, and why."""

    series: str
    title: str
    confidence: float
    reasons: tuple[str, ...]
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class Definition:
    """How one kind of number is measured, and whose definition it is."""

    title: str
    structure: str
    unit: str
    text: str
    source: str


@dataclass(frozen=True)
class Fact:
    """A name and what it is, for lists of facts."""

    name: str
    text: str


@dataclass(frozen=True)
class Report:
    """Everything that both formats show.

    Attributes
    ----------
    subject
        Facts without identity.
    columns
        The measured blocks; ``primary`` is the key of the one to show first, empty
        where there is none.
    spine
        Sections of the spine as a whole (lordosis).
    levels
        From head to foot, vertebrae and discs in turn.
    doubts
        Gravest first.
    """

    title: str
    subject: tuple[Fact, ...]
    series: tuple[SeriesFacts, ...]
    columns: tuple[Column, ...]
    primary: str
    findings: tuple[Finding, ...]
    spine: tuple[LevelSection, ...]
    levels: tuple[LevelSection, ...]
    doubts: tuple[Doubt, ...]
    numbering: tuple[NumberingFacts, ...]
    warnings: tuple[str, ...]
    failures: tuple[str, ...]
    provenance: tuple[Fact, ...]
    definitions: tuple[Definition, ...]
    notices: tuple[str, ...] = NOTICES


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
    doubts = _doubts(analysis, columns)
    return Report(
        title=TITLE,
        subject=_subject(analysis.exam.subject),
        series=_series(analysis),
        columns=columns,
        primary=primary,
        findings=_findings(analysis, spine, levels, _index_of(columns, primary)),
        spine=spine,
        levels=levels,
        doubts=doubts,
        numbering=tuple(_numbering(entry, columns) for entry in analysis.levels.numbering),
        warnings=analysis.run.warnings,
        failures=tuple(_failure(failure) for failure in analysis.failures),
        provenance=_provenance(analysis.run),
        definitions=_definitions(analysis.measurements),
    )


def flag_text(flag: str) -> str:
    """A flag as a sentence begins: ``The body is …``."""
    text = FLAGS[flag]
    return text[0].upper() + text[1:]


def rank(level: str) -> float:
    """Place of a vertebra or disc from head to foot; what has no name comes last.

    >>> sorted(("S1", "L5-S1", "T12-L1", "L5", "L1"), key=rank)
    ['T12-L1', 'L1', 'L5', 'L5-S1', 'S1']
    """
    upper, _, lower = level.partition("-")
    if upper not in VERTEBRAE:
        return float(len(VERTEBRAE))
    return VERTEBRAE.index(upper) + (0.5 if lower else 0.0)


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


def number_text(value: float, unit: str) -> str:
    """A value as it is printed, without its unit, with a true minus sign.

    Parameters
    ----------
    value
        Finite.
    unit
        UCUM, of :class:`openlumbar.core.metrics.Metric`.

    Examples
    --------
    >>> number_text(-3.14159, "mm"), number_text(0.8512, "1")
    ('−3.1', '0.85')
    """
    text = f"{value:.{_UNITS[unit][1]}f}"
    without_sign = text.lstrip("-")
    negative = text.startswith("-") and float(text) != 0
    return f"−{without_sign}" if negative else without_sign


def _uncertainty_text(uncertainty: float, unit: str) -> str:
    """Never below the last decimal that is printed."""
    least = 10.0 ** -_UNITS[unit][1]
    return number_text(max(uncertainty, least), unit)


def _value_text(measurement: Measurement) -> str:
    if measurement.value is None:
        return WITHHELD
    if measurement.metric == "meyerding_grade":
        return _ROMAN[round(measurement.value)]
    return number_text(measurement.value, measurement.unit)


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
        value=_value_text(measurement),
        uncertainty=_uncertainty_text(measurement.uncertainty or 0.0, measurement.unit)
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
        unit=_UNITS[metric.unit][0],
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
        for flag in sorted(where, key=_GRAVITY.index)
    )


# What to read first ------------------------------------------------------------------


def with_unit(text: str, unit: str) -> str:
    """A printed number and its printed unit: ``27.4 mm``, ``48.2°``, ``0.85``."""
    return f"{text} {unit}" if unit and unit != "°" else f"{text}{unit}"


def _findings(
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
    detail = f"{names[0]} to {names[-1]} · names {percent(lowest)} certain"
    return Finding("Vertebrae", f"{len(names)} named", detail, doubtful)


def _withheld(measurements: Sequence[Measurement]) -> Finding | None:
    if not measurements:
        return Finding("Numbers", "none", "Nothing was measured.", True)
    withheld = [m for m in measurements if m.value is None]
    flagged = [m for m in measurements if m.flags and m.value is not None]
    given = len(measurements) - len(withheld)
    detail = f"{len(withheld)} withheld · {len(flagged)} given with a flag"
    return Finding("Numbers", f"{given} of {len(measurements)}", detail, bool(withheld))


def percent(fraction: float) -> str:
    """A confidence as it is printed: ``95 %``."""
    return f"{100 * fraction:.0f} %"


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


def _doubts(analysis: Analysis, columns: Sequence[Column]) -> tuple[Doubt, ...]:
    marked = _marked(analysis)
    flags = {flag for item in marked for flag in item.flags}
    return tuple(
        _doubt(flag, [item for item in marked if flag in item.flags], columns)
        for flag in sorted(flags, key=_GRAVITY.index)
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


# Facts -------------------------------------------------------------------------------


def _subject(subject: Subject) -> tuple[Fact, ...]:
    facts = (
        ("Sex", _SEX.get(subject.sex or "")),
        ("Age", _number("{:.0f} years", subject.age_years)),
        ("Height", _number("{:.2f} m", subject.height_m)),
        ("Mass", _number("{:.0f} kg", subject.mass_kg)),
    )
    return tuple(Fact(name, text) for name, text in facts if text)


def _number(template: str, value: object) -> str:
    return template.format(value) if isinstance(value, int | float) else ""


def _series(analysis: Analysis) -> tuple[SeriesFacts, ...]:
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


def _numbering(numbering: Numbering, columns: Sequence[Column]) -> NumberingFacts:
    titles = (column.title for column in columns if column.series == numbering.series)
    return NumberingFacts(
        series=numbering.series,
        title=next(titles, numbering.series),
        confidence=numbering.confidence,
        reasons=tuple(flag_text(flag) for flag in numbering.flags),
        evidence=numbering.evidence,
    )


def _failure(failure: Failure) -> str:
    of = f" of {failure.series}" if failure.series else ""
    return f"The stage “{failure.stage}”{of} failed: {failure.message}"


def _provenance(run: Run) -> tuple[Fact, ...]:
    return (
        Fact("OpenLumbar", f"version {run.version}"),
        *(Fact("Weights", _weights(weights)) for weights in run.weights),
        *(Fact(f"Option {name}", str(value)) for name, value in run.options.items()),
        *(Fact("Time", text) for text in (_times(run),) if text),
        *(Fact("Peak memory", f"{mb:.0f} MB") for mb in (run.peak_memory_mb,) if mb),
    )


def _weights(weights: Weights) -> str:
    digest = f", SHA-256 {weights.sha256[:12]}…" if weights.sha256 else ""
    return f"{weights.name} {weights.version}{digest}"


def _times(run: Run) -> str:
    """Seconds a stage; a stage timed as a whole counts its series already."""
    whole = {timing.stage for timing in run.timings if not timing.series}
    seconds: dict[str, float] = {}
    for timing in run.timings:
        if not timing.series or timing.stage not in whole:
            seconds[timing.stage] = seconds.get(timing.stage, 0.0) + timing.seconds
    return ", ".join(f"{stage} {value:.1f} s" for stage, value in seconds.items())


def _definitions(measurements: Sequence[Measurement]) -> tuple[Definition, ...]:
    """Of what was measured, in the order of METRICS."""
    measured = {(m.structure, m.metric) for m in measurements}
    return tuple(
        Definition(m.title, m.structure, _UNITS[m.unit][0], m.definition, m.source)
        for key, m in METRICS.items()
        if key in measured
    )
