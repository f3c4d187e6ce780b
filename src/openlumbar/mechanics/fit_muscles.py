"""A model whose muscles are those of a person: paths moved, greatest forces scaled.

Rules, in order:

* **Sections.** The model is cut at each disc by the plane in which the slices cut the person,
  carried over in the disc's own axes, for each muscle and side. What the model has there (area,
  centroid, mean fibre direction) is compared with what the slices show.
* **Areas.** Both are taken normal to the fibres: the person's ``csa * |n . f|``, n the slice's
  normal, f the model's mean fibre direction; the model's is the sum of physiological areas.
* **Forces.** A fascicle's factor is the mean of measured over model area at the discs it
  crosses, weighted by the model's area there. So a uniform factor stays what it is, and a disc
  where the model has little of a muscle does not rule the fascicle. Fascicles that cross none
  take the mean of their muscle and side.
* **Paths.** At each disc the centroid is to be moved onto the measured one. Points are moved by
  that, linearly in between over height in upright standing and constant beyond, square to the axis
  of the discs. Beyond the measured discs, points on other bodies than lumbar vertebrae are moved
  the less the further they lie (:data:`TAPER_M`): ribs, the sacrum's end and the trochanter stay.
* **Lengths.** Optimal fibre and slack tendon change as the path does.
* **What was not measured.** Between measured discs of one side values are interpolated; beyond,
  the other side's are mirrored, then the nearest disc's taken. Muscles without any measured disc
  stay the base model's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from openlumbar.core.errors import OptionError
from openlumbar.core.loads import Origin, Provenance
from openlumbar.mechanics.kinematics import place
from openlumbar.mechanics.model import (
    MEASURED_GROUPS,
    VERTEBRA_BODIES,
    Array,
    Model,
    Muscle,
    Posture,
)
from openlumbar.mechanics.muscles import MeasuredMuscles
from openlumbar.mechanics.paths import Indices, Paths
from openlumbar.mechanics.sections import (
    GROUPS,
    LEVELS,
    SIDES,
    Mask,
    Planes,
    Sections,
    disc_planes,
    paths_of,
    places_of,
    sections_of,
)

#: Where what a slice shows of a muscle is not what carries its force. At L5-S1 the erector spinae
#: is the flesh of its lumbar fibres, while the thoracic ones pass as an aponeurosis. At L4-L5
#: quadratus lumborum ends on the iliac crest, whose height is not measured.
NOT_COMPARED: frozenset[tuple[str, str]] = frozenset(
    {
        ("erector spinae", "L5-S1"),
        ("quadratus lumborum", "L4-L5"),
        ("quadratus lumborum", "L5-S1"),
    }
)
#: Where its centroid is not either. At L4-L5 the thoracic fibres are an aponeurosis already, behind
#: the flesh: of people like the base model a slice shows the centroid 8 mm in front of its line of
#: force (benchmarks/base_muscles.py), which would raise L4-L5 by a tenth.
NOT_PLACED: frozenset[tuple[str, str]] = NOT_COMPARED | {("erector spinae", "L4-L5")}
#: Over this distance beyond the last measured disc the shift of bony attachments fades. Ours.
TAPER_M = 0.060
#: Factors of area, and shifts, beyond these are taken for mistakes. Ours.
FACTORS = (0.2, 5.0)
FARTHEST_M = 0.030
#: Fibres that run flatter than this through a plane tell no shift along them.
_LEAST_SLOPE = 0.5
#: Rounds of moving paths: in each the sections are looked at again, for a path that is moved
#: at its points moves between them by a mean of both.
_ROUNDS = 2

#: At so many discs a muscle of one side may be missing without a flag: it follows well from the
#: others, and the provenance tells.
_MAY_MISS = 1

_SEEN = len(MEASURED_GROUPS)
_VERTEBRAE = frozenset(VERTEBRA_BODIES.values())
#: Anterior and right on the other side.
_MIRROR = np.array([1.0, -1.0])


def _all_but(left_out: frozenset[tuple[str, str]]) -> Mask:
    """``[4, 2, 6]`` by muscle, side and disc."""
    return np.array(
        [[[(g, k) not in left_out for k in LEVELS] for _ in SIDES] for g in MEASURED_GROUPS]
    )


_COMPARED, _PLACED = _all_but(NOT_COMPARED), _all_but(NOT_PLACED)
#: Discs that axial series usually show.
_USUAL: Mask = np.array([level != "T12-L1" for level in LEVELS])
#: How a value at a disc came about.
_GENERIC, _INTERPOLATED, _MEASURED = 0, 1, 2
_ORIGINS = {
    _GENERIC: Origin.GENERIC,
    _INTERPOLATED: Origin.INTERPOLATED,
    _MEASURED: Origin.MEASURED,
}
#: Name and note of the two offsets.
_OFFSETS = (
    ("antero-posterior offset", "forward of the middle of the disc"),
    ("medio-lateral offset", "to the right of the middle of the disc"),
)


@dataclass(frozen=True)
class MuscleOptions:
    """What of the muscles is made the person's.

    Attributes
    ----------
    area
        ``total`` or ``lean``: with the fat within the muscle, or without.
    move_paths, scale_forces
        Whether to.
    """

    area: Literal["total", "lean"] = "total"
    move_paths: bool = True
    scale_forces: bool = True

    def __post_init__(self) -> None:
        if self.area not in ("total", "lean"):
            raise OptionError(f"area is {self.area!r}; choose 'total' or 'lean'")


@dataclass(frozen=True, eq=False)
class Fitted:
    """A model with a person's muscles.

    Attributes
    ----------
    provenance
        Of each muscle, side and disc that the base model crosses: area normal to the fibres, and
        the centroid's place in the disc's axes.
    flags
        ``muscles-generic``, ``muscles-partly-generic`` or none.
    notes
        Sentences for a person.
    """

    model: Model
    provenance: tuple[Provenance, ...]
    flags: tuple[str, ...]
    notes: tuple[str, ...]


def with_muscles(
    model: Model, measured: MeasuredMuscles, options: MuscleOptions | None = None
) -> Fitted:
    """Give a model the measured places and sizes of muscles.

    Parameters
    ----------
    model
        With the person's size and spine already; cut in upright standing, at rest.
    measured
        Where empty, the model comes back as it is.
    options
        The defaults when None.

    Returns
    -------
    Fitted
        Rules: the docstring of this module.
    """
    if not model.muscles:
        return Fitted(model, (), ("muscles-generic",), measured.notes)
    options = options or MuscleOptions()
    poses = place(model, Posture())
    paths = paths_of(model, poses)
    planes = slice_planes(model, poses, measured)
    case = _Case(model, poses, paths, planes, sections_of(model, paths, planes), measured)
    sizes = _sizes(case, options) if options.scale_forces else _left_alone()
    shifts = _shifts(case) if options.move_paths else _left_alone(2)
    flags, notes = _told(case, sizes, shifts)
    return Fitted(
        replace(model, muscles=_rebuilt(case, _moved(case, shifts), _factors(case, sizes))),
        tuple(_provenance(case, sizes, shifts)),
        flags,
        (*measured.notes, *_lean_note(measured, options), *notes),
    )


@dataclass(frozen=True, eq=False)
class _Case:
    """A model at rest, cut by the planes of a person's slices."""

    model: Model
    poses: Mapping[str, Array]
    paths: Paths
    planes: Planes
    base: Sections
    measured: MeasuredMuscles


# -- comparing -------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Compared:
    """A quantity at every disc, ``[4, 2, 6]`` or ``[4, 2, 6, 2]``, and how it came about.

    Attributes
    ----------
    value
        Not a number where ``state`` is generic.
    state
        ``[4, 2, 6]`` of the keys of :data:`_ORIGINS`.
    refused
        ``[4, 2, 6]``: measured, but impossible.
    measured, sd
        What the slices say: area normal to the fibres in cm², place in mm.
    """

    value: Array
    state: Indices
    refused: Mask
    measured: Array
    sd: Array


def _left_alone(*more: int) -> _Compared:
    nothing = np.full((*_COMPARED.shape, *more), np.nan)
    state = np.full(_COMPARED.shape, _GENERIC)
    return _Compared(nothing, state, np.zeros(_COMPARED.shape, bool), nothing, nothing)


def slice_planes(model: Model, poses: Mapping[str, Array], measured: MeasuredMuscles) -> Planes:
    """Planes of the measured slices, carried over to the model's discs in their own axes.

    Parameters
    ----------
    poses
        ``[4, 4]`` from each body to ground.

    Returns
    -------
    Planes
        For each group and side; those of the discs themselves where nothing was measured.
    """
    discs = disc_planes(model, poses)
    shape = (len(GROUPS), len(SIDES), *discs.middles_m.shape)
    origins = np.broadcast_to(discs.origins_m, shape).copy()
    normals = np.broadcast_to(discs.normals, shape).copy()
    seen = np.isfinite(measured.normal).all(-1)
    turned = np.einsum("kij,gskj->gski", discs.axes, measured.normal)
    normals[:_SEEN][seen] = turned[seen]
    placed = np.isfinite(measured.place_mm).all(-1)
    at = discs.middles_m + np.einsum("kij,gskj->gski", discs.axes, measured.place_mm / 1000)
    origins[:_SEEN][placed] = at[placed]
    return Planes(origins, normals, discs.middles_m, discs.axes)


def _sizes(case: _Case, options: MuscleOptions) -> _Compared:
    """Measured over model area, both normal to the fibres."""
    names = {"total": ("csa_cm2", "csa_sd_cm2"), "lean": ("lean_cm2", "lean_sd_cm2")}
    area, sd = (getattr(case.measured, name) for name in names[options.area])
    slant = np.abs(np.einsum("gskc,gskc->gsk", case.planes.normals, case.base.direction))[:_SEEN]
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = area * slant / case.base.area_cm2[:_SEEN]
    known = np.isfinite(factor) & _COMPARED
    kept = known & (factor >= FACTORS[0]) & (factor <= FACTORS[1])
    filled, state = _filled(np.where(kept, factor, np.nan)[..., None], np.ones(1))
    return _Compared(filled[..., 0], state, known & ~kept, area * slant, sd * slant)


def _shifts(case: _Case) -> _Compared:
    """How far centroids are to be moved, anterior and right, within the disc's plane, metres."""
    shift = _wanted(case, case.base)
    known = np.isfinite(shift).all(-1) & _PLACED
    kept = known & (np.abs(np.nan_to_num(shift)).max(-1) <= FARTHEST_M)
    filled, state = _filled(np.where(kept[..., None], shift, np.nan), _MIRROR)
    places = case.measured.place_mm[..., [0, 2]]
    return _Compared(filled, state, known & ~kept, places, case.measured.place_sd_mm)


def _wanted(case: _Case, sections: Sections) -> Array:
    """``[4, 2, 6, 2]``: shift that brings each centroid onto the measured one.

    Centroids differ within the slice's plane; along the fibres the difference is carried to the
    disc's transverse plane.
    """
    apart = case.measured.place_mm / 1000 - sections.offset_m[:_SEEN]
    fibres = np.einsum("kij,gski->gskj", case.planes.axes, sections.direction[:_SEEN])
    slope = np.maximum(fibres[..., 1], _LEAST_SLOPE)
    across = apart - (apart[..., 1] / slope)[..., None] * fibres
    return np.asarray(across[..., [0, 2]])


def _filled(value: Array, mirror: Array) -> tuple[Array, Indices]:
    """Values at discs that were not measured, from other discs and the other side.

    Parameters
    ----------
    value
        ``[4, 2, 6, n]``, not a number where there is none.
    mirror
        ``[n]``: 1 or -1, of each component on the other side.
    """
    seen = np.isfinite(value).all(-1)
    value = _interpolated(value, beyond=False)
    value = np.where(np.isfinite(value), value, value[:, ::-1] * mirror)
    value = _interpolated(value, beyond=True)
    known = np.isfinite(value).all(-1)
    return value, np.where(seen, _MEASURED, np.where(known, _INTERPOLATED, _GENERIC))


def _interpolated(value: Array, *, beyond: bool) -> Array:
    """``[4, 2, 6, n]`` with gaps filled over the discs; beyond the last ones constant or not."""
    known: Mask = np.asarray(np.isfinite(value).all(-1))
    count = known.shape[2]
    at = np.arange(count)
    above = np.maximum.accumulate(np.where(known, at, -1), axis=2)
    below = np.minimum.accumulate(np.where(known, at, count)[..., ::-1], axis=2)[..., ::-1]
    inside = (above >= 0) & (below < count)
    if beyond:
        inside = np.broadcast_to(known.any(2, keepdims=True), known.shape)
    first = np.where(above >= 0, above, np.minimum(below, count - 1))
    last = np.where(below < count, below, first)
    part = (at - first) / np.maximum(last - first, 1)
    one, other = (np.take_along_axis(value, end[..., None], axis=2) for end in (first, last))
    return np.where(inside[..., None], one + part[..., None] * (other - one), np.nan)


# -- forces ----------------------------------------------------------------------------


def _factors(case: _Case, sizes: _Compared) -> Array:
    """``[M]``: factor of each fascicle's area."""
    places = places_of(case.model)
    factor, weight = sizes.value.reshape(-1, len(LEVELS)), case.base.area_cm2[:_SEEN]
    weight = np.where(_COMPARED & np.isfinite(sizes.value), weight, 0.0).reshape(factor.shape)
    factor = np.where(weight > 0, factor, 1.0)
    ours = (places >= 0) & (places < len(factor))
    rows = np.where(ours, places, 0)
    mean = _mean(factor, weight, 1.0)
    own = _mean(factor[rows], weight[rows] * case.base.crosses, mean[rows])
    return np.where(ours, own, 1.0) * _generic_factors(case, sizes)


def _mean(value: Array, weight: Array, otherwise: Array | float) -> Array:
    total = weight.sum(1)
    mean = (value * weight).sum(1) / np.where(total > 0, total, 1.0)
    return np.where(total > 0, mean, otherwise)


def _generic_factors(case: _Case, sizes: _Compared) -> Array:
    """``[M]``: of muscles that were not measured; 1 but in a perturbed model."""
    factor = np.where(_unseen(sizes), case.measured.generic_area, 1.0)
    groups = {name: float(value) for name, value in zip(GROUPS, factor, strict=True)}
    return np.array([groups.get(muscle.group, 1.0) for muscle in case.model.muscles])


def _unseen(compared: _Compared) -> Mask:
    """``[7]``: groups of which nothing is known."""
    rest = np.ones(len(GROUPS) - _SEEN, bool)
    return np.concatenate([(compared.state == _GENERIC).all((1, 2)), rest])


# -- paths -----------------------------------------------------------------------------


def _moved(case: _Case, shifts: _Compared) -> Paths:
    """Paths whose centroids lie where they were measured."""
    shift = shifts.value
    paths = case.paths.moved(_by(case, shifts, shift))
    for _ in range(_ROUNDS - 1):
        left = _wanted(case, sections_of(case.model, paths, case.planes))
        left = np.where((shifts.state == _MEASURED)[..., None], left, np.nan)
        shift = shift + _filled(left, _MIRROR)[0]
        paths = case.paths.moved(_by(case, shifts, shift))
    return paths


def _by(case: _Case, shifts: _Compared, shift: Array) -> Array:
    """``[P, 3]`` in ground, for every point of every path."""
    by = np.zeros_like(case.paths.points_m)
    owner = places_of(case.model)[case.paths.muscle]
    bony = np.array([body not in _VERTEBRAE for m in case.model.muscles for body in m.bodies])
    across = case.planes.axes[:, :, [0, 2]]
    unseen = _unseen(shifts)
    for g, s in np.ndindex(len(GROUPS), len(SIDES)):
        points = np.flatnonzero(owner == g * len(SIDES) + s)
        if not len(points):
            continue
        if unseen[g]:
            outward = case.measured.generic_place_mm[g] / 1000 * (1.0, -1.0 if s == 0 else 1.0)
            by[points] = np.nanmean(across, axis=0) @ outward
        else:
            vectors = np.einsum("kcj,kj->kc", across, shift[g, s])
            seen = (shifts.state[g] == _MEASURED).any(0)
            heights = _heights(case, g, s)
            y = case.paths.points_m[points, 1]
            fade = np.where(bony[points], _fade(y, heights[seen]), 1.0)
            by[points] = _along(y, heights, vectors) * fade[:, None]
    return by


def _heights(case: _Case, g: int, s: int) -> Array:
    """``[6]``, metres in ground: of the muscle's centroid at each disc; else of the disc."""
    centroid = case.base.centroid_m[g, s, :, 1]
    return np.where(np.isfinite(centroid), centroid, case.planes.middles_m[:, 1])


def _along(y: Array, heights: Array, vectors: Array) -> Array:
    """``[n, 3]``: vectors at heights, linearly interpolated."""
    order = np.argsort(heights)
    order = order[np.isfinite(heights[order])]  # a model may lack a disc
    heights, vectors = heights[order], vectors[order]
    return np.stack([np.interp(y, heights, vectors[:, c]) for c in range(3)], axis=1)


def _fade(y: Array, seen: Array) -> Array:
    """1 within the heights that were seen, falling to 0 over :data:`TAPER_M` beyond."""
    beyond = np.maximum(np.maximum(seen.min() - y, y - seen.max()), 0.0)
    return np.maximum(1 - beyond / TAPER_M, 0.0)


def _rebuilt(case: _Case, moved: Paths, factors: Array) -> tuple[Muscle, ...]:
    by = moved.points_m - case.paths.points_m
    bodies = [body for muscle in case.model.muscles for body in muscle.bodies]
    turns = np.stack([case.poses[body][:3, :3] for body in bodies])
    local = np.split(np.einsum("pij,pi->pj", turns, by), case.paths.starts[1:])
    longer = moved.lengths_m / case.paths.lengths_m
    return tuple(
        replace(
            muscle,
            points_m=muscle.points_m + local[m],
            area_cm2=muscle.area_cm2 * float(factors[m]),
            optimal_fibre_m=muscle.optimal_fibre_m * float(longer[m]),
            tendon_slack_m=muscle.tendon_slack_m * float(longer[m]),
        )
        for m, muscle in enumerate(case.model.muscles)
    )


# -- telling ---------------------------------------------------------------------------


def _told(
    case: _Case, sizes: _Compared, shifts: _Compared
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Flags and notes."""
    seen = (sizes.state == _MEASURED) | (shifts.state == _MEASURED)
    if not seen.any():
        return ("muscles-generic",), ()
    usual = _COMPARED & (case.base.area_cm2[:_SEEN] > 0) & _USUAL
    missing = usual & (sizes.state != _MEASURED)
    notes = [*_lines(missing, "was not measured", "it follows from other discs or its other side")]
    notes += _lines(sizes.refused, "has an area that cannot be", "it was not used")
    notes += _lines(shifts.refused, "lies where it cannot be", "its place was not used")
    partly = bool((missing.sum(2) > _MAY_MISS).any())
    return (("muscles-partly-generic",) if partly else ()), tuple(notes)


def _lean_note(measured: MeasuredMuscles, options: MuscleOptions) -> tuple[str, ...]:
    known = np.isfinite(measured.lean_cm2).any() or not measured.measured
    if options.area != "lean" or known:
        return ()
    return ("Lean areas were asked for, but fat could not be told from muscle in any slice.",)


def _lines(where: Mask, what: str, then: str) -> Iterator[str]:
    for g, s in np.argwhere(where.any(2)):
        discs = ", ".join(level for level, at in zip(LEVELS, where[g, s], strict=True) if at)
        yield f"{MEASURED_GROUPS[g]}, {SIDES[s]}: {what} at {discs}; {then}."


def _provenance(case: _Case, sizes: _Compared, shifts: _Compared) -> Iterator[Provenance]:
    base = case.base.area_cm2[:_SEEN]
    area = _table(sizes, sizes.measured, np.where(np.isfinite(sizes.value), sizes.value, 1) * base)
    offset = case.base.offset_m[:_SEEN][..., [0, 2]] * 1000
    follows = offset + np.nan_to_num(shifts.value) * 1000
    places = _table(shifts, shifts.measured, follows)
    for g, s, k in np.argwhere(base > 0).tolist():
        where = (MEASURED_GROUPS[g], LEVELS[k], SIDES[s])
        value = float(area[g, s, k])
        note = f"normal to the fibres; {value / base[g, s, k]:.2f} of the base model's"
        number = (round(value, 3), sizes.sd[g, s, k], "cm2")
        yield _row("area", where, sizes.state[g, s, k], number, note)
        for c, (what, note) in enumerate(_OFFSETS):
            number = (round(float(places[g, s, k, c]), 2), shifts.sd[g, s, k, c], "mm")
            yield _row(what, where, shifts.state[g, s, k], number, note)
    for group in dict.fromkeys(m.group for m in case.model.muscles):
        if group not in MEASURED_GROUPS:
            note = "no axial series measures it; the base model's, with the size of the body"
            yield Provenance("area and place", group, Origin.GENERIC, note=note)


def _table(compared: _Compared, measured: Array, follows: Array) -> Array:
    state = compared.state if measured.ndim == compared.state.ndim else compared.state[..., None]
    return np.where(state == _MEASURED, measured, follows)


def _row(
    what: str,
    where: tuple[str, str, str],
    state: int,
    number: tuple[float, float, str],
    note: str,
) -> Provenance:
    """A row of a muscle, level and side; a value, its deviation and its unit."""
    structure, level, side = where
    value, sd, unit = number
    uncertainty = round(float(sd), 3) if state == _MEASURED else None
    return Provenance(what, structure, _ORIGINS[state], level, side, value, uncertainty, unit, note)
