"""The parts that a report is made of: plain data, as it is printed.

:func:`openlumbar.report.content.report_of` makes them; HTML and PDF show them.
"""

from __future__ import annotations

from dataclasses import dataclass

from openlumbar.core.levels import SliceLooks
from openlumbar.core.measurement import Line

#: A number below this confidence is shown as doubtful even where it carries no flag.
DOUBTFUL_BELOW = 0.5

#: Which switch of the viewer, and which part of a table, a metric belongs to.
GROUPS: dict[str, str] = {
    "heights": "Vertebral heights",
    "discs": "Discs",
    "angles": "Angles",
    "listhesis": "Listhesis",
    "canal": "Canal",
    "muscles": "Muscles",
    "fat": "Fat in muscles",
    "sac": "Dural sac",
    "slices": "Slices",
    "position": "Position",
}


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
        Key of its :class:`Column` or :class:`AxialSection`.
    value, uncertainty
        Printed with the same decimals, without a unit; the uncertainty (one standard
        deviation) never reads 0. A withheld value is a dash, its uncertainty empty.
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
class SliceName:
    """How an axial slice was named.

    Attributes
    ----------
    confidence
        0 … 1, that the name is right.
    how
        In words: by geometry, by looks, by both.
    measured
        Whether the slice was placed among the discs of a sagittal series.
    place
        Along the spine, on the scale of :data:`openlumbar.core.levels.POSITIONS`.
    best
        The disc of all of whose slices this one lies best in it; empty for any other.
    sac_mm
        Centre of the dural sac, LPS.
    """

    confidence: float
    how: str
    measured: bool
    place: float
    best: str
    sac_mm: tuple[float, float, float]


@dataclass(frozen=True)
class AxialSlice:
    """One slice of an axial series, with its numbers.

    Attributes
    ----------
    block, slice
        Which images, both from 0.
    title
        ``slice 3``, or ``block 2, slice 3`` (blocks from 1, as in the names of files).
    level, disc_level
        What the slice lies in, and its nearest disc; empty where that is not known.
    position_mm
        How far its anatomy lies below that of the first slice, along the patient.
    cells
        By structure, side (empty where there is none) and metric.
    reasons
        What casts doubt on the slice as a whole, in words.
    name
        How it was named; None where it was not.
    looks
        What the level classifier says of it; None where it was not asked.
    """

    block: int
    slice: int
    title: str
    level: str
    disc_level: str
    position_mm: float
    cells: dict[tuple[str, str, str], Cell]
    reasons: tuple[str, ...] = ()
    name: SliceName | None = None
    looks: SliceLooks | None = None

    def cell(self, structure: str, side: str, metric: str) -> Cell | None:
        """A number, if it was measured here."""
        return self.cells.get((structure, side, metric))


@dataclass(frozen=True)
class AxialLevel:
    """A disc in an axial series.

    Attributes
    ----------
    name
        ``L4-L5``.
    place
        Of the slice to look at, in :attr:`AxialSection.slices`.
    cells
        By structure, side and metric: of the slices that lie best in the disc; empty where
        nothing was measured at it.
    """

    name: str
    place: int
    cells: dict[tuple[str, str, str], Cell]

    def cell(self, structure: str, side: str, metric: str) -> Cell | None:
        """A number, if it was measured here."""
        return self.cells.get((structure, side, metric))


@dataclass(frozen=True)
class AxialHead:
    """A column of an :class:`AxialTable`: ``title`` over ``side`` (``R``, ``L`` or empty)."""

    title: str
    side: str
    unit: str


@dataclass(frozen=True)
class AxialTable:
    """One kind of number along the spine; ``note`` is what to know of it.

    ``lines`` holds places (from 0) in :attr:`AxialSection.slices`, or in
    :attr:`AxialSection.levels`, and of each a cell for each of ``heads``, None where that
    number was not measured.
    """

    key: str
    title: str
    note: str
    heads: tuple[AxialHead, ...]
    lines: tuple[tuple[int, tuple[Cell | None, ...]], ...]


@dataclass(frozen=True)
class AxialSection:
    """An axial series: muscles, their fat, and the dural sac.

    Attributes
    ----------
    key
        ``a0``, ``a1`` …: unique in the report, fit for an identifier in HTML.
    title
        As short as tells it from the other axial series.
    slices
        Of all blocks, from head to foot.
    first
        Place of the slice to show first.
    levels
        Discs that slices lie in, from head to foot; empty where no level is known.
    tables, level_tables
        One a kind of number, each with a line for every slice, or every disc.
    doubts
        Gravest first; their ``levels`` are titles of slices.
    measured
        Whether there is any number.
    naming
        How the slices were named; None where none was.
    """

    key: str
    title: str
    series: str
    slices: tuple[AxialSlice, ...]
    first: int
    levels: tuple[AxialLevel, ...]
    tables: tuple[AxialTable, ...]
    level_tables: tuple[AxialTable, ...]
    findings: tuple[Finding, ...]
    doubts: tuple[Doubt, ...]
    measured: bool
    naming: Naming | None = None


@dataclass(frozen=True)
class Naming:
    """How the slices of an axial series were named, as a whole.

    Attributes
    ----------
    title
        What to know first, in a few words: the two readings where they differ.
    grave
        Whether the names are in doubt as a whole.
    confidence
        0 … 1, that no name is off by one or more; None where nothing is said of it.
    reasons, evidence
        Flags of the series in words, and why.
    lumbar
        Number of lumbar vertebrae that the names count.
    classifier
        Sentences on the classifier that judged the looks: what it learnt from, and what it
        is not good for; none where the looks were not judged.
    """

    title: str
    grave: bool
    confidence: float | None
    reasons: tuple[str, ...]
    evidence: tuple[str, ...]
    lumbar: int
    classifier: tuple[str, ...]


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
class Force:
    """A solved force as it is printed, in newtons.

    Attributes
    ----------
    value
        Without a unit.
    interval
        ``2480–3410``; empty where it was not asked for.
    reasons
        Each flag in words.
    """

    value: str
    interval: str
    reasons: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """``2931 [2480–3410]``."""
        return f"{self.value} [{self.interval}]" if self.interval else self.value


@dataclass(frozen=True)
class ForceLine:
    """A disc or vertebra: of each task its compression and shear, None where not solved."""

    name: str
    colour: str
    cells: tuple[tuple[Force | None, Force | None], ...]


@dataclass(frozen=True)
class ForceTable:
    """Loads of one kind of place, from head to foot; ``note`` says what they are."""

    title: str
    note: str
    lines: tuple[ForceLine, ...]


@dataclass(frozen=True)
class SolvedTask:
    """One task: what was done, in which posture, and how it was solved.

    Attributes
    ----------
    key
        ``t0``, ``t1`` …: unique in the report, fit for an identifier in HTML.
    name, title
        Of its file or built-in table, and what it is called.
    colour
        ``#rrggbb`` of charts and tables.
    posture, solution
        Sentences.
    """

    key: str
    name: str
    title: str
    colour: str
    posture: tuple[str, ...]
    solution: tuple[str, ...]


@dataclass(frozen=True)
class PropertyOrigin:
    """Where one kind of property of the model comes from.

    Attributes
    ----------
    of
        What has it: ``L1 to S1``, or names; empty where ``title`` says it.
    measured, interpolated, generic
        How many of its values.
    detail
        The value, where there is one alone; else what was not measured.
    notes
        Sentences.
    """

    title: str
    of: str
    measured: int
    interpolated: int
    generic: int
    detail: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class LoadsSection:
    """Spinal loads that a model of the person gave.

    Attributes
    ----------
    missing
        Why there are none; all else is then empty.
    statements
        What the numbers are, and are not.
    tables
        At the discs, then at the vertebrae; columns are those of ``tasks``.
    origins
        What of the model was measured.
    doubts
        Gravest first; their ``columns`` are titles of tasks, none of what holds for all.
    """

    missing: str = ""
    statements: tuple[str, ...] = ()
    tasks: tuple[SolvedTask, ...] = ()
    tables: tuple[ForceTable, ...] = ()
    origins: tuple[PropertyOrigin, ...] = ()
    findings: tuple[Finding, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    notes: tuple[str, ...] = ()


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
    """How one kind of number is measured, and whose definition it is.

    ``structure`` names all that share the definition; ``metric`` is as in METRICS.
    """

    title: str
    structure: str
    unit: str
    text: str
    source: str
    metric: str


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
    axial
        A section an axial series; all else is of sagittal ones.
    doubts
        Gravest first.
    loads
        None where none were asked for.
    """

    title: str
    subject: tuple[Fact, ...]
    series: tuple[SeriesFacts, ...]
    columns: tuple[Column, ...]
    primary: str
    findings: tuple[Finding, ...]
    spine: tuple[LevelSection, ...]
    levels: tuple[LevelSection, ...]
    axial: tuple[AxialSection, ...]
    doubts: tuple[Doubt, ...]
    numbering: tuple[NumberingFacts, ...]
    warnings: tuple[str, ...]
    failures: tuple[str, ...]
    provenance: tuple[Fact, ...]
    definitions: tuple[Definition, ...]
    notices: tuple[str, ...]
    loads: LoadsSection | None = None
