"""Readings of a disc, and of the two vertebrae that it lies between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.measurement import ANCHOR, GUIDE, RULER
from openlumbar.measure.angles import angle_strokes, beside, pair_trouble, sacral_plate
from openlumbar.measure.centroid import centroid_readings
from openlumbar.measure.column import LAST_DISC, S1, Segment
from openlumbar.measure.disc import Disc, read_disc
from openlumbar.measure.endplates import Endplate, angle_between, meyerding_grade, slip_of
from openlumbar.measure.outline import Outline
from openlumbar.measure.reading import NEIGHBOUR, Reading, Source, Stroke, closed
from openlumbar.measure.state import MeasuredBlock
from openlumbar.measure.vertebra import INWARD, Body
from openlumbar.measure.view import Part

_OF_A_DISC = ("height_mm", "bounding_height_mm", "disc_height_index")


def disc_readings(block: MeasuredBlock, segment: Segment) -> Iterator[Reading]:
    """All of one disc's place: what could not be measured comes without value."""
    part = block.view.parts.get(segment.disc)
    if part is None:
        yield from _absent(segment)
    else:
        yield from _present(block, segment, part)
    slice_ = _common_slice(block, segment)
    yield from _distances(block, segment, slice_)
    yield from _angles(block, segment, slice_)
    yield from _slip(block, segment, slice_)


def _absent(segment: Segment) -> Iterator[Reading]:
    codes = tuple(code for code in (segment.above, segment.below) if code is not None)
    of = Source("disc", segment.level, codes, None)
    for name in (*_OF_A_DISC, *(f"centroid_{axis}_mm" for axis in "xyz")):
        yield of.nothing(name, ("missing-disc",))


def _present(block: MeasuredBlock, segment: Segment, part: Part) -> Iterator[Reading]:
    middle = block.middles[segment.disc]
    found = block.trouble(segment.disc) or read_disc(
        part, middle.slice, block.axes[segment.disc], _facing_bodies(block, segment, middle.slice)
    )
    of = Source("disc", segment.level, (segment.disc,), middle.slice, middle.flags)
    if isinstance(found, Disc):
        rulers = tuple(Stroke(RULER, found.slice, pair) for pair in found.rulers)
        strokes = (*rulers, Stroke(GUIDE, found.slice, found.midline))
        # Neighbouring places of the thickness share their error; about five are independent.
        yield of.number("height_mm", found.height_mm, strokes, float(np.sqrt(2 / 5)))
        box = _rectangle_strokes(found)
        yield of.number("bounding_height_mm", found.bounding_height_mm, box)
        yield _height_index(block, segment, found, strokes)
    else:
        for name in _OF_A_DISC:
            yield of.nothing(name, found)
    yield from centroid_readings(block, "disc", segment.level, segment.disc)


def _facing_bodies(
    block: MeasuredBlock, segment: Segment, slice_: int
) -> tuple[Outline | None, Outline | None]:
    above, below = (
        None if code is None else block.body(code, slice_).outline
        for code in (segment.above, segment.below)
    )
    return above, below


def _rectangle_strokes(disc: Disc) -> tuple[Stroke, Stroke]:
    corners = disc.rectangle
    sides = np.linalg.norm(np.roll(corners, -1, 0) - corners, axis=1)
    first = 0 if sides[0] <= sides[1] else 1
    # The shorter side, moved to the rectangle's middle.
    other = corners[(first + 2) % 4], corners[(first + 3) % 4]
    ruler = np.array([corners[first] + other[1], corners[first + 1] + other[0]]) / 2
    return Stroke(RULER, disc.slice, ruler), Stroke(GUIDE, disc.slice, closed(corners))


def _height_index(
    block: MeasuredBlock, segment: Segment, disc: Disc, strokes: tuple[Stroke, ...]
) -> Reading:
    """Over the mean middle height of both neighbours; above S1 that of the upper alone."""
    near = (segment.above,) if segment.disc == LAST_DISC else (segment.above, segment.below)
    found = {n: h[1] for n in near if n is not None and (h := block.heights(n)) is not None}
    flags = block.middles[segment.disc].flags
    of = Source("disc", segment.level, (segment.disc, *found), disc.slice, flags)
    if len(found) < len(near):
        return of.nothing("disc_height_index", NEIGHBOUR)
    mean = float(np.mean(list(found.values())))
    scale = float(np.sqrt(2 / 5)) / mean
    return of.number("disc_height_index", disc.height_mm / mean, strokes, scale)


def _common_slice(block: MeasuredBlock, segment: Segment) -> int:
    """The slice in which both vertebrae of a disc are looked at: the disc's own, if any."""
    if segment.disc in block.middles:
        return block.middles[segment.disc].slice
    near = [code for code in (segment.above, segment.below) if code is not None]
    return round(float(np.mean([block.middles[code].slice for code in near])))


@dataclass(frozen=True, eq=False)
class _Pair:
    """Two neighbours in one slice, or why there are none."""

    upper: Body | None
    lower: Body | None
    codes: tuple[int, ...]
    flags: tuple[str, ...]


def _pair(block: MeasuredBlock, segment: Segment, slice_: int | None) -> _Pair:
    codes = tuple(code for code in (segment.above, segment.below) if code is not None)
    flags = pair_trouble(block, codes)
    if flags or segment.above is None or segment.below is None:
        return _Pair(None, None, codes, flags or NEIGHBOUR)
    upper, lower = block.body(segment.above, slice_), block.body(segment.below, slice_)
    return _Pair(upper, lower, codes, ())


def _distances(block: MeasuredBlock, segment: Segment, slice_: int) -> Iterator[Reading]:
    pair = _pair(block, segment, slice_)
    of = Source("disc", segment.level, pair.codes, slice_, _aside(block, segment))
    ends = _facing_points(pair.upper, pair.lower) if pair.upper and pair.lower else None
    flags = pair.flags or _missing(block, segment)
    for number, place in enumerate(("anterior", "posterior")):
        name = f"{place}_distance_mm"
        if ends is None or flags:
            yield of.nothing(name, flags or NEIGHBOUR)
            continue
        value = float(np.linalg.norm(ends[number, 1] - ends[number, 0]))
        strokes = Stroke(RULER, slice_, ends[number]), Stroke(ANCHOR, slice_, ends[number])
        yield of.number(name, value, strokes)


def _aside(block: MeasuredBlock, segment: Segment) -> tuple[str, ...]:
    return beside(block, (segment.disc,))


def _missing(block: MeasuredBlock, segment: Segment) -> tuple[str, ...]:
    return () if segment.disc in block.view.parts else ("missing-disc",)


def _facing_points(upper: Body, lower: Body) -> NDArray[np.float64] | None:
    """``[2, 2, 2]``: (front, back) × (of the upper, of the lower vertebra) × (y, x).

    S1 has no outline of its own all round, so no trapezoid: its points lie on its upper
    endplate, a tenth of it in from either corner.
    """
    below = lower.fit.anchors[[0, 2], 0] if lower.fit else _sacral_points(lower)
    if upper.fit is None or below is None:
        return None
    return np.stack([upper.fit.anchors[[0, 2], 1], below], 1)


def _sacral_points(body: Body) -> NDArray[np.float64] | None:
    if body.code != S1 or body.upper is None or body.outline is None:
        return None
    parts = (INWARD, 1 - INWARD)
    return np.array([body.upper.inner(body.outline, part, upper=True) for part in parts])


def _angles(block: MeasuredBlock, segment: Segment, slice_: int) -> Iterator[Reading]:
    pair = _pair(block, segment, slice_)
    plates = (pair.upper.lower, pair.lower.upper) if pair.upper and pair.lower else (None, None)
    flags = pair.flags or _missing(block, segment)
    of = Source("disc", segment.level, pair.codes, slice_, _aside(block, segment))
    yield _angle(of, "disc_angle_deg", plates, (slice_, slice_), flags)
    yield _segmental(block, segment)


def _segmental(block: MeasuredBlock, segment: Segment) -> Reading:
    """In each vertebra's own middle slice, as the lordosis: so they add up to it."""
    own = _pair(block, segment, None)
    upper = own.upper.upper if own.upper else None
    slices, codes, flags = (0, 0), own.codes, own.flags
    lower = own.lower.upper if own.lower else None
    if own.upper and own.lower:
        slices = own.upper.slice, own.lower.slice
    if lower is None and segment.disc == LAST_DISC and segment.above is not None:
        lower, slice_ = sacral_plate(block)
        upper, flags = block.body(segment.above).upper, block.trouble(segment.above)
        slices, codes = (block.middles[segment.above].slice, slice_), (segment.above, LAST_DISC)
    common = slices[0] if slices[0] == slices[1] else None
    of = Source("disc", segment.level, codes, common, beside(block, codes))
    return _angle(of, "segmental_angle_deg", (upper, lower), slices, flags)


def _angle(
    of: Source,
    name: str,
    plates: tuple[Endplate | None, Endplate | None],
    slices: tuple[int, int],
    flags: tuple[str, ...],
) -> Reading:
    above, below = plates
    if above is None or below is None or flags:
        return of.nothing(name, flags or NEIGHBOUR)
    return of.number(name, angle_between(above, below), *angle_strokes((above, below), slices))


def _slip(block: MeasuredBlock, segment: Segment, slice_: int) -> Iterator[Reading]:
    pair = _pair(block, segment, slice_)
    above = pair.upper.lower if pair.upper else None
    below = pair.lower.upper if pair.lower else None
    flags = (*_missing(block, segment), *_aside(block, segment))
    of = Source("disc", segment.level, pair.codes, slice_, flags)
    names = ("listhesis_mm", "listhesis_percent", "meyerding_grade")
    if above is None or below is None:
        for name in names:
            yield of.nothing(name, pair.flags or NEIGHBOUR)
        return
    slip = slip_of(above, below)
    strokes = (
        Stroke(RULER, slice_, slip.ruler),
        Stroke(GUIDE, slice_, below.line),
        Stroke(ANCHOR, slice_, np.array([above.back, below.back])),
    )
    values = (slip.mm, slip.percent, float(meyerding_grade(slip)))
    scales = (2**0.5, 100 * 2**0.5 / below.length_mm, 0.0)
    for name, value, scale in zip(names, values, scales, strict=True):
        yield of.number(name, value, strokes, scale)
