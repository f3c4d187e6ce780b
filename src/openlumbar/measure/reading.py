"""A number as geometry finds it, before anything is said of its trust."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.measurement import Line
from openlumbar.measure.view import BlockView

#: Flags of a number that stands; any other word, and it is withheld.
KEPT = ("off-midline", "missing-disc", "coarse-pixels", "oblique-slices")
#: Why a number that rests on several structures may be absent.
NEIGHBOUR = ("neighbour-missing",)


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


@dataclass(frozen=True)
class Source:
    """What the readings of one structure have in common."""

    structure: str
    level: str
    codes: tuple[int, ...]
    slice: int | None
    flags: tuple[str, ...] = ()

    def number(
        self, metric: str, value: float, strokes: tuple[Stroke, ...], sensitivity: float = 2**0.5
    ) -> Reading:
        """A reading that stands, with the flags in common."""
        return Reading(
            self.structure,
            self.level,
            metric,
            float(value),
            self.codes,
            self.slice,
            strokes,
            self.flags,
            sensitivity,
        )

    def nothing(self, metric: str, flags: tuple[str, ...]) -> Reading:
        """A reading that is withheld."""
        return Reading(
            self.structure, self.level, metric, None, self.codes, self.slice, flags=flags
        )


def closed(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """A polygon that returns to its first point."""
    return np.concatenate([corners, corners[:1]])


def ratio_sensitivity(over: float, under: float) -> float:
    """Of a ratio of two lengths whose ends have 1 mm each."""
    return float(np.sqrt(2) * over / under * np.hypot(1 / over, 1 / under))


def angle_sensitivity(length_mm: float) -> float:
    """Degrees of a line through two ends of 1 mm each."""
    return float(np.degrees(np.sqrt(2) / length_mm))
