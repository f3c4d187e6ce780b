import numpy as np
import pytest

from openlumbar.core.errors import OptionError
from openlumbar.mechanics.base import base_model
from openlumbar.mechanics.kinematics import place
from openlumbar.mechanics.tables import rhythm
from openlumbar.mechanics.tasks import (
    DEFAULT_TASKS,
    load_task,
    posture_of,
    posture_sentences,
    task_names,
)


@pytest.fixture(scope="module")
def model():
    return base_model("M")


def written(tmp_path, text):
    path = tmp_path / "own.toml"
    path.write_text(text)
    return path


def lean_deg(model, posture, body="thorax"):
    up = place(model, posture)[body][:3, 1]
    return float(np.degrees(np.arctan2(up[0], up[1])))


def test_the_tasks_that_are_solved_by_default_ship():
    assert set(DEFAULT_TASKS) <= set(task_names())
    assert load_task("hess2023").carried_kg == {"hand_right": 5.0, "hand_left": 5.0}


def test_standing_turns_nothing(model):
    task = load_task("standing")
    posture = posture_of(model, task, rhythm())
    rest = place(model, posture)
    for name, pose in rest.items():
        if name in ("pelvis", "thorax", "hand_right", "femur_left"):
            np.testing.assert_allclose(pose[:3, :3], np.eye(3), atol=1e-12)
    assert "Upright standing" in posture_sentences(model, task, posture, rhythm())[0]


def test_sixty_degrees_of_trunk_flexion_are_those_of_the_thorax(model):
    task = load_task("hess2023")
    posture = posture_of(model, task, rhythm())
    assert lean_deg(model, posture) == pytest.approx(60.0, abs=1e-9)
    assert posture.pelvis_flexion_deg == pytest.approx(60 - rhythm().lumbar_deg(60.0))
    told = " ".join(posture_sentences(model, task, posture, rhythm()))
    assert "leans 60° forward, counted from upright standing" in told
    assert f"{posture.pelvis_flexion_deg:.1f}° by the hips" in told


def test_a_deep_lean_bends_the_spine_no_further_than_people_can(model, tmp_path):
    task = load_task(written(tmp_path, 'title = "T"\n[trunk]\nflexion_deg = 110.0\n'))
    posture = posture_of(model, task, rhythm())
    lumbar = sum(posture.joints_deg[joint.name][0] for joint in model.lumbar_joints)
    assert lumbar == pytest.approx(rhythm().lumbar_deg(110.0))
    assert lumbar < 45


@pytest.mark.parametrize("trunk", ["flexion_deg = 50.0", "axial_rotation_deg = 12.0"])
def test_arms_hang_however_the_trunk_is_turned(model, tmp_path, trunk):
    task = load_task(written(tmp_path, f'title = "T"\n[trunk]\n{trunk}\n'))
    poses = place(model, posture_of(model, task, rhythm()))
    for side in ("right", "left"):
        np.testing.assert_allclose(poses[f"hand_{side}"][:3, 1], [0, 1, 0], atol=1e-12)


def test_arms_with_the_trunk_lean_with_it(model, tmp_path):
    text = 'title = "T"\n[trunk]\nflexion_deg = 30.0\n[arms]\nhold = "with-trunk"\n'
    posture = posture_of(model, load_task(written(tmp_path, text)), rhythm())
    assert lean_deg(model, posture, "hand_left") == pytest.approx(30.0, abs=1e-9)


@pytest.mark.parametrize("hold", ["hanging", "with-trunk"])
def test_arms_are_lifted_forward(model, tmp_path, hold):
    text = f'title = "T"\n[arms]\nhold = "{hold}"\nflexion_deg = 90.0\n'
    posture = posture_of(model, load_task(written(tmp_path, text)), rhythm())
    poses = place(model, posture)
    ahead = poses["hand_right"][:3, 3] - poses["thorax"][:3, 3]
    assert ahead[0] > 0.4
    np.testing.assert_allclose(poses["hand_right"][:3, 1], [-1, 0, 0], atol=1e-12)


def test_a_task_may_give_the_hips_their_part_and_joints_their_angles(model, tmp_path):
    text = (
        'title = "T"\n[trunk]\nflexion_deg = 40.0\npelvis_share = 1.0\n'
        "[joints_deg]\nL4_L5 = [8.0, 0.0, 0.0]\n"
    )
    task = load_task(written(tmp_path, text))
    posture = posture_of(model, task, rhythm())
    assert posture.pelvis_flexion_deg == 40.0
    assert posture.joints_deg["L4_L5"] == (8.0, 0.0, 0.0)
    assert posture.joints_deg["L3_L4"][0] == 0.0
    assert lean_deg(model, posture) == pytest.approx(48.0, abs=1e-9)
    told = " ".join(posture_sentences(model, task, posture, rhythm()))
    assert "leans 48° forward" in told


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('title = "T"\n[trunk]\nflexion = 3', "trunk.flexion"),
        ('title = "T"\n[trunk]\nflexion_deg = 170', "trunk.flexion_deg"),
        ("[trunk]\nflexion_deg = 1", "title"),
        ('name = "../out"\ntitle = "T"', "name"),
        ('title = "T"\n[pushed_n]\nthorax = [inf, 0.0, 0.0]', "pushed_n"),
        ("title = ", "not a TOML file"),
        ('title = "T"\n[carried_kg]\nhand_right = -4', "carried_kg"),
    ],
)
def test_a_wrong_task_is_refused_in_one_sentence(tmp_path, text, complaint):
    with pytest.raises(OptionError, match=complaint):
        load_task(written(tmp_path, text))


def test_an_unknown_task_names_those_there_are():
    with pytest.raises(OptionError, match=r"juggling.*hess2023, standing"):
        load_task("juggling")


@pytest.mark.parametrize("part", ["[carried_kg]\ntail = 1.0", "[joints_deg]\nL7_S1 = [1, 0, 0]"])
def test_parts_that_the_model_lacks_are_named(model, tmp_path, part):
    task = load_task(written(tmp_path, f'title = "T"\n{part}\n'))
    with pytest.raises(OptionError, match=r"task own: (body tail|joint L7_S1) is not of this"):
        posture_of(model, task, rhythm())
