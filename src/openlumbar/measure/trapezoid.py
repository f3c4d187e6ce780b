"""The smallest trapezoid around a body, top and bottom parallel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openlumbar.measure.outline import Outline, down_of

#: Directions within this of the expected one are tried, degrees.
REACH_DEG = 30.0
#: What a degree away from the expected direction costs, as part of the area at 1°²: it
#: decides only where the area does not.
_PULL = 1e-3


@dataclass(frozen=True, eq=False)
class Trapezoid:
    """A trapezoid in (y, x), mm.

    Attributes
    ----------
    corners
        ``[4, 2]``: top front, top back, bottom back, bottom front.
    axis
        Unit vector along top and bottom, backward.
    """

    corners: NDArray[np.float64]
    axis: NDArray[np.float64]

    @property
    def top_mm(self) -> float:
        """Length of the top."""
        return float((self.corners[1] - self.corners[0]) @ self.axis)

    @property
    def bottom_mm(self) -> float:
        """Length of the bottom."""
        return float((self.corners[2] - self.corners[3]) @ self.axis)

    @property
    def height_mm(self) -> float:
        """Distance of top and bottom."""
        return float((self.corners[2] - self.corners[1]) @ down_of(self.axis))

    @property
    def area_mm2(self) -> float:
        """Area enclosed."""
        return self.height_mm * (self.top_mm + self.bottom_mm) / 2

    def depths_mm(self, pairs: NDArray[np.float64]) -> NDArray[np.float64]:
        """How far inside top and bottom ``[n, 2, 2]`` of (upper, lower) points lie: ``[n, 2]``."""
        down = pairs @ down_of(self.axis)
        sides = self.corners[[0, 2]] @ down_of(self.axis)
        return np.asarray((down - sides) * [1, -1], np.float64)

    @property
    def shared(self) -> tuple[float, float]:
        """Front and back end, along the axis, of what top and bottom both cover.

        The shorter of the two, where neither of its ends hangs over the other's.
        """
        along = self.corners @ self.axis
        return float(max(along[0], along[3])), float(min(along[1], along[2]))


def bounding_trapezoid(outline: Outline, expected: NDArray[np.float64]) -> Trapezoid:
    """Fit the smallest trapezoid whose top and bottom are parallel (Schneider 2023, 2.2).

    For a given direction of top and bottom, these are the hull's supporting lines, and the
    trapezoid's area is their distance times its width half-way between them. A leg touches
    the hull, so it cannot lie further in there than the hull itself does, and the tangent
    to the hull at half height lies no further out. So only the direction needs a search.

    A wedged body with parallel front and back walls has no single smallest trapezoid: all
    directions between those of its endplates give the same area. Of nearly equal ones the
    nearest to ``expected`` is taken.

    Parameters
    ----------
    outline
        Of the body.
    expected
        Unit vector (y, x), backward: the mean direction of the two endplates.
    """
    hull = outline.hull
    middle = np.arctan2(expected[0], expected[1])
    turns = np.radians(np.arange(-REACH_DEG, REACH_DEG + 0.25, 0.5))
    best = turns[np.argmin(_costs(hull, middle, turns))]
    near = best + np.radians(np.arange(-0.5, 0.501, 0.02))
    best = near[np.argmin(_costs(hull, middle, near))]
    return _around(hull, middle + best)


def _costs(
    hull: NDArray[np.float64], middle: float, turns: NDArray[np.float64]
) -> NDArray[np.float64]:
    sin, cos = np.sin(middle + turns)[:, None], np.cos(middle + turns)[:, None]
    along = sin * hull[:, 0] + cos * hull[:, 1]
    down = cos * hull[:, 0] - sin * hull[:, 1]
    top, bottom = down.min(1, keepdims=True), down.max(1, keepdims=True)
    half = (top + bottom) / 2
    after = np.roll(down, -1, 1)
    passes = (down <= half) != (after <= half)
    rise = np.where(passes, after - down, 1.0)
    place = along + (half - down) / rise * (np.roll(along, -1, 1) - along)
    last = np.where(passes, place, -np.inf).max(1)
    first = np.where(passes, place, np.inf).min(1)
    area = (bottom - top)[:, 0] * (last - first)
    return np.asarray(area * (1 + _PULL * np.degrees(turns) ** 2), np.float64)


def _around(hull: NDArray[np.float64], angle: float) -> Trapezoid:
    axis = np.array([np.sin(angle), np.cos(angle)])
    along, down = hull @ axis, hull @ down_of(axis)
    top, bottom = down.min(), down.max()
    half = (top + bottom) / 2
    after, behind = np.roll(down, -1), np.roll(along, -1)
    legs = np.flatnonzero((down <= half) != (after <= half))
    slope = (behind - along)[legs] / (after - down)[legs]
    places = np.array([along[legs] + slope * (level - down[legs]) for level in (top, bottom)])
    middles = along[legs] + slope * (half - down[legs])
    front, back = int(np.argmin(middles)), int(np.argmax(middles))
    corners = [
        places[0, front] * axis + top * down_of(axis),
        places[0, back] * axis + top * down_of(axis),
        places[1, back] * axis + bottom * down_of(axis),
        places[1, front] * axis + bottom * down_of(axis),
    ]
    return Trapezoid(np.array(corners), axis)
