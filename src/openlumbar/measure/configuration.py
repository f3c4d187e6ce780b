"""How the muscles of a slice lie to one another: what the disc level can be told by.

After the template for muscle configuration of Cho et al. 2022 (CAM evaluation): the lateral
margin of quadratus lumborum against that of erector spinae, and the shape of psoas, change from
level to level. They describe them in words; the numbers are ours, and so is multifidus' share.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from openlumbar.core import anatomy
from openlumbar.measure.axial_reading import (
    CENTRE_PART,
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

#: A line through both sides of the muscles is off the patient's own left-right axis by this,
#: one standard deviation, degrees: the sides of a muscle differ. Generic, ours.
PAIRS_SD_DEG = 1.0
#: Part of a whole outline's edge that one place of it is off by. Generic, ours.
TIP_PART = 1.0
#: What of an outline lies within this of its outermost point is its outermost part, mm.
TIP_MM = 1.0
#: Part of an edge, over the mean radius, by which a shape's roundness is off. Generic, ours.
SHAPE_PART = 0.3

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
    perimeter = np.linalg.norm(np.diff(outline.points, axis=0, append=outline.points[:1]), axis=1)
    return float(4 * np.pi * outline.area_mm2 / perimeter.sum() ** 2)


def _share(slice_: AxialSlice, side: str, of: Named) -> AxialReading:
    if of.holding:
        return of.nothing(SHARE)
    inner, outer = (slice_.regions[CODES[muscle, side]] for muscle in (MULTIFIDUS, ERECTOR))
    share = inner.area_mm2 / (inner.area_mm2 + outer.area_mm2)
    parts = [area_sd_mm2(region) / region.area_mm2 for region in (inner, outer)]
    return of.number(SHARE, 100 * share, 100 * share * (1 - share) * float(np.linalg.norm(parts)))


# -- margins ---------------------------------------------------------------------------------


def _margin(slice_: AxialSlice, side: str, of: Named, across: Across | None) -> AxialReading:
    if of.holding or across is None:
        return of.nothing(MARGIN, *(() if of.holding else ("neighbour-missing",)))
    regions = [slice_.regions[CODES[muscle, side]] for muscle in (QUADRATUS, ERECTOR)]
    outlines = [_outline(region) for region in regions]
    outward = across.left if side == "left" else -across.left
    ends = np.array([_outermost(outline, outward) for outline in outlines if outline is not None])
    if len(ends) < 2:
        return of.nothing(MARGIN, "not-measurable")
    further, deeper = ends[0] - ends[1]
    parts = [*(TIP_PART * edge_sd_mm(region) for region in regions), across.sd * deeper]
    return of.number(MARGIN, float(further), float(np.linalg.norm(parts)))


def _outermost(outline: Outline, outward: Floats) -> tuple[float, float]:
    """How far an outline reaches in a direction, and how deep its outermost part lies, mm."""
    reach = outline.points @ outward
    tip = outline.points[reach >= reach.max() - TIP_MM]
    return float(reach.max()), float((tip @ np.array([outward[1], -outward[0]])).mean())


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
    return _toward_left(slice_, np.array([back[1], -back[0]]), CENTRE_PART * ends / lever)


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
