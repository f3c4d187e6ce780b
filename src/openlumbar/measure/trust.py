"""How far a number can be trusted: confidence, uncertainty, and what withholds it.

Geometry hands over a :class:`~openlumbar.measure.reading.Reading`; what comes back is a
:class:`~openlumbar.core.measurement.Measurement`. Three things are said of each number:

* **uncertainty**, one standard deviation: how well an edge is located, in millimetres,
  times how much the number moves with its edges (``Reading.sensitivity``);
* **confidence**, 0 … 1: that the level is the one named, and that the outline is right;
* **flags**, and which of them withhold the number.

All constants are ours; ``docs/reference/measurements.md`` names the cases that those of the
uncertainty were set on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from openlumbar.core import anatomy
from openlumbar.core.measurement import Measurement
from openlumbar.imaging.masks import best_slice_area
from openlumbar.measure.edges import Edges, edge_sd_mm, edges_of
from openlumbar.measure.placement import (
    aside_mm,
    contradictions,
    leaves_sideways,
    obliquity_deg,
    out_of_order,
    turn_of,
)
from openlumbar.measure.reading import KEPT, Reading
from openlumbar.measure.view import BlockView, Part

#: Flags with which a number stands: those of geometry, and doubts that lower the confidence.
STANDS = frozenset((*KEPT, "low-certainty", "numbering-uncertain"))

#: Shift, outward or inward, that a whole outline has in common, mm: where one annotator, or
#: a network that learnt from one, draws the border of bone and disc. No average removes it.
COMMON_MM = 0.5
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
    edges = edges_of(view, reading)
    oblique = obliquity_deg(view, block.turn_deg, reading)
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
    own = edge_sd_mm(view, edges, aside_mm(view, reading), oblique_deg)
    own *= CORNERS.get(reading.metric, 1.0)
    shared = SHARED.get(reading.metric, 0.0) * COMMON_MM
    return float(reading.sensitivity * np.hypot(own, shared))


# -- parts that are none ----------------------------------------------------------------


def _of_parts(view: BlockView) -> dict[int, tuple[str, ...]]:
    """Flags of each part that is too small, torn, cut, or lies beside the slices."""
    torn = _beside_its_like(view, _depth_mm, LEAST_DEPTH)
    little = _beside_its_like(view, _area_mm2, LEAST_LEFT)
    swapped = out_of_order(view)
    found = {}
    for code, part in view.parts.items():
        if code == anatomy.SPINAL_CANAL:  # told level by level
            continue
        cut = code in little and any(part.borders(round(part.centroid[0])))
        words = {
            "not-measurable": _area_mm2(part) < LEAST_AREA_MM2,
            "partly-in-view": cut,
            "irregular-outline": code in torn and not cut,
            "off-midline": leaves_sideways(view, part),
            "upside-down": code in swapped,
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
