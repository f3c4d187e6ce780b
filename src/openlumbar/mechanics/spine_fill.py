"""What was not measured of a spine, from what was and a base model's course."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from openlumbar.core.loads import Origin
from openlumbar.mechanics.model import Array
from openlumbar.mechanics.spine_readings import ELEMENTS, Seen

#: Neighbouring vertebrae's middles are this far apart, those of L5 and of S1's upper endplate
#: the second. A vertebra and the disc beside it are nearer by far if both are flat. Ours.
NEIGHBOURS_MM = (15.0, 60.0)
SACRAL_MM = (6.0, 45.0)
LEAST_TO_DISC_MM = 4.0
#: A disc's middle lies this far along the line from the vertebra above to that below, and no
#: further aside of it. Ours.
DISC_PART = (0.2, 0.8)
DISC_ASIDE_MM = 20.0
#: No person is smaller or larger than this times the model made as tall. Ours.
SCALES = (0.75, 1.3)
#: One standard deviation of what lies between two measured neighbours, and of each vertebra
#: or disc that is carried on beyond the last measured one. Ours.
BETWEEN_SD_MM, BETWEEN_SD_DEG = 2.0, 3.0
BEYOND_SD_MM, BEYOND_SD_DEG = 1.5, 4.0
UNMEASURED_SIZE_SD_MM = 2.0

_COUNT = len(ELEMENTS)
_Mask = NDArray[np.bool_]
_SEEN, _BETWEEN, _BEYOND = Origin.MEASURED, Origin.INTERPOLATED, Origin.GENERIC


@dataclass(frozen=True, eq=False)
class Course:
    """A whole spine, in the order of ``ELEMENTS``.

    Attributes
    ----------
    place_mm
        ``[13, 3]`` LPS.
    pitch_deg, height_mm, depth_mm
        ``[13]``; no height nor depth where there is no body.
    """

    place_mm: Array
    pitch_deg: Array
    height_mm: Array
    depth_mm: Array


@dataclass(frozen=True, eq=False)
class Filled(Course):
    """A spine without gaps, and where each part of it comes from.

    Attributes
    ----------
    lean_deg
        ``[13]``, to the right.
    place_sd_mm, pitch_sd_deg, lean_sd_deg, size_sd_mm
        ``[13]``, one standard deviation.
    place, turn, size
        Origins, 13 each.
    """

    lean_deg: Array
    place_sd_mm: Array
    pitch_sd_deg: Array
    lean_sd_deg: Array
    size_sd_mm: Array
    place: tuple[Origin, ...]
    turn: tuple[Origin, ...]
    size: tuple[Origin, ...]


# -- what cannot be --------------------------------------------------------------------


def plausible(seen: Seen) -> tuple[Seen, tuple[str, ...]]:
    """Take vertebrae and discs that lie where none can for unmeasured.

    Of two neighbours that are too near, too far apart or in the wrong order, the one that
    quarrels with more of the others goes, and among equals the less sure one.

    Returns
    -------
    seen
        The rest.
    notes
        A sentence that names those that went.
    """
    place, gone = seen.place_mm.copy(), []
    while (worst := _worst(place, seen.confidence)) is not None:
        place[worst] = np.nan
        gone.append(worst)
    for n in range(1, _COUNT - 1, 2):
        # S1 stands for its endplate, just below the disc.
        most = 1.0 if n == _COUNT - 2 else DISC_PART[1]
        if not _disc_between(place[n - 1], place[n], place[n + 1], most):
            place[n] = np.nan
            gone.append(n)
    if not gone:
        return seen, ()
    without = {
        name: np.where(np.isin(np.arange(_COUNT), gone), np.nan, getattr(seen, name))
        for name in ("place_sd_mm", "pitch_deg", "pitch_sd_deg", "height_mm", "depth_mm")
    }
    which = ", ".join(ELEMENTS[n] for n in sorted(gone))
    note = f"Not used, as the places contradict those of the neighbours: {which}."
    return replace(seen, place_mm=place, **without), (note,)


def _worst(place: Array, confidence: Array) -> int | None:
    """What quarrels most with its nearest measured neighbours, if anything does."""
    known = [n for n in range(_COUNT) if np.isfinite(place[n, 1:]).all()]
    quarrels = np.zeros(_COUNT)
    # Next but one is asked too: of three in a row it tells which of two is wrong.
    for step in (1, 2):
        for upper, lower in zip(known, known[step:], strict=False):
            if not _apart(place[upper], place[lower], upper, lower):
                quarrels[[upper, lower]] += 1
    if not quarrels.any():
        return None
    return int(np.lexsort((confidence, -quarrels))[0])


def _apart(upper: Array, lower: Array, first: int, last: int) -> bool:
    """Whether two elements lie as far apart, and in such order, as their names say."""
    away = np.nan_to_num(upper - lower)
    least, most = _limits_mm(first, last)
    # The sacrum can be so steep that the disc on it lies no higher than its endplate.
    ordered = away[2] > 0 or (first, last) == (_COUNT - 2, _COUNT - 1)
    return bool(least <= np.linalg.norm(away) <= most and ordered)


def _limits_mm(first: int, last: int) -> tuple[float, float]:
    steps = (last - first) / 2
    least, most = steps * NEIGHBOURS_MM[0], steps * NEIGHBOURS_MM[1]
    if first % 2 or last % 2:
        least = 2 * steps * LEAST_TO_DISC_MM
    if last == _COUNT - 1:
        least += SACRAL_MM[0] - NEIGHBOURS_MM[0]
        most += (SACRAL_MM[1] - NEIGHBOURS_MM[1]) if steps >= 1 else 0.0
    return max(least, 0.0), most


def _disc_between(upper: Array, disc: Array, lower: Array, most: float) -> bool:
    """Whether a disc lies between its vertebrae, so far as these are known."""
    if np.isnan(upper[1]) or np.isnan(lower[1]) or np.isnan(disc[1]):
        return True
    # In the sagittal plane, as S1 has no x.
    line, at = (lower - upper)[1:], (disc - upper)[1:]
    part = float(at @ line / (line @ line))
    aside = float(np.linalg.norm(at - part * line))
    return DISC_PART[0] <= part <= most and aside <= DISC_ASIDE_MM


# -- filling ---------------------------------------------------------------------------


def fill(seen: Seen, base: Course) -> Filled:
    """Complete a spine of which at least one vertebra or disc has a place.

    Parameters
    ----------
    seen
        What was measured.
    base
        A whole spine of about the same size.
    """
    known: _Mask = np.all(np.isfinite(seen.place_mm[:, 1:]), axis=1)
    pitched = np.isfinite(seen.pitch_deg)
    pitch = _pitches(seen, base, known)
    place = _sagittal_places(seen.place_mm, base, known, pitch - base.pitch_deg)
    place_sd, place_origin = _deviation(seen.place_sd_mm, known, (BETWEEN_SD_MM, BEYOND_SD_MM))
    place[:, 0], lean, lean_sd = _lateral(place, np.isfinite(seen.place_mm[:, 0]), place_sd)
    pitch_sd, turn_origin = _deviation(seen.pitch_sd_deg, pitched, (BETWEEN_SD_DEG, BEYOND_SD_DEG))
    height, depth, size_origin = _sizes(seen, base)
    measured = np.array([origin is _SEEN for origin in size_origin])
    size_sd = np.where(measured, seen.size_sd_mm, UNMEASURED_SIZE_SD_MM)
    return Filled(
        place_mm=place,
        pitch_deg=pitch,
        height_mm=height,
        depth_mm=depth,
        lean_deg=lean,
        place_sd_mm=place_sd,
        pitch_sd_deg=pitch_sd,
        lean_sd_deg=lean_sd,
        size_sd_mm=np.where(base.height_mm > 0, size_sd, 0.0),
        place=place_origin,
        turn=turn_origin,
        size=size_origin,
    )


def _pitches(seen: Seen, base: Course, known: _Mask) -> Array:
    """The base model's, moved by what was measured above it: in between linearly."""
    index = np.arange(_COUNT)
    pitched = np.isfinite(seen.pitch_deg)
    if not pitched.any():
        return base.pitch_deg + _course_turn(seen.place_mm, base, known)
    extra = (seen.pitch_deg - base.pitch_deg)[pitched]
    return np.where(
        pitched, seen.pitch_deg, base.pitch_deg + np.interp(index, index[pitched], extra)
    )


def _course_turn(place: Array, base: Course, known: _Mask) -> float:
    """Degrees by which the line from the first to the last known place is turned."""
    first, last = np.flatnonzero(known)[[0, -1]]
    if first == last:
        return 0.0
    chords = [_plane(where[last] - where[first]) for where in (place, base.place_mm)]
    return float(np.degrees(np.angle(chords[0] / chords[1])))


def _plane(points: Array) -> NDArray[np.complex128]:
    """Sagittal plane as complex numbers, y backward and z upward: a pitch is a turn in it."""
    return np.asarray(points[..., 1] + 1j * points[..., 2])


def _sagittal_places(place: Array, base: Course, known: _Mask, extra_deg: Array) -> Array:
    """Places with y and z filled in."""
    found, model = _plane(place), _plane(base.place_mm)
    ends = np.flatnonzero(known)
    first, last = ends[0], ends[-1]
    scale = 1.0
    if first != last:
        lengths = [np.abs(np.diff(path[ends])).sum() for path in (found, model)]
        scale = float(np.clip(lengths[0] / lengths[1], *SCALES))
    for n in np.flatnonzero(~known):
        if n < first or n > last:
            near = first if n < first else last
            turn = scale * np.exp(1j * np.radians(extra_deg[near]))
        else:
            near, other = ends[ends < n][-1], ends[ends > n][0]
            turn = (found[other] - found[near]) / (model[other] - model[near])
        found[n] = found[near] + turn * (model[n] - model[near])
    return np.stack([place[:, 0], found.real, found.imag], axis=1)


def _lateral(place: Array, known: _Mask, place_sd: Array) -> tuple[Array, Array, Array]:
    """Sideward places (x), the lean to the right in degrees, and its standard deviation.

    A polynomial of the third degree at most is fitted to x along the course in the sagittal
    plane; its slope is the lean. Vertebrae keep their measured x. A disc that is wedged to one
    side has its centre towards the thicker side, so that its x is the polynomial's, off by
    as much as both its vertebrae are.
    """
    if not known.any():
        return np.zeros(_COUNT), np.zeros(_COUNT), np.full(_COUNT, BEYOND_SD_DEG)
    steps = np.hypot(*np.diff(place[:, 1:], axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    along = (along - along.mean()) / 100
    degree = min(3, (int(known.sum()) - 1) // 3)
    powers = np.vander(along, degree + 1, increasing=True)
    slopes = np.zeros_like(powers)
    slopes[:, 1:] = powers[:, :-1] * np.arange(1, degree + 1) / 100
    solved = np.linalg.pinv(powers[known])
    fitted = solved @ place[known, 0]
    slope = slopes @ fitted
    curve = _carried(powers @ fitted, slope, along * 100, known)
    x = np.where(known, place[:, 0], curve)
    off = np.where(known, x - curve, np.nan)
    of_neighbours = (off[:-2:2] + off[2::2]) / 2
    x[1::2] = np.where(np.isfinite(of_neighbours), curve[1::2] + of_neighbours, x[1::2])
    spread = np.sqrt(((slopes @ solved) ** 2) @ place_sd[known] ** 2)
    return x, np.degrees(np.arctan(slope)), np.degrees(spread)


def _carried(x: Array, slope: Array, along: Array, known: _Mask) -> Array:
    """The fitted x, but straight on beyond the first and last known one."""
    first, last = np.flatnonzero(known)[[0, -1]]
    at = np.clip(np.arange(_COUNT), first, last)
    return x[at] + slope[at] * (along - along[at])


def _deviation(
    measured: Array, known: _Mask, unmeasured: tuple[float, float]
) -> tuple[Array, tuple[Origin, ...]]:
    """Standard deviations and origins; beyond the ends they grow with each step."""
    index, ends = np.arange(_COUNT), np.flatnonzero(known)
    if not ends.size:
        return np.full(_COUNT, unmeasured[1]), (_BEYOND,) * _COUNT
    outside = np.maximum(ends[0] - index, 0) + np.maximum(index - ends[-1], 0)
    guess = np.where(outside > 0, unmeasured[1] * np.sqrt(outside), unmeasured[0])
    origins = tuple(
        _SEEN if seen else (_BEYOND if away else _BETWEEN)
        for seen, away in zip(known, outside > 0, strict=True)
    )
    return np.where(known, measured, guess), origins


def _sizes(seen: Seen, base: Course) -> tuple[Array, Array, tuple[Origin, ...]]:
    """Heights and depths; unmeasured ones are the base model's times the others' mean ratio."""
    bodies = base.height_mm > 0
    measured = bodies & np.isfinite(seen.height_mm) & np.isfinite(seen.depth_mm)
    origins = tuple(_SEEN if one else _BEYOND for one in measured)
    if measured.any():
        origins = tuple(
            _BETWEEN if o is _BEYOND and b else o for o, b in zip(origins, bodies, strict=True)
        )
    filled = []
    for found, model in ((seen.height_mm, base.height_mm), (seen.depth_mm, base.depth_mm)):
        ratio = float((found[measured] / model[measured]).mean()) if measured.any() else 1.0
        filled.append(np.where(measured, found, ratio * model))
    return filled[0], filled[1], origins
