"""A disc in its most central slice: thickness, and the rectangle around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openlumbar.measure.endplates import MARGIN, Endplate, find_endplate
from openlumbar.measure.outline import Outline, down_of, outline_of
from openlumbar.measure.view import Part

#: Places along a disc where its thickness is taken.
_PLACES = 81
#: A disc shorter than this is none, mm.
LEAST_LENGTH_MM = 10.0
#: A disc is longer than thick by at least this.
LEAST_ASPECT = 1.3
#: A strip between disc and body that is given to neither is at most this wide, mm.
STRIP_MM = 3.0


@dataclass(frozen=True, eq=False)
class Disc:
    """A disc in one slice; points are (y, x), mm.

    Attributes
    ----------
    code, slice
        Which, and where (canonical).
    outline
        Its edge.
    axis
        Unit vector along its midline, backward.
    height_mm
        Mean distance from endplate to endplate over the central 80 % of its length.
    rulers
        ``[3, 2, 2]``: its thickness in front, in the middle and behind, ends of the 80 %.
    midline
        ``[2, 2]``: ends of its length.
    rectangle
        ``[4, 2]``: the smallest rectangle around it.
    bounding_height_mm
        That rectangle's shorter side.
    """

    code: int
    slice: int
    outline: Outline
    axis: NDArray[np.float64]
    height_mm: float
    rulers: NDArray[np.float64]
    midline: NDArray[np.float64]
    rectangle: NDArray[np.float64]
    bounding_height_mm: float

    @property
    def lower_border(self) -> Endplate | None:
        """Its lower border as an endplate."""
        return find_endplate(self.outline, self.axis, upper=False)


def read_disc(
    part: Part,
    slice_: int,
    expected: NDArray[np.float64],
    bodies: tuple[Outline | None, Outline | None] = (None, None),
) -> Disc | tuple[str, ...]:
    """Measure a disc in a slice.

    Parameters
    ----------
    part
        The disc.
    slice_
        Canonical.
    expected
        Unit vector (y, x), backward, square to the spine's course at this disc.
    bodies
        Those above and below in the same slice, where they are known.

    Returns
    -------
    Disc, or flags that say why there is none.
    """
    if any(part.borders(slice_)):
        return ("partly-in-view",)
    pixel = (part.spacing_mm[1], part.spacing_mm[2])
    outline = outline_of(part.on(slice_), pixel, (part.origin[1], part.origin[2]))
    if outline is None:
        return ("not-measurable",)
    axis = _midline_axis(outline, expected)
    if axis is None:
        return ("irregular-outline",)
    along = outline.points @ axis
    start, length = along.min(), np.ptp(along)
    if length < LEAST_LENGTH_MM:
        return ("not-measurable",)
    places = start + length * np.linspace(MARGIN, 1 - MARGIN, _PLACES)
    upper, lower = _endplates(outline, bodies, axis, places)
    height = float(np.mean(lower - upper))
    if height * LEAST_ASPECT > length:
        return ("irregular-outline",)
    points = places[:, None, None] * axis + np.stack([upper, lower], 1)[:, :, None] * down_of(axis)
    middle = float(np.mean(lower + upper)) / 2 * down_of(axis)
    ends = np.array([start, start + length])[:, None] * axis + middle
    rectangle, shorter = smallest_rectangle(outline.hull)
    rulers = points[[0, _PLACES // 2, -1]]
    return Disc(part.code, slice_, outline, axis, height, rulers, ends, rectangle, shorter)


def _endplates(
    outline: Outline,
    bodies: tuple[Outline | None, Outline | None],
    axis: NDArray[np.float64],
    places: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How far down the upper and the lower endplate lie at places along the disc.

    Annotators, and networks after them, leave a strip of cartilage and bone plate to neither
    disc nor body, each as wide as they like: midway in it is where they agree best. Where
    no body faces the disc, its own edge is all there is.
    """
    upper, lower = outline.span(axis, places)
    above, below = bodies
    if above is not None:
        upper = _midway(upper, above.span(axis, places)[1])
    if below is not None:
        lower = _midway(lower, below.span(axis, places)[0])
    return upper, lower


def _midway(edge: NDArray[np.float64], facing: NDArray[np.float64]) -> NDArray[np.float64]:
    near = np.abs(facing - edge) <= STRIP_MM  # false where the body has no edge (nan)
    return np.where(near, (edge + facing) / 2, edge)


def _midline_axis(outline: Outline, expected: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Direction of the line through the middles of the thickness over the central 80 %."""
    axis = outline.axis
    if abs(axis @ expected) < 0.77:  # 40°: as thick as long, or torn
        axis = expected
    for _ in range(6):
        along = outline.points @ axis
        places = along.min() + np.ptp(along) * np.linspace(MARGIN, 1 - MARGIN, 41)
        upper, lower = outline.span(axis, places)
        if np.isnan(upper).any():
            return None
        centred = places - places.mean()
        slope = float(centred @ (upper + lower) / 2 / (centred @ centred))
        axis = axis + slope * down_of(axis)
        axis = axis / np.linalg.norm(axis)
        if abs(slope) < 1e-4:
            break
    return axis if abs(slope) < 0.02 and axis @ expected > 0.64 else None


def smallest_rectangle(
    hull: NDArray[np.float64],
) -> tuple[NDArray[np.float64], float]:
    """The rectangle of least area around a convex polygon; one side lies on one of its own.

    Parameters
    ----------
    hull
        ``[m, 2]``, corners in turn.

    Returns
    -------
    corners, shorter
        ``[4, 2]`` in turn, and the length of the shorter side.
    """
    edges = np.roll(hull, -1, 0) - hull
    lengths = np.linalg.norm(edges, axis=1)
    axes = edges[lengths > 1e-9] / lengths[lengths > 1e-9, None]
    normals = np.stack([axes[:, 1], -axes[:, 0]], 1)
    along, across = hull @ axes.T, hull @ normals.T
    sizes = np.ptp(along, 0), np.ptp(across, 0)
    best = int(np.argmin(sizes[0] * sizes[1]))
    low = along[:, best].min(), across[:, best].min()
    high = along[:, best].max(), across[:, best].max()
    corners = [(low[0], low[1]), (high[0], low[1]), (high[0], high[1]), (low[0], high[1])]
    turned = np.array(corners) @ np.stack([axes[best], normals[best]])
    return turned, float(min(sizes[0][best], sizes[1][best]))
