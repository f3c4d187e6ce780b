"""The paraspinal muscles: where they are, and what they are made of.

Outlines lie in horizontal planes. They change with the *level*, a number that runs along
the spine (0 at disc T12-L1, 5 at L5-S1, 6 at S1-S2, whatever the number of vertebrae) and
are placed about the axis of the spinal canal, so that muscles follow a spine's size, its
curves and its turns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline, PchipInterpolator
from scipy.ndimage import gaussian_filter1d

from openlumbar.core.anatomy import STRUCTURES
from openlumbar.phantom.geometry import PROFILE_STEP_MM, Spine
from openlumbar.phantom.muscle_fat import FatPattern, Place
from openlumbar.phantom.muscle_specs import MUSCLES, SIDES, MuscleSpec
from openlumbar.phantom.muscle_table import MUSCLE_TABLES, MuscleTable
from openlumbar.phantom.texture import Texture
from openlumbar.phantom.tissue import Tissue

if TYPE_CHECKING:
    from openlumbar.phantom.scene import Canvas

Floats = NDArray[np.floating]

_CODES = {(s.name, s.side): s.code for s in STRUCTURES if s.kind == "muscle"}
#: Distance between the tables' rows along z, mm, as steps of the spine's profile.
_EVERY = 5
_ANGLES = 180
# Mean width of the lumbar bodies of the person whose muscles are in the table, mm.
_REFERENCE_WIDTH_MM = 44.7
# The axis of the canal behind the back wall of a body, mm.
_CANAL_MM = 8.5
# What muscles leave free about bodies and discs, and within the skin, mm.
_BODY_GAP_MM, _SKIN_GAP_MM = 1.0, 4.0
_FASCIA_MM = (0.3, 1.3)
# A larger muscle grows about this point (back muscles, from the canal's axis), or away from
# its medial edge.
_BACK_ROOT_MM = (0.0, 4.0)


@dataclass(frozen=True, eq=False)
class _Axis:
    """The spine as the muscles see it, a row every millimetre of height.

    ``level``, the canal's axis (``x``, ``y``), the axial turn (radian), the backward
    stretch that fits the back muscles to the person's back, and the half axes and middle of
    the bodies.
    """

    z0: float
    step: float
    level: Floats
    x: Floats
    y: Floats
    turn: Floats
    stretch: Floats
    body: Floats
    size: float

    def rows(self, z: Floats) -> NDArray[np.int32]:
        row = ((z - np.float32(self.z0)) / np.float32(self.step) + 0.5).astype(np.int32)
        return np.clip(row, 0, len(self.level) - 1)


def _curve(z: Floats, points: list[tuple[float, ...]]) -> list[Floats]:
    """Smooth curves over height: columns 1 … of ``points`` over column 0."""
    table = np.array(sorted(points))
    return [
        gaussian_filter1d(np.interp(z, table[:, 0], column), 6.0, mode="nearest")
        for column in table[:, 1:].T
    ]


def disc_levels(spine: Spine) -> dict[str, float]:
    """Level of each disc by name; lumbar discs are spread evenly over 0 … 5."""
    names = [disc.spec.name for disc in spine.discs]
    last = next(n for n, name in enumerate(names) if name.endswith("-S1"))
    first = next(n for n, name in enumerate(names) if name.endswith("-L1"))
    pitch = 5.0 / (last - first)
    return {
        name: (n - first) * pitch
        if first <= n <= last
        else float(n - (first if n < first else last - 5))
        for n, name in enumerate(names)
    }


def _axis(spine: Spine) -> _Axis:
    profile = spine.profile
    z = profile.z0 + PROFILE_STEP_MM * np.arange(0, len(profile.sac_x), _EVERY)
    levels = disc_levels(spine)
    middles = []
    for disc in spine.discs:
        above, below = disc.upper, disc.lower
        middle = above.to_patient((0.0, 0.0, -above.spec.height_mm / 2))
        middle = (middle + below.to_patient((0.0, 0.0, below.spec.height_mm / 2))) / 2
        middles.append((float(middle[2]), levels[disc.spec.name]))
    places = []
    for placed in spine.vertebrae:
        spec, turn = placed.spec, placed.rotation
        point = placed.to_patient((0.0, spec.depth_mm / 2 + _CANAL_MM, 0.0))
        places.append(
            (
                float(point[2]),
                float(point[0]),
                float(point[1]),
                float(np.arctan2(turn[1, 0], turn[0, 0])),
            )
        )
    bodies = [
        (
            float(placed.centre[2]),
            placed.spec.width_mm / 2,
            placed.spec.depth_mm / 2,
            float(placed.centre[0]),
            float(placed.centre[1]),
        )
        for placed in spine.vertebrae
    ]
    lumbar = [p.spec.width_mm for p in spine.vertebrae if p.spec.name.startswith("L")]
    size = float(np.mean(lumbar)) / _REFERENCE_WIDTH_MM
    x, y, turn_ = _curve(z, places)
    (level,) = _curve(z, middles)
    # Beyond the ends of the spine, levels go on.
    return _Axis(
        z0=float(z[0]),
        step=PROFILE_STEP_MM * _EVERY,
        level=level,
        x=x.astype(np.float32),
        y=y.astype(np.float32),
        turn=turn_.astype(np.float32),
        stretch=_stretch(spine, z, y, level, size),
        body=np.stack(_curve(z, bodies)).astype(np.float32),
        size=size,
    )


def _stretch(spine: Spine, z: Floats, y: Floats, level: Floats, size: float) -> Floats:
    """How much deeper than the reference's, to scale, the back muscles of a person are."""
    profile = spine.profile
    row = profile.rows(z.astype(np.float32))
    reach = size * np.interp(level, [0, 1, 2, 3, 4, 5, 6], [36, 39, 43, 44, 47, 45, 44])
    wanted = (profile.fascia_y[row] + 2.0 - y) / reach
    # Below L4 the muscles fill the hollow behind the sacrum, deeper than its crest.
    free = np.clip(level - 3.5, 0, 1)
    wanted = np.clip(wanted * (1 - free) + free, 0.85, 1.12)
    room = (profile.skin_y[row] - _SKIN_GAP_MM - y) / (reach * 1.06)
    return gaussian_filter1d(np.minimum(wanted, room), 6.0).astype(np.float32)


@dataclass(frozen=True, eq=False)
class _Course:
    """One muscle of one side along the spine: tables by row, and by row and angle.

    ``centre`` and ``half`` are ``[2, row]`` (outward, backward; mm), ``turn`` the cosine and
    sine of the ellipse's turn ``[2, row]``, ``radius`` ``[row, angle]``.
    """

    spec: MuscleSpec
    centre: Floats
    half: Floats
    turn: Floats
    radius: Floats

    def at(self, row: NDArray, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Distance from the outline of the muscle, and of its compartment; mm, < 0 inside."""
        x, y = x - self.centre[0][row], y - self.centre[1][row]
        cos, sin = self.turn[0][row], self.turn[1][row]
        half = self.half[0][row], self.half[1][row]
        u, v = (x * cos + y * sin) / half[0], (y * cos - x * sin) / half[1]
        angle = (np.arctan2(v, u) * np.float32(_ANGLES / (2 * np.pi))).astype(np.int32)
        radius = self.radius[row, angle % _ANGLES]
        rho = np.sqrt(u * u + v * v) + np.float32(1e-4)
        # Over the slope of rho: a distance to first order.
        to_mm = rho / np.sqrt((u / half[0]) ** 2 + (v / half[1]) ** 2 + np.float32(1e-9))
        lost = np.float32(1 - self.spec.atrophy)
        return (rho - radius * lost) * to_mm, (rho - radius) * to_mm


def _fade(level: Floats, table: MuscleTable) -> Floats:
    """Linear size of a muscle towards its ends, 0 … 1; the area goes down evenly."""
    upper = (level - table.upper[0]) / (table.upper[1] - table.upper[0])
    lower = (table.lower[1] - level) / (table.lower[1] - table.lower[0])
    return np.sqrt(np.clip(np.minimum(upper, lower), 0, 1))


def _wave(spec: MuscleSpec) -> Floats:
    angle = 2 * np.pi * np.arange(_ANGLES) / _ANGLES
    terms = [f(n * angle) for n in (2, 3, 4) for f in (np.cos, np.sin)]
    return 1 + np.array(spec.wave) @ np.array(terms)


def _course(axis: _Axis, spec: MuscleSpec) -> _Course:
    table = MUSCLE_TABLES[spec.name]
    knots = np.array(sorted(table.outlines), float)
    outlines = [table.outlines[int(knot)] for knot in knots]
    level = np.clip(axis.level, knots[0], knots[-1])
    rough = [
        (*o.centre_mm, *o.half_mm, np.radians(o.turn_deg), *(r / 100 for r in o.radii))
        for o in outlines
    ]
    smooth = PchipInterpolator(knots, np.array(rough))(level).T
    centre, half, turn, radii = smooth[:2], smooth[2:4], smooth[4], smooth[5:].T
    closed = np.concatenate([radii, radii[:, :1]], axis=1)
    fine = np.arange(_ANGLES) * (12 / _ANGLES)
    radius = CubicSpline(np.arange(13.0), closed, axis=1, bc_type="periodic")(fine)
    grown = spec.scale
    if spec.name in MUSCLES[:2]:
        root = np.array(_BACK_ROOT_MM)[:, None]
        centre = root + (centre - root) * grown
    else:
        centre = centre + (grown - 1) * np.stack([0.9 * half.mean(axis=0), -0.2 * half[1]])
    half = np.maximum(half * grown * _fade(axis.level, table), 0.02) * axis.size
    centre = centre * axis.size + np.array(spec.shift_mm)[:, None]
    if spec.name in MUSCLES[:2]:
        # The ellipse's axes are nearly those of the body: stretch the backward one more.
        backward = np.stack([np.abs(np.sin(turn)), np.abs(np.cos(turn))])
        half = half * (1 + (axis.stretch - 1) * backward)
        centre = np.stack([centre[0], centre[1] * axis.stretch])
    return _Course(
        spec,
        centre.astype(np.float32),
        half.astype(np.float32),
        np.stack([np.cos(turn), np.sin(turn)]).astype(np.float32),
        (radius * _wave(spec)).astype(np.float32),
    )


class Muscles:
    """The paraspinal muscles of a placed spine.

    Parameters
    ----------
    spine
        With the muscles' parameters in its anatomy.
    texture
        Where fat and fascicles take their pattern from.
    rng
        Source of chance for the points that the fat is calibrated at.
    """

    def __init__(self, spine: Spine, texture: Texture, rng: np.random.Generator) -> None:
        self._axis = _axis(spine)
        self._texture = texture
        self._plane_mm = spine.anatomy.muscles.plane_mm
        self._courses = {
            side: [_course(self._axis, spine.anatomy.muscles.of(name, side)) for name in MUSCLES]
            for side in SIDES
        }
        self._fat = {
            (course.spec.name, side): self._pattern(course, rng)
            for side, courses in self._courses.items()
            for course in courses
        }

    def _pattern(self, course: _Course, rng: np.random.Generator) -> FatPattern:
        """A muscle's fat, calibrated at points within its outline."""
        pattern = FatPattern(course.spec, self._texture)
        places = []
        for level in pattern.levels:
            rows = np.flatnonzero(np.abs(self._axis.level - level) < 0.4)
            rows = rows[course.half[:, rows].min(axis=0) > 1.0] if len(rows) else rows
            places.append(self._within(course, rows, rng) if len(rows) else None)
        return pattern.calibrated(places)

    def _within(
        self, course: _Course, rows: NDArray[np.intp], rng: np.random.Generator, count: int = 1200
    ) -> Place:
        """Points spread evenly over a muscle's cross-sections in some rows."""
        weight = np.prod(course.half[:, rows], axis=0)
        row = rng.choice(rows, count, p=weight / weight.sum()).astype(np.int32)
        # Within a circle about the outline; what lies outside is thrown away below.
        rho, turn = 1.25 * np.sqrt(rng.random(count)), rng.uniform(0, 2 * np.pi, count)
        u, v = rho * np.cos(turn), rho * np.sin(turn)
        half, (cos, sin) = course.half[:, row], course.turn[:, row]
        x = u * half[0] * cos - v * half[1] * sin
        y = u * half[0] * sin + v * half[1] * cos
        x, y = (offset.astype(np.float32) for offset in (x, y))
        z = (self._axis.z0 + self._axis.step * row).astype(np.float32)
        edge, _ = course.at(row, x + course.centre[0][row], y + course.centre[1][row])
        keep = edge < 0
        row = row[keep]
        return Place(
            x[keep], y[keep], z[keep], edge[keep], self._axis.level[row], course.half[:, row]
        )

    def paint(self, canvas: Canvas) -> None:
        """Paint muscles, the fat in and between them, and the fascia behind them."""
        for side in SIDES:
            self._paint_side(canvas, side)

    def _paint_side(self, canvas: Canvas, side: str) -> None:
        axis, sign = self._axis, np.float32(1 if side == "left" else -1)
        row = axis.rows(canvas.z)
        dx, dy = canvas.x - axis.x[row], canvas.y - axis.y[row]
        turn = axis.turn[row]
        # Axial turns are small: the sine of one is the angle.
        out, back = sign * (dx + turn * dy), dy - turn * dx
        near = (out > -6) & (out < 118) & (np.abs(back + 8) < 90)
        near &= (axis.level[row] > -20) & (axis.level[row] < 8)
        flat = np.flatnonzero(near)
        if len(flat) == 0:
            return
        row, out, back = (np.broadcast_to(a, near.shape).ravel()[flat] for a in (row, out, back))
        z = np.broadcast_to(canvas.z, near.shape).ravel()[flat]
        courses = self._courses[side]
        edges, compartments = (
            np.stack(each) for each in zip(*(c.at(row, out, back) for c in courses), strict=True)
        )
        gap = self._gap(out, back, z)
        edges[2] = np.maximum(edges[2], _BODY_GAP_MM - self._off_body(row, out, back, sign))
        first = edges.argmin(axis=0)
        ordered = np.partition(edges, 1, axis=0)
        owned = (ordered[0] < 0) & (ordered[1] - ordered[0] > gap)
        full = np.zeros(near.shape, np.float32)
        self._planes(canvas, near, flat, (edges, compartments, back, courses, row))
        for n, course in enumerate(courses):
            mine = owned & (first == n) & (out > 0)
            if not mine.any():
                continue
            where = row[mine]
            place = Place(
                out[mine] - course.centre[0][where],
                back[mine] - course.centre[1][where],
                z[mine],
                edges[n][mine],
                axis.level[where],
                course.half[:, where],
            )
            full.ravel()[flat[mine]] = self._fat[course.spec.name, side].part(place)
            mask = np.zeros(near.shape, bool)
            mask.ravel()[flat[mine]] = True
            canvas.put(
                mask,
                Tissue.MUSCLE,
                (Tissue.FAT, full),
                label=(_CODES[course.spec.name, side], 0),
            )

    def _gap(self, out: Floats, back: Floats, z: Floats) -> Floats:
        """Thickness of the fat plane between two muscles, as a difference of distances."""
        uneven = self._texture.linear((out, back, z), (3.0, 3.0, 6.0), 23)
        return np.float32(2 * self._plane_mm) * (np.float32(0.35) + np.float32(1.3) * uneven)

    def _off_body(self, row: NDArray, out: Floats, back: Floats, sign: np.float32) -> Floats:
        """Distance from the wall of bodies and discs, roughly, mm."""
        axis = self._axis
        width, depth, x, y = (table[row] for table in axis.body)
        u = (out - sign * (x - axis.x[row])) / width
        v = (back - (y - axis.y[row])) / depth
        return (np.sqrt(u * u + v * v) - 1) * width

    def _planes(
        self,
        canvas: Canvas,
        near: NDArray[np.bool_],
        flat: NDArray[np.intp],
        at: tuple[Floats, Floats, Floats, list[_Course], NDArray],
    ) -> None:
        """Fat within the compartments, and the thoracolumbar fascia behind them."""
        edges, compartments, back, courses, row = at
        mask = np.zeros(near.shape, bool)
        mask.ravel()[flat[(np.minimum(edges, compartments) < 0).any(axis=0)]] = True
        canvas.put(mask, Tissue.FAT)
        outside = compartments[:2].min(axis=0)
        behind = back > courses[1].centre[1][row]
        behind &= (outside > _FASCIA_MM[0]) & (outside < _FASCIA_MM[1])
        mask = np.zeros(near.shape, bool)
        mask.ravel()[flat[behind]] = True
        canvas.put(mask, Tissue.LIGAMENT, (Tissue.FAT, 0.15))
