"""A model as OpenSim has it: bodies, custom joints, Hill-type muscles, springs, geometry.

Kinematics are those of :mod:`openlumbar.mechanics.kinematics`: each joint turns about the axes
``0 0 -1``, ``1 0 0`` and ``0 1 0`` of its frame, one after the other. Free joints are unlocked;
all others, and the pelvis to ground, are locked in the posture. Nothing is coupled, for what a
coupler carries is missing from the moments that muscles balance.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from openlumbar.core.errors import InputError
from openlumbar.mechanics import osim_draw
from openlumbar.mechanics.kinematics import Angles, joint_angles, place
from openlumbar.mechanics.model import ROOT, Array, Body, Joint, Model, Muscle, Posture
from openlumbar.mechanics.osim_api import adopted, opensim, orientation, translated, vector
from openlumbar.mechanics.statics import GRAVITY_M_PER_S2

#: Ends of the names of a joint's coordinates, in the order in which they turn.
TURNS = ("flexion", "lateral_bending", "axial_rotation")
PELVIS_JOINT = "ground_pelvis"
PELVIS_COORDINATE = "pelvis_flexion"
#: The file's credits begin with this; the reader trusts the frames of such a file.
MAKER = "OpenLumbar"
#: A held mass is made a ball of iron.
_IRON_KG_PER_M3 = 7870.0
#: What no name of OpenSim may hold.
_FORBIDDEN = re.compile(r"[\\*+/\s]+")
_AXES = ((0.0, 0.0, -1.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
# Millard's curves need some fibre and tendon; a fascicle without either is fitted in muscle
# tables, not here.
_SHORTEST_M = 1e-4


def build(model: Model, posture: Posture, drawn: bool = False) -> Any:
    """An ``opensim.Model`` whose default pose is the posture.

    Parameters
    ----------
    drawn
        With geometry; it costs time, and statics need none.

    Raises
    ------
    InputError
        OpenSim is missing or refuses a property of the model, or the posture names what the
        model does not have.
    """
    place(model, posture)  # refuses a posture that the model cannot take
    turned = joint_angles(model, posture)
    with translated(f"model {model.name!r}"):
        built = _empty(model)
        bodies = {body.name: _add_body(built, body) for body in model.bodies.values()}
        _add_pelvis_joint(built, bodies[ROOT], posture)
        for joint in model.joints:
            _add_joint(built, bodies, joint, turned[joint.name])
        for muscle in model.muscles:
            _add_muscle(built, bodies, muscle)
        for joint in model.joints:
            _add_springs(built, joint)
        _add_held(built, bodies, model, posture)
        _add_pushes(built, bodies, model, posture)
        if drawn:
            osim_draw.dress(bodies, model)
        built.finalizeConnections()
    return built


def coordinates(joint: str) -> tuple[str, ...]:
    """Names of a joint's three coordinates."""
    return tuple(f"{joint}_{turn}" for turn in TURNS)


def _empty(model: Model) -> Any:
    built = opensim().Model()
    built.setName(_FORBIDDEN.sub("_", model.name))
    built.setGravity(vector(np.array([0.0, -GRAVITY_M_PER_S2, 0.0])))
    built.set_credits(
        f"{MAKER} {version('openlumbar')}, from the base model {model.name!r} "
        f"({model.sex}, {model.height_m:.3f} m, {model.mass_kg:.2f} kg). Research use only."
    )
    built.set_publications(
        "OpenLumbar's values and their sources: openlumbar/mechanics/data (sources.toml and the "
        "tables that name them). A base model that a user gave has its own."
    )
    return built


def _add_body(built: Any, body: Body) -> Any:
    tensor = body.inertia_kgm2
    made = opensim().Body(
        body.name,
        float(body.mass_kg),
        vector(body.mass_centre_m),
        opensim().Inertia(*(float(v) for v in (*np.diag(tensor), *tensor[[0, 0, 1], [1, 2, 2]]))),
    )
    adopted(built.addBody, made)
    return made


def _add_pelvis_joint(built: Any, pelvis: Any, posture: Posture) -> None:
    made = opensim().CustomJoint(
        PELVIS_JOINT,
        built.getGround(),
        *_placed(np.eye(4)),
        pelvis,
        *_placed(np.eye(4)),
        _transform((PELVIS_COORDINATE,)),
    )
    adopted(built.addJoint, made)
    _set(made.upd_coordinates(0), math.radians(posture.pelvis_flexion_deg), locked=True)


def _add_joint(built: Any, bodies: dict[str, Any], joint: Joint, turned: Angles) -> None:
    made = opensim().CustomJoint(
        joint.name,
        bodies[joint.parent],
        *_placed(joint.in_parent),
        bodies[joint.child],
        *_placed(joint.in_child),
        _transform(coordinates(joint.name)),
    )
    adopted(built.addJoint, made)
    for i, degrees in enumerate(turned):
        _set(made.upd_coordinates(i), math.radians(degrees), locked=not joint.free)


def _set(coordinate: Any, value: float, locked: bool) -> None:
    coordinate.setRangeMin(-math.pi)
    coordinate.setRangeMax(math.pi)
    coordinate.setDefaultValue(value)
    coordinate.setDefaultLocked(locked)


def _placed(pose: Array) -> tuple[Any, Any]:
    """Place and orientation (body-fixed x, y, z angles) of an offset frame."""
    return vector(pose[:3, 3]), orientation(pose[:3, :3])


def _transform(names: Sequence[str]) -> Any:
    """Rotations about :data:`_AXES`, the first of them driven by the named coordinates."""
    osim = opensim()
    transform = osim.SpatialTransform()
    for i, axis in enumerate(_AXES):
        transform.updTransformAxis(i).setAxis(osim.Vec3(*axis))
    for i, name in enumerate(names):
        driver = osim.ArrayStr()
        driver.append(name)
        transform.updTransformAxis(i).setCoordinateNames(driver)
        transform.updTransformAxis(i).set_function(osim.LinearFunction(1.0, 0.0))
    return transform


def _add_muscle(built: Any, bodies: dict[str, Any], muscle: Muscle) -> None:
    """A Millard muscle with a rigid tendon, whose force may fall to nil.

    OpenSim's default floor of 0.01 would add load that no task asks for; Thelen's muscle can
    have neither a rigid tendon nor a lower floor.
    """
    made = opensim().Millard2012EquilibriumMuscle()
    made.setName(muscle.name)
    made.setMaxIsometricForce(float(muscle.max_force_n))
    made.setOptimalFiberLength(max(float(muscle.optimal_fibre_m), _SHORTEST_M))
    made.setTendonSlackLength(max(float(muscle.tendon_slack_m), _SHORTEST_M))
    made.setPennationAngleAtOptimalFiberLength(float(muscle.pennation_rad))
    made.set_ignore_tendon_compliance(True)
    made.setMinimumActivation(0.0)
    made.setMinControl(0.0)
    for i, (body, point) in enumerate(zip(muscle.bodies, muscle.points_m, strict=True), 1):
        made.addNewPathPoint(f"{muscle.name}-P{i}", bodies[body], vector(point))
    # Model.addForce would build and drop each muscle's curves once more: 3 ms a muscle.
    built.updForceSet().adoptAndAppend(made)


def _add_springs(built: Any, joint: Joint) -> None:
    for name, stiffness in zip(coordinates(joint.name), joint.stiffness_nm_per_rad, strict=True):
        if stiffness == 0:
            continue
        spring = opensim().SpringGeneralizedForce(name)
        spring.setName(f"{name}_spring")
        spring.setStiffness(float(stiffness))
        spring.setRestLength(0.0)
        spring.setViscosity(0.0)
        built.updForceSet().adoptAndAppend(spring)


def _add_held(built: Any, bodies: dict[str, Any], model: Model, posture: Posture) -> None:
    for name, mass in posture.carried_kg.items():
        _known(model, name)
        if mass == 0:
            continue
        if mass < 0:
            raise InputError(f"the posture holds {mass:g} kg at {name}; 0 or more is expected")
        radius = (mass / _IRON_KG_PER_M3 * 3 / (4 * math.pi)) ** (1 / 3)
        tensor = 0.4 * mass * radius**2 * np.eye(3)
        held = _add_body(built, Body(f"held_{name}", mass, np.zeros(3), tensor))
        weld = opensim().WeldJoint(
            f"grip_{name}",
            bodies[name],
            vector(model.bodies[name].mass_centre_m),
            vector(np.zeros(3)),
            held,
            vector(np.zeros(3)),
            vector(np.zeros(3)),
        )
        adopted(built.addJoint, weld)
        osim_draw.ball(held, radius)


def _add_pushes(built: Any, bodies: dict[str, Any], model: Model, posture: Posture) -> None:
    osim = opensim()
    for name, force in posture.pushed_n.items():
        _known(model, name)
        push = osim.PrescribedForce(f"push_{name}", bodies[name])
        push.setForceIsInGlobalFrame(True)
        push.setPointIsInGlobalFrame(False)
        push.setForceFunctions(*(osim.Constant(float(value)) for value in force))
        centre = model.bodies[name].mass_centre_m
        push.setPointFunctions(*(osim.Constant(float(value)) for value in centre))
        adopted(built.addForce, push)


def _known(model: Model, name: str) -> None:
    if name not in model.bodies:
        raise InputError(
            f"the posture loads {name!r}, which the model {model.name!r} does not have; "
            f"it has {', '.join(model.bodies)}"
        )
