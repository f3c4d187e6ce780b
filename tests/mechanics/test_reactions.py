import numpy as np
import pytest
from support_model import body, lever, mirrored, model, pose, random_muscles, spine, upright

from openlumbar.mechanics.kinematics import place
from openlumbar.mechanics.model import Array, Joint, Model, Posture, Statics
from openlumbar.mechanics.reactions import joint_forces, joint_loads, vertebra_loads
from openlumbar.mechanics.solve import Solution, SolveOptions, solve
from openlumbar.mechanics.statics import GRAVITY_M_PER_S2, statics

WEIGHT_N = 30.0 * GRAVITY_M_PER_S2
BENT = Posture(
    20.0,
    {"L5_S1": (9.0, 2.0, -3.0), "L4_L5": (8.0, -4.0, 0.0), "L2_L3": (6.0, 0.0, 4.0)},
    carried_kg={"upper_arm_right": 5.0, "upper_arm_left": 2.0},
    pushed_n={"head": (10.0, 0.0, -5.0)},
)


def solved(given: Model, posture: Posture, options: SolveOptions) -> tuple[Statics, Solution]:
    found = statics(given, posture)
    return found, solve(found, options)


def test_compression_is_the_weight_and_the_muscle():
    made = lever([upright("m_r", 0.05)], ahead_m=0.1)
    found = joint_loads(*solved(made, Posture(), SolveOptions(reserve_bound_nm=0.0)))
    # Twice the weight behind the joint balances the weight before it.
    np.testing.assert_allclose(found, [[0, WEIGHT_N + 2 * WEIGHT_N, 0]], atol=1e-6)


def idle(given: Statics) -> Solution:
    return Solution(np.zeros(len(given.muscles)), np.zeros((len(given.joints), 3)), 0.0)


def test_a_disc_that_tilts_forward_bears_weight_as_anterior_shear():
    found = statics(lever([]), Posture(pelvis_flexion_deg=30.0))
    expected = [[WEIGHT_N / 2, WEIGHT_N * np.sqrt(3) / 2, 0]]
    np.testing.assert_allclose(joint_loads(found, idle(found)), expected, atol=1e-9)


def test_what_is_pushed_to_the_right_bears_to_the_right():
    found = statics(lever([], mass_kg=0.0), Posture(pushed_n={"thorax": (7.0, -50.0, 20.0)}))
    np.testing.assert_allclose(joint_loads(found, idle(found)), [[7, 50, 20]], atol=1e-9)


def test_a_vertebra_bears_the_joint_above_along_its_own_axes():
    # The vertebra is upright; the disc above it is wedged forward by 20°.
    tilt = np.radians(20)
    wedged = pose(y=0.02, turned=(20.0, 0, 0))
    made = model(
        [body("pelvis"), body("lumbar5", 3.0), body("thorax", 30.0)],
        [
            Joint("L5_S1", "pelvis", "lumbar5", pose(), pose(y=-0.02), free=True),
            Joint("L4_L5", "lumbar5", "thorax", wedged, pose(turned=(20.0, 0, 0)), free=True),
        ],
        [],
    )
    found = statics(made, Posture())
    loads = joint_loads(found, idle(found))
    np.testing.assert_allclose(
        loads[0], [WEIGHT_N * np.sin(tilt), WEIGHT_N * np.cos(tilt), 0], atol=1e-9
    )
    np.testing.assert_allclose(vertebra_loads(found, idle(found)), [[0, WEIGHT_N, 0]], atol=1e-9)


def pulls_on(given: Model, placed: dict[str, Array], forces: dict[str, float], name: str):
    """Places and forces of all muscles on a body: each point is drawn to both its neighbours."""
    for muscle in given.muscles:
        points = [
            (placed[where] @ [*at, 1.0])[:3]
            for where, at in zip(muscle.bodies, muscle.points_m, strict=True)
        ]
        for i, where in enumerate(muscle.bodies):
            for k in (i - 1, i + 1):
                if where == name and 0 <= k < len(points):
                    way = points[k] - points[i]
                    yield points[i], forces[muscle.name] * way / np.linalg.norm(way)


def weight_on(given: Model, placed: dict[str, Array], posture: Posture, name: str):
    each = given.bodies[name]
    mass = each.mass_kg + posture.carried_kg.get(name, 0.0)
    push = np.array(posture.pushed_n.get(name, (0.0, 0.0, 0.0)))
    return (placed[name] @ [*each.mass_centre_m, 1.0])[:3], push - [0, mass * GRAVITY_M_PER_S2, 0]


@pytest.mark.parametrize("power", [2, 3])
def test_every_vertebra_is_in_balance(power):
    """Body by body, by brute force: all that acts on a vertebra sums to nil, its moments too."""
    given = spine(random_muscles(80, seed=5), stiffness=(40.0, 50.0, 60.0))
    found, solution = solved(given, BENT, SolveOptions(power=power))
    placed = place(given, BENT)
    force = joint_forces(found, solution)
    strength = dict(zip(found.muscles, solution.activation * found.strength_n, strict=True))
    springs = found.moment_nm - statics(spine(given.muscles), BENT).moment_nm
    turning = np.stack([-found.axes[:, 2], found.axes[:, 0], found.axes[:, 1]], axis=1)
    passed = springs + np.einsum("jab,ja->jb", turning, solution.reserve_nm)
    for name, above in zip(found.vertebrae, found.vertebra_joint, strict=True):
        below = above + 1
        acting = [*pulls_on(given, placed, strength, name)]
        acting.append(weight_on(given, placed, BENT, name))
        acting.append((found.centres_m[above], force[above]))
        acting.append((found.centres_m[below], -force[below]))
        np.testing.assert_allclose(sum(it for _, it in acting), 0, atol=1e-7)
        moment = sum(np.cross(at, it) for at, it in acting)
        # Springs and reserves act on what is above their joint, and back on what is below.
        np.testing.assert_allclose(moment + passed[below] - passed[above], 0, atol=1e-5)


def test_all_that_is_above_a_joint_rests_on_it():
    given = spine(random_muscles(80, seed=6))
    found, solution = solved(given, BENT, SolveOptions())
    placed = place(given, BENT)
    strength = dict(zip(found.muscles, solution.activation * found.strength_n, strict=True))
    joints = {joint.name: joint for joint in given.joints}
    for j, name in enumerate(found.joints):
        acting = [
            it
            for each in given.above(joints[name])
            for it in [
                *pulls_on(given, placed, strength, each),
                weight_on(given, placed, BENT, each),
            ]
        ]
        total = sum(force for _, force in acting)
        np.testing.assert_allclose(joint_forces(found, solution)[j], total, atol=1e-7)


def test_the_mirrored_person_has_the_mirrored_loads():
    given = spine(random_muscles(40, seed=2))
    posture = Posture(10.0, {"L3_L4": (5.0, 6.0, 4.0)}, {"upper_arm_right": 4.0})
    turned = Posture(10.0, {"L3_L4": (5.0, -6.0, -4.0)}, {"upper_arm_left": 4.0})
    here = solved(given, posture, SolveOptions())
    there = solved(mirrored(given), turned, SolveOptions())
    for loads in (joint_loads, vertebra_loads):
        np.testing.assert_allclose(loads(*there) * [1, 1, -1], loads(*here), atol=1e-4)
    assert np.abs(joint_loads(*here)[:, 2]).max() > 1
