"""The bodies of a posed model as lines, to be drawn: boxes for vertebrae, strokes for the rest."""

from __future__ import annotations

import numpy as np

from openlumbar.core.loads import BodyShape, Point
from openlumbar.mechanics.kinematics import place
from openlumbar.mechanics.model import LUMBAR_JOINTS, ROOT, Array, Model, Posture, VertebraShape

_Line = tuple[Point, ...]
#: Corners of a vertebral body's box in the order they are drawn, from the side or from behind.
_ROUND = ((-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1))


def outlines(model: Model, posture: Posture) -> tuple[BodyShape, ...]:
    """Draw a model in a posture.

    Returns
    -------
    Ground, millimetres. A vertebra has its body's outline in the sagittal and in the coronal
    plane and a stroke to the tip of its spinous process; any other body strokes from its joint
    to the joints that it carries and to its mass centre; what a hand carries is ``load_…``, one
    point.
    """
    poses = place(model, posture)
    bodies = [
        BodyShape(name, _vertebra(model.shapes[name], poses[name]))
        if name in model.shapes
        else BodyShape(name, _strokes(model, name, poses[name]))
        for name in model.bodies
    ]
    carried = [
        BodyShape(f"load_{name}", (_points(poses[name], [model.bodies[name].mass_centre_m]),))
        for name, mass in posture.carried_kg.items()
        if mass > 0
    ]
    return (*bodies, *carried)


def _vertebra(shape: VertebraShape, pose: Array) -> tuple[_Line, ...]:
    deep, wide = np.array([shape.depth_m / 2, 0, 0]), np.array([0, 0, shape.width_m / 2])
    ends = {-1: shape.lower_m, 1: shape.upper_m}
    sagittal = [ends[up] + across * deep for across, up in _ROUND]
    coronal = [ends[up] + across * wide for across, up in _ROUND]
    middle = (shape.upper_m + shape.lower_m) / 2
    process = [middle - deep, shape.spinous_tip_m]
    return tuple(_points(pose, line) for line in (sagittal, coronal, process))


def _strokes(model: Model, name: str, pose: Array) -> tuple[_Line, ...]:
    """From where a body is held to all that it holds; the lumbar spine draws itself."""
    held = np.zeros(3) if name == ROOT else model.joint_of[name].in_child[:3, 3]
    holds = [
        joint.in_parent[:3, 3]
        for joint in model.joints
        if joint.parent == name and joint.name not in LUMBAR_JOINTS
    ]
    ends = holds or [model.bodies[name].mass_centre_m]
    return tuple(_points(pose, (held, end)) for end in ends)


def _points(pose: Array, points: object) -> _Line:
    placed = (np.asarray(points, float) @ pose[:3, :3].T + pose[:3, 3]) * 1000
    return tuple((float(x), float(y), float(z)) for x, y, z in placed.round(1))
