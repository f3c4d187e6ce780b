"""All numbers of one block: vertebrae, discs, the spine as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from math import hypot

import numpy as np
from numpy.typing import NDArray

from openlumbar.core import anatomy
from openlumbar.core.measurement import ANCHOR, GUIDE, RULER
from openlumbar.measure.column import (
    L1,
    LAST_DISC,
    S1,
    S2,
    Segment,
    course_axes,
    segments_of,
    vertebrae_of,
)
from openlumbar.measure.disc import Disc, read_disc
from openlumbar.measure.endplates import (
    Endplate,
    angle_between,
    meyerding_grade,
    slip_of,
)
from openlumbar.measure.midline import Middle, middle_of
from openlumbar.measure.outline import down_of
from openlumbar.measure.reading import Reading, Stroke
from openlumbar.measure.trapezoid import Trapezoid
from openlumbar.measure.vertebra import INWARD, PLACES, Body, Fit, read_body
from openlumbar.measure.view import BlockView, Part

#: Bodies nearer than this without a disc between them are fused, mm.
FUSED_MM = 1.0
#: A body this much higher than the highest of the two above and below is two in one.
TOO_HIGH = 1.5
#: A code whose largest piece is less than this part of it is torn.
LEAST_SHARE = 0.7
_NEIGHBOUR = ("neighbour-missing",)
_OF_A_BODY = (
    *(f"{place}_height_mm" for place in PLACES),
    "rotation_deg",
    "wedge_ratio",
    "biconcavity_ratio",
    "crush_ratio",
)
_OF_A_DISC = ("height_mm", "bounding_height_mm", "disc_height_index")


@dataclass(frozen=True, eq=False)
class MeasuredBlock:
    """A block with what has been measured in it so far."""

    view: BlockView
    _bodies: dict[tuple[int, int], Body] = field(default_factory=dict)

    @cached_property
    def segments(self) -> list[Segment]:
        """Places of discs from head to foot."""
        return segments_of(self.view)

    @cached_property
    def axes(self) -> dict[int, NDArray[np.float64]]:
        """By code: backward, square to the spine's course."""
        return course_axes(self.view)

    @cached_property
    def middles(self) -> dict[int, Middle]:
        """By code: the slice each vertebra and disc is measured in."""
        return {code: middle_of(self.view, self.view.parts[code]) for code in self.axes}

    @cached_property
    def fused(self) -> frozenset[int]:
        """Codes of vertebrae that touch a neighbour without a disc between."""
        codes = {
            code
            for code in self.axes
            if (row := self.view.row(anatomy.BY_CODE[code].name)) and "fused" in row.flags
        }
        for segment in self.segments:
            if segment.disc not in self.view.parts and self._touch(segment):
                codes.update(code for code in (segment.above, segment.below) if code is not None)
        return frozenset(codes)

    def _touch(self, segment: Segment) -> bool:
        if segment.above is None or segment.below is None:
            return False
        upper, lower = self.body(segment.above), self.body(segment.below)
        if upper.lower is None or lower.upper is None:
            return False
        apart = lower.upper.points.mean(0) - upper.lower.points.mean(0)
        return float(apart @ down_of(lower.upper.axis)) < FUSED_MM

    def body(self, code: int, slice_: int | None = None) -> Body:
        """A vertebra in a slice, its own middle one when None."""
        key = (code, self.middles[code].slice if slice_ is None else slice_)
        if key not in self._bodies:
            part = self.view.parts[code]
            self._bodies[key] = read_body(part, key[1], self.axes[code], free=code != S1)
        return self._bodies[key]

    def trouble(self, code: int) -> tuple[str, ...]:
        """Flags that forbid any number of a structure."""
        if code in self.fused:
            return ("fused",)
        return ("irregular-outline",) if self.view.parts[code].share < LEAST_SHARE else ()

    def fit(self, code: int) -> Fit | tuple[str, ...]:
        """Trapezoid and anchor points in a vertebra's own slice, or why there are none."""
        flags, body = self.trouble(code), self.body(code)
        if body.fit is None or flags:
            return flags or body.flags
        return ("irregular-outline",) if self._is_two(code, body.fit) else body.fit

    def _is_two(self, code: int, fit: Fit) -> bool:
        """Whether a body is so much higher than all near it that it must be two in one."""
        codes = [c for c in vertebrae_of(self.view) if c not in (S1, S2)]
        place = codes.index(code)
        near = [self.body(c).fit for c in codes[max(place - 2, 0) : place + 3] if c != code]
        heights = [float(other.heights_mm.max()) for other in near if other is not None]
        return bool(heights) and float(fit.heights_mm.max()) > TOO_HIGH * max(heights)

    def heights(self, code: int | None) -> NDArray[np.float64] | None:
        """Anterior, middle, posterior height where they can be trusted."""
        fit = None if code is None else self.fit(code)
        return fit.heights_mm if isinstance(fit, Fit) else None


def read_block(view: BlockView) -> list[Reading]:
    """Measure all of a block but the canal."""
    block = MeasuredBlock(view)
    readings: list[Reading] = []
    codes = [code for code in vertebrae_of(view) if code not in (S1, S2)]
    for code in codes:
        readings += _vertebra(block, code)
    for segment in block.segments:
        readings += _disc(block, segment)
    if len(codes) >= 2:
        readings.append(_lordosis(block))
    return readings


# -- vertebrae -------------------------------------------------------------------------


def _vertebra(block: MeasuredBlock, code: int) -> Iterator[Reading]:
    level, slice_ = anatomy.BY_CODE[code].name, block.middles[code].slice
    fit = block.fit(code)
    if isinstance(fit, Fit):
        yield from _heights(block, code, fit)
    else:
        for name in _OF_A_BODY:
            yield Reading("vertebra", level, name, None, (code,), slice_, flags=fit)
    yield from _centroid(block, "vertebra", level, code)


def _heights(block: MeasuredBlock, code: int, fit: Fit) -> Iterator[Reading]:
    middle, heights, sides = block.middles[code], fit.heights_mm, fit.trapezoid.corners
    frame = Stroke(GUIDE, middle.slice, _closed(sides))
    rulers = [Stroke(RULER, middle.slice, pair) for pair in fit.anchors]
    of = _Of("vertebra", anatomy.BY_CODE[code].name, (code,), middle.slice, middle.flags)
    for number, place in enumerate(PLACES):
        strokes = (rulers[number], frame, Stroke(ANCHOR, middle.slice, fit.anchors[number]))
        yield of.number(f"{place}_height_mm", heights[number], strokes)
    yield of.number(
        "rotation_deg",
        _rotation_deg(block.view, middle.slice, fit.trapezoid),
        (Stroke(RULER, middle.slice, sides[:2]), frame),
        _angle_sensitivity(fit.trapezoid.top_mm),
    )
    for name, top in (("wedge_ratio", 0), ("biconcavity_ratio", 1)):
        scale = _ratio_sensitivity(heights[top], heights[2])
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
    of = _Of("vertebra", level, (code, *found), middle.slice, middle.flags)
    if not found:
        return of.nothing("crush_ratio", _NEIGHBOUR)
    mean = float(np.mean(list(found.values())))
    return of.number("crush_ratio", height / mean, (ruler,), _ratio_sensitivity(height, mean))


def _rotation_deg(view: BlockView, slice_: int, trapezoid: Trapezoid) -> float:
    """Of the parallel sides to the patient's horizontal, positive when the front is lower."""
    front, back = view.to_patient(slice_, trapezoid.corners[:2])
    backward = back - front
    return float(np.degrees(np.arctan2(backward[2], backward[1])))


def _centroid(block: MeasuredBlock, structure: str, level: str, code: int) -> Iterator[Reading]:
    """Of all voxels, LPS; withheld where the picture cuts the structure."""
    part, middle = block.view.parts[code], block.middles[code]
    flags = block.trouble(code)
    if not flags and any(part.borders(middle.slice)):
        flags = ("partly-in-view",)
    of = _Of(structure, level, (code,), None, middle.flags)
    place = block.view.to_patient(part.centroid[0], part.place_mm)
    for axis, value in zip("xyz", place, strict=True):
        name = f"centroid_{axis}_mm"
        yield of.nothing(name, flags) if flags else of.number(name, value, (), 0.2)


# -- discs -----------------------------------------------------------------------------


def _disc(block: MeasuredBlock, segment: Segment) -> Iterator[Reading]:
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
    of = _Of("disc", segment.level, codes, None)
    for name in (*_OF_A_DISC, *(f"centroid_{axis}_mm" for axis in "xyz")):
        yield of.nothing(name, ("missing-disc",))


def _present(block: MeasuredBlock, segment: Segment, part: Part) -> Iterator[Reading]:
    middle = block.middles[segment.disc]
    found = block.trouble(segment.disc) or read_disc(part, middle.slice, block.axes[segment.disc])
    of = _Of("disc", segment.level, (segment.disc,), middle.slice, middle.flags)
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
    yield from _centroid(block, "disc", segment.level, segment.disc)


def _rectangle_strokes(disc: Disc) -> tuple[Stroke, Stroke]:
    corners = disc.rectangle
    sides = np.linalg.norm(np.roll(corners, -1, 0) - corners, axis=1)
    first = 0 if sides[0] <= sides[1] else 1
    # The shorter side, moved to the rectangle's middle.
    other = corners[(first + 2) % 4], corners[(first + 3) % 4]
    ruler = np.array([corners[first] + other[1], corners[first + 1] + other[0]]) / 2
    return Stroke(RULER, disc.slice, ruler), Stroke(GUIDE, disc.slice, _closed(corners))


def _height_index(
    block: MeasuredBlock, segment: Segment, disc: Disc, strokes: tuple[Stroke, ...]
) -> Reading:
    """Over the mean middle height of both neighbours; above S1 that of the upper alone."""
    near = (segment.above,) if segment.disc == LAST_DISC else (segment.above, segment.below)
    found = {n: h[1] for n in near if n is not None and (h := block.heights(n)) is not None}
    flags = block.middles[segment.disc].flags
    of = _Of("disc", segment.level, (segment.disc, *found), disc.slice, flags)
    if len(found) < len(near):
        return of.nothing("disc_height_index", _NEIGHBOUR)
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
    flags = _pair_trouble(block, codes)
    if flags or segment.above is None or segment.below is None:
        return _Pair(None, None, codes, flags or _NEIGHBOUR)
    upper, lower = block.body(segment.above, slice_), block.body(segment.below, slice_)
    return _Pair(upper, lower, codes, ())


def _pair_trouble(block: MeasuredBlock, codes: Iterable[int]) -> tuple[str, ...]:
    words = [word for code in codes for word in block.trouble(code)]
    if "fused" in words:
        return ("fused",)
    return _NEIGHBOUR if words else ()


def _distances(block: MeasuredBlock, segment: Segment, slice_: int) -> Iterator[Reading]:
    pair = _pair(block, segment, slice_)
    of = _Of("disc", segment.level, pair.codes, slice_)
    ends = _facing_points(pair.upper, pair.lower) if pair.upper and pair.lower else None
    flags = pair.flags or _missing(block, segment)
    for number, place in enumerate(("anterior", "posterior")):
        name = f"{place}_distance_mm"
        if ends is None or flags:
            yield of.nothing(name, flags or _NEIGHBOUR)
            continue
        value = float(np.linalg.norm(ends[number, 1] - ends[number, 0]))
        strokes = Stroke(RULER, slice_, ends[number]), Stroke(ANCHOR, slice_, ends[number])
        yield of.number(name, value, strokes)


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
    yield _angle(segment, "disc_angle_deg", plates, (slice_, slice_), (pair.codes, flags))
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
        lower, slice_ = _sacral_plate(block)
        upper, flags = block.body(segment.above).upper, block.trouble(segment.above)
        slices, codes = (block.middles[segment.above].slice, slice_), (segment.above, LAST_DISC)
    return _angle(segment, "segmental_angle_deg", (upper, lower), slices, (codes, flags))


def _angle(
    segment: Segment,
    name: str,
    plates: tuple[Endplate | None, Endplate | None],
    slices: tuple[int, int],
    context: tuple[tuple[int, ...], tuple[str, ...]],
) -> Reading:
    (above, below), (codes, flags) = plates, context
    of = _Of("disc", segment.level, codes, slices[0] if slices[0] == slices[1] else None)
    if above is None or below is None or flags:
        return of.nothing(name, flags or _NEIGHBOUR)
    return of.number(name, angle_between(above, below), *_angle_strokes((above, below), slices))


def _angle_strokes(
    plates: tuple[Endplate, Endplate], slices: tuple[int, int]
) -> tuple[tuple[Stroke, ...], float]:
    """The two lines, and the angle's sensitivity to their ends."""
    lines = zip(slices, plates, strict=True)
    strokes = tuple(Stroke(RULER, slice_, plate.line) for slice_, plate in lines)
    return strokes, hypot(*(_angle_sensitivity(plate.length_mm) for plate in plates))


def _slip(block: MeasuredBlock, segment: Segment, slice_: int) -> Iterator[Reading]:
    pair = _pair(block, segment, slice_)
    above = pair.upper.lower if pair.upper else None
    below = pair.lower.upper if pair.lower else None
    of = _Of("disc", segment.level, pair.codes, slice_, _missing(block, segment))
    names = ("listhesis_mm", "listhesis_percent", "meyerding_grade")
    if above is None or below is None:
        for name in names:
            yield of.nothing(name, pair.flags or _NEIGHBOUR)
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


# -- the spine -------------------------------------------------------------------------


def _lordosis(block: MeasuredBlock) -> Reading:
    lower, slice_ = _sacral_plate(block)
    last = S1 if S1 in block.axes else LAST_DISC
    codes = tuple(code for code in (L1, last) if code in block.axes)
    flags = _pair_trouble(block, codes)
    of = _Of("spine", "L1-S1", codes, None)
    upper = block.body(L1).upper if L1 in block.axes else None
    if upper is None or lower is None or flags:
        return of.nothing("lordosis_deg", flags or _NEIGHBOUR)
    slices = block.middles[L1].slice, slice_
    return of.number(
        "lordosis_deg", angle_between(upper, lower), *_angle_strokes((upper, lower), slices)
    )


def _sacral_plate(block: MeasuredBlock) -> tuple[Endplate | None, int]:
    """S1's upper endplate; where S1 has no mask, the lower border of the disc above it."""
    if S1 in block.axes:
        return block.body(S1).upper, block.middles[S1].slice
    if LAST_DISC not in block.axes:
        return None, 0
    slice_ = block.middles[LAST_DISC].slice
    disc = read_disc(block.view.parts[LAST_DISC], slice_, block.axes[LAST_DISC])
    return (disc.lower_border if isinstance(disc, Disc) else None), slice_


# -- small things ----------------------------------------------------------------------


@dataclass(frozen=True)
class _Of:
    """What the readings of one structure have in common."""

    structure: str
    level: str
    codes: tuple[int, ...]
    slice: int | None
    flags: tuple[str, ...] = ()

    def number(
        self, metric: str, value: float, strokes: tuple[Stroke, ...], sensitivity: float = 2**0.5
    ) -> Reading:
        """A reading that stands, with the flags in common."""
        return Reading(
            self.structure,
            self.level,
            metric,
            float(value),
            self.codes,
            self.slice,
            strokes,
            self.flags,
            sensitivity,
        )

    def nothing(self, metric: str, flags: tuple[str, ...]) -> Reading:
        """A reading that is withheld."""
        return Reading(
            self.structure, self.level, metric, None, self.codes, self.slice, flags=flags
        )


def _closed(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([corners, corners[:1]])


def _ratio_sensitivity(over: float, under: float) -> float:
    """Of a ratio of two lengths whose ends have 1 mm each."""
    return float(np.sqrt(2) * over / under * np.hypot(1 / over, 1 / under))


def _angle_sensitivity(length_mm: float) -> float:
    """Degrees of a line through two ends of 1 mm each."""
    return float(np.degrees(np.sqrt(2) / length_mm))
