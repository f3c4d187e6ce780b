"""How far a number can be trusted: confidence, uncertainty, and what withholds it.

Geometry hands over a :class:`~openlumbar.measure.reading.Reading`; what comes back is a
:class:`~openlumbar.core.measurement.Measurement`. Three things are said of each number:

* **uncertainty**, one standard deviation: how well an edge is located, in millimetres,
  times how much the number moves with its edges (``Reading.sensitivity``);
* **confidence**, 0 … 1: that the level is the one named, and that the outline is right;
* **flags**, and which of them withhold the number.

All constants are ours; those of the edge were set on the cases named in
``docs/reference/measurements.md``, by the command that stands there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from openlumbar.core import anatomy
from openlumbar.core.measurement import RULER, Measurement
from openlumbar.imaging.masks import best_slice_area
from openlumbar.measure.reading import KEPT, Reading, Stroke
from openlumbar.measure.view import BORDER_MM, BlockView, Part

Floats = NDArray[np.float64]

#: Flags with which a number stands: those of geometry, and doubts that lower the confidence.
STANDS = frozenset((*KEPT, "low-certainty", "numbering-uncertain"))

# -- how well an edge is located -------------------------------------------------------

#: Part of a pixel that the outline of a mask is off by, at random.
PIXEL_PART = 0.2
#: Of an edge that the network draws as sharply as it can, mm.
SHARP_MM = 0.1
#: Millimetres more for each millimetre that the network's probability takes to change.
VAGUE_PART = 0.6
#: Shift, outward or inward, that a whole outline has in common, mm: where one annotator, or
#: a network that learnt from one, draws the border of bone and disc. No average removes it.
COMMON_MM = 0.5
#: Width of the change where a mask came without certainty, mm: as usual for our network.
NEUTRAL_WIDTH_MM = 0.9
#: The change of probability is looked for this far to either side of an edge, mm.
REACH_MM = 3.0
#: Part of the distance between the slice and the structure's middle that moves an edge.
ASIDE_PART = 0.03

#: How much more a metric moves with the shift in common than with its own edges
#: (``Reading.sensitivity``). A length moves by it at both ends: 2 to √2. The mean thickness
#: of a disc averages its own edges, but not the shift: 2 to √(2/5). Angles, slips and ratios
#: of like lengths do not move. Of centroids: as found on the tune cases.
_LENGTH, _MEAN = 2 / 2**0.5, 2 / 0.4**0.5
SHARED: dict[str, float] = {
    "anterior_height_mm": _LENGTH,
    "middle_height_mm": _LENGTH,
    "posterior_height_mm": _LENGTH,
    "height_mm": _MEAN,
    "bounding_height_mm": _LENGTH,
    "disc_height_index": _MEAN,
    "anterior_distance_mm": _LENGTH,
    "posterior_distance_mm": _LENGTH,
    "ap_diameter_mm": _LENGTH,
    "centroid_x_mm": 4.0,
    "centroid_y_mm": 6.0,
    "centroid_z_mm": 2.5,
}
#: Metrics whose ends move more than edges do, since where a corner lies is unsure too.
CORNERS: dict[str, float] = {
    "disc_angle_deg": 1.3,
    "listhesis_mm": 1.5,
    "listhesis_percent": 1.5,
}

#: A shorter ruler lies within reach of an edge all along, mm.
LEAST_RULER_MM = 6.0

# -- what is doubted, and what is withheld ---------------------------------------------

#: Certainty of a mask that came without.
NEUTRAL_CERTAINTY = 0.9
#: Mean certainty along a ruler below which a number is flagged; below half, withheld.
LOW_CERTAINTY, NO_CERTAINTY = 0.7, 0.5
#: Angle between slices and structure from which a number is flagged, and withheld, degrees.
OBLIQUE_DEG, TOO_OBLIQUE_DEG = 15.0, 22.0
#: A structure with less than this on its best slice is none, mm².
LEAST_AREA_MM2 = 40.0
#: A body this much shorter, front to back, than its neighbours is torn.
LEAST_DEPTH = 0.7
#: A body cut by the picture's border, of which less than this part of its neighbours' area
#: is left, has no endplate to go by either.
LEAST_LEFT = 0.6
#: The block's first or last slice cuts a structure when it holds this part of its largest area.
CUT_PART = 0.25
#: Fewer slices than these cannot tell where the middle is: this part of the confidence is left.
FEW_SLICES, FEW_PART = 3, 0.8
#: Pixels larger than this are flagged, and withheld, mm.
COARSE_MM, TOO_COARSE_MM = 1.6, 3.0
#: Smallest and largest value that is believed, far outside of anything living: a value
#: beyond says that the outline is wrong. Generic, ours.
PLAUSIBLE: dict[tuple[str, str], tuple[float, float]] = {
    ("vertebra", "anterior_height_mm"): (5.0, 60.0),
    ("vertebra", "middle_height_mm"): (4.0, 60.0),
    ("vertebra", "posterior_height_mm"): (5.0, 60.0),
    ("vertebra", "rotation_deg"): (-80.0, 80.0),
    ("vertebra", "wedge_ratio"): (0.3, 2.0),
    ("vertebra", "biconcavity_ratio"): (0.3, 1.6),
    ("vertebra", "crush_ratio"): (0.2, 2.0),
    ("disc", "height_mm"): (0.5, 22.0),
    ("disc", "bounding_height_mm"): (0.5, 35.0),
    ("disc", "anterior_distance_mm"): (0.0, 35.0),
    ("disc", "posterior_distance_mm"): (0.0, 30.0),
    ("disc", "disc_height_index"): (0.02, 1.0),
    ("disc", "disc_angle_deg"): (-30.0, 40.0),
    ("disc", "segmental_angle_deg"): (-40.0, 60.0),
    ("disc", "listhesis_mm"): (-25.0, 45.0),
    ("disc", "listhesis_percent"): (-70.0, 120.0),
    ("canal", "ap_diameter_mm"): (3.0, 35.0),
    ("spine", "lordosis_deg"): (-30.0, 110.0),
}


@dataclass(frozen=True, eq=False)
class Block:
    """What is said once of a whole block.

    Attributes
    ----------
    view
        The block.
    turn_deg
        Angle, about the head-foot axis, between the slices and the spine's own plane of
        symmetry; 0 where the block is too narrow to tell.
    flags
        Of every number of the block.
    of_part
        Flags of every number that rests on a part, by code.
    of_outline
        Why a structure of a level has no height: it has no centroid then either.
    """

    view: BlockView
    turn_deg: float
    flags: tuple[str, ...]
    of_part: dict[int, tuple[str, ...]]
    of_outline: dict[tuple[str, str], tuple[str, ...]]


def judged(view: BlockView, readings: Iterable[Reading]) -> list[Measurement]:
    """Give each number of a block its confidence, uncertainty and flags.

    Parameters
    ----------
    view
        The block that the readings are of.
    readings
        Numbers as geometry found them.

    Returns
    -------
    list of Measurement
        In the order given. A number that a flag withholds comes without value,
        uncertainty and lines, with confidence 0. A grade has no uncertainty.
    """
    readings = list(readings)
    block = Block(view, turn_of(view), contradictions(view), _of_parts(view), _torn(readings))
    return [_judged(block, reading) for reading in readings]


def _torn(readings: list[Reading]) -> dict[tuple[str, str], tuple[str, ...]]:
    return {
        (reading.structure, reading.level): reading.flags
        for reading in readings
        if reading.value is None and reading.metric in ("middle_height_mm", "height_mm")
    }


def _judged(block: Block, reading: Reading) -> Measurement:
    view = block.view
    edges = _edges(view, reading)
    oblique = obliquity_deg(block, reading)
    flags = tuple(dict.fromkeys((*reading.flags, *_doubts(block, reading, edges, oblique))))
    held = reading.value is None or not STANDS.issuperset(flags)
    held = held or _out_of_bounds(view, edges, oblique)
    return Measurement(
        series=view.series,
        block=view.block,
        structure=reading.structure,
        level=reading.level,
        metric=reading.metric,
        value=None if held else reading.value,
        uncertainty=None if held else _uncertainty(view, reading, edges, oblique),
        confidence=0.0 if held else _confidence(view, reading, edges, oblique),
        slice=None if reading.slice is None else view.original_slice(reading.slice),
        flags=flags,
        lines=() if held else tuple(stroke.in_patient(view) for stroke in reading.strokes),
    )


def _uncertainty(
    view: BlockView, reading: Reading, edges: Edges, oblique_deg: float
) -> float | None:
    """One standard deviation in the value's unit."""
    if not reading.sensitivity:
        return None
    own = edge_sd_mm(view, edges, _aside_mm(view, reading), oblique_deg)
    own *= CORNERS.get(reading.metric, 1.0)
    shared = SHARED.get(reading.metric, 0.0) * COMMON_MM
    return float(reading.sensitivity * np.hypot(own, shared))


# -- edges -----------------------------------------------------------------------------


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


def _edges(view: BlockView, reading: Reading) -> Edges:
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


# -- how the slices lie to the spine ---------------------------------------------------


def turn_of(view: BlockView) -> float:
    """Angle between the slices and the spine's plane of symmetry, about the head-foot axis.

    Arches lie straight behind their bodies; in slices turned against the spine they lie to
    one side, by the tangent of the turn. The median over the vertebrae, degrees; 0 where
    fewer than two show both within the slices.
    """
    found = [_turn(view, part) for code, part in view.parts.items() if _is_body(code)]
    known = [turn for turn in found if turn is not None]
    return float(np.degrees(np.arctan(np.median(known)))) if len(known) > 1 else 0.0


def _is_body(code: int) -> bool:
    return code in anatomy.BY_CODE and anatomy.BY_CODE[code].kind == "vertebra"


def _turn(view: BlockView, body: Part) -> float | None:
    """Sideways step of one vertebra's arch for each step back; None if cut off sideways."""
    arch = (view.labels == body.code) & (view.bodies != body.code)
    places = np.argwhere(arch)
    if len(places) < 30 or view.labels.shape[0] < 3:
        return None
    aside, _, behind = (places.mean(0) - body.centroid) * np.array(view.spacing_mm)
    return float(aside / behind) if behind > 10 else None


def obliquity_deg(block: Block, reading: Reading) -> float:
    """Angle between the slices' normal and the structure's own left-right axis, degrees.

    About the head-foot axis by the turn of the whole block, about the front-back axis by
    how the structure's centre moves up or down from slice to slice.
    """
    parts = [block.view.parts[code] for code in reading.codes if code in block.view.parts]
    leans = [_lean(part) for part in parts if part.code != anatomy.SPINAL_CANAL]
    lean = float(np.mean(leans)) if leans else 0.0
    turn = np.tan(np.radians(block.turn_deg))
    return float(np.degrees(np.arctan(np.hypot(turn, lean))))


def _lean(part: Part) -> float:
    """Slope of the centre's height from slice to slice, on slices that show it well."""
    areas = part.mask.sum((1, 2))
    slices = np.flatnonzero(areas >= 0.5 * areas.max())
    if len(slices) < 3:
        return 0.0
    heights = [np.nonzero(part.mask[n])[0].mean() * part.spacing_mm[1] for n in slices]
    return float(np.polyfit(slices * part.spacing_mm[0], heights, 1)[0])


def _aside_mm(view: BlockView, reading: Reading) -> float:
    """Distance of the reading's slice from the middle of what it is of, mm."""
    known = [code for code in reading.codes if code in view.parts]
    # The canal's own middle is found level by level, by what reads it.
    parts = [view.parts[code] for code in known if code != anatomy.SPINAL_CANAL]
    if reading.slice is None or not parts:
        return 0.0
    middle = float(np.mean([part.centroid[0] for part in parts]))
    return abs(reading.slice - middle) * view.spacing_mm[0]


# -- parts that are none ----------------------------------------------------------------


def _of_parts(view: BlockView) -> dict[int, tuple[str, ...]]:
    """Flags of each part that is too small, torn, cut, or lies beside the slices."""
    torn = _beside_its_like(view, _depth_mm, LEAST_DEPTH)
    little = _beside_its_like(view, _area_mm2, LEAST_LEFT)
    found = {}
    for code, part in view.parts.items():
        if code == anatomy.SPINAL_CANAL:  # told level by level
            continue
        cut = code in little and any(part.borders(round(part.centroid[0])))
        words = {
            "not-measurable": _area_mm2(part) < LEAST_AREA_MM2,
            "partly-in-view": cut,
            "irregular-outline": code in torn and not cut,
            "off-midline": _leaves(view, part),
        }
        found[code] = tuple(word for word, holds in words.items() if holds)
    return found


def _beside_its_like(
    view: BlockView, size: Callable[[Part], float], least: float
) -> frozenset[int]:
    """Codes of bodies of less than ``least`` of the size of the two above and below."""
    order = [anatomy.vertebra_code(name) for name in anatomy.VERTEBRAE if name[0] in "TL"]
    codes = [code for code in order if code in view.parts]
    sizes = [size(view.parts[code]) for code in codes]
    small = set()
    for number, code in enumerate(codes):
        near = sizes[max(number - 2, 0) : number] + sizes[number + 1 : number + 3]
        if len(near) > 1 and sizes[number] < least * float(np.median(near)):
            small.add(code)
    return frozenset(small)


def _depth_mm(part: Part) -> float:
    """From front to back."""
    return part.mask.shape[2] * part.spacing_mm[2]


def _area_mm2(part: Part) -> float:
    """On the slice that shows most of it."""
    return best_slice_area(part.mask, part.spacing_mm)


def _leaves(view: BlockView, part: Part) -> bool:
    """Whether a part and the canal beside it leave the slices on one and the same side.

    Where they leave on both the block is narrow, and was laid about the middle.
    """
    last = len(view.labels) - 1
    areas = part.mask.sum((1, 2))
    low = part.extent[0] == 0 and areas[0] > CUT_PART * areas.max()
    high = part.extent[1] == last and areas[-1] > CUT_PART * areas.max()
    if low == high:
        return False
    rows = slice(part.origin[1], part.origin[1] + part.mask.shape[1])
    canal = view.labels[:, rows] == anatomy.SPINAL_CANAL
    side, other = (0, last) if low else (last, 0)
    shown = canal.sum((1, 2))
    return bool(not shown.any() or (shown[side] >= 0.5 * shown.max() and not shown[other]))


# -- contradictions --------------------------------------------------------------------


def contradictions(view: BlockView) -> tuple[str, ...]:
    """``upside-down`` where the order of the names, or the canal, runs against the header."""
    swapped = _runs_upward(view) or _canal_in_front(view)
    return ("upside-down",) if swapped else ()


def _runs_upward(view: BlockView) -> bool:
    """Whether lower vertebrae lie higher."""
    order = [anatomy.vertebra_code(name) for name in anatomy.VERTEBRAE]
    places = [view.parts[code].place_mm[0] for code in order if code in view.parts]
    steps = np.diff(places)
    return bool(len(steps) and (steps < 0).sum() > (steps > 0).sum())


def _canal_in_front(view: BlockView) -> bool:
    """Whether the canal lies in front of most bodies beside it."""
    canal = view.parts.get(anatomy.SPINAL_CANAL)
    if canal is None:
        return False
    bodies = [part for code, part in view.parts.items() if _is_body(code)]
    sides = [side for side in (_canal_behind_mm(view, canal, body) for body in bodies) if side]
    return bool(sides) and float(np.median(sides)) < 0


def _canal_behind_mm(view: BlockView, canal: Part, body: Part) -> float | None:
    """How far behind a body's centre the canal lies in the rows of the body."""
    first = body.origin[1] - canal.origin[1]
    rows = slice(max(first, 0), max(first + body.mask.shape[1], 0))
    places = np.nonzero(canal.mask[:, rows])[2]
    if not len(places):
        return None
    return float(places.mean() + canal.origin[2] - body.centroid[2]) * view.spacing_mm[2]


# -- flags and confidence --------------------------------------------------------------


def _doubts(block: Block, reading: Reading, edges: Edges, oblique_deg: float) -> list[str]:
    """Words that geometry could not know."""
    view = block.view
    low, high = PLAUSIBLE.get((reading.structure, reading.metric), (-np.inf, np.inf))
    value = reading.value
    found = {
        "partly-in-view": edges.at_border,
        "low-certainty": edges.certainty < LOW_CERTAINTY,
        "oblique-slices": oblique_deg > OBLIQUE_DEG,
        "coarse-pixels": max(view.pixel_mm) > COARSE_MM,
        "numbering-uncertain": _unsure_name(view, reading),
        "irregular-outline": value is not None and not low <= value <= high,
    }
    parts = [word for code in reading.codes for word in block.of_part.get(code, ())]
    if reading.metric.startswith("centroid"):
        parts += block.of_outline.get((reading.structure, reading.level), ())
    return [*block.flags, *parts, *(word for word, holds in found.items() if holds)]


def _unsure_name(view: BlockView, reading: Reading) -> bool:
    """Whether the level's own row says so."""
    row = view.row(reading.level)
    return row is not None and "numbering-uncertain" in row.flags


def _out_of_bounds(view: BlockView, edges: Edges, oblique_deg: float) -> bool:
    """Whether what is only doubted at first has gone too far."""
    return (
        edges.certainty < NO_CERTAINTY
        or oblique_deg > TOO_OBLIQUE_DEG
        or max(view.pixel_mm) > TOO_COARSE_MM
    )


def _confidence(view: BlockView, reading: Reading, edges: Edges, oblique_deg: float) -> float:
    """Product of the name's confidence, the mask's certainty, and how the slices lie."""
    slices = float(np.clip(1.5 - oblique_deg / (2 * OBLIQUE_DEG), 0.3, 1.0))
    slices *= FEW_PART if len(view.labels) < FEW_SLICES else 1.0
    pixels = min(1.0, COARSE_MM / max(view.pixel_mm))
    return round(name_confidence(view, reading) * edges.certainty * slices * pixels, 3)


def name_confidence(view: BlockView, reading: Reading) -> float:
    """Least confidence of the names that a number rests on.

    1 for masks whose names were given; one half for a structure without a row.
    """
    if not view.rows:
        return 1.0
    by_code = {row.label: row.level_confidence for row in view.rows}
    codes = [code for code in reading.codes if code != anatomy.SPINAL_CANAL]
    row = view.row(reading.level)
    named = [by_code[code] for code in codes if code in by_code]
    named += [row.level_confidence] if row else []
    return min(named, default=0.5)
