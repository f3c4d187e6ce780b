"""Base models: tables with sources, masses, a standing spine, mirrored sides."""

from __future__ import annotations

import re
import runpy
import tomllib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from marked_page import filled

from openlumbar.core.errors import OptionError
from openlumbar.mechanics import tables
from openlumbar.mechanics.base import base_model, landmarks
from openlumbar.mechanics.bones import hip_centre
from openlumbar.mechanics.kinematics import place
from openlumbar.mechanics.model import LUMBAR_JOINTS, Model, Posture

DATA = resources.files("openlumbar.mechanics") / "data"
TABLES = ("segments", "skeleton", "stiffness", "rhythm")
SEXES = ("M", "F")
CHEST = [f"t{n}" for n in range(1, 13)]
LOIN = [f"l{n}" for n in range(1, 6)]


def _sources(content: object) -> Iterator[str]:
    if isinstance(content, dict):
        yield from (value for key, value in content.items() if key == "source")
        for value in content.values():
            yield from _sources(value)


def _leaf_tables(content: dict[str, object], sourced: bool = False) -> Iterator[tuple[dict, bool]]:
    sourced = sourced or "source" in content
    inner = [value for value in content.values() if isinstance(value, dict)]
    if len(inner) < len(content):
        yield content, sourced
    for value in inner:
        yield from _leaf_tables(value, sourced)


def _world(model: Model) -> dict[str, np.ndarray]:
    return place(model, Posture())


def _mass_centre(model: Model, names: set[str] | frozenset[str]) -> tuple[float, np.ndarray]:
    poses = _world(model)
    masses = np.array([model.bodies[name].mass_kg for name in names])
    centres = np.array([poses[n][:3] @ np.r_[model.bodies[n].mass_centre_m, 1.0] for n in names])
    return float(masses.sum()), masses @ centres / masses.sum()


# --- tables ---


@pytest.mark.parametrize("name", TABLES)
def test_every_value_has_a_source_that_is_named(name: str) -> None:
    content = tomllib.loads((DATA / f"{name}.toml").read_text("utf-8"))
    found = set(_sources(content))
    assert found
    assert found <= set(tables.sources())
    assert all(sourced for _, sourced in _leaf_tables(content))


def test_what_is_ours_gives_its_reason() -> None:
    for name in TABLES:
        content = tomllib.loads((DATA / f"{name}.toml").read_text("utf-8"))
        for table, _ in _leaf_tables(content):
            if table.get("source") == "ours":
                assert len(str(table["reason"])) > 20


def test_sources_say_where_and_what_was_read() -> None:
    for source in tables.sources().values():
        assert source.url.startswith("http")
        assert source.citation
        assert source.licence
        assert source.read


def test_the_page_has_the_tables_as_they_are() -> None:
    """Otherwise: python benchmarks/spinal_model.py --docs."""
    root = Path(__file__).parents[2]
    made = runpy.run_path(str(root / "benchmarks" / "spinal_model.py"))
    page = (root / "docs" / "reference" / "spinal-model.md").read_text("utf-8")
    assert filled(page, made["SECTIONS"]) == page


def test_an_unknown_key_is_refused() -> None:
    content = tomllib.loads((DATA / "rhythm.toml").read_text("utf-8"))
    content["segments"]["flexion_degrees"] = {}
    with pytest.raises(OptionError, match=r"rhythm\.toml: segments\.flexion_degrees"):
        tables.parsed(tables.Rhythm, content, "rhythm.toml")


def test_a_size_that_is_not_positive_is_refused() -> None:
    content = tomllib.loads((DATA / "skeleton.toml").read_text("utf-8"))
    content["vertebrae"]["sizes"]["L3"]["height"] = -29.3
    with pytest.raises(OptionError, match=r"skeleton\.toml: vertebrae\.sizes\.L3\.height"):
        tables.parsed(tables.Skeleton, content, "skeleton.toml")


def test_a_level_that_is_missing_is_refused() -> None:
    content = tomllib.loads((DATA / "segments.toml").read_text("utf-8"))
    del content["trunk"]["forward_mm"]["t9"]
    with pytest.raises(OptionError, match=r"trunk\.forward_mm: .*t9 missing"):
        tables.parsed(tables.Segments, content, "segments.toml")


# --- masses ---


@pytest.mark.parametrize("sex", SEXES)
def test_bodies_weigh_what_the_person_weighs(sex: str) -> None:
    model = base_model(sex)
    total = sum(body.mass_kg for body in model.bodies.values())
    assert total == pytest.approx(model.mass_kg, abs=1e-9)
    assert all(body.mass_kg > 0 for body in model.bodies.values())


@pytest.mark.parametrize("sex", SEXES)
def test_limbs_have_the_source_s_fractions(sex: str) -> None:
    model, limbs = base_model(sex), tables.segments().limbs_of(sex)
    for name in ("head", "upper_arm_right", "forearm_left", "hand_right"):
        segment = getattr(limbs, name.rsplit("_", 1)[0] if name != "head" else "head")
        assert model.bodies[name].mass_kg == pytest.approx(segment.fraction * model.mass_kg)
    leg = limbs.thigh.fraction + limbs.shank.fraction + limbs.foot.fraction
    assert model.bodies["femur_left"].mass_kg == pytest.approx(leg * model.mass_kg)


def test_trunk_slices_meet_what_pearsall_states_of_masses() -> None:
    percent = tables.segments().trunk.fraction_percent
    assert percent["t1"] == 1.1
    assert percent["l5"] == 2.6
    assert max(percent.values()) == 2.6
    assert sum(percent[level] for level in CHEST) == pytest.approx(18.5, abs=0.1)
    assert sum(percent[level] for level in LOIN) == pytest.approx(12.2, abs=0.1)
    assert (np.diff([percent[level] for level in (*CHEST, *LOIN)]) > 0).all()


def test_trunk_slices_meet_what_pearsall_states_of_mass_centres() -> None:
    """Upper trunk 40 mm before T7/T8, middle 10 before L3/L4, whole 20 before L1/L2."""
    trunk, model = tables.segments().trunk, base_model("M")
    x = _spine_x("M")
    ahead = {level: x[level] + trunk.forward_mm[level] for level in (*CHEST, *LOIN)}
    ahead["pelvis"] = 1e3 * model.bodies["pelvis"].mass_centre_m[0]
    weight = dict(trunk.fraction_percent)
    weight["pelvis"] = 100 * model.bodies["pelvis"].mass_kg / model.mass_kg

    def before(levels: list[str], upper: str, lower: str) -> float:
        mean = sum(weight[n] * ahead[n] for n in levels) / sum(weight[n] for n in levels)
        return mean - (x[upper] + x[lower]) / 2

    assert max(trunk.forward_mm.values()) == 50
    assert before(CHEST, "t7", "t8") == pytest.approx(40, abs=4)
    assert before(LOIN, "l3", "l4") == pytest.approx(10, abs=4)
    assert before([*CHEST, *LOIN, "pelvis"], "l1", "l2") == pytest.approx(20, abs=4)


def _spine_x(sex: str) -> dict[str, float]:
    """Forward place of each vertebra's middle, mm; thoracic ones from their landmarks."""
    model, marks, man = base_model(sex), landmarks(sex), tables.skeleton().landmarks.thorax.points
    poses = _world(model)
    x = {level: 1e3 * poses[f"lumbar{level[1]}"][0, 3] for level in LOIN}
    for level in CHEST:
        name = f"transverse_{level}"
        tip = marks["thorax"][name][0] + poses["thorax"][0, 3]
        x[level] = 1e3 * tip - man[name].at[0]
    return x


@pytest.mark.parametrize("sex", SEXES)
def test_two_sources_agree_on_the_trunk(sex: str) -> None:
    """Pearsall's slices T1 to L5 are de Leva's upper and middle trunk, the rest the lower."""
    model, limbs = base_model(sex), tables.segments().limbs_of(sex)
    slices = sum(model.bodies[name].mass_kg for name in ("thorax", *model.shapes))
    assert slices / model.mass_kg == pytest.approx(limbs.upper_trunk + limbs.middle_trunk, abs=0.01)
    pelvis = model.bodies["pelvis"].mass_kg / model.mass_kg
    assert pelvis == pytest.approx(limbs.lower_trunk, abs=0.01)


@pytest.mark.parametrize("sex", SEXES)
def test_upper_body_stands_just_behind_the_hips(sex: str) -> None:
    """Le Huec et al. 2011: the gravity line passes very slightly behind the femoral heads."""
    model = base_model(sex)
    joint = next(joint for joint in model.joints if joint.name == "L5_S1")
    _, centre = _mass_centre(model, model.above(joint))
    behind = hip_centre(sex)[0] - centre[0]
    assert 0 < behind < 0.015
    assert centre[2] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("sex", SEXES)
def test_inertia_is_possible(sex: str) -> None:
    for body in base_model(sex).bodies.values():
        moments = np.linalg.eigvalsh(body.inertia_kgm2)
        assert moments.min() > 0
        assert moments.max() < moments.sum() - moments.max()


def test_a_woman_s_trunk_weighs_less_than_a_man_s() -> None:
    parts = [
        sum(model.bodies[name].mass_kg for name in ("thorax", "lumbar1", "lumbar5")) / model.mass_kg
        for model in (base_model("M"), base_model("F"))
    ]
    limbs = [tables.segments().limbs_of(sex) for sex in ("M", "F")]
    trunks = [limb.upper_trunk + limb.middle_trunk for limb in limbs]
    assert parts[1] / parts[0] == pytest.approx(trunks[1] / trunks[0])


# --- spine ---


@pytest.mark.parametrize("sex", SEXES)
def test_standing_spine_has_the_source_s_angles(sex: str) -> None:
    model = base_model(sex)
    tilts = {
        joint.name: _tilt(_world(model)[joint.parent] @ joint.in_parent)
        for joint in model.lumbar_joints
    }
    bodies = {name: _tilt(_world(model)[name]) for name in model.shapes}
    wedges, angles = tables.skeleton().wedges_of(sex), tables.skeleton().alignment
    slope = tables.skeleton().pelvic_angles.sacral_slope_deg
    upper_l1 = bodies["lumbar1"] - wedges["L1"] / 2
    upper_l4 = bodies["lumbar4"] - wedges["L4"] / 2
    assert slope - upper_l1 == pytest.approx(angles.lordosis_deg)
    assert slope - upper_l4 == pytest.approx(angles.lordosis_deg * angles.lower_share)
    assert tilts["L5_S1"] > tilts["L4_L5"] > tilts["L3_L4"] > tilts["L2_L3"] > tilts["L1_L2"]


def _tilt(pose: np.ndarray) -> float:
    return float(np.degrees(np.arctan2(pose[0, 1], pose[1, 1])))


def test_lordosis_follows_from_the_incidence() -> None:
    """Hasegawa et al. 2016: 32.9 + 0.60 incidence - 0.23 age, at 38 years."""
    angles = tables.skeleton().pelvic_angles
    incidence = angles.sacral_slope_deg + angles.pelvic_tilt_deg
    expected = 32.9 + 0.60 * incidence - 0.23 * 38
    assert tables.skeleton().alignment.lordosis_deg == pytest.approx(expected, abs=0.5)


@pytest.mark.parametrize("sex", SEXES)
def test_discs_are_as_high_as_the_table_says(sex: str) -> None:
    model = base_model(sex)
    poses = _world(model)
    factor = tables.skeleton().female.disc_height if sex == "F" else 1.0
    for upper, lower, level in (("lumbar4", "lumbar5", "L4-L5"), ("lumbar1", "lumbar2", "L1-L2")):
        top = poses[upper][:3] @ np.r_[model.shapes[upper].lower_m, 1.0]
        bottom = poses[lower][:3] @ np.r_[model.shapes[lower].upper_m, 1.0]
        height = tables.skeleton().disc_heights.mm[level] * factor / 1e3
        assert np.linalg.norm(top - bottom) == pytest.approx(height)
        joint = next(j for j in model.joints if (j.parent, j.child) == (lower, upper))
        middle = (poses[lower] @ joint.in_parent)[:3, 3]
        np.testing.assert_allclose(middle, (top + bottom) / 2, atol=1e-12)


@pytest.mark.parametrize("sex", SEXES)
def test_a_vertebra_s_frame_runs_through_its_endplates(sex: str) -> None:
    for shape in base_model(sex).shapes.values():
        np.testing.assert_allclose(shape.upper_m + shape.lower_m, 0, atol=1e-12)
        np.testing.assert_allclose(shape.upper_m[[0, 2]], 0, atol=1e-12)


@pytest.mark.parametrize("sex", SEXES)
def test_bodies_hang_together(sex: str) -> None:
    """Each body but the pelvis has one joint, which is the same place in parent and child."""
    model = base_model(sex)
    poses = _world(model)
    assert {joint.child for joint in model.joints} == set(model.bodies) - {"pelvis"}
    seen = {"pelvis"}
    for joint in model.joints:
        assert joint.parent in seen
        seen.add(joint.child)
        np.testing.assert_allclose(
            poses[joint.parent] @ joint.in_parent, poses[joint.child] @ joint.in_child, atol=1e-12
        )
    assert {joint.name for joint in model.joints if joint.free} == set(LUMBAR_JOINTS)
    for name in ("pelvis", "thorax"):
        np.testing.assert_allclose(poses[name][:3, :3], np.eye(3), atol=1e-12)
    np.testing.assert_allclose(poses["pelvis"][:3, 3], 0)


def test_a_woman_is_smaller_than_a_man_but_as_wide_at_the_hips() -> None:
    man, woman = base_model("M"), base_model("F")
    for name, shape in woman.shapes.items():
        assert shape.width_m < man.shapes[name].width_m
        assert shape.depth_m < man.shapes[name].depth_m
    assert hip_centre("F")[2] == hip_centre("M")[2]
    assert hip_centre("F")[1] > hip_centre("M")[1]


# --- sides and landmarks ---


@pytest.mark.parametrize("sex", SEXES)
def test_left_mirrors_right(sex: str) -> None:
    model, flip = base_model(sex), np.diag([1.0, 1.0, -1.0])
    poses = _world(model)
    for right in (name for name in model.bodies if name.endswith("_right")):
        left = right.replace("_right", "_left")
        a, b = model.bodies[right], model.bodies[left]
        assert a.mass_kg == b.mass_kg
        np.testing.assert_allclose(flip @ a.mass_centre_m, b.mass_centre_m)
        np.testing.assert_allclose(flip @ a.inertia_kgm2 @ flip, b.inertia_kgm2)
        np.testing.assert_allclose(flip @ poses[right][:3, 3], poses[left][:3, 3], atol=1e-12)


@pytest.mark.parametrize("sex", SEXES)
def test_landmarks_are_of_the_right_side_and_in_order(sex: str) -> None:
    marks = landmarks(sex)
    assert set(marks) == {*(f"lumbar{n}" for n in range(1, 6)), "pelvis", "femur_right", "thorax"}
    for body, places in marks.items():
        for name, at in places.items():
            assert at[2] > 0, (body, name)
    for n in range(1, 6):
        bone = marks[f"lumbar{n}"]
        back = [
            bone[name][0] for name in ("spinous_tip", "spinous_base", "mammillary", "accessory")
        ]
        assert back == sorted(back)
        assert bone["transverse_tip"][2] > bone["accessory"][2] > bone["spinous_tip"][2]
        assert bone["body_side_upper"][1] > 0 > bone["body_side_lower"][1]


@pytest.mark.parametrize("sex", SEXES)
def test_psoas_springs_from_the_wall_of_the_body(sex: str) -> None:
    model = base_model(sex)
    for name, shape in model.shapes.items():
        for mark in ("body_side_upper", "body_side_lower"):
            at = landmarks(sex)[name][mark]
            assert 0.8 * shape.width_m / 2 < at[2] < shape.width_m / 2 + 0.002
            assert abs(at[1]) < np.linalg.norm(shape.upper_m)


@pytest.mark.parametrize("sex", SEXES)
def test_crest_reaches_the_disc_l4_l5(sex: str) -> None:
    model = base_model(sex)
    joint = next(joint for joint in model.joints if joint.name == "L4_L5")
    disc = (_world(model)[joint.parent] @ joint.in_parent)[1, 3]
    assert landmarks(sex)["pelvis"]["iliac_crest_middle"][1] == pytest.approx(disc, abs=0.010)


@pytest.mark.parametrize("sex", SEXES)
def test_front_of_the_pelvis_is_upright(sex: str) -> None:
    pelvis = landmarks(sex)["pelvis"]
    lean = np.arctan2(*(pelvis["asis"] - pelvis["pubic_crest"])[:2])
    assert abs(np.degrees(lean)) < 6


def test_sex_must_be_known() -> None:
    with pytest.raises(OptionError, match="sex 'X'"):
        base_model("X")
    with pytest.raises(OptionError, match="sex 'm'"):
        landmarks("m")


def test_the_woman_is_named_as_made_from_the_man() -> None:
    assert re.search("factor", base_model("F").name)


# --- stiffness and rhythm ---


def test_stiffness_turns_the_disc_as_measured() -> None:
    """10 N m over the spring of L4-L5 is 8.9 degrees of flexion (Yamamoto et al. 1989)."""
    spring = tables.stiffness().at("L4-L5")
    assert np.degrees(10 / spring[0]) == pytest.approx(8.9)
    joint = next(joint for joint in base_model("M").joints if joint.name == "L4_L5")
    np.testing.assert_allclose(joint.stiffness_nm_per_rad, spring)
    neck = next(joint for joint in base_model("M").joints if joint.name == "neck")
    np.testing.assert_allclose(neck.stiffness_nm_per_rad, 0)


def test_rhythm_passes_through_the_source_s_points() -> None:
    rhythm = tables.rhythm()
    assert rhythm.lumbar_deg(0) == 0
    assert rhythm.lumbar_deg(30) == pytest.approx(20)
    assert rhythm.lumbar_deg(111) == pytest.approx(41.6)
    assert rhythm.lumbar_deg(130) == pytest.approx(41.6)
    assert 0.5 < rhythm.lumbar_share < 2 / 3
    assert rhythm.lumbar_share == pytest.approx(rhythm.lumbar_deg(60) / 60)


def test_lumbar_flexion_grows_until_it_is_spent() -> None:
    """The parabola's top lies at 107 degrees; from there to full bending it is flat."""
    rhythm = tables.rhythm()
    bent = [rhythm.lumbar_deg(trunk) for trunk in np.linspace(-20, 107, 128)]
    assert (np.diff(bent) > 0).all()
    assert bent[-1] - rhythm.lumbar_deg(111) < 0.05
    assert bent[0] < 0


def test_full_bending_keeps_every_disc_within_its_range() -> None:
    """Range of a cadaveric segment at 10 N m; T12-L1 was not measured."""
    rhythm, spring = tables.rhythm(), tables.stiffness()
    assert sum(rhythm.shares.values()) == pytest.approx(1)
    for level in tables.LEVELS[1:]:
        assert rhythm.shares[level] * rhythm.lumbar_deg(111) < spring.flexion_deg[level] + 0.1
