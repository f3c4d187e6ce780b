"""A number as geometry finds it, before anything is said of its trust."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.measurement import Line
from openlumbar.measure.view import BlockView

#: Flags of a number that stands; any other word, and it is withheld.
KEPT = ("off-midline", "missing-disc", "coarse-pixels", "oblique-slices")


@dataclass(frozen=True, eq=False)
class Stroke:
    """A line within a slice.

    Attributes
    ----------
    role
        ``ruler``, ``guide`` or ``anchor``, as in :class:`openlumbar.core.measurement.Line`.
    slice
        Canonical.
    points_mm
        ``[n, 2]`` of (y, x).
    """

    role: str
    slice: int
    points_mm: NDArray[np.float64]

    def in_patient(self, view: BlockView) -> Line:
        """The same in LPS."""
        points = view.to_patient(self.slice, self.points_mm)
        return Line(self.role, tuple((float(x), float(y), float(z)) for x, y, z in points))


@dataclass(frozen=True, eq=False)
class Reading:
    """What geometry says of one metric of one structure; ``trust`` makes it a Measurement.

    Attributes
    ----------
    structure, level, metric
        As in :class:`openlumbar.core.measurement.Measurement`.
    value
        None where it could not be measured; a flag then says why.
    codes
        Of the parts that the number rests on (keys of ``BlockView.parts``).
    slice
        Canonical; None for a number of all slices or of several.
    strokes
        What was laid; the certainty of a number is read at the ends of its rulers.
    flags
        Words of :mod:`openlumbar.core.flags`, found by geometry alone.
    sensitivity
        The number's standard deviation when each end of each ruler has one of 1 mm, along
        the ruler, independently: √2 for a length between two points. For an angle, degrees.
        0 for a count (a grade).
    """

    structure: str
    level: str
    metric: str
    value: float | None
    codes: tuple[int, ...]
    slice: int | None = None
    strokes: tuple[Stroke, ...] = ()
    flags: tuple[str, ...] = ()
    sensitivity: float = 1.4142

    def __post_init__(self) -> None:
        if self.value is None and not self.flags:
            raise ValueError(f"{self.metric} of {self.level} is withheld without a flag")
