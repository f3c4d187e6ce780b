"""A vertebral body in one slice: six anchor points, heights, rotation, endplates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openlumbar.measure.endplates import Endplate, find_endplate
from openlumbar.measure.outline import Outline, down_of, outline_of
from openlumbar.measure.spikes import without_spikes
from openlumbar.measure.trapezoid import Trapezoid, bounding_trapezoid
from openlumbar.measure.view import Part

#: How far the lines of the heights stand inward of the shorter side's corners.
INWARD = 0.1
#: Front, middle and back, in the order of ``Body.anchors``.
PLACES = ("anterior", "middle", "posterior")
#: A body fills at least this part of its trapezoid.
LEAST_FILL = 0.7
#: The shorter of top and bottom is at least this part of the longer …
LEAST_EVEN = 0.6
#: … and front and back anchors lie this near to their sides, as parts of the height.
DEEPEST = 0.25
#: No body is higher than this many times its depth …
TALLEST = 1.4
#: … nor lower than this, mm.
LEAST_HEIGHT_MM = 4.0


@dataclass(frozen=True, eq=False)
class Fit:
    """A trapezoid around a body and the six anchor points; (y, x), mm.

    Attributes
    ----------
    trapezoid
        The smallest around the body.
    anchors
        ``[3, 2, 2]``: (front, middle, back) × (upper, lower) point.
    """

    trapezoid: Trapezoid
    anchors: NDArray[np.float64]

    @property
    def heights_mm(self) -> NDArray[np.float64]:
        """Anterior, middle, posterior."""
        return np.asarray(np.linalg.norm(self.anchors[:, 1] - self.anchors[:, 0], axis=1))


@dataclass(frozen=True, eq=False)
class Body:
    """A vertebral body in one slice; points are (y, x), mm.

    Attributes
    ----------
    code, slice
        Which, and where (canonical).
    outline
        Its edge.
    upper, lower
        Endplates; None where they could not be found or the picture's border cuts them.
    fit
        None for a body that is not free, is cut, or fits no trapezoid.
    flags
        Why ``fit`` is None.
    """

    code: int
    slice: int
    outline: Outline | None
    upper: Endplate | None
    lower: Endplate | None
    fit: Fit | None
    flags: tuple[str, ...]


def read_body(part: Part, slice_: int, axis: NDArray[np.float64], *, free: bool = True) -> Body:
    """Measure a body in a slice.

    Parameters
    ----------
    part
        The body.
    slice_
        Canonical.
    axis
        Unit vector (y, x), backward, square to the spine's course at this body.
    free
        Whether the body has an outline of its own all round; the sacrum's have not.
    """
    pixel = (part.spacing_mm[1], part.spacing_mm[2])
    mask = without_spikes(part.on(slice_), pixel)
    outline = outline_of(mask, pixel, (part.origin[1], part.origin[2]))
    if outline is None:
        return Body(part.code, slice_, None, None, None, None, ("not-measurable",))
    upper = find_endplate(outline, axis, upper=True)
    lower = find_endplate(outline, axis, upper=False) if free else None
    fit: Fit | tuple[str, ...] = ("not-measurable",)
    if any(part.borders(slice_)):
        fit = ("partly-in-view",)
    elif free and upper and lower:
        fit = fit_body(outline, upper, lower)
    found, flags = (fit, ()) if isinstance(fit, Fit) else (None, fit)
    if free and flags not in ((), ("partly-in-view",)):
        upper = lower = None  # endplates of what is no body
    upper, lower = (_in_picture(plate, part) for plate in (upper, lower))
    return Body(part.code, slice_, outline, upper, lower, found, flags)


def fit_body(outline: Outline, upper: Endplate, lower: Endplate) -> Fit | tuple[str, ...]:
    """The trapezoid and the anchor points, or flags that say why there are none."""
    mean = upper.axis + lower.axis
    trapezoid = bounding_trapezoid(outline, mean / np.linalg.norm(mean))
    anchors = anchor_points(outline, trapezoid)
    if anchors is None:
        return ("irregular-outline",)
    fit = Fit(trapezoid, anchors)
    if fit.heights_mm.min() < LEAST_HEIGHT_MM:
        return ("not-measurable",)
    full = outline.area_mm2 >= LEAST_FILL * trapezoid.area_mm2
    return fit if full and _like_a_body(fit) else ("irregular-outline",)


def _like_a_body(fit: Fit) -> bool:
    """Whether the sides are those of a vertebra, and the lines end near them."""
    shorter, longer = sorted((fit.trapezoid.top_mm, fit.trapezoid.bottom_mm))
    depths = fit.trapezoid.depths_mm(fit.anchors[[0, 2]])
    return bool(
        shorter >= LEAST_EVEN * longer
        and fit.heights_mm.max() <= TALLEST * shorter
        and depths.max() <= DEEPEST * fit.trapezoid.height_mm
    )


def anchor_points(outline: Outline, trapezoid: Trapezoid) -> NDArray[np.float64] | None:
    """The six anchor points of Schneider et al. 2023, section 2.2.

    Lines square to the shorter of top and bottom start at its corners, moved 10 % inward,
    and half-way between; the outermost points of the outline on them are the anchors. Where
    the body leans (a rhomboid L5), such a line would run out through the front or back wall
    instead of the other endplate: then what top and bottom share takes the place of the
    shorter side. For a trapezoid that does not lean they are the same.

    Returns
    -------
    ndarray or None
        ``[3, 2, 2]``: (front, middle, back) × (upper, lower) × (y, x), mm; None where the
        body leans by more than half its depth, or a line misses the outline.
    """
    front, back = trapezoid.shared
    if back - front < 0.5 * min(trapezoid.top_mm, trapezoid.bottom_mm):
        return None
    axis = trapezoid.axis
    places = front + (back - front) * np.array([INWARD, 0.5, 1 - INWARD])
    upper, lower = outline.span(axis, places)
    if np.isnan(upper).any():
        return None
    ends = np.stack([upper, lower], 1)
    points = places[:, None, None] * axis + ends[:, :, None] * down_of(axis)
    return np.asarray(points, np.float64)


def _in_picture(plate: Endplate | None, part: Part) -> Endplate | None:
    """The plate unless the picture's border lies on it."""
    if plate is None:
        return None
    pixel = np.asarray(part.spacing_mm[1:])
    index = np.concatenate([plate.points, [plate.front, plate.back]]) / pixel
    margin = 1.2 / pixel
    last = np.asarray(part.picture[1:]) - 1
    inside = (index > margin - 0.5).all() and (index < last - margin + 0.5).all()
    return plate if inside else None
