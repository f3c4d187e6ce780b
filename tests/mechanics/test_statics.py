from dataclasses import replace

import numpy as np
import pytest
from support_model import body, lever, model, pose, random_muscles, spine, string, upright

from openlumbar.core.errors import InputError
from openlumbar.mechanics.kinematics import coordinate_axes, place
from openlumbar.mechanics.model import Joint, Model, Muscle, Posture
from openlumbar.mechanics.statics import GRAVITY_M_PER_S2, statics

BENT = Posture(
    20.0,
    {
        "L5_S1": (12.0, 3.0, -2.0),
        "L4_L5": (9.0, -4.0, 5.0),
        "L2_L3": (6.0, 2.0, 1.0),
        "shoulder_right": (-40.0, 10.0, 0.0),
    },
    carried_kg={"upper_arm_right": 5.0},
)


def test_a_straight_muscle_behind_the_joint():
    found = statics(lever([upright("m_r", 0.05, z=0.02)]), Posture())
    assert found.joints == ("L5_S1",)
    assert found.muscles == ("m_r",)
    np.testing.assert_allclose(found.strength_n, [1000.0])
    # It pulls the trunk down; about the joint that is extension (positive about z).
    np.testing.assert_allclose(found.lines[0, :, 0], [0, -1, 0], atol=1e-12)
    np.testing.assert_allclose(found.arms_m[0, :, 0], [0.02, 0.0, 0.05], atol=1e-12)


def test_weight_ahead_of_the_joint_flexes():
    found = statics(lever([], mass_kg=30.0, ahead_m=0.1), Posture())
    weight = 30.0 * GRAVITY_M_PER_S2
    np.testing.assert_allclose(found.force_n, [[0, -weight, 0]])
    np.testing.assert_allclose(found.moment_nm, [[0, 0, -0.1 * weight]])


def test_what_is_carried_hangs_at_the_mass_centre_of_its_body():
    made = lever([], mass_kg=30.0, ahead_m=0.1)
    bare, loaded = statics(made, Posture()), statics(made, Posture(carried_kg={"thorax": 15.0}))
    np.testing.assert_allclose(loaded.force_n, 1.5 * bare.force_n)
    np.testing.assert_allclose(loaded.moment_nm, 1.5 * bare.moment_nm)


def test_a_push_acts_along_ground_at_the_mass_centre():
    pushed = Posture(pushed_n={"thorax": (50.0, 0.0, -20.0)})
    found = statics(lever([], mass_kg=0.0, ahead_m=0.1), pushed)
    np.testing.assert_allclose(found.force_n, [[50, 0, -20]])
    np.testing.assert_allclose(found.moment_nm, [np.cross([0.1, 0.3, 0.0], [50, 0, -20])])


def test_a_muscle_over_three_bodies_pulls_each_joint_along_the_piece_that_crosses_it():
    chain = model(
        [body("pelvis"), body("lumbar5"), body("thorax")],
        [
            Joint("L5_S1", "pelvis", "lumbar5", pose(), pose(), free=True),
            Joint("L4_L5", "lumbar5", "thorax", pose(y=0.04), pose(), free=True),
        ],
        # Straight up behind the sacrum, then obliquely (3, 4, 0) to the thorax.
        [
            string(
                "via_r",
                [
                    ("pelvis", (-0.05, -0.1, 0)),
                    ("lumbar5", (-0.05, 0.02, 0)),
                    ("thorax", (-0.02, 0.02, 0)),
                ],
            )
        ],
    )
    found = statics(chain, Posture())
    assert found.joints == ("L4_L5", "L5_S1")
    np.testing.assert_allclose(found.lines[1, :, 0], [0, -1, 0], atol=1e-12)
    np.testing.assert_allclose(found.arms_m[1, :, 0], [0, 0, 0.05], atol=1e-12)
    oblique = -np.array([0.6, 0.8, 0.0])
    np.testing.assert_allclose(found.lines[0, :, 0], oblique, atol=1e-12)
    arm = np.cross([-0.02, 0.02, 0.0], oblique)
    np.testing.assert_allclose(found.arms_m[0, :, 0], arm, atol=1e-12)


def test_a_muscle_on_one_side_of_the_joint_does_nothing_there():
    above = string("a_r", [("lumbar4", (-0.05, 0, 0)), ("thorax", (-0.05, 0, 0))])
    found = statics(spine([above]), BENT)
    for name in ("L5_S1", "L4_L5"):
        at = found.joints.index(name)
        np.testing.assert_array_equal(found.arms_m[at], 0)
        np.testing.assert_array_equal(found.lines[at], 0)


def length(given: Model, muscle: Muscle, posture: Posture) -> float:
    placed = place(given, posture)
    points = [
        (placed[name] @ [*point, 1.0])[:3]
        for name, point in zip(muscle.bodies, muscle.points_m, strict=True)
    ]
    return float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())


def height_energy(given: Model, posture: Posture) -> float:
    """Energy of all weight, of what is carried too, in joules."""
    placed = place(given, posture)
    return sum(
        (each.mass_kg + posture.carried_kg.get(name, 0.0))
        * GRAVITY_M_PER_S2
        * float((placed[name] @ [*each.mass_centre_m, 1.0])[1])
        for name, each in given.bodies.items()
    )


def turned_more(posture: Posture, joint: str, more: np.ndarray) -> Posture:
    # Shoulders keep their angles, so all above the joint moves as one.
    old = np.array(posture.joints_deg.get(joint, (0.0, 0.0, 0.0)))
    return replace(posture, joints_deg={**posture.joints_deg, joint: tuple(old + more)})


def slopes(value, posture: Posture, joint: str) -> np.ndarray:
    """Change of a value with each angle of a joint, per radian."""
    step = 1e-5
    return np.array(
        [
            (
                value(turned_more(posture, joint, np.degrees(more)))
                - value(turned_more(posture, joint, -np.degrees(more)))
            )
            / (2 * step)
            for more in np.eye(3) * step
        ]
    )


def test_moments_are_the_slopes_of_lengths_and_energies():
    """Virtual work: no cross product, no free body, nothing of the code under test but places."""
    given = spine(random_muscles(12))
    found = statics(given, BENT)
    placed = place(given, BENT)
    for j, name in enumerate(found.joints):
        joint = next(each for each in given.joints if each.name == name)
        frame = (placed[joint.parent] @ joint.in_parent)[:3, :3]
        axes = coordinate_axes(BENT.joints_deg.get(name, (0.0, 0.0, 0.0))) @ frame.T
        weight = -slopes(lambda posture: height_energy(given, posture), BENT, name)
        np.testing.assert_allclose(axes @ found.moment_nm[j], weight, atol=1e-6)
        for m, muscle in enumerate(given.muscles):
            arms = -slopes(lambda posture, it=muscle: length(given, it, posture), BENT, name)
            np.testing.assert_allclose(axes @ found.arms_m[j, :, m], arms, atol=1e-9)


def test_a_spring_gives_the_generalised_force_of_each_angle():
    stiffness = np.array([60.0, 90.0, 150.0])
    soft, stiff = statics(spine([]), BENT), statics(spine([], stiffness), BENT)
    made = spine([])
    placed = place(made, BENT)
    for j, name in enumerate(soft.joints):
        joint = next(each for each in made.joints if each.name == name)
        turned = BENT.joints_deg.get(name, (0.0, 0.0, 0.0))
        frame = (placed[joint.parent] @ joint.in_parent)[:3, :3]
        given = coordinate_axes(turned) @ frame.T @ (stiff.moment_nm[j] - soft.moment_nm[j])
        np.testing.assert_allclose(given, -stiffness * np.radians(turned), atol=1e-10)
    np.testing.assert_array_equal(stiff.force_n, soft.force_n)


def test_the_axes_of_a_disc_are_half_way_between_its_neighbours():
    found = statics(lever([]), Posture(joints_deg={"L5_S1": (30.0, 0.0, 0.0)}))
    c, s = np.cos(np.radians(15)), np.sin(np.radians(15))
    np.testing.assert_allclose(found.axes[0], [[c, -s, 0], [s, c, 0], [0, 0, 1]], atol=1e-12)


def test_vertebrae_have_the_joint_above_them_and_their_own_axes():
    found = statics(spine([]), BENT)
    assert found.vertebrae == ("lumbar1", "lumbar2", "lumbar3", "lumbar4", "lumbar5")
    assert [found.joints[i] for i in found.vertebra_joint] == [
        "T12_L1",
        "L1_L2",
        "L2_L3",
        "L3_L4",
        "L4_L5",
    ]
    placed = place(spine([]), BENT)
    np.testing.assert_allclose(found.vertebra_axes[4], placed["lumbar5"][:3, :3].T)


def test_a_joint_that_is_held_has_no_balance():
    made = spine([])
    fused = [replace(each, free=each.free and each.name != "L5_S1") for each in made.joints]
    assert "L5_S1" not in statics(replace(made, joints=tuple(fused)), Posture()).joints


def test_a_model_without_lumbar_joints_is_refused():
    with pytest.raises(InputError, match="no free lumbar joint"):
        statics(model([body("pelvis")], [], []), Posture())


def test_a_load_on_a_body_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="'tail', which the model 'hand-made' does not have"):
        statics(spine([]), Posture(carried_kg={"tail": 1.0}))


def test_a_muscle_without_direction_is_named():
    nowhere = string("b_r", [("pelvis", (0.0, 0.1, 0.0)), ("thorax", (0.0, 0.1, 0.0))])
    with pytest.raises(InputError, match="'b_r' on different bodies lie in one place"):
        statics(lever([upright("a_r", 0.05), nowhere]), Posture())


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"bodies": ("pelvis",)}, r"1 bodies and points of shape \(2, 3\)"),
        ({"bodies": ("pelvis",), "points_m": np.zeros((1, 3))}, "two points or more"),
        ({"bodies": ("pelvis", "lumbar9")}, "fixed to 'lumbar9', which the model has not"),
    ],
)
def test_a_muscle_that_is_no_string_is_named(broken, message):
    with pytest.raises(InputError, match=message):
        statics(lever([replace(upright("a_r", 0.05), **broken)]), Posture())


def test_a_model_without_muscles_still_has_its_weight():
    found = statics(lever([]), Posture())
    assert found.arms_m.shape == found.lines.shape == (1, 3, 0)
    assert found.force_n[0, 1] < 0
