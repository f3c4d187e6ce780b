"""A posture's equations of balance as OpenSim sees them.

Places of bodies, lines of action of muscles, masses and springs come from a state of the built
OpenSim model, so that :func:`openlumbar.mechanics.statics.statics`, which computes the same from
the tables, can be held against it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from openlumbar.mechanics.kinematics import coordinate_axes
from openlumbar.mechanics.model import VERTEBRA_BODIES, Array, Joint, Model, Posture, Statics
from openlumbar.mechanics.osim_api import members, opensim, pose_in_ground, translated
from openlumbar.mechanics.osim_build import build, coordinates


def opensim_statics(model: Model, posture: Posture) -> Statics:
    """Everything that balances at the lumbar joints, from an OpenSim model in the posture.

    Muscles' lines of action are the point forces of OpenSim's own paths; weights are of all
    bodies of the OpenSim model, held ones included.

    Returns
    -------
    Statics
        As :func:`openlumbar.mechanics.statics.statics` gives it: axes of ground, metres, newtons.

    Raises
    ------
    InputError
        OpenSim is missing or refuses the model, or the posture names what it does not have.
    """
    built = build(model, posture)
    with translated(f"model {model.name!r}"):
        state = built.initSystem()
        built.realizePosition(state)
        return _read(built, state, model, posture)


@dataclass(frozen=True, eq=False)
class _Bodies:
    """Bodies of the OpenSim model in its state: places, and which joint carries which."""

    index: dict[str, int]
    poses: Array
    carried: Array  # [J, B]


def _read(built: Any, state: Any, model: Model, posture: Posture) -> Statics:
    joints = [joint for joint in model.lumbar_joints if joint.free]
    frames = [_joint_frames(built, state, joint) for joint in joints]
    centres = np.array([parent[:3, 3] for parent, _ in frames])
    bodies = _bodies(built, state, joints)
    lines, moments = _pulls(built, state, bodies)
    force, moment = _weights(built, model, posture, bodies)
    vertebrae = _vertebrae(joints)
    muscles = members(built.getMuscles())
    return Statics(
        joints=tuple(joint.name for joint in joints),
        centres_m=centres,
        axes=np.array([_half(parent, child) for parent, child in frames]),
        muscles=tuple(muscle.getName() for muscle in muscles),
        strength_n=np.array([muscle.getMaxIsometricForce() for muscle in muscles]),
        arms_m=moments - np.cross(centres[:, :, None], lines, axis=1),
        lines=lines,
        force_n=force,
        moment_nm=moment
        - np.cross(centres, force)
        + np.array(
            [
                _spring(built, state, joint, parent)
                for joint, (parent, _) in zip(joints, frames, strict=True)
            ]
        ),
        vertebrae=tuple(vertebrae),
        vertebra_axes=np.array(
            [bodies.poses[bodies.index[name]][:3, :3].T for name in vertebrae]
        ).reshape(-1, 3, 3),
        vertebra_joint=tuple(vertebrae.values()),
    )


def _joint_frames(built: Any, state: Any, joint: Joint) -> tuple[Array, Array]:
    made = built.getJointSet().get(joint.name)
    return (
        pose_in_ground(made.getParentFrame(), state),
        pose_in_ground(made.getChildFrame(), state),
    )


def _bodies(built: Any, state: Any, joints: list[Joint]) -> _Bodies:
    made = members(built.getBodySet())
    index = {body.getName(): i for i, body in enumerate(made)}
    parents = {
        joint.getChildFrame().findBaseFrame().getName(): (
            joint.getParentFrame().findBaseFrame().getName()
        )
        for joint in members(built.getJointSet())
    }
    carried = [[_descends(name, joint.child, parents) for name in index] for joint in joints]
    return _Bodies(
        index=index,
        poses=np.array([pose_in_ground(body, state) for body in made]),
        carried=np.array(carried, float),
    )


def _descends(name: str, ancestor: str, parents: dict[str, str]) -> bool:
    while name != ancestor and name in parents:
        name = parents[name]
    return name == ancestor


def _pulls(built: Any, state: Any, bodies: _Bodies) -> tuple[Array, Array]:
    """Force of each muscle on what each joint carries, and moment about ground's origin."""
    muscles = members(built.getMuscles())
    wrench = np.zeros((len(bodies.index), 6, len(muscles)))
    for column, muscle in enumerate(muscles):
        pulls = opensim().ArrayPointForceDirection()
        muscle.getGeometryPath().getPointForceDirections(state, pulls)
        for pull in members(pulls):
            row = bodies.index[pull.frame().findBaseFrame().getName()]
            pose, direction = bodies.poses[row], pull.direction().to_numpy()
            point = pose[:3, :3] @ pull.point().to_numpy() + pose[:3, 3]
            wrench[row, :3, column] += direction
            wrench[row, 3:, column] += np.cross(point, direction)
    carried = np.einsum("jb,bkm->jkm", bodies.carried, wrench)
    return carried[:, :3], carried[:, 3:]


def _weights(built: Any, model: Model, posture: Posture, bodies: _Bodies) -> tuple[Array, Array]:
    """Weight and pushes on what each joint carries, moments about ground's origin."""
    made = members(built.getBodySet())
    gravity = built.getGravity().to_numpy()
    acting = np.array([body.getMass() * gravity for body in made])
    for name, push in posture.pushed_n.items():
        acting[bodies.index[name]] += push
    centres = np.array([body.getMassCenter().to_numpy() for body in made])
    centres = np.einsum("bij,bj->bi", bodies.poses[:, :3, :3], centres) + bodies.poses[:, :3, 3]
    return bodies.carried @ acting, bodies.carried @ np.cross(centres, acting)


def _spring(built: Any, state: Any, joint: Joint, parent: Array) -> Array:
    """Moment ``[3]`` of a joint's springs, from OpenSim's coordinates, in ground."""
    forces, values = np.zeros(3), np.zeros(3)
    for i, name in enumerate(coordinates(joint.name)):
        values[i] = built.getCoordinateSet().get(name).getValue(state)
        if joint.stiffness_nm_per_rad[i]:
            spring = opensim().SpringGeneralizedForce.safeDownCast(
                built.getForceSet().get(f"{name}_spring")
            )
            forces[i] = -spring.getStiffness() * (values[i] - spring.getRestLength())
    if not forces.any():
        return np.zeros(3)
    flexion, lateral, axial = np.degrees(values)
    return parent[:3, :3] @ np.linalg.solve(coordinate_axes((flexion, lateral, axial)), forces)


def _half(parent: Array, child: Array) -> Array:
    """Axes (rows) of a disc whose upper side is turned against its lower one."""
    lower, upper = Rotation.from_matrix(parent[:3, :3]), Rotation.from_matrix(child[:3, :3])
    half = Rotation.from_rotvec(0.5 * (lower.inv() * upper).as_rotvec())
    turned: Array = (lower * half).as_matrix().T
    return turned


def _vertebrae(joints: list[Joint]) -> dict[str, int]:
    above = {joint.parent: i for i, joint in enumerate(joints)}
    return {name: above[name] for name in VERTEBRA_BODIES.values() if name in above}
