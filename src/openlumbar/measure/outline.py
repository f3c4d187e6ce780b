"""Masks as closed polygons in millimetres, on pixel edges and finer than a pixel.

A mask's edge lies on the *edges* of its pixels: a block of 30 pixels is 30 pixels high, not
the 29 between the centres of the first and the last. Stair-steps are taken out by a smoothing
kernel cut at one half, which leaves straight edges where they are. A Gaussian alone would draw
round edges inward, by about σ²/2r at a radius r, and so make every body lower at its rims;
the kernel is 2 G − G∗G, whose negative lobes halve that, and whose reach is still short enough
for thin discs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull
from skimage.measure import find_contours

from openlumbar.imaging.masks import fill_holes, largest_component

#: Stair-steps are smoothed by Gaussians of this many pixels (of the larger side).
SIGMA_PIXELS = 1.5
#: An outline of fewer pixels is none.
LEAST_PIXELS = 12


@dataclass(frozen=True, eq=False)
class Outline:
    """A simple closed polygon.

    Attributes
    ----------
    points
        ``[n, 2]`` of (y, x) in mm, downward and backward; the last joins the first.
    """

    points: NDArray[np.float64]

    @cached_property
    def area_mm2(self) -> float:
        """Area enclosed."""
        return float(abs(_cross(self.points, np.roll(self.points, -1, 0)).sum()) / 2)

    @cached_property
    def steps_mm(self) -> NDArray[np.float64]:
        """``[n]``: distance of each point from the next; their sum is the perimeter."""
        after = np.roll(self.points, -1, 0)
        return np.asarray(np.linalg.norm(after - self.points, axis=1), np.float64)

    @cached_property
    def centroid(self) -> NDArray[np.float64]:
        """Centre of the area, (y, x)."""
        centre = self.points.mean(0)
        here = self.points - centre
        after = np.roll(here, -1, 0)
        weight = _cross(here, after)
        moment = ((here + after) * weight[:, None]).sum(0)
        return np.asarray(centre + moment / (3 * weight.sum()), np.float64)

    @cached_property
    def axis(self) -> NDArray[np.float64]:
        """Unit vector (y, x) of the area's longest extent, pointing backward."""
        here = self.points - self.centroid
        after = np.roll(here, -1, 0)
        weight = _cross(here, after)[:, None, None]
        pairs = [here[:, :, None] * here[:, None, :], after[:, :, None] * after[:, None, :]]
        mixed = here[:, :, None] * after[:, None, :]
        moments = (weight * (2 * pairs[0] + 2 * pairs[1] + mixed + mixed.swapaxes(1, 2))).sum(0)
        _, vectors = np.linalg.eigh(moments * np.sign(weight.sum()))
        longest = vectors[:, 1]
        return np.asarray(longest if longest[1] >= 0 else -longest, np.float64)

    @cached_property
    def hull(self) -> NDArray[np.float64]:
        """``[m, 2]``: corners of the convex hull, in turn."""
        return np.asarray(self.points[ConvexHull(self.points).vertices], np.float64)

    def crossings(self, origin: ArrayLike, direction: ArrayLike) -> NDArray[np.float64]:
        """Where a line crosses the outline: millimetres along it from ``origin``, ascending.

        Parameters
        ----------
        origin
            A point of the line, (y, x).
        direction
            Unit vector.
        """
        along, across = _turned(self.points - np.asarray(origin, float), direction)
        return np.sort(_crossing(across, along, np.zeros(1))[1])

    def span(
        self, axis: ArrayLike, places: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The outermost crossings of lines square to an axis.

        Parameters
        ----------
        axis
            Unit vector (y, x), pointing backward.
        places
            ``[m]``: where the lines stand along the axis, mm.

        Returns
        -------
        upper, lower
            ``[m]``: place along the direction square to the axis that points downward (for
            a horizontal axis, y itself), nan where a line misses the outline.
        """
        along, down = _turned(self.points, axis)
        number, values = _crossing(along, down, np.asarray(places, float))
        upper, lower = np.full(len(places), np.inf), np.full(len(places), -np.inf)
        np.minimum.at(upper, number, values)
        np.maximum.at(lower, number, values)
        missed = upper > lower
        upper[missed] = lower[missed] = np.nan
        return upper, lower


def _cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0], np.float64)


def down_of(axis: ArrayLike) -> NDArray[np.float64]:
    """The unit vector square to a backward axis that points downward, both (y, x)."""
    y, x = np.asarray(axis, float)
    return np.array([x, -y])


def _turned(
    points: NDArray[np.float64], axis: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places along an axis and along the direction downward from it."""
    return points @ np.asarray(axis, float), points @ down_of(axis)


def _crossing(
    along: NDArray[np.float64], value: NDArray[np.float64], places: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """``value`` where the closed polygon's ``along`` passes each place: (place, value) pairs."""
    after, behind = np.roll(along, -1), np.roll(value, -1)
    # Half-open, so that a corner on the line counts once.
    passes = (along[None] <= places[:, None]) != (after[None] <= places[:, None])
    number, edge = np.nonzero(passes)
    part = (places[number] - along[edge]) / (after[edge] - along[edge])
    return number, value[edge] + part * (behind[edge] - value[edge])


def outline_of(
    mask: NDArray[np.bool_],
    pixel_mm: tuple[float, float],
    origin: tuple[float, float] = (0.0, 0.0),
) -> Outline | None:
    """The outline of the largest component of a mask, holes filled.

    Parameters
    ----------
    mask
        ``bool[row, column]``.
    pixel_mm
        Height and width of a pixel.
    origin
        Row and column of ``mask[0, 0]`` in the picture.

    Returns
    -------
    Outline or None
        None where fewer than :data:`LEAST_PIXELS` pixels hang together.
    """
    whole = fill_holes(largest_component(mask[None]))[0]
    if whole.sum() < LEAST_PIXELS:
        return None
    spread = [SIGMA_PIXELS * max(pixel_mm) / step for step in pixel_mm]
    margin = [int(np.ceil(5 * s)) + 1 for s in spread]
    padded = np.pad(whole.astype(np.float64), [(m, m) for m in margin])
    once = ndimage.gaussian_filter(padded, spread, mode="constant", truncate=4.0)
    twice = ndimage.gaussian_filter(once, spread, mode="constant", truncate=4.0)
    contours = find_contours(2 * once - twice, 0.5)
    if not contours:
        return None
    longest = max(contours, key=len)[:-1]
    shift = np.asarray(origin, float) - margin
    return Outline((longest + shift) * np.asarray(pixel_mm)) if len(longest) > 3 else None
