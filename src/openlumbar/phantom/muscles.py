"""The paraspinal muscles: where they are, and what they are made of.

Outlines lie in horizontal planes. They change with the level along the spine and are placed
about the axis of the spinal canal, so that muscles follow a spine's size, curves and turns
(:mod:`openlumbar.phantom.muscle_axis`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline, PchipInterpolator

from openlumbar.core.anatomy import STRUCTURES
from openlumbar.phantom.canvas import Canvas, Floats, Mask
from openlumbar.phantom.geometry import Spine
from openlumbar.phantom.muscle_axis import ROW_MM, MuscleAxis, muscle_axis
from openlumbar.phantom.muscle_fat import FatPattern, Place
from openlumbar.phantom.muscle_specs import MUSCLES, SIDES, MuscleSpec
from openlumbar.phantom.muscle_table import MUSCLE_TABLES, MuscleTable
from openlumbar.phantom.texture import Texture
from openlumbar.phantom.tissue import Tissue

Rows = NDArray[np.int32]

_CODES = {(s.name, s.side): s.code for s in STRUCTURES if s.kind == "muscle"}
_BACK = MUSCLES[:2]
_PSOAS = MUSCLES.index("psoas")
_ANGLES = 180
# What the psoas leaves free about bodies and discs, mm.
_BODY_GAP_MM = 1.0
# The thoracolumbar fascia, from its inner to its outer surface, mm outside the compartment.
_FASCIA_MM = (0.3, 1.3)
_FAR_MM = 99.0
# A larger back muscle grows about this point behind the canal's axis; the others grow away
# from their medial edge.
_BACK_ROOT_MM = (0.0, 4.0)
# Mean reach of the bones that are painted over a muscle: outward and backward of the canal's
# axis, mm.
_BONE_MM = {"multifidus": (4.5, 11.6), "erector spinae": (4.5, 3.0)}
# Where muscles can be: outward of the canal's axis, and before and behind it, mm.
_OUTWARD_MM, _DEPTH_MM = (-6.0, 118.0), (-98.0, 82.0)


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

    def distances(self, row: Rows, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """From the outline of the muscle, and of its compartment; mm, negative inside.

        Far from the muscle it is :data:`_FAR_MM`.
        """
        x, y = x - self.centre[0][row], y - self.centre[1][row]
        reach = (np.float32(1.3) * self.half.max(axis=0) + np.float32(_FASCIA_MM[1]))[row]
        near = np.flatnonzero((np.abs(x) < reach) & (np.abs(y) < reach))
        muscle, compartment = np.full((2, len(row)), _FAR_MM, np.float32)
        muscle[near], compartment[near] = self._near(row[near], x[near], y[near])
        return muscle, compartment

    def _near(self, row: Rows, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        cos, sin = self.turn[0][row], self.turn[1][row]
        half = self.half[0][row], self.half[1][row]
        along, across = x * cos + y * sin, y * cos - x * sin
        u, v = along / half[0], across / half[1]
        angle = (np.arctan2(v, u) * np.float32(_ANGLES / (2 * np.pi))).astype(np.int32)
        radius = self.radius[row, angle % _ANGLES]
        rho = np.sqrt(u * u + v * v) + np.float32(1e-4)
        # Over the slope of rho: a distance to first order.
        to_mm = rho / np.sqrt((u / half[0]) ** 2 + (v / half[1]) ** 2 + np.float32(1e-9))
        left = np.float32(1 - self.spec.atrophy)
        muscle = (rho - radius * left) * to_mm
        if self.spec.cleft_mm > 0:
            root = np.hypot(along + np.float32(0.95) * half[0], across - np.float32(0.25) * half[1])
            muscle = np.maximum(muscle, np.float32(self.spec.cleft_mm) - root)
        return muscle, (rho - radius) * to_mm


def _fade(level: Floats, table: MuscleTable) -> Floats:
    """Linear size of a muscle towards its ends, 0 … 1; the area goes down evenly."""
    upper = (level - table.upper[0]) / (table.upper[1] - table.upper[0])
    lower = (table.lower[1] - level) / (table.lower[1] - table.lower[0])
    return np.sqrt(np.clip(np.minimum(upper, lower), 0, 1))


def _radii(rough: Floats, spec: MuscleSpec) -> Floats:
    """From radii every 30 degrees ``[row, 12]`` to a smooth outline, with its own waves."""
    closed = np.concatenate([rough, rough[:, :1]], axis=1)
    fine = np.arange(_ANGLES) * (rough.shape[1] / _ANGLES)
    radius = CubicSpline(np.arange(closed.shape[1]), closed, axis=1, bc_type="periodic")(fine)
    angle = 2 * np.pi * np.arange(_ANGLES) / _ANGLES
    waves = np.array([f(n * angle) for n in (2, 3, 4) for f in (np.cos, np.sin)])
    return radius * (1 + np.array(spec.wave) @ waves)


def _course(axis: MuscleAxis, spec: MuscleSpec) -> _Course:
    table = MUSCLE_TABLES[spec.name]
    knots = np.array(sorted(table.outlines))
    rough = [
        (*o.centre_mm, *o.half_mm, np.radians(o.turn_deg), *np.divide(o.radii, 100))
        for o in (table.outlines[knot] for knot in knots)
    ]
    level = np.clip(axis.level, knots[0], knots[-1])
    smooth = PchipInterpolator(knots, np.array(rough))(level).T
    centre, half, turn = smooth[:2], smooth[2:4], smooth[4]
    if spec.name in _BACK:
        root = np.array(_BACK_ROOT_MM)[:, None]
        centre = root + (centre - root) * spec.scale
        # The ellipse's axes are nearly those of the body: stretch the backward one more.
        backward = np.stack([np.abs(np.sin(turn)), np.abs(np.cos(turn))])
        half = half * (1 + (axis.stretch - 1) * backward)
        centre = np.stack([centre[0], centre[1] * axis.stretch])
    else:
        growth = np.stack([0.9 * half.mean(axis=0), -0.2 * half[1]])
        centre = centre + (spec.scale - 1) * growth
    half = half * spec.scale * _fade(axis.level, table) * axis.size
    centre = centre * axis.size + np.array(spec.shift_mm)[:, None]
    tables = (
        centre,
        np.maximum(half, 0.02),
        np.stack([np.cos(turn), np.sin(turn)]),
        _radii(smooth[5:].T, spec),
    )
    return _Course(spec, *(table.astype(np.float32) for table in tables))


@dataclass(frozen=True, eq=False)
class _Points:
    """Points of a plane near the muscles of one side.

    ``flat`` are their places in the plane, ``outward`` and ``backward`` their coordinates
    about the canal's axis, mm, ``sign`` is 1 on the left and -1 on the right; ``row`` is for
    places, ``level_row`` for all that changes with level.
    """

    flat: NDArray[np.intp]
    shape: tuple[int, ...]
    sign: np.float32
    row: Rows
    level_row: Rows
    outward: Floats
    backward: Floats
    z: Floats

    def cut(self, chosen: Mask) -> _Points:
        """The chosen points alone."""
        return replace(
            self,
            flat=self.flat[chosen],
            row=self.row[chosen],
            level_row=self.level_row[chosen],
            outward=self.outward[chosen],
            backward=self.backward[chosen],
            z=self.z[chosen],
        )

    def mask(self, chosen: Mask) -> Mask:
        """The whole plane, true where a chosen point is."""
        mask = np.zeros(self.shape, bool)
        mask.ravel()[self.flat[chosen]] = True
        return mask

    def field(self, chosen: Mask, values: Floats) -> Floats:
        """The whole plane with the values of the chosen points."""
        field = np.zeros(self.shape, np.float32)
        field.ravel()[self.flat[chosen]] = values
        return field


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
        spec = spine.anatomy.muscles
        self._axis = muscle_axis(spine)
        self._texture = texture
        self._plane_mm = spec.plane_mm
        self._courses = {
            side: [_course(self._axis, spec.of(name, side)) for name in MUSCLES] for side in SIDES
        }
        self._fat = {
            side: [self._pattern(course, rng) for course in courses]
            for side, courses in self._courses.items()
        }

    def _pattern(self, course: _Course, rng: np.random.Generator) -> FatPattern:
        """A muscle's fat, calibrated at points within its outline."""
        pattern = FatPattern(course.spec, self._texture)
        exists = course.half.min(axis=0) > 1.0
        places = []
        for level in pattern.levels:
            rows = np.flatnonzero(exists & (np.abs(self._axis.level - level) < 0.4))
            places.append(self._within(course, rows, rng) if len(rows) else None)
        return pattern.calibrated(places)

    def _within(
        self, course: _Course, rows: NDArray[np.intp], rng: np.random.Generator, count: int = 800
    ) -> Place:
        """Points spread evenly over a muscle's cross-sections in some rows."""
        weight = np.prod(course.half[:, rows], axis=0)
        row = rng.choice(rows, count, p=weight / weight.sum()).astype(np.int32)
        half, (cos, sin) = course.half[:, row], course.turn[:, row]
        # Within an ellipse about the outline; what lies outside is thrown away below.
        rho, turn = 1.25 * np.sqrt(rng.random(count)), rng.uniform(0, 2 * np.pi, count)
        u, v = rho * np.cos(turn) * half[0], rho * np.sin(turn) * half[1]
        x = (course.centre[0][row] + u * cos - v * sin).astype(np.float32)
        y = (course.centre[1][row] + u * sin + v * cos).astype(np.float32)
        edge, _ = course.distances(row, x, y)
        z = (self._axis.z0 + ROW_MM * row).astype(np.float32)
        keep = edge < 0
        if course.spec.name in _BONE_MM:
            # Laminae, joints and processes will cover its front and its medial edge.
            medial, front = _BONE_MM[course.spec.name]
            seen = keep & (x > medial) & (y > front)
            keep = seen if seen.sum() > 50 else keep
        return self._place(course, row[keep], (x[keep], y[keep], z[keep]), edge[keep])

    def _place(
        self, course: _Course, row: Rows, at: tuple[Floats, Floats, Floats], edge: Floats
    ) -> Place:
        """Points about the middle of their muscle's cross-section."""
        x, y = at[0] - course.centre[0][row], at[1] - course.centre[1][row]
        return Place(x, y, at[2], edge, self._axis.level[row], course.half[:, row])

    # -- painting --------------------------------------------------------------------

    def paint(self, canvas: Canvas, inside: Mask) -> None:
        """Paint muscles, the fat in and between them, and the fascia behind them.

        Parameters
        ----------
        inside
            Where in the plane there may be muscle.
        """
        for side in SIDES:
            points = self._points(canvas, inside, side)
            if len(points.flat):
                self._paint_side(canvas, points, side)

    def _points(self, canvas: Canvas, inside: Mask, side: str) -> _Points:
        axis, sign = self._axis, np.float32(1 if side == "left" else -1)
        row = axis.rows(canvas.z)
        dx, dy, turn = canvas.x - axis.x[row], canvas.y - axis.y[row], axis.turn[row]
        # Axial turns are small: the sine of one is the angle.
        outward, backward = sign * (dx + turn * dy), dy - turn * dx
        near = inside & (outward > _OUTWARD_MM[0]) & (outward < _OUTWARD_MM[1])
        near &= (backward > _DEPTH_MM[0]) & (backward < _DEPTH_MM[1])
        flat = np.flatnonzero(near)
        row, y, z, outward, backward = (
            np.broadcast_to(each, near.shape).ravel()[flat]
            for each in (row, canvas.y, canvas.z, outward, backward)
        )
        level_row = axis.level_rows(y, z, row)
        return _Points(flat, near.shape, sign, row, level_row, outward, backward, z)

    def _paint_side(self, canvas: Canvas, points: _Points, side: str) -> None:
        courses = self._courses[side]
        pairs = [c.distances(points.level_row, points.outward, points.backward) for c in courses]
        edges, compartments = (np.stack(each) for each in zip(*pairs, strict=True))
        edges[_PSOAS] = np.maximum(edges[_PSOAS], _BODY_GAP_MM - self._off_body(points))
        self._fascia(canvas, points, compartments[: len(_BACK)], courses[1])
        inside: Mask = np.any(edges < 0, axis=0)
        canvas.put(points.mask(inside), Tissue.FAT)
        # Between two muscles a plane of fat is left, and nothing crosses the midline.
        inside &= points.outward > 0
        points, edges = points.cut(inside), edges[:, inside]
        first, second = np.partition(edges, 1, axis=0)[:2]
        owned = second - first > self._plane(points, courses[0])
        nearest = edges.argmin(axis=0)
        for n, (course, fat) in enumerate(zip(courses, self._fat[side], strict=True)):
            mine = owned & (nearest == n)
            if not mine.any():
                continue
            at = (points.outward[mine], points.backward[mine], points.z[mine])
            place = self._place(course, points.level_row[mine], at, edges[n][mine])
            part = points.field(mine, fat.part(place))
            label = (_CODES[course.spec.name, side], 0)
            canvas.put(points.mask(mine), Tissue.MUSCLE, (Tissue.FAT, part), label=label)

    def _plane(self, points: _Points, multifidus: _Course) -> Floats:
        """Thickness of the fat planes, as a difference of two distances.

        The planes are thick in the depth, fade towards the fascia, and are broken here and
        there.
        """
        at = (points.outward, points.backward, points.z)
        uneven = self._texture.linear(at, (3.0, 3.0, 6.0), 23)
        row = points.level_row
        depth = (multifidus.centre[1][row] - points.backward) / multifidus.half[0][row]
        fading = np.clip(np.float32(0.6) + np.float32(0.7) * depth, 0.1, 1.4)
        broken = np.maximum(np.float32(1.5) * uneven - np.float32(0.15), 0)
        return np.float32(2 * self._plane_mm) * fading * broken

    def _off_body(self, points: _Points) -> Floats:
        """Distance from the wall of bodies and discs, roughly, mm."""
        axis, row = self._axis, points.row
        width, depth, x, y = (table[row] for table in axis.body)
        u = (points.outward - points.sign * (x - axis.x[row])) / width
        v = (points.backward - (y - axis.y[row])) / depth
        return (np.sqrt(u * u + v * v) - 1) * width

    def _fascia(
        self, canvas: Canvas, points: _Points, compartments: Floats, erector: _Course
    ) -> None:
        """Fill the compartments of the back with fat, and close them behind."""
        outside = compartments.min(axis=0)
        canvas.put(points.mask(np.less(outside, 0.0)), Tissue.FAT)
        behind = points.backward > erector.centre[1][points.level_row]
        behind &= (outside > _FASCIA_MM[0]) & (outside < _FASCIA_MM[1])
        canvas.put(points.mask(behind), Tissue.LIGAMENT, (Tissue.FAT, 0.15))
