"""Names of vertebrae and discs, and how far they can be trusted."""

from __future__ import annotations

from dataclasses import dataclass, field


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
        How the name was found: ``sacrum``, ``count``, ``geometry`` …
    flags
        Words of :mod:`openlumbar.core.flags`.
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


@dataclass(frozen=True)
class Numbering:
    """The numbering of one series as a whole.

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
