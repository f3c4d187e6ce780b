"""The musculoskeletal model as plain data: bodies, joints, muscles as fascicles.

Everything in ``mechanics/`` works on this; :mod:`openlumbar.mechanics.osim` turns it into an
OpenSim model and back. Frames follow OpenSim and the ISB: x forward, y up, z to the right of
the person; metres, kilograms, newtons. Ground stands with y against gravity, its origin in the
middle of the upper endplate of S1.

A body's frame: for a vertebra its origin is the middle of its body, y runs from the middle of
its lower to that of its upper endplate, x forward, z to the right. ``pelvis`` is the pelvis
with the sacrum: origin in the middle of the upper endplate of S1, axes those of ground in
upright standing. ``thorax`` is T12 and all above it but the head, rigid: origin in the middle of
the body of T12, axes those of ground in upright standing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Joints of the lumbar spine from above, and the level of each.
LUMBAR_JOINTS: dict[str, str] = {
    "T12_L1": "T12-L1",
    "L1_L2": "L1-L2",
    "L2_L3": "L2-L3",
    "L3_L4": "L3-L4",
    "L4_L5": "L4-L5",
    "L5_S1": "L5-S1",
}
#: Bodies of the lumbar vertebrae, from above, by level.
VERTEBRA_BODIES: dict[str, str] = {f"L{n}": f"lumbar{n}" for n in range(1, 6)}
#: The muscles that an axial series measures (core.metrics.MUSCLES).
MEASURED_GROUPS = ("multifidus", "erector spinae", "psoas", "quadratus lumborum")
#: The muscles that it does not.
OTHER_GROUPS = ("rectus abdominis", "external oblique", "internal oblique")
ROOT = "pelvis"


@dataclass(frozen=True, eq=False)
class Body:
    """A rigid body.

    Attributes
    ----------
    mass_centre_m
        ``[3]`` in the body's frame.
    inertia_kgm2
        ``[3, 3]`` about the mass centre, along the body's axes.
    """

    name: str
    mass_kg: float
    mass_centre_m: Array
    inertia_kgm2: Array


@dataclass(frozen=True, eq=False)
class Joint:
    """Two bodies that turn against each other about one point.

    At rest the joint's frame in the parent and that in the child coincide. Turned, the child's
    is rotated in the parent's by flexion, lateral bending and axial rotation, in this order about
    body-fixed axes (:func:`openlumbar.mechanics.kinematics.rotation`).

    Attributes
    ----------
    in_parent, in_child
        ``[4, 4]`` from the joint's frame to the body's, rigid. Of a lumbar joint the origin is
        the middle of the disc, and the axes those of the disc: y square to its midplane, upward.
    free
        Whether its moments are balanced by muscles (the lumbar joints) or it is held in its
        posture by what is not modelled (hip, neck, arm).
    stiffness_nm_per_rad
        ``[3]`` of a passive rotational spring, for flexion, lateral bending and axial rotation
        away from rest; zero where there is none.
    """

    name: str
    parent: str
    child: str
    in_parent: Array
    in_child: Array
    free: bool = False
    stiffness_nm_per_rad: Array = field(default_factory=lambda: np.zeros(3))


@dataclass(frozen=True, eq=False)
class Muscle:
    """One fascicle: a string through points fixed to bodies.

    Attributes
    ----------
    name
        Unique; ends in ``_r`` or ``_l``.
    group
        Of :data:`MEASURED_GROUPS` or :data:`OTHER_GROUPS`.
    side
        ``left`` or ``right``.
    bodies
        The body of each point, from origin to insertion, two points at least.
    points_m
        ``[n, 3]``, each in the frame of its body.
    area_cm2
        Physiological cross-sectional area.
    tension_n_per_cm2
        Specific tension: greatest force per area.
    optimal_fibre_m, tendon_slack_m, pennation_rad
        Of a Hill-type muscle; the static solution uses none of them but writes them to the
        model.
    """

    name: str
    group: str
    side: str
    bodies: tuple[str, ...]
    points_m: Array
    area_cm2: float
    tension_n_per_cm2: float
    optimal_fibre_m: float
    tendon_slack_m: float
    pennation_rad: float = 0.0

    @property
    def max_force_n(self) -> float:
        """Greatest isometric force."""
        return self.area_cm2 * self.tension_n_per_cm2


@dataclass(frozen=True, eq=False)
class VertebraShape:
    """Size of a vertebral body, for scaling and drawing, in the frame of its body.

    Attributes
    ----------
    upper_m, lower_m
        Middles of the endplates, ``[3]``.
    depth_m, width_m
        Front to back and side to side, of the middle of the body.
    spinous_tip_m
        ``[3]``.
    """

    upper_m: Array
    lower_m: Array
    depth_m: float
    width_m: float
    spinous_tip_m: Array


@dataclass(frozen=True, eq=False)
class Model:
    """A whole model in upright standing.

    Attributes
    ----------
    name
        Of the base model it was made from.
    sex
        ``M`` or ``F``.
    bodies
        By name; each but :data:`ROOT` is the child of one joint.
    joints
        A parent comes before its children.
    shapes
        Of the vertebrae L1 to L5, by the name of the body.
    """

    name: str
    sex: str
    height_m: float
    mass_kg: float
    bodies: Mapping[str, Body]
    joints: tuple[Joint, ...]
    muscles: tuple[Muscle, ...]
    shapes: Mapping[str, VertebraShape] = field(default_factory=dict)

    @cached_property
    def joint_of(self) -> dict[str, Joint]:
        """The joint that carries each body but the root."""
        return {joint.child: joint for joint in self.joints}

    @cached_property
    def lumbar_joints(self) -> tuple[Joint, ...]:
        """Those of :data:`LUMBAR_JOINTS` that the model has, from above."""
        named = {joint.name: joint for joint in self.joints}
        return tuple(named[name] for name in LUMBAR_JOINTS if name in named)

    def above(self, joint: Joint) -> frozenset[str]:
        """Names of all bodies that the joint carries."""
        found = {joint.child}
        for other in self.joints:
            if other.parent in found:
                found.add(other.child)
        return frozenset(found)


@dataclass(frozen=True, eq=False)
class Posture:
    """How the model stands and what it holds.

    Attributes
    ----------
    pelvis_flexion_deg
        Of the pelvis about the hips, forward positive, from upright standing.
    joints_deg
        ``(flexion, lateral bending, axial rotation)`` of a joint away from rest; forward, to
        the right, and turning to the left are positive. Joints left out are at rest.
    carried_kg
        Mass held at the mass centre of a body (``hand_right``, ``hand_left``).
    pushed_n
        Force on the mass centre of a body, axes of ground.
    """

    pelvis_flexion_deg: float = 0.0
    joints_deg: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    carried_kg: Mapping[str, float] = field(default_factory=dict)
    pushed_n: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Statics:
    """Everything that balances at the lumbar joints in one posture; axes of ground.

    Attributes
    ----------
    joints
        Names, from above; J of them.
    centres_m
        ``[J, 3]``.
    axes
        ``[J, 3, 3]``: rows are the disc's anterior, axial (upward) and right axis: those of the
        joint's frame turned half way between parent and child.
    muscles
        Names; M of them.
    strength_n
        ``[M]``, greatest force of each.
    arms_m
        ``[J, 3, M]``: moment of each muscle about each joint's centre on all that the joint
        carries, per newton of its force.
    lines
        ``[J, 3, M]``: its net force on all that the joint carries, per newton.
    force_n, moment_nm
        ``[J, 3]``: of weight and of what is carried or pushed, on all that the joint carries,
        about the joint's centre; the moment includes that of the joint's passive spring.
    vertebrae
        Names of bodies (``lumbar1`` …); V of them.
    vertebra_axes
        ``[V, 3, 3]``: rows as in ``axes``, of the vertebra's own frame.
    vertebra_joint
        Index in ``joints`` of the joint above each vertebra.
    """

    joints: tuple[str, ...]
    centres_m: Array
    axes: Array
    muscles: tuple[str, ...]
    strength_n: Array
    arms_m: Array
    lines: Array
    force_n: Array
    moment_nm: Array
    vertebrae: tuple[str, ...]
    vertebra_axes: Array
    vertebra_joint: tuple[int, ...]
