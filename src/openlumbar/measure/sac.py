"""Area and diameters of the dural sac in an axial slice (design.md, section 4)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from openlumbar.core import anatomy
from openlumbar.core.measurement import RULER, Line
from openlumbar.measure.axial_reading import (
    AxialReading,
    Named,
    area_sd_mm2,
    centroids,
    edge_sd_mm,
    named,
)
from openlumbar.measure.axial_slice import AxialSlice, Floats, Region
from openlumbar.measure.outline import Outline, outline_of

#: Angle by which the axis from body to sac may be turned from the patient's own, degrees.
MOST_TURN_DEG = 35.0
#: Body and disc of less than this do not tell the axis, mm².
LEAST_BODY_MM2 = 300.0
#: Part of its convex hull that a sac fills at least.
LEAST_SOLID = 0.8
#: Smallest and largest diameter that is believed, mm. Generic, ours.
SMALLEST_MM, LARGEST_MM = 2.0, 40.0
#: Step between the lines that the widest place is looked for on, mm.
STEP_MM = 0.25


def sac_readings(slice_: AxialSlice) -> Iterator[AxialReading]:
    """Area, diameters and centre of the dural sac, if the slice shows one."""
    region = slice_.regions.get(anatomy.SPINAL_CANAL)
    if region is None:
        return
    of = named(slice_, region, "dural sac", least_mm2=15.0)
    yield of.number("area_mm2", region.area_mm2, area_sd_mm2(region))
    yield from _diameters(slice_, region, of)
    yield from centroids(slice_, region, of)


def front_to_back(slice_: AxialSlice, sac: Region) -> Floats | None:
    """Unit vector (y, x) from the middle of body and disc to that of the sac.

    None where the slice shows too little of them, or they lie in an odd place.
    """
    ahead = [*slice_.of_kind("vertebra"), *slice_.of_kind("disc")]
    total = sum(region.area_mm2 for region in ahead)
    if total < LEAST_BODY_MM2:
        return None
    middle = sum(region.centroid_mm * region.area_mm2 for region in ahead) / total
    axis = sac.centroid_mm - middle
    axis /= max(float(np.linalg.norm(axis)), 1e-9)
    turn = axis @ slice_.toward((0.0, 1.0, 0.0))
    return axis if turn >= np.cos(np.radians(MOST_TURN_DEG)) else None


def _diameters(slice_: AxialSlice, region: Region, of: Named) -> Iterator[AxialReading]:
    metrics = ("ap_diameter_mm", "transverse_diameter_mm")
    outline = outline_of(region.mask, slice_.pixel_mm, region.origin)
    back = front_to_back(slice_, region)
    if outline is None or not _solid(outline) or back is None:
        doubt = "neighbour-missing" if back is None else "irregular-outline"
        yield from (of.nothing(metric, doubt) for metric in metrics)
        return
    sd = float(np.sqrt(2) * edge_sd_mm(region))
    for metric, ends in zip(metrics, (_depth(outline, back), _width(outline, back)), strict=True):
        length = float(np.linalg.norm(ends[1] - ends[0]))
        if not SMALLEST_MM <= length <= LARGEST_MM:
            yield of.nothing(metric, "irregular-outline")
            continue
        yield of.number(metric, length, sd, (_ruler(slice_, ends),))


def _solid(outline: Outline) -> bool:
    hull = Outline(outline.hull)
    return outline.area_mm2 >= LEAST_SOLID * hull.area_mm2


def _depth(outline: Outline, back: Floats) -> Floats:
    """``[2, 2]``: front and back end on the line through the sac's centre."""
    crossings = outline.crossings(outline.centroid, back)
    front, behind = crossings[crossings < 0], crossings[crossings > 0]
    ends = np.array([front[-1], behind[0]]) if len(front) and len(behind) else np.zeros(2)
    return np.asarray(outline.centroid + ends[:, None] * back, float)


def _width(outline: Outline, back: Floats) -> Floats:
    """``[2, 2]``: both ends of the longest line square to the front-to-back axis."""
    along = outline.points @ back
    places = np.arange(along.min() + STEP_MM / 2, along.max(), STEP_MM)
    one, other = outline.span(back, places)
    widest = int(np.nanargmax(other - one))
    across = np.array([back[1], -back[0]])
    ends = np.array([one[widest], other[widest]])
    return np.asarray(places[widest] * back + ends[:, None] * across, float)


def _ruler(slice_: AxialSlice, ends: Floats) -> Line:
    points = slice_.to_patient(ends)
    return Line(RULER, tuple((float(x), float(y), float(z)) for x, y, z in points))
