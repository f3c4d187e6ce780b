"""Bodies and joints of an OpenSim model gathered into ours.

Each body of the file belongs to one of ours: by its name (``data/base_names.toml``), or else to
that which carries it, walking outward from the pelvis. What belongs together is merged rigidly in
the file's default pose, which has to be upright standing.
"""

from __future__ import annotations

import itertools
import re
import tomllib
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from openlumbar.core.errors import InputError
from openlumbar.mechanics.kinematics import inverse
from openlumbar.mechanics.model import LUMBAR_JOINTS, ROOT, Array, Body, Joint
from openlumbar.mechanics.osim_api import members, opensim, pose_in_ground
from openlumbar.mechanics.osim_build import coordinates

#: Bodies without which nothing can be solved, from below; each carries the next.
SPINE = (ROOT, "lumbar5", "lumbar4", "lumbar3", "lumbar2", "lumbar1", "thorax")
#: Our name of the joint under each body.
_JOINTS = {
    **dict(zip(SPINE[1:], reversed(LUMBAR_JOINTS), strict=True)),
    "head": "neck",
    **{
        f"{body}_{side}": f"{joint}_{side}"
        for side in ("right", "left")
        for body, joint in (
            ("upper_arm", "shoulder"),
            ("forearm", "elbow"),
            ("hand", "wrist"),
            ("femur", "hip"),
        )
    },
}


@dataclass(frozen=True, eq=False)
class Skeleton:
    """Bodies and joints read from a file.

    Attributes
    ----------
    belongs
        Name of our body, by the name of the file's.
    poses
        ``[4, 4]`` from each of our bodies to the file's ground in the default pose.
    """

    bodies: Mapping[str, Body]
    joints: tuple[Joint, ...]
    belongs: Mapping[str, str]
    poses: Mapping[str, Array]
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Entry:
    """How one of our bodies is reached: over which joint of the file, from which of ours."""

    parent: str
    frame: Array  # [4, 4], of the joint on the far side, in the file's ground
    opened: str  # the joint's name in the file


@dataclass(frozen=True, eq=False)
class _Walk:
    belongs: dict[str, str]
    entries: dict[str, _Entry]
    above_t12: Array | None  # middle of the joint T11-T12


def read_skeleton(opened: Any, state: Any, where: str, trusted: bool) -> Skeleton:
    """Gather the bodies and joints of an OpenSim model.

    Parameters
    ----------
    state
        Of the default pose, positions realised.
    where
        The file, for messages.
    trusted
        Of a file that OpenLumbar wrote: bodies, frames and springs are taken as they are.

    Raises
    ------
    InputError
        Bodies of the lumbar spine are missing, or do not carry each other in order.
    """
    walk = _walked(opened, state, where)
    poses = _own_poses(opened, state) if trusted else _poses(walk)
    order = [name for name in (*SPINE, *_JOINTS) if name in walk.entries or name == ROOT]
    order = list(dict.fromkeys(order))
    if lost := [name for name in order if name not in poses]:
        raise InputError(
            f"{where}: OpenLumbar wrote this file, but its body {lost[0]!r} goes by another name; "
            "call it so again, or change what the file says under credits"
        )
    frames = {name: walk.entries[name].frame for name in order[1:]}
    if not trusted:
        frames = {name: _disc_frame(name, frames[name], poses) for name in frames}
    return Skeleton(
        bodies={name: _merged(name, opened, state, walk, poses[name]) for name in order},
        joints=tuple(_joint(opened, name, walk, frames[name], poses, trusted) for name in frames),
        belongs=walk.belongs,
        poses=poses,
        notes=() if trusted else _notes(walk),
    )


@cache
def names() -> Mapping[str, Mapping[str, Sequence[re.Pattern[str]]]]:
    """Patterns of ``base_names.toml``: tables ``bodies``, ``soft``, ``above`` and ``muscles``."""
    file = resources.files("openlumbar.mechanics") / "data" / "base_names.toml"
    tables = tomllib.loads(file.read_text("utf-8"))
    return {
        table: {
            name: [re.compile(pattern, re.IGNORECASE) for pattern in patterns]
            for name, patterns in rows.items()
        }
        for table, rows in tables.items()
    }


def named(table: str, name: str) -> str:
    """The first row of a table with a pattern that matches a name; empty if none does."""
    rows = names()[table]
    return next((row for row, each in rows.items() if any(p.fullmatch(name) for p in each)), "")


def _walked(opened: Any, state: Any, where: str) -> _Walk:
    """Walk from the pelvis outward over all joints, whichever way round the file has them."""
    all_names = [body.getName() for body in members(opened.getBodySet())]
    _check_named(all_names, where)
    beside = _neighbours(opened)
    start = next(name for name in all_names if named("bodies", name) == ROOT)
    walk = _Walk({start: ROOT}, {}, None)
    above, queue = None, deque([start])
    while queue:
        near = queue.popleft()
        for far, frame, joint in beside.get(near, []):
            if far in walk.belongs:
                continue
            mine = named("bodies", far) or walk.belongs[near]
            if mine != walk.belongs[near] and mine not in walk.entries and mine != ROOT:
                pose = pose_in_ground(frame, state)
                walk.entries[mine] = _Entry(walk.belongs[near], pose, joint)
            if named("above", far):
                above = pose_in_ground(frame, state)[:3, 3]
            walk.belongs[far] = mine
            queue.append(far)
    _check_order(walk, where)
    return _Walk(walk.belongs, walk.entries, above)


def _neighbours(opened: Any) -> dict[str, list[tuple[str, Any, str]]]:
    """Bodies beside each body: name, the joint's frame on the far side, the joint's name."""
    beside: dict[str, list[tuple[str, Any, str]]] = {}
    for joint in members(opened.getJointSet()):
        frames = (joint.getParentFrame(), joint.getChildFrame())
        parent, child = (frame.findBaseFrame().getName() for frame in frames)
        if "ground" not in (parent, child):
            beside.setdefault(parent, []).append((child, frames[1], joint.getName()))
            beside.setdefault(child, []).append((parent, frames[0], joint.getName()))
    return beside


def _check_named(found: Sequence[str], where: str) -> None:
    have = {named("bodies", name) for name in found}
    if missing := [name for name in SPINE if name not in have]:
        shown = ", ".join(found[:30]) + (" …" if len(found) > 30 else "")
        raise InputError(
            f"{where}: no body is named like {', '.join(missing)}; a base model has bodies for "
            f"the pelvis, lumbar5 … lumbar1 and T12 or the thorax. Found: {shown or 'none'}. "
            "Rename them in OpenSim"
        )


def _check_order(walk: _Walk, where: str) -> None:
    for lower, upper in itertools.pairwise(SPINE):
        if upper not in walk.entries:
            raise InputError(f"{where}: no joints lead from the pelvis to {upper}")
        if walk.entries[upper].parent != lower:
            raise InputError(
                f"{where}: {upper} is joined to {walk.entries[upper].parent}; a base model joins "
                f"it to {lower}"
            )


def _own_poses(opened: Any, state: Any) -> dict[str, Array]:
    return {body.getName(): pose_in_ground(body, state) for body in members(opened.getBodySet())}


def _poses(walk: _Walk) -> dict[str, Array]:
    """Frames of our bodies in the file's ground; see :mod:`openlumbar.mechanics.model`."""
    centres = [walk.entries[name].frame[:3, 3] for name in SPINE[1:]]
    poses = {name: _at(entry.frame[:3, 3]) for name, entry in walk.entries.items()}
    poses[ROOT] = _at(centres[0])
    for name, lower, upper in zip(SPINE[1:-1], centres, centres[1:], strict=False):
        poses[name] = _at((lower + upper) / 2, upper - lower)
    poses["thorax"] = _at((centres[-1] + _top_of_t12(walk, centres)) / 2)
    return poses


def _top_of_t12(walk: _Walk, centres: Sequence[Array]) -> Array:
    """Middle of the joint above T12; as far above T12-L1 as that is above L1-L2 if not told."""
    return 2 * centres[-1] - centres[-2] if walk.above_t12 is None else walk.above_t12


def _at(place: Array, up: Array | None = None) -> Array:
    """Pose at a place: y along ``up``, z as far to the right as that allows; else ground's axes."""
    pose = np.eye(4)
    if up is not None:
        y = up / np.linalg.norm(up)
        x = np.cross(y, [0.0, 0.0, 1.0])
        x /= np.linalg.norm(x)
        pose[:3, :3] = np.stack([x, y, np.cross(x, y)], axis=1)
    pose[:3, 3] = place
    return pose


def _disc_frame(body: str, frame: Array, poses: Mapping[str, Array]) -> Array:
    """Frame of the joint under a body: at the file's joint, a disc's along its neighbours.

    The disc's axis is the mean of those of the vertebrae that it joins; of L5-S1 and T12-L1,
    whose other neighbour has no axis of its own in the file, that of L5 and L1.
    """
    if body not in SPINE:
        return _at(frame[:3, 3])
    index = SPINE.index(body)
    ups = [poses[name][:3, 1] for name in SPINE[index - 1 : index + 1] if "lumbar" in name]
    return _at(frame[:3, 3], np.mean(ups, axis=0))


def _merged(name: str, opened: Any, state: Any, walk: _Walk, pose: Array) -> Body:
    """All bodies of the file that belong to one of ours, as one rigid body."""
    mass, moment, parts = 0.0, np.zeros(3), []
    back = inverse(pose)
    for body in members(opened.getBodySet()):
        if walk.belongs.get(body.getName()) != name:
            continue
        placed = back @ pose_in_ground(body, state)
        centre = placed[:3, :3] @ body.getMassCenter().to_numpy() + placed[:3, 3]
        tensor = placed[:3, :3] @ _tensor(body) @ placed[:3, :3].T
        parts.append((body.getMass(), centre, tensor))
        mass += body.getMass()
        moment = moment + body.getMass() * centre
    middle = moment / mass if mass > 0 else parts[0][1]
    inertia = sum(
        (tensor + m * _off_axis(centre - middle) for m, centre, tensor in parts), np.zeros((3, 3))
    )
    return Body(name, mass, middle, inertia)


def _tensor(body: Any) -> Array:
    inertia = body.getInertia()
    moments, products = inertia.getMoments().to_numpy(), inertia.getProducts().to_numpy()
    xy, xz, yz = products
    off = np.array([[0.0, xy, xz], [xy, 0.0, yz], [xz, yz, 0.0]])
    tensor: Array = np.diag(moments) + off
    return tensor


def _off_axis(by: Array) -> Array:
    tensor: Array = by @ by * np.eye(3) - np.outer(by, by)
    return tensor


def _joint(
    opened: Any,
    body: str,
    walk: _Walk,
    frame: Array,
    poses: Mapping[str, Array],
    trusted: bool,
) -> Joint:
    entry = walk.entries[body]
    return Joint(
        name=_JOINTS[body],
        parent=entry.parent,
        child=body,
        in_parent=inverse(poses[entry.parent]) @ frame,
        in_child=inverse(poses[body]) @ frame,
        free=body in SPINE,
        stiffness_nm_per_rad=_stiffness(opened, _JOINTS[body]) if trusted else np.zeros(3),
    )


def _stiffness(opened: Any, joint: str) -> Array:
    """Of the springs that :mod:`openlumbar.mechanics.osim_build` names after coordinates."""
    kind = opensim().SpringGeneralizedForce
    forces = {force.getName(): force for force in members(opened.getForceSet())}
    springs = [kind.safeDownCast(forces.get(f"{name}_spring")) for name in coordinates(joint)]
    return np.array([0.0 if spring is None else spring.getStiffness() for spring in springs])


def _notes(walk: _Walk) -> tuple[str, ...]:
    merged = Counter(walk.belongs.values())
    listed = ", ".join(f"{name} ({n})" for name, n in merged.items() if n > 1)
    notes = [
        "The middle of each lumbar vertebra is taken midway between its joints, and its axis "
        "through them; a disc's axis is the mean of its neighbours', of L5-S1 that of L5 and of "
        "T12-L1 that of L1.",
    ]
    if listed:
        notes.append(f"Bodies of the file merged rigidly, and how many each: {listed}.")
    if walk.above_t12 is None:
        notes.append("The file does not tell where T12 ends: it is taken as high as L1.")
    absent = [name for name in _JOINTS if name not in walk.entries]
    if absent:
        notes.append(
            f"The file has no {', '.join(absent)}: weights cannot be held by what is absent."
        )
    return tuple(notes)
