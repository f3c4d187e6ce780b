"""How well a ruler's ends are located, as the network's own certainty tells.

The network says of each voxel how sure it is. Along a ruler that is a matter of confidence;
across its ends, of millimetres: where the probability changes slowly, nobody knows where
exactly the edge lies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from openlumbar.core.measurement import RULER
from openlumbar.measure.reading import Reading, Stroke
from openlumbar.measure.view import BORDER_MM, BlockView, Part

#: Part of a pixel that the outline of a mask is off by, at random.
PIXEL_PART = 0.2
#: Of an edge that the network draws as sharply as it can, mm.
SHARP_MM = 0.1
#: Millimetres more for each millimetre that the network's probability takes to change.
VAGUE_PART = 0.6
#: Width of the change where a mask came without certainty, mm: as usual for our network.
NEUTRAL_WIDTH_MM = 0.9
#: The change of probability is looked for this far to either side of an edge, mm.
REACH_MM = 3.0
#: Part of the distance between the slice and the structure's middle that moves an edge.
ASIDE_PART = 0.03
#: A shorter ruler lies within reach of an edge all along, mm.
LEAST_RULER_MM = 6.0
#: Certainty of a mask that came without.
NEUTRAL_CERTAINTY = 0.9

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Edges:
    """What the network says at the rulers of a number.

    Attributes
    ----------
    width_mm
        Root mean square, over the rulers' ends, of the length over which the probability
        changes.
    certainty
        Mean along the rulers, 0 … 1.
    at_border
        Whether a ruler ends on the picture's border.
    """

    width_mm: float
    certainty: float
    at_border: bool


def edges_of(view: BlockView, reading: Reading) -> Edges:
    """Look at the rulers of a reading; neutral values for a mask without certainty."""
    rulers = [stroke for stroke in reading.strokes if stroke.role == RULER]
    border = any(_at_border(view, stroke) for stroke in rulers)
    if view.certainty is None:
        return Edges(NEUTRAL_WIDTH_MM, NEUTRAL_CERTAINTY, border)
    widths = [width_mm(view, stroke.slice, end) for stroke in rulers for end in _ends(stroke)]
    width = float(np.sqrt(np.mean(np.square(widths)))) if widths else NEUTRAL_WIDTH_MM
    return Edges(width, _certainty(view, reading, rulers), border)


def _ends(stroke: Stroke) -> Floats:
    return stroke.points_mm[[0, -1]]


def _at_border(view: BlockView, stroke: Stroke) -> bool:
    size = np.array(view.labels.shape[1:]) * view.pixel_mm - np.array(view.pixel_mm) / 2
    low = (stroke.points_mm + np.array(view.pixel_mm) / 2).min()
    return bool(min(low, (size - stroke.points_mm).min()) < BORDER_MM / 2)


def _certainty_at(view: BlockView, slice_: int, points_mm: Floats) -> Floats:
    """0 … 1 at ``[..., 2]`` of (y, x), mm, between pixels too."""
    if view.certainty is None:
        return np.full(points_mm.shape[:-1], NEUTRAL_CERTAINTY)
    places = np.moveaxis(points_mm / np.asarray(view.pixel_mm), -1, 0)
    plane = view.certainty[slice_].astype(np.float64) / 255
    return np.asarray(ndimage.map_coordinates(plane, places, order=1, mode="nearest"), np.float64)


def width_mm(view: BlockView, slice_: int, point_mm: Floats) -> float:
    """Length over which the probability changes across an edge.

    The area between certainty and 1, along the direction through the point in which it is
    least: across the edge, whichever way that runs. A logistic edge of scale ``s`` gives
    ``2 s ln 2``.

    Parameters
    ----------
    slice_
        Canonical.
    point_mm
        (y, x) on the edge.
    """
    reach = np.linspace(-REACH_MM, REACH_MM, 25)
    turns = np.radians(np.arange(0, 180, 30))
    rays = np.stack([np.sin(turns), np.cos(turns)], -1)
    certainty = _certainty_at(view, slice_, point_mm + reach[None, :, None] * rays[:, None, :])
    return float((1 - certainty).mean(1).min() * 2 * REACH_MM)


def _certainty(view: BlockView, reading: Reading, rulers: list[Stroke]) -> float:
    """Along rulers that run within what is measured; else of that on the slices looked at.

    The line of an endplate lies on an edge and that of a slip between two bodies: what the
    network says there is not what it says of the bodies.
    """
    parts = [view.parts[code] for code in reading.codes if code in view.parts]
    inside = [_along(view, stroke) for stroke in rulers if _within(view, parts, stroke)]
    if rulers and len(inside) == len(rulers):
        return float(np.concatenate(inside).mean())
    slices = {stroke.slice for stroke in rulers} or {round(part.centroid[0]) for part in parts}
    found = [_of_part(view, part, slice_) for part in parts for slice_ in slices]
    voxels = np.concatenate([np.empty(0), *found])
    return float(voxels.mean()) / 255 if len(voxels) else NEUTRAL_CERTAINTY


def _places(stroke: Stroke) -> Floats:
    """Points of a ruler without its last tenths, where every edge is unsure."""
    start, stop = _ends(stroke)
    return np.asarray(start + np.linspace(0.15, 0.85, 15)[:, None] * (stop - start), np.float64)


def _along(view: BlockView, stroke: Stroke) -> Floats:
    return _certainty_at(view, stroke.slice, _places(stroke))


def _within(view: BlockView, parts: list[Part], stroke: Stroke) -> bool:
    """Whether a ruler runs within one of the parts, and not merely across its edge."""
    if np.linalg.norm(np.diff(_ends(stroke), axis=0)) < LEAST_RULER_MM:
        return False
    index = np.rint(_places(stroke) / np.asarray(view.pixel_mm)).astype(int)
    for part in parts:
        plane = part.on(stroke.slice)
        local = index - np.array(part.origin[1:])
        held = ((local >= 0) & (local < plane.shape)).all(1)
        if held.all() and plane[tuple(local.T)].mean() > 0.8:
            return True
    return False


def _of_part(view: BlockView, part: Part, slice_: int) -> Floats:
    """Certainty of a part's voxels on a slice, 0 … 255."""
    if view.certainty is None:
        return np.empty(0)
    rows, columns = (
        slice(o, o + n) for o, n in zip(part.origin[1:], part.mask.shape[1:], strict=True)
    )
    return view.certainty[slice_, rows, columns][part.on(slice_)].astype(np.float64)


def edge_sd_mm(view: BlockView, edges: Edges, aside_mm: float, oblique_deg: float) -> float:
    """Standard deviation of where an edge lies, mm.

    Four parts, independent: the pixels; the network, more where its probability changes
    slowly; the slice's distance from the structure's middle; and the thickness of a slice
    that a tilted surface crosses (uniform over the slice, hence the root of 12).
    """
    pixel = PIXEL_PART * max(view.pixel_mm)
    network = SHARP_MM + VAGUE_PART * edges.width_mm
    tilt = np.tan(np.radians(min(oblique_deg, 60.0)))
    through = view.spacing_mm[0] * tilt / np.sqrt(12)
    return float(np.sqrt(pixel**2 + network**2 + (ASIDE_PART * aside_mm) ** 2 + through**2))
