"""A user's own model read as base model: what is kept is exact, what is lost is told."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from support_model import HELD, SPINE, random_muscles, spine, string

from openlumbar.core.errors import InputError, UnreadableError
from openlumbar.mechanics import osim
from openlumbar.mechanics.kinematics import place
from openlumbar.mechanics.model import ROOT, Posture
from openlumbar.mechanics.statics import statics

opensim = pytest.importorskip("opensim")

REFERENCE = Path("../shared/data/opensim/fullbody_thoracolumbar_reference.osim")
BENT = Posture(
    20.0,
    {"L5_S1": (8.0, 2.0, 0.0), "L1_L2": (5.0, 0.0, 3.0), "shoulder_left": (-30.0, 0.0, 0.0)},
    {"upper_arm_left": 3.0},
)


@pytest.fixture(scope="module")
def written():
    return spine(random_muscles(24), stiffness=(60.0, 70.0, 90.0))


def foreign_text(model) -> str:
    """What OpenLumbar writes, as another's: nothing in it says whose frames they are."""
    return osim.model_text(model).replace("<credits>OpenLumbar ", "<credits>Somebody ")


@pytest.fixture
def foreign(written, tmp_path):
    path = tmp_path / "model.osim"
    path.write_text(foreign_text(written), encoding="utf-8")
    return path


def edited(path: Path, edit) -> Path:
    """The model of a file after changes by OpenSim."""
    opened = opensim.Model(str(path))
    opened.initSystem()
    edit(opened)
    opened.finalizeConnections()
    opened.printToXML(str(path))
    return path


def weld(opened, name, parent, mass, place_m):
    made = opensim.Body(name, mass, opensim.Vec3(0), opensim.Inertia(0.01, 0.01, 0.01, 0, 0, 0))
    opened.addBody(made)
    carrier = opened.getBodySet().get(parent)
    zero = opensim.Vec3(0)
    opened.addJoint(
        opensim.WeldJoint(f"to_{name}", carrier, opensim.Vec3(*place_m), zero, made, zero, zero)
    )


def test_a_file_of_our_own_comes_back_the_same(written, tmp_path):
    path = tmp_path / "own.osim"
    osim.write_model(written, path, replace(BENT, carried_kg={}))
    read = osim.read_model(path).model
    assert read.mass_kg == pytest.approx(sum(each.mass_kg for each in written.bodies.values()))
    assert read.height_m == pytest.approx(written.height_m)
    for posture in (Posture(), BENT):
        ours, theirs = statics(written, posture), statics(read, posture)
        for field in fields(ours):
            one, other = getattr(ours, field.name), getattr(theirs, field.name)
            if isinstance(one, np.ndarray):
                np.testing.assert_allclose(other, one, atol=1e-9, err_msg=field.name)
            else:
                assert other == one, field.name


def test_another_s_file_balances_the_same_at_rest(written, foreign):
    """Frames are chosen anew; arms, lines, weights do not depend on them."""
    ours, theirs = statics(written, Posture()), statics(osim.read_model(foreign).model, Posture())
    assert theirs.joints == ours.joints
    assert theirs.muscles == ours.muscles
    for name in ("strength_n", "arms_m", "lines", "force_n", "moment_nm"):
        one, other = getattr(ours, name), getattr(theirs, name)
        np.testing.assert_allclose(other, one, atol=1e-9, err_msg=name)


def test_frames_are_those_that_the_package_means(foreign):
    model = osim.read_model(foreign).model
    placed = place(model, Posture())
    np.testing.assert_allclose(placed[ROOT], np.eye(4), atol=1e-12)
    joint = {each.name: placed[each.parent] @ each.in_parent for each in model.joints}
    np.testing.assert_allclose(joint["L5_S1"][:3, 3], 0.0, atol=1e-12)
    lower, upper = joint["L4_L5"][:3, 3], joint["L3_L4"][:3, 3]
    pose = placed["lumbar4"]
    np.testing.assert_allclose(pose[:3, 3], (lower + upper) / 2, atol=1e-12)
    np.testing.assert_allclose(pose[:3, 1], (upper - lower) / np.linalg.norm(upper - lower))
    np.testing.assert_allclose(pose[:3, :3].T @ pose[:3, :3], np.eye(3), atol=1e-12)
    assert np.linalg.det(pose[:3, :3]) == pytest.approx(1.0)
    for name in ("thorax", "head", "upper_arm_left"):
        np.testing.assert_allclose(placed[name][:3, :3], np.eye(3), atol=1e-12)


def test_what_has_no_name_of_ours_belongs_to_its_carrier(written, foreign):
    def rib(opened):
        weld(opened, "rib7_R", "thorax", 2.0, (0.1, 0.2, 0.05))

    read = osim.read_model(edited(foreign, rib))
    old, new = written.bodies["thorax"], read.model.bodies["thorax"]
    assert new.mass_kg == pytest.approx(old.mass_kg + 2.0)
    before, after = (statics(model, Posture()) for model in (written, read.model))
    np.testing.assert_allclose(
        after.force_n[:, 1] - before.force_n[:, 1], -2.0 * 9.80665, atol=1e-9
    )
    assert any("thorax (2)" in note for note in read.notes)


def test_merged_inertia_is_that_of_the_parts(written, foreign):
    at = np.array([0.1, 0.2, 0.05])

    def rib(opened):
        weld(opened, "rib7_R", "thorax", 2.0, at)

    read = osim.read_model(edited(foreign, rib)).model
    old = written.bodies["thorax"]
    apart = at - old.mass_centre_m
    reduced = old.mass_kg * 2.0 / (old.mass_kg + 2.0)
    expected = old.inertia_kgm2 + 0.01 * np.eye(3)
    expected += reduced * (apart @ apart * np.eye(3) - np.outer(apart, apart))
    turn = place(written, Posture())["thorax"][:3, :3]
    found = read.bodies["thorax"].inertia_kgm2
    np.testing.assert_allclose(found, turn @ expected @ turn.T, atol=1e-9)


def test_a_muscle_that_crosses_no_lumbar_joint_is_left_out(written, tmp_path):
    hip = string("glmax_r", [("pelvis", (-0.1, 0.0, 0.1)), ("femur_right", (0.0, -0.1, 0.0))])
    path = tmp_path / "hip.osim"
    path.write_text(foreign_text(replace(written, muscles=(*written.muscles, hip))), "utf-8")
    read = osim.read_model(path)
    assert "glmax_r" not in {muscle.name for muscle in read.model.muscles}
    assert any("cross no lumbar joint" in note and "1." in note for note in read.notes)


def test_an_abdomen_is_no_bone(written, tmp_path):
    """A muscle that passes it goes straight on; one that ends on it is left out."""
    at = {"pelvis": (0.1, -0.05, 0.05), "head": (0.1, 0.1, 0.05), "thorax": (0.1, 0.05, 0.05)}
    passing = string("rect_abd_r", [(name, at[name]) for name in ("pelvis", "head", "thorax")])
    ending = string("EO1_r", [(name, at[name]) for name in ("thorax", "head")])
    named = foreign_text(replace(written, muscles=(passing, ending)))
    path = tmp_path / "belly.osim"
    path.write_text(
        named.replace('Body name="head"', 'Body name="Abdomen"').replace("/head<", "/Abdomen<"),
        encoding="utf-8",
    )
    read = osim.read_model(path)
    (kept,) = read.model.muscles
    assert (kept.name, kept.bodies) == ("rect_abd_r", ("pelvis", "thorax"))
    assert any("no bone" in note and "1." in note for note in read.notes)


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("MF_m1s_r", "multifidus"),
        ("multifidus_L4_T12_r", "multifidus"),
        ("LTpL_L5_r", "erector spinae"),
        ("IL_R12_r", "erector spinae"),
        ("Ps_L1_VB_r", "psoas"),
        ("QL_post_I_1-L3_r", "quadratus lumborum"),
        ("rect_abd_r", "rectus abdominis"),
        ("E0_R5_r", "external oblique"),
        ("EO3_r", "external oblique"),
        ("IO4_r", "internal oblique"),
        ("LD_L1_r", "other"),
        ("PSIS_r", "other"),
    ],
)
def test_groups_are_told_by_names(written, tmp_path, name, group):
    muscle = replace(string(name, [("pelvis", (-0.05, 0.0, 0.1)), ("thorax", (-0.05, 0.0, 0.1))]))
    path = tmp_path / "named.osim"
    path.write_text(foreign_text(replace(written, muscles=(muscle,))), encoding="utf-8")
    (read,) = osim.read_model(path).model.muscles
    assert (read.group, read.side, read.name) == (group, "right", name)


def test_vertebrae_are_as_large_as_their_joints_are_apart(foreign):
    model = osim.read_model(foreign).model
    assert set(model.shapes) == set(SPINE[1:-1])
    for shape in model.shapes.values():
        # Its joints lie 38 mm apart in the hand-made spine; a disc is part of that.
        assert 0.022 < np.linalg.norm(shape.upper_m - shape.lower_m) < 0.038


def test_names_in_other_spellings_are_known(written, tmp_path):
    text = foreign_text(written)
    for n in range(1, 6):
        text = text.replace(f'"lumbar{n}"', f'"L{n}"').replace(f"/lumbar{n}<", f"/L{n}<")
    path = tmp_path / "spelled.osim"
    path.write_text(text, encoding="utf-8")
    assert set(osim.read_model(path).model.bodies) == {*SPINE, *HELD}


def test_a_missing_vertebra_is_named(written, tmp_path):
    path = tmp_path / "four.osim"
    text = foreign_text(written).replace('"lumbar3"', '"third"').replace("/lumbar3<", "/third<")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"named like lumbar3;.*third"):
        osim.read_model(path)


def test_a_file_of_our_own_with_another_name_in_it_says_so(written, tmp_path):
    path = tmp_path / "renamed.osim"
    text = osim.model_text(written).replace('"lumbar3"', '"L3"').replace("/lumbar3<", "/L3<")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="'lumbar3' goes by another name"):
        osim.read_model(path)


def test_a_rigid_lumbar_spine_is_refused(written, tmp_path):
    """Bodies are there, but the thorax stands on the pelvis."""
    path = tmp_path / "rigid.osim"
    text = foreign_text(written)
    start = text.index('<CustomJoint name="T12_L1">')
    end = text.index("</CustomJoint>", start)
    joint = text[start:end].replace("/bodyset/lumbar1<", "/bodyset/pelvis<")
    path.write_text(text[:start] + joint + text[end:], encoding="utf-8")
    with pytest.raises(InputError, match="thorax is joined to pelvis"):
        osim.read_model(path)


def test_gravity_that_does_not_point_down_y_is_refused(foreign):
    edited(foreign, lambda opened: opened.setGravity(opensim.Vec3(0.0, 0.0, -9.81)))
    with pytest.raises(InputError, match="gravity"):
        osim.read_model(foreign)


def test_a_model_whose_right_is_left_is_refused(written, tmp_path):
    """Names of muscles say right where z is negative."""
    turned = [
        replace(muscle, points_m=muscle.points_m * [1.0, 1.0, -1.0]) for muscle in written.muscles
    ]
    path = tmp_path / "turned.osim"
    path.write_text(foreign_text(replace(written, muscles=tuple(turned))), encoding="utf-8")
    with pytest.raises(InputError, match="negative z"):
        osim.read_model(path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "no OpenSim model"),
        ("not XML at all", "no OpenSim model"),
        ("<a/>", "holds <a>"),
        ("<OpenSimDocument/>", "with a <Model>"),
    ],
)
def test_a_damaged_file_is_one_clear_error(tmp_path, content, told):
    path = tmp_path / "damaged.osim"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UnreadableError, match=told):
        osim.read_model(path)


def test_a_file_cut_off_is_one_clear_error(foreign):
    foreign.write_text(foreign.read_text(encoding="utf-8")[:5000], encoding="utf-8")
    with pytest.raises(UnreadableError, match="no OpenSim model"):
        osim.read_model(foreign)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UnreadableError, match=r"absent\.osim"):
        osim.read_model(tmp_path / "absent.osim")


@pytest.mark.skipif(not REFERENCE.exists(), reason="no reference model here")
def test_a_published_full_body_model_is_read():
    """Of its 520 muscles 218 cross the lumbar spine from bone to bone."""
    read = osim.read_model(REFERENCE)
    opened = opensim.Model(str(REFERENCE))
    state = opened.initSystem()
    assert read.model.mass_kg == pytest.approx(opened.getTotalMass(state), abs=1e-9)
    assert len(read.model.muscles) == 218
    groups = {muscle.group for muscle in read.model.muscles}
    assert groups >= {"multifidus", "erector spinae", "psoas", "quadratus lumborum"}
    assert {"hand_right", "hand_left", "femur_right", "femur_left"} < set(read.model.bodies)
    balance = statics(read.model, Posture())
    above = {"thorax", "head"} | {n for n in read.model.bodies if "arm" in n or "hand" in n}
    weight = 9.80665 * sum(read.model.bodies[name].mass_kg for name in above)
    assert balance.force_n[0, 1] == pytest.approx(-weight)
