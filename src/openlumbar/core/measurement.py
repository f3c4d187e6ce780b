"""A number with its unit, its trust, and the lines in the patient it was read from."""

from __future__ import annotations

from dataclasses import dataclass

from openlumbar.core.metrics import METRICS

Point = tuple[float, float, float]

#: What a line of a measurement is.
RULER, GUIDE, ANCHOR = "ruler", "guide", "anchor"


@dataclass(frozen=True)
class Line:
    """A polyline or a set of points in the patient.

    Attributes
    ----------
    role
        ``ruler``: its length, or the angle between two of them, is the number. ``guide``:
        what the ruler was laid along (trapezoid, closed by repeating its first point;
        endplate). ``anchor``: single points, not joined.
    points_mm
        LPS.
    """

    role: str
    points_mm: tuple[Point, ...]


@dataclass(frozen=True)
class Measurement:
    """One row of ``measurements.csv``, with the lines that a picture shows it by.

    Attributes
    ----------
    series, block
        Where it was measured; blocks count from 0.
    structure
        As in :mod:`openlumbar.core.metrics`: ``vertebra``, ``multifidus``, ``dural sac`` …
    level
        ``L4``, ``L4-L5``; ``L1-S1`` for the lordosis; of an axial slice its nearest disc,
        empty where that is not known.
    side
        ``left``, ``right`` or empty.
    slice
        Of the block, from 0, in the order of its volume; None for a number of all slices.
    metric
        A name of :mod:`openlumbar.core.metrics`.
    value
        None where it cannot be trusted: then a flag says why, and there is no
        uncertainty either.
    uncertainty
        One standard deviation, in the value's unit.
    confidence
        0 … 1, that the number is of the level named and the outline it rests on is right.
    flags
        Words of :mod:`openlumbar.core.flags`.
    lines
        What was measured, to be drawn; empty where nothing could be laid.

    Raises
    ------
    KeyError
        The structure has no such metric.
    ValueError
        A withheld value without a flag.
    """

    series: str
    block: int
    structure: str
    level: str
    metric: str
    value: float | None
    uncertainty: float | None
    confidence: float
    slice: int | None = None
    side: str = ""
    flags: tuple[str, ...] = ()
    lines: tuple[Line, ...] = ()

    def __post_init__(self) -> None:
        METRICS[self.structure, self.metric]
        if self.value is None and not self.flags:
            raise ValueError(f"{self.metric} of {self.level} is withheld without a flag")

    @property
    def unit(self) -> str:
        """UCUM."""
        return METRICS[self.structure, self.metric].unit
