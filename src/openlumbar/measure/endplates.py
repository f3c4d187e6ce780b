"""Endplates of a body's outline: corners, and a line over the central 80 %."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openlumbar.measure.outline import Outline, down_of

#: Part of an endplate's length that is left out at each end.
MARGIN = 0.1
#: Places along an endplate where it is read.
_PLACES = 41
#: Points this near to the farthest in a direction share in a corner, mm.
_NEAR_MM = 0.4
#: A plate's line is found again until it turns by less than this, radians.
_STEADY = 1e-4
#: An endplate further than this from its line, root mean square, is none, mm.
ROUGHEST_MM = 3.0
#: An endplate shorter than this is none, mm.
LEAST_MM = 8.0


@dataclass(frozen=True, eq=False)
class Endplate:
    """One endplate; vectors and points are (y, x), mm, downward and backward.

    Attributes
    ----------
    front, back
        Its corners: the outline's points farthest out at 45° to the plate.
    points
        ``[n, 2]`` of the outline over the central 80 %, from front to back.
    line
        ``[2, 2]``: front and back end of the line fitted through ``points`` (least squares).
    axis
        Unit vector along that line, backward.
    """

    front: NDArray[np.float64]
    back: NDArray[np.float64]
    points: NDArray[np.float64]
    line: NDArray[np.float64]
    axis: NDArray[np.float64]

    @property
    def length_mm(self) -> float:
        """Between the corners, along the line."""
        return float((self.back - self.front) @ self.axis)

    @property
    def rms_mm(self) -> float:
        """Root mean square distance of ``points`` from the line."""
        away = (self.points - self.line[0]) @ down_of(self.axis)
        return float(np.sqrt((away**2).mean()))

    @property
    def angle_deg(self) -> float:
        """To the rows of the picture, positive when the front is higher than the back."""
        return float(np.degrees(np.arctan2(self.axis[0], self.axis[1])))

    def inner(self, outline: Outline, part: float, *, upper: bool) -> NDArray[np.float64]:
        """The outline's point on the square to the line, ``part`` of its length from the front."""
        place = np.array([self.front @ self.axis + part * self.length_mm])
        found = outline.span(self.axis, place)[0 if upper else 1]
        return np.asarray(place * self.axis + found * down_of(self.axis), np.float64)


def find_endplate(outline: Outline, axis: NDArray[np.float64], *, upper: bool) -> Endplate | None:
    """The upper or lower endplate of a body, or border of a disc.

    Parameters
    ----------
    outline
        Of the body or disc.
    axis
        Unit vector (y, x), backward, within about 30° of the endplate.

    Returns
    -------
    Endplate or None
        None where there is no line of at least :data:`LEAST_MM`, or none that comes to rest.
    """
    for _ in range(12):
        plate, slope = _once(outline, axis, upper=upper)
        if plate is None or abs(slope) < _STEADY:
            return plate if plate is not None and plate.rms_mm < ROUGHEST_MM else None
        axis = plate.axis
    return None


def _once(
    outline: Outline, axis: NDArray[np.float64], *, upper: bool
) -> tuple[Endplate | None, float]:
    out = -down_of(axis) if upper else down_of(axis)
    front, back = (_corner(outline, out + way) for way in (-axis, axis))
    start, length = front @ axis, (back - front) @ axis
    if length < LEAST_MM:
        return None, 0.0
    places = start + length * np.linspace(MARGIN, 1 - MARGIN, _PLACES)
    down = outline.span(axis, places)[0 if upper else 1]
    if np.isnan(down).any():
        return None, 0.0
    points = places[:, None] * axis + down[:, None] * down_of(axis)
    centre = places.mean()
    slope = float((places - centre) @ down / ((places - centre) ** 2).sum())
    ends = np.array([start, start + length])
    fitted = down.mean() + slope * (ends - centre)
    line = ends[:, None] * axis + fitted[:, None] * down_of(axis)
    along = (line[1] - line[0]) / np.linalg.norm(line[1] - line[0])
    return Endplate(front, back, points, line, along), slope


def _corner(outline: Outline, outward: NDArray[np.float64]) -> NDArray[np.float64]:
    """The outline's farthest point in a direction, as the mean of those nearly as far.

    One vertex of the polygon would sit on the pixels' grid.
    """
    reach = outline.points @ (outward / np.sqrt(2))
    weight = np.maximum(reach - reach.max() + _NEAR_MM, 0)
    return np.asarray(weight @ outline.points / weight.sum(), np.float64)


def angle_between(above: Endplate, below: Endplate) -> float:
    """Degrees from the plate above to the one below, positive when they open to the front."""
    return above.angle_deg - below.angle_deg


@dataclass(frozen=True, eq=False)
class Slip:
    """Shift of a vertebra on the one below.

    Attributes
    ----------
    mm
        Along the lower vertebra's upper endplate, between the posterior corners; positive
        when the vertebra above stands forward.
    percent
        Of that endplate's length.
    ruler
        ``[2, 2]``: from the lower vertebra's corner to the place of the upper one's.
    """

    mm: float
    percent: float
    ruler: NDArray[np.float64]


def slip_of(above: Endplate, below: Endplate) -> Slip:
    """Listhesis, from the lower endplate of one vertebra and the upper one of the next."""
    shift = float((below.back - above.back) @ below.axis)
    ruler = np.array([below.back, below.back - shift * below.axis])
    return Slip(shift, 100 * shift / below.length_mm, ruler)


def meyerding_grade(slip: Slip) -> int:
    """Quarter of the endplate slipped by: 1 … 4, 5 beyond it; 0 below 3 mm forward."""
    if slip.mm < 3.0:
        return 0
    return int(min(np.ceil(slip.percent / 25), 5))
