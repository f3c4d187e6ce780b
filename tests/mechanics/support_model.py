"""Hand-made models whose balance can be worked out on paper, and random ones."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from openlumbar.mechanics.kinematics import rotation
from openlumbar.mechanics.model import Array, Body, Joint, Model, Muscle

TENSION_N_PER_CM2 = 100.0


def pose(x: float = 0.0, y: float = 0.0, z: float = 0.0, turned=(0.0, 0.0, 0.0)) -> Array:
    made = np.eye(4)
    made[:3, :3] = rotation(turned)
    made[:3, 3] = x, y, z
    return made


def body(name: str, mass_kg: float = 0.0, mass_centre_m=(0.0, 0.0, 0.0)) -> Body:
    return Body(name, mass_kg, np.array(mass_centre_m, float), np.eye(3) * 0.01)


def string(name: str, points, strength_n: float = 1000.0) -> Muscle:
    """A muscle through ``(body, (x, y, z))`` points."""
    return Muscle(
        name=name,
        group="erector spinae",
        side="right" if name.endswith("_r") else "left",
        bodies=tuple(where for where, _ in points),
        points_m=np.array([at for _, at in points], float),
        area_cm2=strength_n / TENSION_N_PER_CM2,
        tension_n_per_cm2=TENSION_N_PER_CM2,
        optimal_fibre_m=0.1,
        tendon_slack_m=0.1,
    )


def model(bodies: Sequence[Body], joints: Sequence[Joint], muscles: Sequence[Muscle]) -> Model:
    return Model(
        name="hand-made",
        sex="M",
        height_m=1.7,
        mass_kg=70.0,
        bodies={each.name: each for each in bodies},
        joints=tuple(joints),
        muscles=tuple(muscles),
    )


def lever(muscles: Sequence[Muscle], mass_kg: float = 30.0, ahead_m: float = 0.1) -> Model:
    """A trunk on one joint at the origin of ground; its weight hangs ``ahead_m`` before it."""
    return model(
        [body("pelvis", 10.0), body("thorax", mass_kg, (ahead_m, 0.3, 0.0))],
        [Joint("L5_S1", "pelvis", "thorax", np.eye(4), np.eye(4), free=True)],
        muscles,
    )


def upright(name: str, arm_m: float, strength_n: float = 1000.0, z: float = 0.0) -> Muscle:
    """A muscle of a lever that runs straight up, ``arm_m`` behind the joint."""
    points = [("pelvis", (-arm_m, -0.1, z)), ("thorax", (-arm_m, 0.2, z))]
    return string(name, points, strength_n)


#: Bodies of a whole lumbar spine from below, and the joint under each but the first.
SPINE = ("pelvis", "lumbar5", "lumbar4", "lumbar3", "lumbar2", "lumbar1", "thorax")
JOINTS = ("L5_S1", "L4_L5", "L3_L4", "L2_L3", "L1_L2", "T12_L1")
MASSES_KG = dict(zip(SPINE, (12.0, 2.0, 2.0, 2.0, 2.0, 2.0, 22.0), strict=True))


def spine(muscles: Sequence[Muscle], stiffness=(0.0, 0.0, 0.0)) -> Model:
    """A lordotic spine with a head, arms that hold and legs; discs lie between oblique bodies."""
    bodies = [body(name, MASSES_KG[name], (0.01, 0.005, 0.0)) for name in SPINE]
    bodies += [body(name, mass, (0.01, -0.1, 0.0)) for name, mass in HELD.items()]
    tilts = np.linspace(-18.0, 18.0, len(JOINTS))
    joints = [
        Joint(
            name,
            SPINE[i],
            SPINE[i + 1],
            pose(0.0, 0.02, 0.0, (tilts[i], 0.0, 0.0)),
            pose(0.0, -0.018, 0.0, (tilts[i] - 5.0, 0.0, 0.0)),
            free=True,
            stiffness_nm_per_rad=np.array(stiffness, float),
        )
        for i, name in enumerate(JOINTS)
    ]
    return model(bodies, joints + _held(), muscles)


HELD = {
    "head": 5.0,
    "femur_right": 8.0,
    "femur_left": 8.0,
    "upper_arm_right": 3.0,
    "upper_arm_left": 3.0,
}


def _held() -> list[Joint]:
    still = np.eye(4)
    return [
        Joint("neck", "thorax", "head", pose(0.0, 0.3, 0.0), still),
        Joint("hip_right", "pelvis", "femur_right", pose(0.02, -0.1, 0.09, (4.0, 3.0, 2.0)), still),
        Joint("hip_left", "pelvis", "femur_left", pose(0.02, -0.1, -0.09), still),
        Joint("shoulder_right", "thorax", "upper_arm_right", pose(0.0, 0.25, 0.18), still),
        Joint("shoulder_left", "thorax", "upper_arm_left", pose(0.0, 0.25, -0.18), still),
    ]


def mirrored(given: Model) -> Model:
    """The same person in a mirror: z turned round, right and left exchanged."""
    across = np.diag([1.0, 1.0, -1.0])
    return replace(
        given,
        bodies={
            _other(name): replace(
                each,
                name=_other(name),
                mass_centre_m=across @ each.mass_centre_m,
                inertia_kgm2=across @ each.inertia_kgm2 @ across,
            )
            for name, each in given.bodies.items()
        },
        joints=tuple(_mirrored_joint(joint) for joint in given.joints),
        muscles=tuple(_mirrored_muscle(muscle) for muscle in given.muscles),
    )


def _mirrored_joint(joint: Joint) -> Joint:
    across = np.diag([1.0, 1.0, -1.0, 1.0])
    return replace(
        joint,
        name=_other(joint.name),
        parent=_other(joint.parent),
        child=_other(joint.child),
        in_parent=across @ joint.in_parent @ across,
        in_child=across @ joint.in_child @ across,
    )


def _mirrored_muscle(muscle: Muscle) -> Muscle:
    return replace(
        muscle,
        name=_other(muscle.name),
        side={"right": "left", "left": "right"}[muscle.side],
        bodies=tuple(_other(name) for name in muscle.bodies),
        points_m=muscle.points_m * [1.0, 1.0, -1.0],
    )


def _other(name: str) -> str:
    for ending, other in (("_r", "_l"), ("_l", "_r"), ("_right", "_left"), ("_left", "_right")):
        if name.endswith(ending):
            return name.removesuffix(ending) + other
    return name


#: A half of all strings spans the spine, so that every joint has some.
ENDS = (0, len(SPINE) - 1)


def random_muscles(count: int, seed: int = 0) -> list[Muscle]:
    """Pairs of strings around the spine, of two to four points, the two of a pair mirrored."""
    rng = np.random.default_rng(seed)
    found = []
    for i in range(count // 2):
        low, high = np.sort(rng.choice(len(SPINE), 2, replace=False)) if i % 2 else ENDS
        steps = np.unique(np.linspace(low, high, int(rng.integers(2, 5))).round().astype(int))
        angle, far = rng.uniform(0.0, np.pi), rng.uniform(0.03, 0.08)
        middle = np.array([far * np.cos(angle), 0.0, far * np.sin(angle)])
        at = middle + rng.normal(0.0, 0.01, (len(steps), 3))
        strength = rng.uniform(0.5, 1.5) * 60_000.0 / count
        right = string(f"m{i}_r", [(SPINE[s], p) for s, p in zip(steps, at, strict=True)], strength)
        found += [right, _mirrored_muscle(right)]
    return found
