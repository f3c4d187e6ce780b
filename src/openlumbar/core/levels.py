"""Names of vertebrae and discs, and how far they can be trusted."""

from __future__ import annotations

from dataclasses import dataclass, field

#: What a slice can show, to the level classifier that ships: a place along the spine, or
#: something else. Ends are open: whatever lies above L1, and from S1 downward.
LEVEL_CLASSES: tuple[str, ...] = (
    "other",
    "above L1",
    "L1",
    "L1-L2",
    "L2",
    "L2-L3",
    "L3",
    "L3-L4",
    "L4",
    "L4-L5",
    "L5",
    "L5-S1",
    "S1 and below",
)
#: Place along a spine of five lumbar vertebrae of each class that has one: discs at whole
#: numbers, L1-L2 at 1 to L5-S1 at 5, vertebrae between them.
POSITIONS: dict[str, float] = {name: n / 2 for n, name in enumerate(LEVEL_CLASSES[1:])}


@dataclass(frozen=True)
class LevelRow:
    """One row of ``levels.csv`` (design.md, section 3).

    Attributes
    ----------
    structure
        ``vertebra``, ``disc`` or, for axial series, ``slice``.
    label
        Integer code of :mod:`openlumbar.core.anatomy`; 0 for a slice.
    level
        ``L4`` for a vertebra, ``L4-L5`` for a disc.
    disc_level
        For a slice always the nearest disc; for a disc itself; empty for a vertebra.
    level_confidence
        0 … 1, that the name is right.
    x_mm, y_mm, z_mm
        Centroid, LPS; of the body for a vertebra.
    source
        How the name was found: of a vertebra or disc ``sacrum``, ``count`` or ``given``; of a
        slice ``geometry`` (where it cuts the spine of a sagittal series), ``looks`` (a
        classifier, decoded along the stack), ``both``, or ``none``.
    flags
        Words of :mod:`openlumbar.core.flags`.
    within
        Of a slice in a sagittal series' space: where it cuts its level's axis, 0 at the upper
        and 1 at the lower endplate; None where that is not known.
    best
        Whether this slice lies best in the disc ``disc_level`` of all of its series.
    """

    series: str
    block: int
    slice: int
    instance: str
    structure: str
    label: int
    level: str
    disc_level: str
    level_confidence: float
    x_mm: float
    y_mm: float
    z_mm: float
    source: str
    flags: tuple[str, ...] = ()
    within: float | None = None
    best: bool = False


@dataclass(frozen=True)
class SliceLooks:
    """What the level classifier says of one axial slice by its looks alone.

    Attributes
    ----------
    classes, probability
        Names of the classes (:data:`LEVEL_CLASSES`, or the five discs for a classifier of
        Cho's kind) and the probability of each.
    signs
        Probability that ``kidney`` and ``ilium`` are in view, by name; empty where the
        classifier does not say.
    activation
        Class activation map of the most probable class, rows from the slice's first row
        down: 0 … 100 of its own greatest value.
    box
        First row, first column, last row + 1 and last column + 1 of the slice's pixels that
        the map covers.
    """

    series: str
    block: int
    slice: int
    classes: tuple[str, ...]
    probability: tuple[float, ...]
    signs: dict[str, float] = field(default_factory=dict)
    activation: tuple[tuple[int, ...], ...] = ()
    box: tuple[int, int, int, int] = (0, 0, 0, 0)


@dataclass(frozen=True)
class Numbering:
    """The numbering of one series as a whole, of an axial one too.

    Attributes
    ----------
    confidence
        0 … 1, that no name is off by one or more.
    flags
        Words of :mod:`openlumbar.core.flags` about the series.
    evidence
        Sentences that say why.
    """

    series: str
    confidence: float
    flags: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True)
class Levels:
    """Names found in an exam."""

    rows: tuple[LevelRow, ...] = field(default_factory=tuple)
    numbering: tuple[Numbering, ...] = field(default_factory=tuple)
    looks: tuple[SliceLooks, ...] = field(default_factory=tuple)
