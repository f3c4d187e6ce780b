"""Where the fascicles of a model cross planes: what an axial slice of the model would show.

A fascicle counts at a plane where its path goes from one side to the other, with its whole
physiological area and once. A point that lies in the plane counts as above it, so that one that
ends there crosses only when the rest of it lies below. Of several crossings (a plane that lies
oblique to a curved path) the one nearest to the plane's origin counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openlumbar.mechanics.model import (
    LUMBAR_JOINTS,
    MEASURED_GROUPS,
    OTHER_GROUPS,
    Array,
    Model,
)
from openlumbar.mechanics.paths import Indices, Paths, strings_of

#: First axis of a section: muscle groups, those that an axial series measures first.
GROUPS: tuple[str, ...] = (*MEASURED_GROUPS, *OTHER_GROUPS)
#: Second axis.
SIDES: tuple[str, ...] = ("left", "right")
#: Third axis, where planes are those of discs: from above.
LEVELS: tuple[str, ...] = tuple(LUMBAR_JOINTS.values())

Mask = NDArray[np.bool_]
#: Of a muscle of a group that has no section.
_NO_GROUP = -1


@dataclass(frozen=True, eq=False)
class Planes:
    """Planes in ground, one a level, for all muscles or for each group and side.

    Attributes
    ----------
    origins_m, normals
        ``[K, 3]`` or ``[7, 2, K, 3]``, by :data:`GROUPS` and :data:`SIDES`. Where one is not a
        number, nothing crosses. Normals point upward and have unit length.
    middles_m
        ``[K, 3]``: of the discs, from where offsets are counted.
    axes
        ``[K, 3, 3]``: columns anterior, up and right of the discs.
    """

    origins_m: Array
    normals: Array
    middles_m: Array
    axes: Array


@dataclass(frozen=True, eq=False)
class Sections:
    """Fascicles that cross planes, by group, side and level.

    Attributes
    ----------
    area_cm2
        ``[7, 2, K]``: sum of the physiological areas of those that cross.
    centroid_m
        ``[7, 2, K, 3]`` in ground, weighted by area; not a number where none crosses.
    offset_m
        The same from the disc's middle along its axes: anterior, up, right.
    direction
        ``[7, 2, K, 3]`` in ground: mean direction of the fibres, weighted by area, of unit
        length, upward.
    crosses
        ``[M, K]``: which fascicle crosses which plane.
    """

    area_cm2: Array
    centroid_m: Array
    offset_m: Array
    direction: Array
    crosses: Mask


def crossing(model: Model, poses: Mapping[str, Array], planes: Planes) -> Sections:
    """Cut the fascicles of a model by planes.

    Parameters
    ----------
    poses
        ``[4, 4]`` from each body to ground, as of :func:`openlumbar.mechanics.kinematics.place`.
    planes
        In ground.

    Returns
    -------
    Sections
        Muscles of groups that are none of :data:`GROUPS` are left out.
    """
    return sections_of(model, paths_of(model, poses), planes)


def disc_planes(model: Model, poses: Mapping[str, Array]) -> Planes:
    """The mid-planes of a model's discs, by :data:`LEVELS`."""
    named = {joint.name: joint for joint in model.joints}
    frames = np.full((len(LEVELS), 4, 4), np.nan)
    for k, name in enumerate(LUMBAR_JOINTS):
        if name in named:
            frames[k] = poses[named[name].parent] @ named[name].in_parent
    middles, axes = frames[:, :3, 3], frames[:, :3, :3]
    return Planes(middles, axes[:, :, 1], middles, axes)


def paths_of(model: Model, poses: Mapping[str, Array]) -> Paths:
    """Points of all fascicles, put into ground."""
    return strings_of(model.muscles).placed(poses)


def sections_of(model: Model, paths: Paths, planes: Planes) -> Sections:
    """As :func:`crossing`, of paths that are in ground already."""
    place = places_of(model)
    crosses, at, directions = _crossings(paths, *_for_muscles(planes, place))
    crosses &= (place != _NO_GROUP)[:, None]
    areas = np.array([muscle.area_cm2 for muscle in model.muscles])
    member = (np.arange(len(GROUPS) * len(SIDES))[:, None] == place) * areas
    area = member @ crosses
    with np.errstate(invalid="ignore", divide="ignore"):
        centroid = np.einsum("gm,mkc->gkc", member, at) / area[..., None]
        mean = np.einsum("gm,mkc->gkc", member, directions)
        mean /= np.linalg.norm(mean, axis=-1, keepdims=True)
    shape = (len(GROUPS), len(SIDES), area.shape[1])
    centroid, mean = centroid.reshape(*shape, 3), mean.reshape(*shape, 3)
    offset = np.einsum("kcj,gskc->gskj", planes.axes, centroid - planes.middles_m)
    return Sections(area.reshape(shape), centroid, offset, mean, crosses)


def places_of(model: Model) -> Indices:
    """``[M]``: index of each muscle's group and side among ``7 x 2``; -1 of other groups."""
    flat = {
        (group, side): g * len(SIDES) + s
        for g, group in enumerate(GROUPS)
        for s, side in enumerate(SIDES)
    }
    return np.array([flat.get((m.group, m.side), _NO_GROUP) for m in model.muscles], np.intp)


def _for_muscles(planes: Planes, place: Indices) -> tuple[Array, Array]:
    """Origins and normals ``[M, K, 3]``: each muscle has those of its group and side."""
    shape = (len(GROUPS), len(SIDES), *planes.middles_m.shape)
    origins, normals = (
        np.broadcast_to(part, shape).reshape(-1, *planes.middles_m.shape)[place]
        for part in (planes.origins_m, planes.normals)
    )
    return origins, normals


def _crossings(paths: Paths, origins: Array, normals: Array) -> tuple[Mask, Array, Array]:
    """Of each muscle and plane: whether it crosses, where, and its direction there (else 0)."""
    first = paths.firsts
    muscle = paths.muscle[first]
    begins = paths.starts - np.arange(len(paths.starts))  # of each muscle's pieces
    away = paths.points_m[:, None] - origins[paths.muscle]
    height = np.einsum("pkc,pkc->pk", away, normals[paths.muscle])
    here, there = height[first], height[first + 1]
    crosses = ((here >= 0) != (there >= 0)) & np.isfinite(here)
    part = np.where(crosses, here, 0.0) / np.where(crosses, here - there, 1.0)
    start, step = paths.points_m[first], paths.points_m[first + 1] - paths.points_m[first]
    at = start[:, None] + part[..., None] * step[:, None]
    crosses = _nearest(crosses, at - origins[muscle], muscle, begins)
    upward = np.where(there > here, 1.0, -1.0)[..., None] * (step / _norm(step))[:, None]
    found = np.where(crosses[..., None], np.concatenate([at, upward], axis=-1), 0.0)
    found = np.add.reduceat(found, begins)
    return np.logical_or.reduceat(crosses, begins), found[..., :3], found[..., 3:]


def _nearest(crosses: Mask, away: Array, muscle: Indices, begins: Indices) -> Mask:
    """Of the crossings of each muscle with each plane the one nearest to the plane's origin."""
    distance = np.where(crosses, np.einsum("skc,skc->sk", away, away), np.inf)
    nearest = crosses & (distance == np.minimum.reduceat(distance, begins)[muscle])
    # Of two that are equally near, the first.
    number = np.where(nearest, np.arange(len(muscle))[:, None], len(muscle))
    return nearest & (number == np.minimum.reduceat(number, begins)[muscle])


def _norm(vectors: Array) -> Array:
    return np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
