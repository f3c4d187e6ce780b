"""A base model of the user's own, from an OpenSim file.

Whatever the file can do is cut down to what this package solves: rigid bodies about a lumbar
spine of six joints, and muscles as strings through points. :class:`ReadModel` says what was lost.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from openlumbar.core.errors import InputError, UnreadableError
from openlumbar.mechanics.base import base_model
from openlumbar.mechanics.model import (
    ROOT,
    VERTEBRA_BODIES,
    Array,
    Model,
    Muscle,
    VertebraShape,
)
from openlumbar.mechanics.osim_api import members, opensim, translated
from openlumbar.mechanics.osim_bodies import SPINE, Skeleton, named, read_skeleton
from openlumbar.mechanics.osim_build import MAKER

#: The group of muscles that no image measures and no name tells.
OTHER = "other"
#: A file tells the greatest force of a muscle, not its area: the specific tension that the
#: package's own fascicles have stands between the two.
_TENSION_N_PER_CM2 = 100.0
_SIDES = {"right": "r", "left": "l"}
_ENDING = re.compile(r"[_-](r|l|right|left)$", re.IGNORECASE)
_HEIGHT = re.compile(r"\((?:M|F), ([0-9.]+) m, ")
#: Points closer than this are one.
_SAME_M = 1e-6
#: How far gravity may be off the y axis.
_DOWN = np.cos(np.radians(1.0))


@dataclass(frozen=True, eq=False)
class ReadModel:
    """A base model and what reading it took.

    Attributes
    ----------
    notes
        Sentences for a person: what was merged, dropped or assumed.
    """

    model: Model
    notes: tuple[str, ...]


def read_model(path: Path, sex: str = "M") -> ReadModel:
    """Read an OpenSim model as base model.

    Parameters
    ----------
    path
        Of a file whose default pose is upright standing, x forward, y up, z to the right.
    sex
        ``M`` or ``F``; what the file does not tell (sizes of vertebral bodies, the person's
        height) is estimated from the generic model of this sex.

    Raises
    ------
    UnreadableError
        The file is missing, damaged, or OpenSim cannot make a system of it.
    InputError
        OpenSim is missing, the model has no articulated lumbar spine, or its axes differ.
    """
    where = str(path)
    opened, trusted = _opened(path)
    with translated(where, UnreadableError):
        state = opened.initSystem()
        opened.realizePosition(state)
        _check_gravity(opened, where)
        skeleton = read_skeleton(opened, state, where, trusted)
        _check_right(opened, state, skeleton, where)
        muscles, dropped = _muscles(opened, state, skeleton)
    bare = Model(
        name=opened.getName() or path.stem,
        sex=sex,
        height_m=1.0,
        mass_kg=sum(body.mass_kg for body in skeleton.bodies.values()),
        bodies=skeleton.bodies,
        joints=skeleton.joints,
        muscles=muscles,
    )
    height, told = _height(opened, bare, trusted)
    model = replace(bare, height_m=height, shapes=_shapes(bare))
    return ReadModel(model, (*skeleton.notes, *dropped, *told, *_lost(opened, trusted)))


def _opened(path: Path) -> tuple[Any, bool]:
    """The model without its constraints, and whether OpenLumbar wrote it."""
    _check_file(path)
    with translated(str(path), UnreadableError):
        opened = opensim().Model(str(path))
        for constraint in members(opened.getConstraintSet()):
            constraint.set_isEnforced(False)
        trusted = opened.get_credits().startswith(f"{MAKER} ")
        if trusted:  # it may have been written in the posture of a task
            for coordinate in members(opened.getCoordinateSet()):
                coordinate.setDefaultValue(0.0)
    return opened, trusted


def _check_file(path: Path) -> None:
    """OpenSim's own parser ends the process on some damaged files."""
    try:
        root = ElementTree.parse(path).getroot()
    except OSError as error:
        raise UnreadableError(f"{path}: cannot be read ({error.strerror})") from error
    except ElementTree.ParseError as error:
        raise UnreadableError(f"{path}: is no OpenSim model: {error}") from error
    if root.tag != "OpenSimDocument" or root.find("Model") is None:
        raise UnreadableError(
            f"{path}: holds <{root.tag}>; an OpenSim model (<OpenSimDocument> with a <Model>) is "
            "expected"
        )


def _check_gravity(opened: Any, where: str) -> None:
    gravity = opened.getGravity().to_numpy()
    size = float(np.linalg.norm(gravity))
    if size == 0 or -gravity[1] / size < _DOWN:
        raise InputError(
            f"{where}: gravity is {gravity.tolist()}; it has to point down the y axis of ground"
        )


def _check_right(opened: Any, state: Any, skeleton: Skeleton, where: str) -> None:
    """Hold names that end in right or left against z."""
    agree = Counter[bool]()
    for made in members(opened.getMuscles()):
        told, points = _named_side(made), _points(made, state, skeleton)
        if told and points:
            agree[told == _side(points, skeleton)] += 1
    if agree[False] > agree[True]:
        raise InputError(
            f"{where}: muscles named right lie at negative z; z has to point to the person's right"
        )


def _named_side(made: Any) -> str:
    ending = _ENDING.search(made.getName())
    return {"r": "right", "l": "left"}[ending[1][0].lower()] if ending else ""


def _side(points: Sequence[tuple[str, Array]], skeleton: Skeleton) -> str:
    middle = skeleton.poses[ROOT][2, 3]
    return "right" if np.mean([place[2] for _, place in points]) > middle else "left"


def _muscles(
    opened: Any, state: Any, skeleton: Skeleton
) -> tuple[tuple[Muscle, ...], tuple[str, ...]]:
    """Muscles that cross a lumbar joint, and notes on all that was lost."""
    found, lost = [], Counter[str]()
    for made in members(opened.getMuscles()):
        points = _points(made, state, skeleton)
        if not _on_bone(made, state, skeleton):
            lost["soft"] += 1
        elif not _crosses([body for body, _ in points]):
            lost["elsewhere"] += 1
        else:
            found.append(_muscle(made, points, skeleton))
            lost.update(_simplified(made))
            lost["crossed"] += _named_side(made) not in ("", found[-1].side)
    return _unique(found), tuple(_MUSCLE_NOTES[key].format(n) for key, n in lost.items() if n)


_MUSCLE_NOTES = {
    "elsewhere": "Muscles that cross no lumbar joint were left out: {}.",
    "soft": "Muscles that end on ground or on a body that is no bone (an abdomen) were left out: "
    "{}.",
    "wrapped": "Muscles that wrap over surfaces in the file run straight from point to point here: "
    "{}.",
    "moving": "Muscles with points that move or come and go keep them where they lie in the "
    "default pose: {}.",
    "crossed": "Muscles on the other side than their names say count for the side on which they "
    "lie: {}.",
    "unnamed": "Muscles whose names tell none of the usual groups make up the group “other”: {}.",
}


def _points(made: Any, state: Any, skeleton: Skeleton) -> list[tuple[str, Array]]:
    """Active points on bones, in ground, with our bodies."""
    found: list[tuple[str, Array]] = []
    for point in _active(made, state):
        body = _bone(point, skeleton)
        place = point.getLocationInGround(state).to_numpy()
        if body and (not found or np.linalg.norm(place - found[-1][1]) > _SAME_M):
            found.append((body, place))
    return found


def _on_bone(made: Any, state: Any, skeleton: Skeleton) -> bool:
    """Whether both ends are."""
    active = _active(made, state)
    return all(_bone(point, skeleton) for point in (active[0], active[-1]))


def _active(made: Any, state: Any) -> list[Any]:
    points = members(made.getGeometryPath().getPathPointSet())
    return [point for point in points if point.isActive(state)]


def _bone(point: Any, skeleton: Skeleton) -> str:
    """Our body that a point is on; empty if that is ground or no bone."""
    name = point.getParentFrame().findBaseFrame().getName()
    return "" if named("soft", name) else skeleton.belongs.get(name, "")


def _crosses(bodies: Sequence[str]) -> bool:
    heights = {_height_of(body) for body in bodies}
    return len(heights) > 1


def _height_of(body: str) -> int:
    """How many lumbar joints lie below a body."""
    if body in SPINE:
        return SPINE.index(body)
    return 0 if body.startswith("femur") else len(SPINE) - 1


def _simplified(made: Any) -> list[str]:
    path = made.getGeometryPath()
    kinds = {point.getConcreteClassName() for point in members(path.getPathPointSet())}
    checks = {
        "wrapped": path.getWrapSet().getSize() > 0,
        "moving": kinds != {"PathPoint"},
        "unnamed": not named("muscles", made.getName()),
    }
    return [key for key, holds in checks.items() if holds]


def _muscle(made: Any, points: Sequence[tuple[str, Array]], skeleton: Skeleton) -> Muscle:
    side = _side(points, skeleton)
    return Muscle(
        name=f"{_ENDING.sub('', made.getName())}_{_SIDES[side]}",
        group=named("muscles", made.getName()) or OTHER,
        side=side,
        bodies=tuple(body for body, _ in points),
        points_m=np.array([_in_body(skeleton.poses[body], place) for body, place in points]),
        area_cm2=made.getMaxIsometricForce() / _TENSION_N_PER_CM2,
        tension_n_per_cm2=_TENSION_N_PER_CM2,
        optimal_fibre_m=made.getOptimalFiberLength(),
        tendon_slack_m=made.getTendonSlackLength(),
        pennation_rad=made.getPennationAngleAtOptimalFiberLength(),
    )


def _in_body(pose: Array, place: Array) -> Array:
    inside: Array = pose[:3, :3].T @ (place - pose[:3, 3])
    return inside


def _unique(muscles: Sequence[Muscle]) -> tuple[Muscle, ...]:
    """With a number in the name where two came to have the same."""
    seen, found = Counter[str](), []
    for muscle in muscles:
        seen[muscle.name] += 1
        number = seen[muscle.name]
        stem, side = muscle.name[:-2], muscle.name[-2:]
        found.append(muscle if number == 1 else replace(muscle, name=f"{stem}-{number}{side}"))
    return tuple(found)


def _height(opened: Any, model: Model, trusted: bool) -> tuple[float, tuple[str, ...]]:
    """Of the person, and a note where the file does not tell it."""
    if trusted and (told := _HEIGHT.search(opened.get_credits())):
        return float(told[1]), ()
    generic = base_model(model.sex)
    height = generic.height_m * _lumbar_m(model) / _lumbar_m(generic)
    return height, (
        f"The file does not tell the person's height: {height:.2f} m is taken, by the length of "
        "its lumbar spine against the generic model's.",
    )


def _lumbar_m(model: Model) -> float:
    """From the joint L5-S1 to T12-L1, from vertebra to vertebra."""
    return sum(_between_joints(model, body) for body in VERTEBRA_BODIES.values())


def _between_joints(model: Model, body: str) -> float:
    lower = model.joint_of[body].in_child[:3, 3]
    upper = next(joint.in_parent[:3, 3] for joint in model.lumbar_joints if joint.parent == body)
    return float(np.linalg.norm(upper - lower))


def _shapes(model: Model) -> dict[str, VertebraShape]:
    """Of the generic model's vertebrae, as much larger as the joints lie farther apart."""
    generic = base_model(model.sex)
    found = {}
    for body, shape in generic.shapes.items():
        factor = _between_joints(model, body) / _between_joints(generic, body)
        found[body] = VertebraShape(
            upper_m=shape.upper_m * factor,
            lower_m=shape.lower_m * factor,
            depth_m=shape.depth_m * factor,
            width_m=shape.width_m * factor,
            spinous_tip_m=shape.spinous_tip_m * factor,
        )
    return found


def _lost(opened: Any, trusted: bool) -> tuple[str, ...]:
    """Notes on areas, shapes, forces and constraints."""
    notes = [
        f"Areas of muscles are their greatest forces over {_TENSION_N_PER_CM2:g} N/cm²; sizes of "
        "vertebral bodies are the generic model's, scaled to the distances of the joints.",
    ]
    muscles = {muscle.getName() for muscle in members(opened.getMuscles())}
    others = Counter(
        force.getConcreteClassName()
        for force in members(opened.getForceSet())
        if force.getName() not in muscles
    )
    if trusted:
        others.pop("SpringGeneralizedForce", None)
    if others:
        listed = ", ".join(f"{n} {kind}" for kind, n in sorted(others.items()))
        notes.append(f"Forces other than muscles were left out: {listed}.")
    if constraints := opened.getConstraintSet().getSize():
        notes.append(
            f"Constraints between coordinates were left out ({constraints}): the lumbar joints "
            "move freely, each about three axes."
        )
    return tuple(notes)
