"""Readings of a vertebra: heights, rotation, ratios."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from openlumbar.core import anatomy
from openlumbar.core.measurement import ANCHOR, GUIDE, RULER
from openlumbar.measure.centroid import centroid_readings
from openlumbar.measure.reading import (
    NEIGHBOUR,
    Reading,
    Source,
    Stroke,
    angle_sensitivity,
    closed,
    ratio_sensitivity,
)
from openlumbar.measure.state import MeasuredBlock
from openlumbar.measure.trapezoid import Trapezoid
from openlumbar.measure.vertebra import PLACES, Fit
from openlumbar.measure.view import BlockView

_OF_A_BODY = (
    *(f"{place}_height_mm" for place in PLACES),
    "rotation_deg",
    "wedge_ratio",
    "biconcavity_ratio",
    "crush_ratio",
)


def vertebra_readings(block: MeasuredBlock, code: int) -> Iterator[Reading]:
    """All of one vertebra: what could not be measured comes without value."""
    level, slice_ = anatomy.BY_CODE[code].name, block.middles[code].slice
    fit = block.fit(code)
    if isinstance(fit, Fit):
        yield from _heights(block, code, fit)
    else:
        for name in _OF_A_BODY:
            yield Reading("vertebra", level, name, None, (code,), slice_, flags=fit)
    yield from centroid_readings(block, "vertebra", level, code)


def _heights(block: MeasuredBlock, code: int, fit: Fit) -> Iterator[Reading]:
    middle, heights, sides = block.middles[code], fit.heights_mm, fit.trapezoid.corners
    frame = Stroke(GUIDE, middle.slice, closed(sides))
    rulers = [Stroke(RULER, middle.slice, pair) for pair in fit.anchors]
    of = Source("vertebra", anatomy.BY_CODE[code].name, (code,), middle.slice, middle.flags)
    for number, place in enumerate(PLACES):
        strokes = (rulers[number], frame, Stroke(ANCHOR, middle.slice, fit.anchors[number]))
        yield of.number(f"{place}_height_mm", heights[number], strokes)
    yield of.number(
        "rotation_deg",
        _rotation_deg(block.view, middle.slice, fit.trapezoid),
        (Stroke(RULER, middle.slice, sides[:2]), frame),
        angle_sensitivity(fit.trapezoid.top_mm),
    )
    for name, top in (("wedge_ratio", 0), ("biconcavity_ratio", 1)):
        scale = ratio_sensitivity(heights[top], heights[2])
        yield of.number(name, heights[top] / heights[2], (rulers[top], rulers[2]), scale)
    yield _crush(block, code, heights[2], rulers[2])


def _crush(block: MeasuredBlock, code: int, height: float, ruler: Stroke) -> Reading:
    """Posterior height over that of the neighbours; the highest and lowest have one each."""
    middle, level = block.middles[code], anatomy.BY_CODE[code].name
    near = [
        segment.above if segment.below == code else segment.below
        for segment in block.segments
        if code in (segment.above, segment.below)
    ]
    found = {n: h[2] for n in near if n is not None and (h := block.heights(n)) is not None}
    of = Source("vertebra", level, (code, *found), middle.slice, middle.flags)
    if not found:
        return of.nothing("crush_ratio", NEIGHBOUR)
    mean = float(np.mean(list(found.values())))
    return of.number("crush_ratio", height / mean, (ruler,), ratio_sensitivity(height, mean))


def _rotation_deg(view: BlockView, slice_: int, trapezoid: Trapezoid) -> float:
    """Of the parallel sides to the patient's horizontal, positive when the front is lower."""
    front, back = view.to_patient(slice_, trapezoid.corners[:2])
    backward = back - front
    return float(np.degrees(np.arctan2(backward[2], backward[1])))
