"""Models built for OpenSim: what it computes from them is what the tables say."""

import importlib.util
from dataclasses import fields, replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from support_model import body, lever, mirrored, model, pose, random_muscles, spine, upright

from openlumbar.core.errors import InputError
from openlumbar.mechanics import osim, osim_api
from openlumbar.mechanics.model import Joint, Posture, VertebraShape
from openlumbar.mechanics.osim_draw import equivalent_radii
from openlumbar.mechanics.statics import GRAVITY_M_PER_S2, statics

opensim = pytest.importorskip("opensim")

LIFTING = Posture(
    pelvis_flexion_deg=30.0,
    joints_deg={
        "L5_S1": (10.0, 0.0, 0.0),
        "L3_L4": (8.0, 5.0, -4.0),
        "shoulder_right": (-48.0, 3.0, 0.0),
        "shoulder_left": (-48.0, 0.0, 0.0),
    },
    carried_kg={"upper_arm_right": 5.0, "upper_arm_left": 4.0},
    pushed_n={"thorax": (20.0, -30.0, 10.0)},
)
SHAPE = VertebraShape(
    upper_m=np.array([0.0, 0.014, 0.0]),
    lower_m=np.array([0.0, -0.014, 0.0]),
    depth_m=0.034,
    width_m=0.048,
    spinous_tip_m=np.array([-0.07, -0.01, 0.0]),
)


@pytest.fixture(scope="module")
def person():
    made = spine(random_muscles(24), stiffness=(60.0, 70.0, 90.0))
    return replace(made, shapes={f"lumbar{n}": SHAPE for n in range(1, 6)})


def reopened(path):
    opened = opensim.Model(str(path))
    return opened, opened.initSystem()


def test_a_lever_of_known_weight_has_its_moment():
    found = osim.opensim_statics(lever([upright("back_r", 0.05)], 30.0, 0.1), Posture())
    weight = 30.0 * GRAVITY_M_PER_S2
    np.testing.assert_allclose(found.force_n, [[0.0, -weight, 0.0]], atol=1e-9)
    np.testing.assert_allclose(found.moment_nm, [[0.0, 0.0, -0.1 * weight]], atol=1e-9)
    np.testing.assert_allclose(found.lines[0, :, 0], [0.0, -1.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(found.arms_m[0, :, 0], [0.0, 0.0, 0.05], atol=1e-12)


@pytest.mark.parametrize("posture", [Posture(), LIFTING], ids=["standing", "lifting"])
def test_statics_of_opensim_are_those_of_the_tables(person, posture):
    ours, theirs = statics(person, posture), osim.opensim_statics(person, posture)
    for field in fields(ours):
        one, other = getattr(ours, field.name), getattr(theirs, field.name)
        if isinstance(one, np.ndarray):
            np.testing.assert_allclose(other, one, atol=1e-9, err_msg=field.name)
        else:
            assert other == one, field.name


def test_a_mirrored_person_has_mirrored_statics(person):
    across = np.array([1.0, 1.0, -1.0])
    one, other = (osim.opensim_statics(each, Posture()) for each in (person, mirrored(person)))
    np.testing.assert_allclose(other.force_n, one.force_n * across, atol=1e-9)
    np.testing.assert_allclose(other.moment_nm, -one.moment_nm * across, atol=1e-9)


def test_a_written_model_opens_in_its_posture(person, tmp_path):
    path = tmp_path / "model.osim"
    osim.write_model(person, path, LIFTING)
    opened, state = reopened(path)
    values = {c.getName(): c.getValue(state) for c in osim_api.members(opened.getCoordinateSet())}
    assert values["L3_L4_flexion"] == pytest.approx(np.radians(8.0))
    assert values["L3_L4_lateral_bending"] == pytest.approx(np.radians(5.0))
    assert values["L3_L4_axial_rotation"] == pytest.approx(np.radians(-4.0))
    assert values["pelvis_flexion"] == pytest.approx(np.radians(30.0))
    held = sum(each.mass_kg for each in person.bodies.values()) + 9.0
    assert opened.getTotalMass(state) == pytest.approx(held)


def test_lumbar_joints_alone_are_free_to_move(person, tmp_path):
    path = tmp_path / "model.osim"
    osim.write_model(person, path)
    opened, state = reopened(path)
    free = {
        c.getName().rsplit("_", 1)[0]
        for c in osim_api.members(opened.getCoordinateSet())
        if not c.getLocked(state)
    }
    assert {name[:5] for name in free} == {"L5_S1", "L4_L5", "L3_L4", "L2_L3", "L1_L2", "T12_L"}
    assert opened.getConstraintSet().getSize() == 0


def test_a_written_model_needs_no_other_file(person):
    text = osim.model_text(person)
    assert "<mesh_file>" not in text
    assert text.count("<Cylinder ") == 5
    assert text.count("<Ellipsoid ") == 5 + len(person.bodies) - 5  # processes, and all others
    assert "Research use only" in text


def test_the_same_model_is_written_in_the_same_bytes(person):
    assert osim.model_text(person, LIFTING) == osim.model_text(person, LIFTING)


def test_a_muscle_is_as_strong_as_the_table_and_may_rest(person, tmp_path):
    path = tmp_path / "model.osim"
    osim.write_model(person, path)
    opened, _ = reopened(path)
    muscle = opened.getMuscles().get(person.muscles[0].name)
    assert muscle.getMaxIsometricForce() == pytest.approx(person.muscles[0].max_force_n)
    assert muscle.getOptimalFiberLength() == pytest.approx(person.muscles[0].optimal_fibre_m)
    assert muscle.getMinControl() == 0.0


def test_nothing_is_logged_to_the_working_folder(person, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    osim.opensim_statics(person, Posture())
    assert list(tmp_path.iterdir()) == []


def test_names_of_models_may_hold_what_opensim_forbids(person):
    assert 'Model name="Ann_s_model_2"' in osim.model_text(replace(person, name="Ann s/model *2"))


@pytest.mark.parametrize(
    ("posture", "told"),
    [
        (Posture(carried_kg={"foot": 1.0}), "foot"),
        (Posture(pushed_n={"foot": (1.0, 0.0, 0.0)}), "foot"),
        (Posture(carried_kg={"thorax": -1.0}), "-1 kg"),
        (Posture(joints_deg={"knee": (1.0, 0.0, 0.0)}), "knee"),
    ],
)
def test_postures_that_cannot_be_are_refused(person, posture, told):
    with pytest.raises(InputError, match=told):
        osim.opensim_statics(person, posture)


def test_what_opensim_refuses_is_told_in_one_sentence():
    joint = Joint("L5_S1", "pelvis", "thorax", pose(), pose(), free=True)
    bad = model([body("pelvis", 1.0), body("thorax", -3.0)], [joint], [])
    with pytest.raises(InputError, match="thorax has invalid mass properties") as caught:
        osim.opensim_statics(bad, Posture())
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_written_is_named(person, tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        osim.write_model(person, tmp_path / "nowhere" / "model.osim")


def test_without_opensim_one_sentence_says_so(monkeypatch):
    osim_api.unavailable.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    try:
        assert "pip install opensim" in osim.unavailable()
    finally:
        osim_api.unavailable.cache_clear()


def test_with_opensim_nothing_is_to_say():
    assert osim.unavailable() == ""


def test_orientations_come_back_also_where_angles_are_not_unique():
    for angles in ((0.3, -0.7, 1.2), (0.4, np.pi / 2, 0.2), (-1.0, -np.pi / 2, 0.0)):
        turn = Rotation.from_euler("XYZ", angles).as_matrix()
        found = Rotation.from_euler("XYZ", osim_api.orientation(turn).to_numpy()).as_matrix()
        np.testing.assert_allclose(found, turn, atol=1e-7)


def test_the_drawn_ellipsoid_has_the_inertia_of_the_body():
    radii = np.array([0.1, 0.2, 0.3])
    turn = Rotation.from_euler("XYZ", (0.3, 0.5, -0.2)).as_matrix()
    moments = 5.0 / 5 * (np.sum(radii**2) - radii**2)
    found, axes = equivalent_radii(
        replace(body("thorax", 5.0), inertia_kgm2=turn @ np.diag(moments) @ turn.T)
    )
    np.testing.assert_allclose(np.sort(found), radii, atol=1e-12)
    assert np.linalg.det(axes) == pytest.approx(1.0)
    tensor = axes @ np.diag(np.sum(found**2) - found**2) @ axes.T
    np.testing.assert_allclose(tensor, turn @ np.diag(moments) @ turn.T, atol=1e-12)
