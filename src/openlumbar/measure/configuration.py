"""How the muscles of a slice lie to one another: what the disc level can be told by.

After the template for muscle configuration of Cho et al. 2022 (CAM evaluation): the lateral
margin of quadratus lumborum against that of erector spinae, and the shape of psoas, change from
level to level. They describe them in words; the numbers are ours, and so is multifidus' share.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from openlumbar.core import anatomy
from openlumbar.measure.axial_reading import (
    PIXEL_PART,
    AxialReading,
    Named,
    area_sd_mm2,
    edge_sd_mm,
    together,
)
from openlumbar.measure.axial_slice import AxialSlice, Floats, Region
from openlumbar.measure.muscle import CODES, SIDES
from openlumbar.measure.outline import Outline, outline_of
from openlumbar.measure.sac import front_to_back

MULTIFIDUS, ERECTOR = "multifidus", "erector spinae"
PSOAS, QUADRATUS = "psoas", "quadratus lumborum"
#: Names of the numbers, as in :mod:`openlumbar.core.metrics`.
MARGIN, ROUNDNESS, SHARE = "beyond_erector_spinae_mm", "roundness", "back_muscle_share_percent"

# What follows is ours, and generic. The parts of edges were set so that about 68 % of the errors of
# the shipped network's masks lie within one standard deviation, on phantoms 9300 to 9309;
# ``benchmarks/muscle_configuration.py`` prints the coverage on others.

#: A line through both sides of the muscles is off the axis from body to sac by this, one
#: standard deviation, degrees: the sides of a muscle differ, and vertebrae turn.
PAIRS_SD_DEG = 1.7
#: Part of an edge by which the centres that the axis runs through are off.
AXIS_PART = 0.6
#: What of an outline lies within this of its outermost point is its outermost part, mm.
TIP_MM = 1.0
#: The network's certainty is asked so far about the outermost point, mm.
TIP_REACH_MM = 4.0
#: That point is off by so much, mm, and by so much more, mm, where the certainty takes 1 mm
#: to change: a thin end that is vague may be lost as a whole, so it grows with the square.
TIP_SHARP_MM, TIP_VAGUE_MM = 0.4, 2.0
#: Part of an edge, over the mean radius, by which a shape's roundness is off.
SHAPE_PART = 0.65
#: What one of two muscles beside each other loses, the other gains: their share is off by
#: more than two areas apart would make it.
SHARE_PART = 1.6

#: By muscle and side, what is doubted of each muscle that a slice shows.
Doubts = Mapping[tuple[str, str], Named]


@dataclass(frozen=True, eq=False)
class Across:
    """The patient's own left-right axis within a slice.

    Attributes
    ----------
    left
        Unit vector (y, x), toward the patient's left.
    sd
        Angle that it may be turned by, one standard deviation, radians.
    """

    left: Floats
    sd: float


def configuration_readings(slice_: AxialSlice, doubts: Doubts) -> Iterator[AxialReading]:
    """Margins, roundness and shares of the muscles that a slice shows.

    Parameters
    ----------
    slice_
        Its regions are read.
    doubts
        Of each muscle in the slice.

    Yields
    ------
    AxialReading
        ``beyond_erector_spinae_mm`` of quadratus lumborum, ``roundness`` of psoas and
        ``back_muscle_share_percent`` of multifidus, a side each. A muscle that is cut by the
        border, or missing where the other side has it, withholds what rests on it.
    """
    for side in SIDES:
        if (PSOAS, side) in doubts:
            yield _roundness(slice_, doubts[PSOAS, side])
    for side, of in _pairs(doubts, MULTIFIDUS, ERECTOR):
        yield _share(slice_, side, of)
    across = across_of(slice_)
    for side, of in _pairs(doubts, QUADRATUS, ERECTOR):
        yield _margin(slice_, side, of, across)


def _pairs(doubts: Doubts, muscle: str, other: str) -> Iterator[tuple[str, Named]]:
    """Sides that two muscles show on, and those where the other side tells that one is missing."""
    whole = [side for side in SIDES if (muscle, side) in doubts and (other, side) in doubts]
    for side in SIDES:
        here = [doubts[name, side] for name in (muscle, other) if (name, side) in doubts]
        if len(here) == 2:
            yield side, together(muscle, side, here)
        elif here and whole:
            yield side, Named(muscle, side, 0.0, holding=("muscle-missing",))


# -- shapes and shares -----------------------------------------------------------------------


def _outline(region: Region) -> Outline | None:
    return outline_of(region.mask, region.pixel_mm, region.origin)


def _roundness(slice_: AxialSlice, of: Named) -> AxialReading:
    region = slice_.regions[CODES[PSOAS, of.side]]
    outline = _outline(region)
    if of.holding or outline is None:
        return of.nothing(ROUNDNESS, *(() if of.holding else ("not-measurable",)))
    radius = np.sqrt(outline.area_mm2 / np.pi)
    roundness = roundness_of(outline)
    return of.number(ROUNDNESS, roundness, SHAPE_PART * edge_sd_mm(region) / radius * roundness)


def roundness_of(outline: Outline) -> float:
    """4 π area / perimeter²: 1 of a circle, 0.79 of a square, 0.60 of an even triangle."""
    return float(4 * np.pi * outline.area_mm2 / outline.steps_mm.sum() ** 2)


def _share(slice_: AxialSlice, side: str, of: Named) -> AxialReading:
    if of.holding:
        return of.nothing(SHARE)
    inner, outer = (slice_.regions[CODES[muscle, side]] for muscle in (MULTIFIDUS, ERECTOR))
    share = inner.area_mm2 / (inner.area_mm2 + outer.area_mm2)
    parts = [area_sd_mm2(region) / region.area_mm2 for region in (inner, outer)]
    sd = SHARE_PART * share * (1 - share) * float(np.linalg.norm(parts))
    return of.number(SHARE, 100 * share, 100 * sd)


# -- margins ---------------------------------------------------------------------------------


def _margin(slice_: AxialSlice, side: str, of: Named, across: Across | None) -> AxialReading:
    if of.holding or across is None:
        return of.nothing(MARGIN, *(() if of.holding else ("neighbour-missing",)))
    regions = [slice_.regions[CODES[muscle, side]] for muscle in (QUADRATUS, ERECTOR)]
    outward = across.left if side == "left" else -across.left
    one, other = (_end(region, outward) for region in regions)
    if one is None or other is None:
        return of.nothing(MARGIN, "not-measurable")
    parts = (one.sd_mm, other.sd_mm, across.sd * (one.depth_mm - other.depth_mm))
    return of.number(MARGIN, one.reach_mm - other.reach_mm, float(np.linalg.norm(parts)))


class _End(NamedTuple):
    """How far a muscle reaches outward, how deep its outermost part lies, and the doubt of it."""

    reach_mm: float
    depth_mm: float
    sd_mm: float


def _end(region: Region, outward: Floats) -> _End | None:
    outline = _outline(region)
    if outline is None:
        return None
    reach = outline.points @ outward
    part = outline.points[reach >= reach.max() - TIP_MM] @ np.array([outward[1], -outward[0]])
    tip = outline.points[int(np.argmax(reach))]
    return _End(float(reach.max()), float(part.mean()), _tip_sd_mm(region, outline, tip))


def _tip_sd_mm(region: Region, outline: Outline, tip: Floats) -> float:
    """By the length over which the network's certainty changes about the outermost point."""
    if region.certainty is None:
        return edge_sd_mm(region)
    rows, columns = np.ogrid[: region.mask.shape[0], : region.mask.shape[1]]
    (top, first), (height, width) = region.origin, region.pixel_mm
    away = np.hypot((rows + top) * height - tip[0], (columns + first) * width - tip[1])
    doubt = float((1 - region.certainty[away <= TIP_REACH_MM]).sum()) * height * width
    near = np.linalg.norm(outline.points - tip, axis=1) <= TIP_REACH_MM
    vague = doubt / float(outline.steps_mm[near].sum())
    return float(np.hypot(PIXEL_PART * max(height, width), TIP_SHARP_MM + TIP_VAGUE_MM * vague**2))


def across_of(slice_: AxialSlice) -> Across | None:
    """The patient's own left-right axis, None where nothing tells it.

    Square to the line from the middle of body and disc to that of the sac; in a mask without
    them along the line through both sides of each muscle, by their areas.
    """
    sac = slice_.regions.get(anatomy.SPINAL_CANAL)
    back = None if sac is None else front_to_back(slice_, sac)
    if sac is None or back is None:
        return _across_of_pairs(slice_)
    ahead = max((*slice_.of_kind("vertebra"), *slice_.of_kind("disc")), key=lambda r: r.pixels)
    lever = abs(float((sac.centroid_mm - ahead.centroid_mm) @ back))
    ends = np.hypot(edge_sd_mm(sac), edge_sd_mm(ahead))
    return _toward_left(slice_, np.array([back[1], -back[0]]), AXIS_PART * ends / lever)


def _across_of_pairs(slice_: AxialSlice) -> Across | None:
    total = np.zeros(2)
    for muscle in dict.fromkeys(name for name, _ in CODES):
        sides = [slice_.regions.get(CODES[muscle, side]) for side in SIDES]
        whole = [region for region in sides if region is not None and not region.cut]
        if len(whole) == 2:
            apart = whole[0].centroid_mm - whole[1].centroid_mm
            total += apart * min(region.area_mm2 for region in whole)
    length = float(np.linalg.norm(total))
    return _toward_left(slice_, total / length, np.radians(PAIRS_SD_DEG)) if length else None


def _toward_left(slice_: AxialSlice, axis: Floats, sd: float) -> Across:
    sign = 1.0 if axis @ slice_.toward((1.0, 0.0, 0.0)) >= 0 else -1.0
    return Across(np.asarray(sign * axis, float), float(sd))
