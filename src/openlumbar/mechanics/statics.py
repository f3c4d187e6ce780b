"""A posture's equations of balance: muscles' arms and lines, weights, springs.

Each lumbar joint cuts the body in two. What pulls on the upper part must balance: the muscles
that cross the joint, the weight of all that it carries, and the joint's passive spring in moment
about the joint's centre; what is left in force crosses the disc
(:mod:`openlumbar.mechanics.reactions`). Everything is vectorised over muscles and joints, for it
runs hundreds of times an exam.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from openlumbar.core.errors import InputError
from openlumbar.mechanics.kinematics import REST, coordinate_axes, place
from openlumbar.mechanics.model import (
    VERTEBRA_BODIES,
    Array,
    Joint,
    Model,
    Muscle,
    Posture,
    Statics,
)
from openlumbar.mechanics.paths import Indices, Paths, strings_of

#: Standard acceleration of free fall; OpenSim's default too.
GRAVITY_M_PER_S2 = 9.80665
#: Two points of a muscle on different bodies closer than this have no direction.
_SHORTEST_M = 1e-9


def statics(model: Model, posture: Posture) -> Statics:
    """Everything that balances at the lumbar joints of a model in a posture.

    Parameters
    ----------
    posture
        Names joints and bodies of the model alone.

    Returns
    -------
    Statics
        Axes of ground, metres and newtons; joints from above, those of
        :attr:`~openlumbar.mechanics.model.Model.lumbar_joints` that are free.

    Raises
    ------
    InputError
        The posture names what the model does not have, the model has no free lumbar joint, or
        a muscle lacks points, a body of them, or a direction (two points of different bodies in
        one place).
    """
    joints = tuple(joint for joint in model.lumbar_joints if joint.free)
    if not joints:
        raise InputError(f"the model {model.name!r} has no free lumbar joint; T12_L1 … L5_S1 are")
    placed = place(model, posture)
    poses = np.stack([placed[name] for name in model.bodies])
    frames = np.stack([placed[joint.parent] @ joint.in_parent for joint in joints])
    centres = frames[:, :3, 3]
    carried = _carried(model, joints)
    lines, arms = _pulls(model, placed, carried, centres)
    force, moment = _weights(model, posture, poses, carried, centres)
    vertebrae = _vertebrae(joints)
    return Statics(
        joints=tuple(joint.name for joint in joints),
        centres_m=centres,
        axes=_half_turned(joints, placed, frames),
        muscles=tuple(muscle.name for muscle in model.muscles),
        strength_n=np.array([muscle.max_force_n for muscle in model.muscles]),
        arms_m=arms,
        lines=lines,
        force_n=force,
        moment_nm=moment + _springs(joints, posture, frames),
        vertebrae=tuple(vertebrae),
        vertebra_axes=np.array([placed[name][:3, :3].T for name in vertebrae]).reshape(-1, 3, 3),
        vertebra_joint=tuple(vertebrae.values()),
    )


def _carried(model: Model, joints: tuple[Joint, ...]) -> Array:
    """``[J, B]``: one where the joint carries the body."""
    above = [model.above(joint) for joint in joints]
    return np.array([[name in names for name in model.bodies] for names in above], float)


def _check(muscle: Muscle, known: Mapping[str, int]) -> None:
    count = len(muscle.bodies)
    if count < 2 or muscle.points_m.shape != (count, 3):
        raise InputError(
            f"{muscle.name!r} has {count} bodies and points of shape {muscle.points_m.shape}; "
            "two points or more, each with its body, are expected"
        )
    if absent := [name for name in muscle.bodies if name not in known]:
        raise InputError(f"{muscle.name!r} is fixed to {absent[0]!r}, which the model has not")


def _pulls(
    model: Model, placed: Mapping[str, Array], carried: Array, centres: Array
) -> tuple[Array, Array]:
    """Net force and moment of each muscle on what each joint carries, ``[J, 3, M]`` each.

    A piece of a string pulls its two ends together. It acts on what a joint carries where one
    of its ends is carried and the other is not; the pulls within one part cancel.
    """
    if not model.muscles:
        return np.zeros((len(centres), 3, 0)), np.zeros((len(centres), 3, 0))
    index = {name: n for n, name in enumerate(model.bodies)}
    for muscle in model.muscles:
        _check(muscle, index)
    strings = strings_of(model.muscles)
    paths = strings.placed(placed)
    body = np.array([index[name] for name in strings.names])[strings.body]
    start, end = paths.firsts, paths.firsts + 1
    directions = _directions(model, paths, body[start] != body[end])
    crossing = carried[:, body[start]] - carried[:, body[end]]
    pulls = crossing[:, :, None] * directions
    moments = np.cross(paths.points_m[start] - centres[:, None], pulls)
    # Of the pieces, a muscle's first is as far in as its first point less one for each before it.
    firsts = paths.starts - np.arange(len(paths.starts))
    return _by_muscle(pulls, firsts), _by_muscle(moments, firsts)


def _directions(model: Model, paths: Paths, between: NDArray[np.bool_]) -> Array:
    along = paths.points_m[paths.firsts + 1] - paths.points_m[paths.firsts]
    lengths = np.linalg.norm(along, axis=1)
    if (bad := np.flatnonzero(between & (lengths < _SHORTEST_M))).size:
        muscle = model.muscles[paths.muscle[paths.firsts[bad[0]]]]
        raise InputError(
            f"two points of {muscle.name!r} on different bodies lie in one place; the muscle "
            "has no direction there: move one of them"
        )
    return along / np.maximum(lengths, _SHORTEST_M)[:, None]


def _by_muscle(pieces: Array, firsts: Indices) -> Array:
    return np.ascontiguousarray(np.add.reduceat(pieces, firsts, axis=1).transpose(0, 2, 1))


def _weights(
    model: Model, posture: Posture, poses: Array, carried: Array, centres: Array
) -> tuple[Array, Array]:
    """Weight, held masses and pushes on what each joint carries, ``[J, 3]`` each."""
    centre = np.array([body.mass_centre_m for body in model.bodies.values()])
    centre = np.einsum("bij,bj->bi", poses[:, :3, :3], centre) + poses[:, :3, 3]
    mass = np.array([body.mass_kg for body in model.bodies.values()])
    mass = mass + _by_body(model, posture.carried_kg, 0.0)
    acting = _by_body(model, posture.pushed_n, (0.0, 0.0, 0.0))
    acting[:, 1] -= mass * GRAVITY_M_PER_S2
    moments = np.cross(centre - centres[:, None], acting)
    return carried @ acting, np.einsum("jb,jbi->ji", carried, moments)


def _by_body(model: Model, given: Mapping[str, Any], absent: Any) -> Array:
    if unknown := set(given) - set(model.bodies):
        raise InputError(
            f"the posture loads {sorted(unknown)[0]!r}, which the model {model.name!r} does not "
            f"have; it has {', '.join(model.bodies)}"
        )
    return np.array([given.get(name, absent) for name in model.bodies], float)


def _springs(joints: tuple[Joint, ...], posture: Posture, frames: Array) -> Array:
    """Moment of each joint's own spring on what it carries, ``[J, 3]``.

    The spring is one on each of the joint's three angles, as OpenSim has it: the generalised
    force of an angle is minus its stiffness times the angle. The moment is the vector whose
    component along each angle's axis is that force.
    """
    moments = np.zeros((len(joints), 3))
    for i, joint in enumerate(joints):
        turned = posture.joints_deg.get(joint.name, REST)
        forces = -joint.stiffness_nm_per_rad * np.radians(turned)
        if forces.any():
            moments[i] = frames[i, :3, :3] @ np.linalg.solve(coordinate_axes(turned), forces)
    return moments


def _half_turned(joints: tuple[Joint, ...], placed: Mapping[str, Array], frames: Array) -> Array:
    """Rows: axes of each disc, half way between what it joins, ``[J, 3, 3]``."""
    lower = Rotation.from_matrix(frames[:, :3, :3])
    upper = Rotation.from_matrix(
        np.stack([(placed[joint.child] @ joint.in_child)[:3, :3] for joint in joints])
    )
    half = Rotation.from_rotvec(0.5 * (lower.inv() * upper).as_rotvec())
    return (lower * half).as_matrix().transpose(0, 2, 1)


def _vertebrae(joints: tuple[Joint, ...]) -> dict[str, int]:
    """Vertebrae from above, and the index of the joint above each; those without are left out."""
    above = {joint.parent: i for i, joint in enumerate(joints)}
    return {name: above[name] for name in VERTEBRA_BODIES.values() if name in above}
