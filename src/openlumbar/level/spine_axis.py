"""The axis of a spine in patient space, and which vertebra or disc lies where on it.

The axis is a smooth curve through the centres of the named vertebral bodies and discs of a
sagittal series, with arc length from head to foot. Where a structure begins and ends on it is
read off the masks along lines beside it: those are its endplates there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline

from openlumbar.core.levels import LevelRow
from openlumbar.core.volume import Volume
from openlumbar.level.naming import SeriesLevels
from openlumbar.level.spine_names import SpineNames, counted_by

#: Distance between samples of the axis, mm.
STEP_MM = 0.5
#: How far the axis goes on straight beyond its end nodes, mm.
TAIL_MM = 60.0
#: Length of axis whose direction the tails go on in, mm.
_TAIL_BASE_MM = 20.0
#: Centres nearer to each other than this cannot be two structures, mm.
_LEAST_APART_MM = 2.0
#: Lines beside the axis that endplates are read on: mm backward …
_BACK_MM = (-4.5, -1.5, 1.5, 4.5)
#: … and in parts of their distance across the slices: with thirds of it the stairs that slices
#: make of a lean average out.
_ASIDE_SLICES = (-1 / 3, 0.0, 1 / 3)
#: A disc of fewer voxels has no plane; one narrower than this does not show its lean, mm.
_LEAST_VOXELS, _WIDE_MM = 12, 15.0
#: Variance given to a direction in which nothing is thin, mm².
_NEVER_MM2 = 1e6
#: Least ratio of the variances along and square to a disc, and cosine to the axis.
_FLAT, _LEAST_COSINE = 2.0, 0.7
#: Length of an unseen vertebra in discs, to share out a gap (generic, ours).
_VERTEBRA_IN_DISCS = 3.0


@dataclass(frozen=True, eq=False)
class Stretch:
    """A vertebra or disc on the axis.

    Attributes
    ----------
    name, position
        As in :mod:`openlumbar.core.levels`.
    start_mm, end_mm
        Arc length at its upper and its lower endplate.
    confidence
        0 … 1, of its name.
    shown
        Whether the series shows it; the others fill gaps between those that it does.
    centre
        LPS, mm.
    spread
        ``[3, 3]``: covariance of its voxels, LPS, mm²; zeros where it has none.
    normal
        Unit vector, LPS, square to a disc's plane; for others the axis' direction.
    """

    name: str
    position: float
    start_mm: float
    end_mm: float
    confidence: float
    shown: bool
    centre: NDArray[np.float64]
    spread: NDArray[np.float64]
    normal: NDArray[np.float64]

    @property
    def middle_mm(self) -> float:
        """Arc length midway between the endplates."""
        return (self.start_mm + self.end_mm) / 2

    @property
    def length_mm(self) -> float:
        """Between the endplates along the axis."""
        return self.end_mm - self.start_mm

    @property
    def is_disc(self) -> bool:
        """Whether it is a disc."""
        return "-" in self.name


@dataclass(frozen=True, eq=False)
class Curve:
    """A curve in patient space.

    Attributes
    ----------
    points
        ``[n, 3]``, LPS, :data:`STEP_MM` apart.
    tangents
        ``[n, 3]``, unit length, toward the foot.
    start_mm
        Arc length of the first point; the first node has arc length 0.
    """

    points: NDArray[np.float64]
    tangents: NDArray[np.float64]
    start_mm: float

    @property
    def along_mm(self) -> NDArray[np.float64]:
        """Arc length of each point."""
        return np.asarray(self.start_mm + STEP_MM * np.arange(len(self.points)), np.float64)

    def at(self, along_mm: float) -> NDArray[np.float64]:
        """The point at an arc length."""
        places = [np.interp(along_mm, self.along_mm, axis) for axis in self.points.T]
        return np.asarray(places, np.float64)

    def direction(self, along_mm: float) -> NDArray[np.float64]:
        """Unit vector toward the foot at an arc length."""
        index = round((along_mm - self.start_mm) / STEP_MM)
        return self.tangents[int(np.clip(index, 0, len(self.points) - 1))]

    def nearest(self, point: ArrayLike) -> float:
        """Arc length of the sample nearest to a point (LPS)."""
        away = np.linalg.norm(self.points - np.asarray(point, float), axis=1)
        return float(self.along_mm[away.argmin()])


@dataclass(frozen=True, eq=False)
class SpineAxis:
    """The axis of one sagittal series with what lies on it.

    Attributes
    ----------
    series
        Its name.
    curve
        From head to foot.
    stretches
        Vertebrae and discs in turn from head to foot, without gaps.
    names
        How the spine is counted.
    """

    series: str
    curve: Curve
    stretches: tuple[Stretch, ...]
    names: SpineNames

    @cached_property
    def _knots(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Arc lengths and positions, continued by a level at either end."""
        along = np.array([one.middle_mm for one in self.stretches])
        places = np.array([one.position for one in self.stretches])
        pitch = (along[-1] - along[0]) / (places[-1] - places[0])
        beyond = np.array([-1.0, 1.0])
        ends = along[[0, -1]] + beyond * pitch, places[[0, -1]] + beyond
        first, last = ([end[0]] for end in ends), ([end[1]] for end in ends)
        lengths, positions = (
            np.concatenate([a, middle, b])
            for a, middle, b in zip(first, (along, places), last, strict=True)
        )
        return lengths, positions

    @property
    def start_mm(self) -> float:
        """Arc length where the uppermost structure begins."""
        return self.stretches[0].start_mm

    @property
    def end_mm(self) -> float:
        """Arc length where the lowest structure ends."""
        return self.stretches[-1].end_mm

    def position(self, along_mm: float) -> float:
        """Place along the spine at an arc length."""
        lengths, positions = self._knots
        return float(np.interp(along_mm, lengths, positions))

    def along(self, position: float) -> float:
        """Arc length at a place along the spine."""
        lengths, positions = self._knots
        return float(np.interp(position, positions, lengths))

    def beyond(self, along_mm: float) -> float:
        """How many levels an arc length lies above or below all that is shown; 0 between."""
        inside = min(max(along_mm, self.start_mm), self.end_mm)
        return abs(self.position(along_mm) - self.position(inside))

    def stretch(self, along_mm: float) -> Stretch:
        """What lies at an arc length; the nearest end beyond the ends."""
        return next((one for one in self.stretches if along_mm < one.end_mm), self.stretches[-1])

    def disc(self, name: str) -> Stretch | None:
        """The disc of that name."""
        return next((one for one in self.stretches if one.name == name), None)

    @property
    def discs(self) -> tuple[Stretch, ...]:
        """Those that the series shows, from head to foot."""
        return tuple(one for one in self.stretches if one.is_disc and one.shown)


def curve_through(nodes: ArrayLike) -> Curve:
    """The curve through points in order from head to foot.

    Parameters
    ----------
    nodes
        ``[n, 3]``, LPS, two or more.
    """
    nodes = np.asarray(nodes, float).reshape(-1, 3)
    chord = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(nodes, axis=0), axis=1))])
    spline = CubicSpline(chord, nodes, bc_type="natural" if len(nodes) > 2 else "not-a-knot")
    inner = spline(np.linspace(0, chord[-1], max(2, round(chord[-1] / 0.25)) + 1))
    base = min(_TAIL_BASE_MM, chord[-1])
    first = _unit(spline(base) - spline(0.0))
    last = _unit(spline(chord[-1]) - spline(chord[-1] - base))
    tail = np.arange(0.25, TAIL_MM, 0.25)[:, None]
    line = np.concatenate([inner[0] - tail[::-1] * first, inner, inner[-1] + tail * last])
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    at = np.arange(0.0, length[-1], STEP_MM)
    points = np.stack([np.interp(at, length, axis) for axis in line.T], 1)
    tangents = np.gradient(points, axis=0)
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    return Curve(points, tangents, -float(length[len(tail)]))


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return vector / max(float(np.linalg.norm(vector)), 1e-9)


def axis_of(levels: SeriesLevels) -> SpineAxis | None:
    """The axis of a sagittal series' spine.

    Parameters
    ----------
    levels
        Named anatomy; of several blocks that show a structure the one that shows most of it
        is taken.

    Returns
    -------
    SpineAxis or None
        None where fewer than two structures have names.
    """
    found = _structures(levels)
    if len(found) < 2:
        return None
    names = counted_by(one.row.level for one in found)
    curve = curve_through([one.centre for one in found])
    stretches = _completed(_measured(found, curve, names, levels), curve, names)
    return SpineAxis(levels.masks.series, curve, stretches, names)


@dataclass(frozen=True, eq=False)
class _Structure:
    """A row with the voxels that it names: LPS ``[n, 3]``."""

    row: LevelRow
    position: float
    points: NDArray[np.float64]
    volume_mm3: float

    @property
    def centre(self) -> NDArray[np.float64]:
        return np.array([self.row.x_mm, self.row.y_mm, self.row.z_mm])


def _structures(levels: SeriesLevels) -> list[_Structure]:
    """Named structures from head to foot, each once, none upon another."""
    names = counted_by(row.level for row in levels.rows)
    best: dict[str, _Structure] = {}
    points = [_points_by_code(levels, block) for block in range(len(levels.masks.labels))]
    for row in levels.rows:
        place = names.position(row.level)
        if place is None:
            continue
        own = points[row.block].get(row.label, np.zeros((0, 3)))
        voxel = float(np.prod(levels.masks.labels[row.block].spacing_mm))
        one = _Structure(row, place, own, len(own) * voxel)
        if row.level not in best or one.volume_mm3 > best[row.level].volume_mm3:
            best[row.level] = one
    return _apart(sorted(best.values(), key=lambda one: one.position))


def _apart(found: Sequence[_Structure]) -> list[_Structure]:
    """Without those whose centre lies upon that of the one before."""
    kept: list[_Structure] = []
    for one in found:
        if not kept or np.linalg.norm(one.centre - kept[-1].centre) > _LEAST_APART_MM:
            kept.append(one)
    return kept


def _points_by_code(levels: SeriesLevels, block: int) -> dict[int, NDArray[np.float64]]:
    """Voxels (LPS) of each disc and body of a block."""
    volume = _solid(levels, block)
    wanted = np.zeros(int(volume.array.max(initial=0)) + 1, bool)
    codes = [row.label for row in levels.rows if row.block == block]
    wanted[[code for code in codes if code < len(wanted)]] = True
    voxels = np.argwhere(wanted[volume.array])
    values = volume.array[tuple(voxels.T)]
    order = np.argsort(values, kind="stable")
    voxels, values = voxels[order], values[order]
    present, first = np.unique(values, return_index=True)
    parts = np.split(voxels, first[1:])
    return {int(code): volume.to_patient(part) for code, part in zip(present, parts, strict=True)}


def _solid(levels: SeriesLevels, block: int) -> Volume:
    """Discs and, where they are told from the posterior elements, bodies alone."""
    labels = levels.masks.labels[block]
    if not levels.masks.bodies:
        return labels
    bodies = levels.masks.bodies[block].array
    # The bodies of S2, and those of other tools, may not be told apart.
    told = {*np.unique(bodies).tolist()}
    rows = [row for row in levels.rows if row.block == block and row.structure == "vertebra"]
    is_body = np.zeros(int(labels.array.max(initial=0)) + 1, bool)
    is_body[[row.label for row in rows if row.label < len(is_body) and row.label in told]] = True
    return labels.with_array(np.where(is_body[labels.array], bodies, labels.array))


def _measured(
    found: Sequence[_Structure], curve: Curve, names: SpineNames, levels: SeriesLevels
) -> list[Stretch]:
    """Where each structure begins and ends on the axis."""
    solid = [_solid(levels, block) for block in range(len(levels.masks.labels))]
    seen = [_labels_beside(curve, volume) for volume in solid]
    stretches = []
    for one in found:
        extent = _extent(seen[one.row.block] == one.row.label, curve.along_mm)
        at = curve.nearest(one.centre)
        start, end = extent or (at, at)
        stretches.append(
            Stretch(
                name=one.row.level,
                position=one.position,
                start_mm=start,
                end_mm=end,
                confidence=one.row.level_confidence,
                shown=True,
                centre=one.centre,
                spread=_spread(one.points),
                normal=_normal(one, solid[one.row.block], curve.direction(at)),
            )
        )
    return _uncut(stretches, [one.row for one in found], curve)


def _spread(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.cov(points.T) if len(points) > 3 else np.zeros((3, 3))


def _normal(one: _Structure, volume: Volume, direction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Direction in which a disc spreads least; the axis' where it does not look flat.

    Of a disc seen on few slices it is sought within the slices, as the lean to the side is
    not seen there.
    """
    across = volume.affine[:3, 2] / volume.spacing_mm[0]
    if one.row.structure != "disc" or len(one.points) < _LEAST_VOXELS:
        return direction
    spread = _spread(one.points)
    if np.ptp(one.points @ across) < _WIDE_MM:
        spread = spread + _NEVER_MM2 * np.outer(across, across)
    values, vectors = np.linalg.eigh(spread)
    thin = vectors[:, 0]
    flat = values[1] > _FLAT * values[0] and abs(thin @ direction) > _LEAST_COSINE
    return np.asarray(thin * np.sign(thin @ direction)) if flat else direction


def _labels_beside(curve: Curve, volume: Volume) -> NDArray[np.integer]:
    """Codes on lines beside the axis, ``[aside, back, sample]``."""
    step = volume.spacing_mm[0]
    backward = np.cross(curve.tangents, volume.affine[:3, 2] / step)
    backward /= np.maximum(np.linalg.norm(backward, axis=1, keepdims=True), 1e-9)
    sideways = np.cross(backward, curve.tangents)
    asides, backs = np.meshgrid(np.array(_ASIDE_SLICES) * step, _BACK_MM, indexing="ij")
    beside = asides[..., None, None] * sideways + backs[..., None, None] * backward
    index = np.rint(volume.to_index(curve.points + beside)).astype(int)
    # A spine that leaves the slab goes on as on its last slice.
    index[..., 0] = np.clip(index[..., 0], 0, volume.shape[0] - 1)
    inside = ((index >= 0) & (index < volume.shape)).all(-1)
    index[~inside] = 0
    codes = volume.array[tuple(np.moveaxis(index, -1, 0))]
    return np.where(inside, codes, 0)


def _extent(on: NDArray[np.bool_], along_mm: NDArray[np.float64]) -> tuple[float, float] | None:
    """First and last arc length of a structure on lines ``[aside, back, sample]``.

    On a line it reaches half its length to either side of its middle, so that neither a
    speck nor a hole counts for more than its size. Of lines one behind the other the median
    is taken, of those side by side the mean.
    """
    sides = [[_on_line(line, along_mm) for line in lines if line.any()] for lines in on]
    ends = [np.median(side, axis=0) for side in sides if side]
    if not ends:
        return None
    start, end = np.mean(ends, axis=0)
    return float(start), float(end)


def _on_line(line: NDArray[np.bool_], along_mm: NDArray[np.float64]) -> tuple[float, float]:
    middle, reach = float(np.median(along_mm[line])), float(line.sum()) * STEP_MM / 2
    return middle - reach, middle + reach


def _uncut(stretches: list[Stretch], rows: Sequence[LevelRow], curve: Curve) -> list[Stretch]:
    """An end vertebra that the picture cuts, made as long as its neighbour."""
    vertebrae = [n for n, one in enumerate(stretches) if not one.is_disc]
    if len(vertebrae) < 2:
        return stretches
    result = list(stretches)
    for end, neighbour, head in ((vertebrae[0], vertebrae[1], True), (*vertebrae[-1:-3:-1], False)):
        one, whole = result[end], result[neighbour].length_mm
        outermost = end in (0, len(result) - 1)
        if not outermost or "partly-in-view" not in rows[end].flags or one.length_mm >= whole:
            continue
        start, end_mm = (
            (one.end_mm - whole, one.end_mm) if head else (one.start_mm, one.start_mm + whole)
        )
        result[end] = replace(one, start_mm=start, end_mm=end_mm)
    return result


def _completed(shown: Sequence[Stretch], curve: Curve, names: SpineNames) -> tuple[Stretch, ...]:
    """Neighbours made to meet midway between them, and gaps filled with what must lie there."""
    result = [shown[0]]
    for upper, lower in pairwise(shown):
        steps = round(2 * (lower.position - upper.position))
        if steps <= 1:
            border = (upper.end_mm + lower.start_mm) / 2
            result[-1] = replace(result[-1], end_mm=border)
            result.append(replace(lower, start_mm=border))
            continue
        result += [*_unseen(upper, lower, steps - 1, (curve, names)), lower]
    return tuple(result)


def _unseen(
    upper: Stretch, lower: Stretch, count: int, spine: tuple[Curve, SpineNames]
) -> Iterator[Stretch]:
    """What must lie between two structures that are no neighbours, the room shared out."""
    curve, names = spine
    places = [upper.position + (n + 1) / 2 for n in range(count)]
    parts = [1.0 if place == round(place) else _VERTEBRA_IN_DISCS for place in places]
    borders = np.interp(
        np.cumsum([0.0, *parts]) / sum(parts), [0, 1], [upper.end_mm, lower.start_mm]
    )
    for place, (start, end) in zip(places, pairwise(borders), strict=True):
        yield Stretch(
            name=names.name(place) or "",
            position=place,
            start_mm=float(start),
            end_mm=float(end),
            confidence=min(upper.confidence, lower.confidence),
            shown=False,
            centre=curve.at((start + end) / 2),
            spread=np.zeros((3, 3)),
            normal=curve.direction((start + end) / 2),
        )
