"""Tasks: what the person does while the loads are solved, one TOML file each.

::

    title = "Lifting a box"
    [trunk]                 # of the thorax against the vertical, from upright standing
    flexion_deg = 40.0      # forward
    lateral_bending_deg = 0.0   # to the right
    axial_rotation_deg = 0.0    # to the left
    pelvis_share = 0.5      # of the flexion, the hips' part; by the lumbopelvic rhythm without it
    [arms]
    hold = "hanging"        # vertical; or "with-trunk": as in standing, against the trunk
    flexion_deg = 30.0      # of the arms forward from there
    [carried_kg]
    hand_right = 10.0
    [pushed_n]              # a force on a body: forward, up, to the right
    hand_left = [0.0, 0.0, 0.0]
    [joints_deg]            # instead of the rhythm: flexion, lateral bending, axial rotation
    L4_L5 = [8.0, 0.0, 0.0]
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from openlumbar.core.errors import OptionError
from openlumbar.mechanics.kinematics import angles, place
from openlumbar.mechanics.model import LUMBAR_JOINTS, Array, Model, Posture
from openlumbar.mechanics.tables import Rhythm

_SHIPPED = resources.files("openlumbar.mechanics") / "data" / "tasks"
#: Tasks that are solved when none is asked for.
DEFAULT_TASKS = ("standing", "hess2023")
_SIDES = ("right", "left")

_Angle = Annotated[float, Field(ge=-180, le=180)]
_Triple = tuple[_Angle, _Angle, _Angle]
#: A name becomes part of a picture's file name.
_Name = Annotated[
    str, Field(pattern=r'^[^./\\:*?"<>|\x00-\x1f][^/\\:*?"<>|\x00-\x1f]*$', max_length=80)
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Trunk(_Strict):
    """How the thorax is turned against upright standing, and who turns it."""

    flexion_deg: Annotated[float, Field(ge=-30, le=120)] = 0.0
    lateral_bending_deg: Annotated[float, Field(ge=-40, le=40)] = 0.0
    axial_rotation_deg: Annotated[float, Field(ge=-40, le=40)] = 0.0
    pelvis_share: Annotated[float, Field(ge=0, le=1)] | None = None


class Arms(_Strict):
    """How the arms are held."""

    hold: Literal["hanging", "with-trunk"] = "hanging"
    flexion_deg: Annotated[float, Field(ge=-60, le=180)] = 0.0


class Task(_Strict):
    """One task, as its file tells it."""

    name: _Name
    title: Annotated[str, Field(min_length=1, max_length=200)]
    trunk: Trunk = Trunk()
    arms: Arms = Arms()
    carried_kg: Mapping[str, Annotated[float, Field(ge=0, le=200)]] = {}
    pushed_n: Mapping[str, tuple[float, float, float]] = {}
    joints_deg: Mapping[str, _Triple] = {}


def task_names() -> tuple[str, ...]:
    """Names of the tasks that ship."""
    return tuple(
        sorted(
            entry.name.removesuffix(".toml")
            for entry in _SHIPPED.iterdir()
            if entry.name.endswith(".toml")
        )
    )


def load_task(task: str | Path) -> Task:
    """Read a task.

    Parameters
    ----------
    task
        Name of one that ships, or a TOML file of one's own (its name is the file's).

    Raises
    ------
    OptionError
        There is no such task or file, or the file is not a task.
    """
    if isinstance(task, str) and task in task_names():
        return _parsed((_SHIPPED / f"{task}.toml").read_bytes(), task, f"task {task}")
    path = Path(task)
    try:
        return _parsed(path.read_bytes(), path.stem, str(path))
    except OSError as error:
        raise OptionError(
            f"task {task}: no task of this name ships ({', '.join(task_names())}), and no such "
            "file can be read; give a name or a .toml file"
        ) from error


def _parsed(text: bytes, name: str, where: str) -> Task:
    try:
        return Task.model_validate({"name": name} | tomllib.loads(text.decode("utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OptionError(f"{where}: not a TOML file ({error})") from error
    except ValidationError as error:
        first = error.errors()[0]
        place_in_file = ".".join(map(str, first["loc"]))
        raise OptionError(f"{where}: {place_in_file}: {first['msg'].lower()}") from error


def posture_of(model: Model, task: Task, rhythm: Rhythm) -> Posture:
    """Turn a task into joint angles of a model.

    The trunk's flexion is that of the thorax against the vertical, counted from upright
    standing. The hips take ``pelvis_share`` of it, the lumbar joints the rest by the rhythm's
    shares; lateral bending and axial rotation spread evenly over the lumbar joints. Joints that
    the task names are set as it says, and take no part in this.

    Raises
    ------
    OptionError
        The task names a body or joint that the model does not have.
    """
    _check_names(model, task)
    pelvis, trunk = _trunk(model, task, rhythm)
    posture = Posture(pelvis, trunk, dict(task.carried_kg), dict(task.pushed_n))
    arms = _arms(model, posture, task.arms)
    return replace(posture, joints_deg=arms | trunk)


def _check_names(model: Model, task: Task) -> None:
    joints = {joint.name for joint in model.joints}
    for name in task.joints_deg:
        _check(name in joints, f"task {task.name}: joint {name}", joints)
    for name in (*task.carried_kg, *task.pushed_n):
        _check(name in model.bodies, f"task {task.name}: body {name}", model.bodies)


def _check(known: bool, what: str, names: Mapping[str, object] | set[str]) -> None:
    if not known:
        raise OptionError(f"{what} is not of this model, which has {', '.join(sorted(names))}")


def _trunk(
    model: Model, task: Task, rhythm: Rhythm
) -> tuple[float, dict[str, tuple[float, float, float]]]:
    """Degrees of the pelvis, and of each joint that the task or the rhythm turns."""
    trunk = task.trunk
    lumbar = (
        rhythm.lumbar_deg(trunk.flexion_deg)
        if trunk.pelvis_share is None
        else (1 - trunk.pelvis_share) * trunk.flexion_deg
    )
    names = [joint.name for joint in model.lumbar_joints]
    total = sum(rhythm.shares[LUMBAR_JOINTS[name]] for name in names)
    turned = {
        name: (
            lumbar * rhythm.shares[LUMBAR_JOINTS[name]] / total,
            trunk.lateral_bending_deg / len(names),
            trunk.axial_rotation_deg / len(names),
        )
        for name in names
    }
    return trunk.flexion_deg - lumbar, turned | dict(task.joints_deg)


def _arms(model: Model, posture: Posture, arms: Arms) -> dict[str, tuple[float, float, float]]:
    """Angles of the shoulders: the rest of the arm follows them as in standing."""
    named = {joint.name: joint for joint in model.joints}
    shoulders = [named[name] for name in (f"shoulder_{side}" for side in _SIDES) if name in named]
    if arms.hold == "with-trunk":
        # A joint's flexion is that of a trunk, head forward; a lifted arm turns the other way.
        return {joint.name: (-arms.flexion_deg, 0.0, 0.0) for joint in shoulders}
    poses = place(model, posture)
    found = {}
    for joint in shoulders:
        parent = poses[joint.parent][:3, :3] @ joint.in_parent[:3, :3]
        upright = _forward(arms.flexion_deg) @ joint.in_child[:3, :3]
        found[joint.name] = angles(parent.T @ upright)
    return found


def _forward(degrees: float) -> Array:
    """Rotation of ground that lifts a hanging arm forward."""
    turn = np.radians(degrees)
    return np.array(
        [[np.cos(turn), -np.sin(turn), 0.0], [np.sin(turn), np.cos(turn), 0.0], [0.0, 0.0, 1.0]]
    )


def posture_sentences(
    model: Model, task: Task, posture: Posture, rhythm: Rhythm
) -> tuple[str, ...]:
    """Say in words how the task is posed, and from which posture it is counted."""
    held = "hang vertically" if task.arms.hold == "hanging" else "are held as in standing"
    if task.arms.flexion_deg:
        held += f", but {task.arms.flexion_deg:g}° forward"
    arms = f"The arms {held}; the elbows are straight."
    if task.trunk == Trunk() and not task.joints_deg:
        return ("Upright standing: pelvis and thorax upright.", arms)
    return (*_trunk_sentences(model, task, posture, rhythm), arms)


def _trunk_sentences(model: Model, task: Task, posture: Posture, rhythm: Rhythm) -> tuple[str, ...]:
    lumbar = [posture.joints_deg[joint.name][0] for joint in model.lumbar_joints]
    each = ", ".join(
        f"{LUMBAR_JOINTS[joint.name]} {angle:.1f}°"
        for joint, angle in zip(model.lumbar_joints, lumbar, strict=True)
    )
    told = [
        f"The thorax leans {posture.pelvis_flexion_deg + sum(lumbar):.0f}° forward, counted from "
        f"upright standing: {posture.pelvis_flexion_deg:.1f}° by the hips and {sum(lumbar):.1f}° "
        f"by the lumbar joints ({each})."
    ]
    if task.trunk.pelvis_share is None:
        told.append(rhythm.sentence)
    trunk = task.trunk
    if trunk.lateral_bending_deg or trunk.axial_rotation_deg:
        told.append(
            f"It bends {trunk.lateral_bending_deg:g}° to the right and turns "
            f"{trunk.axial_rotation_deg:g}° to the left, in equal parts at all lumbar joints."
        )
    return tuple(told)
