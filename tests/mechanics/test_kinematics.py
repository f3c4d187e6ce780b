import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from support_model import body, model, pose, spine

from openlumbar.core.errors import InputError
from openlumbar.mechanics.kinematics import (
    angles,
    coordinate_axes,
    inverse,
    joint_angles,
    place,
    rotation,
)
from openlumbar.mechanics.model import Joint, Posture

FORWARD, UP, RIGHT = np.eye(3)


@pytest.mark.parametrize(
    ("turned", "was", "becomes"),
    [
        pytest.param((90, 0, 0), UP, FORWARD, id="flexion carries the top forward"),
        pytest.param((0, 90, 0), UP, RIGHT, id="lateral bending carries the top to the right"),
        pytest.param((0, 0, 90), FORWARD, -RIGHT, id="axial rotation turns the front to the left"),
    ],
)
def test_each_angle_is_positive_as_it_is_named(turned, was, becomes):
    np.testing.assert_allclose(rotation(turned) @ was, becomes, atol=1e-12)


def test_angles_follow_each_other_about_axes_that_move_along():
    turned = (25.0, -14.0, 38.0)
    expected = Rotation.from_euler("ZXY", [-25.0, -14.0, 38.0], degrees=True).as_matrix()
    np.testing.assert_allclose(rotation(turned), expected, atol=1e-12)
    # Not the other order, nor about fixed axes.
    assert np.abs(rotation(turned) - rotation((0, 0, 38)) @ rotation((25, -14, 0))).max() > 0.1


@pytest.mark.parametrize("turned", [(0, 0, 0), (170, 0, 0), (-60, 30, -120), (10, -80, 5)])
def test_angles_come_back_from_the_turn(turned):
    np.testing.assert_allclose(angles(rotation(turned)), turned, atol=1e-9)


def test_coordinate_axes_are_those_about_which_a_little_more_turns():
    turned = np.array([40.0, -25.0, 15.0])
    step = np.degrees(1e-6)
    for axis, more in zip(coordinate_axes(tuple(turned)), np.eye(3) * step, strict=True):
        change = rotation(tuple(turned + more)) @ rotation(tuple(turned - more)).T
        turn = Rotation.from_matrix(change).as_rotvec() / 2e-6
        np.testing.assert_allclose(turn, axis, atol=1e-8)


def test_the_pelvis_of_a_standing_model_is_ground():
    np.testing.assert_array_equal(place(spine([]), Posture())["pelvis"], np.eye(4))


def test_at_rest_the_frames_of_parent_and_child_coincide():
    made = spine([])
    placed = place(made, Posture())
    for joint in made.joints:
        np.testing.assert_allclose(
            placed[joint.parent] @ joint.in_parent, placed[joint.child] @ joint.in_child, atol=1e-12
        )


def test_a_chain_of_two_bent_at_both_joints():
    # Two rods of 1 m: the lower lies forward after 90° of flexion, the upper points down.
    chain = model(
        [body("pelvis"), body("lumbar5"), body("thorax")],
        [
            Joint("L5_S1", "pelvis", "lumbar5", pose(), pose(), free=True),
            Joint("L4_L5", "lumbar5", "thorax", pose(y=1.0), pose(), free=True),
        ],
        [],
    )
    bent = Posture(joints_deg={"L5_S1": (90.0, 0.0, 0.0), "L4_L5": (90.0, 0.0, 0.0)})
    placed = place(chain, bent)
    np.testing.assert_allclose(placed["thorax"][:3, 3], [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(placed["thorax"][:3, :3] @ UP, [0, -1, 0], atol=1e-12)


def test_the_pelvis_bends_about_its_own_origin_and_thighs_stay():
    made = spine([])
    standing, bent = place(made, Posture()), place(made, Posture(pelvis_flexion_deg=35.0))
    np.testing.assert_allclose(bent["pelvis"], pose(turned=(35.0, 0, 0)), atol=1e-12)
    for thigh in ("femur_right", "femur_left"):
        np.testing.assert_allclose(bent[thigh][:3, :3], standing[thigh][:3, :3], atol=1e-12)
    # The socket moves with the pelvis: below its origin, so backward.
    assert bent["femur_left"][0, 3] < standing["femur_left"][0, 3] - 0.05
    np.testing.assert_allclose(bent["thorax"], pose(turned=(35.0, 0, 0)) @ standing["thorax"])


def test_a_hip_that_the_posture_names_is_as_it_says():
    posture = Posture(pelvis_flexion_deg=35.0, joints_deg={"hip_left": (0.0, 0.0, 0.0)})
    bent = place(spine([]), posture)
    np.testing.assert_allclose(bent["femur_left"][:3, :3], rotation((35.0, 0, 0)), atol=1e-12)


def test_joint_angles_say_all_that_place_did():
    made = spine([])
    posture = Posture(25.0, {"L4_L5": (10.0, -5.0, 3.0)})
    said = joint_angles(made, posture)
    assert said["hip_left"] == pytest.approx((-25.0, 0.0, 0.0))
    assert said["L4_L5"] == pytest.approx((10.0, -5.0, 3.0))
    again = place(made, Posture(25.0, said))
    for name, expected in place(made, posture).items():
        np.testing.assert_allclose(again[name], expected, atol=1e-12)


def test_inverse_of_a_rigid_pose():
    given = pose(1.0, 2.0, 3.0, (20.0, 30.0, 40.0))
    np.testing.assert_allclose(inverse(given) @ given, np.eye(4), atol=1e-12)


def test_a_joint_that_the_model_does_not_have_is_refused():
    with pytest.raises(InputError, match="'L6_S1', which the model 'hand-made' does not have"):
        place(spine([]), Posture(joints_deg={"L6_S1": (1.0, 0.0, 0.0)}))


def test_bending_to_the_side_by_a_right_angle_is_refused():
    with pytest.raises(InputError, match="L4_L5 90° to its side"):
        place(spine([]), Posture(joints_deg={"L4_L5": (0.0, 90.0, 0.0)}))
