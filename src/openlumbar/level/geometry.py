"""Levels of axial slices by geometry: where each cuts the spine of a sagittal series.

A slice's level is where its plane crosses the axis through the centres of bodies and discs
(:mod:`openlumbar.level.spine_axis`), not the height of its centre. Each block, each slice is
taken for itself, so that neither the order of slices nor that of blocks means anything; only
coordinates in the patient are compared, and whether the patient lay still is seen from the
pictures (:mod:`openlumbar.level.motion`), not from FrameOfReferenceUID.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.exam import Series
from openlumbar.core.masks import AxialMask
from openlumbar.core.volume import Volume
from openlumbar.level.fitting import check_masks
from openlumbar.level.motion import Motion, SliceView, canal_of, estimate_motion, views_of
from openlumbar.level.naming import SeriesLevels
from openlumbar.level.spine_axis import STEP_MM, SpineAxis, Stretch, axis_of

#: Flags of a sagittal series whose names say nothing of the patient.
UNUSABLE = frozenset({"upside-down", "not-a-lumbar-spine"})
#: Slices are named up to so many levels beyond what the sagittal series shows.
BEYOND = 0.5
#: Planes that cross the axis at a flatter angle than this are not placed.
LEAST_ANGLE_DEG = 5.0
#: A plane this flat to the axis or steeper is trusted in full.
_GOOD_ANGLE_DEG = 40.0
#: How far outside of its picture a slice's plane may cross the axis, mm.
_MARGIN_MM = 10.0
#: How far from a disc's endplate the crossing of its best slice may lie, mm.
_AT_DISC_MM = 1.0
#: Two spines differ where they place a slice so many levels apart.
_APART = 0.5
#: Part of the confidence that is left: beyond what is shown; where the level itself was not
#: found; where two sagittal series differ; where motion is seen and cannot be put right, and
#: where it was.
_OUTSIDE, _UNSEEN, _DISPUTED, _MOVED, _CORRECTED = 0.5, 0.8, 0.5, 0.5, 0.9

_UNRECOGNISED = "not-an-axial-lumbar-slice"


@dataclass(frozen=True)
class SlicePlace:
    """Where one axial slice cuts the spine.

    Attributes
    ----------
    position
        Along the spine (:data:`openlumbar.core.levels.POSITIONS`).
    level
        The vertebra or disc between whose endplates the slice's plane crosses the axis.
    disc_level
        The nearest disc.
    within
        Of the crossing in ``level``: 0 at its upper, 1 at its lower endplate; None where the
        sagittal series does not show it.
    tilt_deg
        0 … 90, of the slice against the plane of the nearest disc.
    distance_mm
        Of that disc's centre from the slice's plane.
    confidence
        0 … 1, that the names are right.
    flags
        Words of :mod:`openlumbar.core.flags`.
    """

    position: float
    level: str
    disc_level: str
    within: float | None
    tilt_deg: float
    distance_mm: float
    confidence: float
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Placing:
    """Where the slices of one axial series cut the spine.

    Attributes
    ----------
    places
        One a slice, block by block; None where a slice cannot be placed.
    best
        Of the slices in that order those that lie best in a disc, one a disc.
    moved_mm
        Shift of the patient (LPS) from the sagittal to the axial series that is taken off;
        zeros where none is.
    flags, evidence
        Of the series as a whole: words of :mod:`openlumbar.core.flags`, and sentences.
    """

    places: tuple[SlicePlace | None, ...]
    best: frozenset[int]
    moved_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    flags: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()


def place_slices(
    series: Series, found: Sequence[AxialMask], spines: Sequence[SeriesLevels]
) -> Placing:
    """Find the level of every slice of an axial series from sagittal ones.

    Parameters
    ----------
    series
        Axial; for its blocks' geometry.
    found
        One a block, on the block's own grid; what it shows of sac and column tells whether
        the patient moved.
    spines
        Named anatomy of the sagittal series of the exam. Of several, the surest that shows
        most of the slices' levels is taken, others stand in where it shows nothing, and are
        compared with it.

    Returns
    -------
    Placing
        Without a usable spine no slice has a place.

    Raises
    ------
    StageError
        ``found`` does not fit the series' blocks.
    """
    check_masks(series, found, "place_slices")
    slices = list(_slices(series, found))
    views = views_of(found)
    readings = [
        _read(levels, axis, slices, views)
        for levels in spines
        if not UNUSABLE & {*levels.numbering.flags} and (axis := axis_of(levels)) is not None
    ]
    if not readings:
        return Placing((None,) * len(slices), frozenset(), evidence=(_nothing(spines),))
    readings.sort(key=lambda reading: reading.worth, reverse=True)
    return _pooled(readings, slices)


@dataclass(frozen=True, eq=False)
class _Slice:
    """An axial slice: a volume of one slice's geometry, its number in it, and its normal."""

    grid: Volume
    k: int
    recognised: bool

    @property
    def normal(self) -> NDArray[np.float64]:
        return self.grid.affine[:3, 2] / self.grid.spacing_mm[0]

    @property
    def origin(self) -> NDArray[np.float64]:
        return self.grid.to_patient((self.k, 0, 0))

    def outside_mm(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """How far points of its plane ``[n, 3]`` lie outside of the picture."""
        index = self.grid.to_index(points)[:, 1:]
        last = np.array(self.grid.shape[1:]) - 1
        over = np.maximum(np.maximum(-index, index - last), 0) * self.grid.spacing_mm[1:]
        return np.asarray(over.max(1))


def _slices(series: Series, found: Sequence[AxialMask]) -> Iterator[_Slice]:
    for block, mask in zip(series.blocks, found, strict=True):
        for k, flags in enumerate(mask.flags):
            yield _Slice(block.volume, k, _UNRECOGNISED not in flags)


@dataclass(frozen=True)
class _Cut:
    """A slice's place by one spine, and how well it lies in the nearest disc.

    ``fit_mm`` is the root mean square distance of that disc's voxels from the slice's plane;
    None where the plane crosses the axis outside of the disc.
    """

    place: SlicePlace
    fit_mm: float | None


@dataclass(frozen=True, eq=False)
class _Reading:
    """All slices by one spine."""

    series: str
    cuts: tuple[_Cut | None, ...]
    moved_mm: tuple[float, float, float]
    flags: tuple[str, ...]
    evidence: tuple[str, ...]

    @property
    def worth(self) -> float:
        """Sum of the confidences of the slices."""
        return sum(cut.place.confidence for cut in self.cuts if cut)


def _read(
    levels: SeriesLevels, axis: SpineAxis, slices: Sequence[_Slice], views: Sequence[SliceView]
) -> _Reading:
    """Place the slices by one spine, after the patient's motion is put right."""
    motion = estimate_motion(axis, canal_of(levels, axis), views)
    shift = np.zeros(3) if motion is None else motion.correction_mm
    moved, part = False, 1.0
    if motion is not None and motion.is_significant:
        moved, part = True, _CORRECTED if motion.is_reliable else _MOVED
    cuts = tuple(_scaled(_cut(axis, one, shift), part) for one in slices)
    x, y, z = (round(float(value), 2) + 0.0 for value in shift)
    return _Reading(
        series=axis.series,
        cuts=cuts,
        moved_mm=(x, y, z),
        flags=("patient-moved",) if moved else (),
        evidence=(*_told(axis.series, motion), *_lost(axis.series, cuts)),
    )


def _scaled(cut: _Cut | None, part: float) -> _Cut | None:
    if cut is None:
        return None
    return replace(cut, place=replace(cut.place, confidence=cut.place.confidence * part))


def _cut(axis: SpineAxis, one: _Slice, shift: NDArray[np.float64]) -> _Cut | None:
    """Where a slice cuts the axis, moved by ``shift``."""
    crossings = _crossings(axis, one, shift)
    if not crossings:
        return None
    # Of several the one within the spine, and there the squarest, is meant.
    along = min(crossings, key=lambda at: (axis.beyond(at), _slant_deg(axis, one, at)))
    position, here = axis.position(along), axis.stretch(along)
    outside = axis.beyond(along)
    level = axis.names.name(position) if outside else here.name
    nearest = axis.names.disc(position)
    angle = 90 - _slant_deg(axis, one, along)
    if outside > BEYOND or angle < LEAST_ANGLE_DEG or not (level and nearest):
        return None
    centre, normal = _disc_plane(axis, nearest, round(position))
    distance = abs(float(one.normal @ (centre + shift - one.origin)))
    confidence = here.confidence * min(1.0, angle / _GOOD_ANGLE_DEG) / len(crossings)
    place = SlicePlace(
        position=position,
        level=level,
        disc_level=nearest,
        within=_within(here, along) if here.shown and not outside else None,
        tilt_deg=_angle_deg(one.normal, normal),
        distance_mm=distance,
        confidence=confidence * (_OUTSIDE if outside else 1.0 if here.shown else _UNSEEN),
        flags=("outside-the-spine",) if outside else (),
    )
    return _Cut(place, _fit(axis.disc(nearest), one, along, distance))


def _slant_deg(axis: SpineAxis, one: _Slice, along_mm: float) -> float:
    """Angle between the slice's normal and the axis."""
    return _angle_deg(one.normal, axis.curve.direction(along_mm))


def _crossings(axis: SpineAxis, one: _Slice, shift: NDArray[np.float64]) -> list[float]:
    """Arc lengths where the slice's plane crosses the axis within the picture."""
    points = axis.curve.points + shift
    height = (points - one.origin) @ one.normal
    index = np.flatnonzero((height[:-1] < 0) != (height[1:] < 0))
    part = height[index] / (height[index] - height[index + 1])
    at = points[index] + part[:, None] * (points[index + 1] - points[index])
    inside = one.outside_mm(at) <= _MARGIN_MM
    return [float(s) for s in (axis.curve.along_mm[index] + part * STEP_MM)[inside]]


def _within(here: Stretch, along_mm: float) -> float | None:
    if here.length_mm <= 0:
        return None
    return float(np.clip((along_mm - here.start_mm) / here.length_mm, 0.0, 1.0))


def _disc_plane(
    axis: SpineAxis, name: str, position: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centre and normal of a disc; of one that is not shown, of the axis where it must be."""
    disc = axis.disc(name)
    if disc is not None:
        return disc.centre, disc.normal
    along = axis.along(position)
    return axis.curve.at(along), axis.curve.direction(along)


def _fit(disc: Stretch | None, one: _Slice, along_mm: float, distance: float) -> float | None:
    if disc is None or not disc.shown:
        return None
    if not disc.start_mm - _AT_DISC_MM <= along_mm <= disc.end_mm + _AT_DISC_MM:
        return None
    return float(np.sqrt(distance**2 + one.normal @ disc.spread @ one.normal))


def _angle_deg(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Between two lines, 0 … 90."""
    return float(np.degrees(np.arccos(min(1.0, abs(float(a @ b))))))


def _pooled(readings: Sequence[_Reading], slices: Sequence[_Slice]) -> Placing:
    """The places by the best spine, filled and checked with the others."""
    chosen = [_chosen([reading.cuts[n] for reading in readings]) for n in range(len(slices))]
    disputes = [_disputed(readings[0], other) for other in readings[1:]]
    doubted = frozenset().union(*(slices_of for slices_of, _ in disputes))
    cuts = [_doubted(cut) if n in doubted else cut for n, cut in enumerate(chosen)]
    flags = [flag for reading in readings for flag in reading.flags]
    flags += ["level-uncertain"] if doubted else []
    return Placing(
        places=tuple(cut.place if cut else None for cut in cuts),
        best=_best(cuts, slices),
        moved_mm=readings[0].moved_mm,
        flags=tuple(dict.fromkeys(flags)),
        evidence=(
            *(sentence for reading in readings for sentence in reading.evidence),
            *(sentence for _, sentence in disputes if sentence),
        ),
    )


def _chosen(cuts: Sequence[_Cut | None]) -> _Cut | None:
    """The first within its spine, else the first at all."""
    placed = [cut for cut in cuts if cut]
    return min(placed, key=lambda cut: bool(cut.place.flags), default=None)


def _disputed(main: _Reading, other: _Reading) -> tuple[frozenset[int], str]:
    """Slices that two spines place half a level or more apart, and a sentence on them."""
    apart = {
        n: (a.place, b.place)
        for n, (a, b) in enumerate(zip(main.cuts, other.cuts, strict=True))
        if a and b and abs(a.place.position - b.place.position) >= _APART
    }
    if not apart:
        return frozenset(), ""
    ours, theirs = apart[min(apart)]
    return frozenset(apart), (
        f"{main.series} and {other.series} name the same place differently: the first of "
        f"{len(apart)} such slices lies in {ours.level} by the one, in {theirs.level} by the other."
    )


def _doubted(cut: _Cut | None) -> _Cut | None:
    if cut is None:
        return None
    flags = (*cut.place.flags, "level-uncertain")
    return _scaled(replace(cut, place=replace(cut.place, flags=flags)), _DISPUTED)


def _best(cuts: Sequence[_Cut | None], slices: Sequence[_Slice]) -> frozenset[int]:
    """The slice that lies best in each disc; one that shows nothing only if no other does."""
    best: dict[str, tuple[bool, float, int]] = {}
    for number, (cut, one) in enumerate(zip(cuts, slices, strict=True)):
        if cut and cut.fit_mm is not None:
            rank = (not one.recognised, cut.fit_mm, number)
            name = cut.place.disc_level
            best[name] = min(rank, best.get(name, rank))
    return frozenset(number for *_, number in best.values())


def _told(series: str, motion: Motion | None) -> Iterator[str]:
    """What is said of the patient's motion."""
    if motion is None or not motion.is_significant:
        return
    x, y, z = motion.shift_mm
    sd = " / ".join(f"{value:.0f}" for value in motion.sd_mm)
    done = "taken off" if motion.is_reliable else "not taken off, being too uncertain along z"
    yield (
        f"Against {series} the spine lies {x:+.0f} mm to the left, {y:+.0f} mm back and "
        f"{z:+.0f} mm up (standard deviations {sd} mm): the patient moved between the series; "
        f"the shift is {done}."
    )


def _lost(series: str, cuts: Sequence[_Cut | None]) -> Iterator[str]:
    """What is said of slices that have no place."""
    count = sum(cut is None for cut in cuts)
    if count:
        yield f"{count} of {len(cuts)} slices do not cut the spine that {series} shows."


def _nothing(spines: Sequence[SeriesLevels]) -> str:
    if not spines:
        return "There is no sagittal series to place the slices by."
    names = ", ".join(levels.masks.series for levels in spines)
    return f"No usable spine to place the slices by was found in {names}."
