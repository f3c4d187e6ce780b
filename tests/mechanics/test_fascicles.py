"""The fascicles of the base models: complete, mirrored, and where muscles lie in people."""

import itertools
import runpy
import tomllib
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from marked_page import filled

from openlumbar.core.errors import InputError, OptionError
from openlumbar.mechanics.base import base_model, landmarks
from openlumbar.mechanics.fascicles import (
    base_muscles,
    mirrored,
    path_length,
    reference_sections,
    with_fibres,
)
from openlumbar.mechanics.kinematics import place
from openlumbar.mechanics.model import (
    LUMBAR_JOINTS,
    MEASURED_GROUPS,
    OTHER_GROUPS,
    Array,
    Model,
    Muscle,
    Posture,
)
from openlumbar.mechanics.sections import GROUPS, LEVELS, SIDES, crossing, disc_planes
from openlumbar.mechanics.statics import statics

DATA = resources.files("openlumbar.mechanics") / "data"
BODIES = ("thorax", "lumbar1", "lumbar2", "lumbar3", "lumbar4", "lumbar5", "pelvis")
# 35 degrees between the thorax and the pelvis, as in bending the trunk by 60.
BENT = Posture(
    pelvis_flexion_deg=25.0,
    joints_deg={
        joint: (degrees, 0.0, 0.0)
        for joint, degrees in zip(LUMBAR_JOINTS, (4, 5, 6, 6, 7, 7), strict=True)
    },
)


def table() -> dict:
    return tomllib.loads((DATA / "fascicles.toml").read_text("utf-8"))


@pytest.fixture(params=("M", "F"))
def model(request) -> Model:
    return base_model(request.param)


def points(muscle: Muscle, poses: dict[str, Array]) -> Array:
    pairs = zip(muscle.bodies, muscle.points_m, strict=True)
    return np.array([(poses[body] @ [*point, 1.0])[:3] for body, point in pairs])


def arms_cm(model: Model, posture: Posture, group: str, joint: str) -> float:
    """Mean flexion arm of a group's right side by area; extending muscles have negative ones."""
    found = statics(model, posture)
    k = found.joints.index(joint)
    strings = [
        (muscle.area_cm2, -100 * found.axes[k, 2] @ found.arms_m[k, :, found.muscles.index(name)])
        for name, muscle in ((muscle.name, muscle) for muscle in model.muscles)
        if muscle.group == group and name.endswith("_r")
    ]
    areas, arms = np.transpose([string for string in strings if string[1] != 0])
    return float(areas @ arms / areas.sum())


class TestTable:
    def test_every_source_is_described(self):
        known = tomllib.loads((DATA / "muscle_sources.toml").read_text("utf-8"))
        content = table()
        used = {group["source"] for group in content["groups"].values()}
        for part in content["parts"].values():
            used |= {part["attachments"], part["areas"], part["fibres"]}
        assert used <= set(known)
        fields = {"citation", "url", "licence", "read"}
        assert all(set(source) == fields for source in known.values())

    def test_names_are_unique(self):
        names = [fascicle["name"] for fascicle in table()["fascicles"]]
        assert len(set(names)) == len(names)

    def test_every_lane_is_used(self):
        content = table()
        used = {fascicle.get("lane") for fascicle in content["fascicles"]}
        assert set(content["lanes"]) <= used

    def test_a_fascicle_has_points_where_it_passes_a_vertebra(self):
        content = table()
        for fascicle in content["fascicles"]:
            lane = content["lanes"].get(fascicle.get("lane"), {})
            upper, lower = (body_of(fascicle[end]) for end in ("from", "to"))
            passed = BODIES[BODIES.index(upper) + 1 : BODIES.index(lower)]
            abdominal = content["parts"][fascicle["part"]]["group"] in OTHER_GROUPS
            # The quadratus ends at the iliac crest, above the middle of L5.
            crest = "iliac_crest_medial" in str(fascicle["to"]) and "quadratus" in fascicle["name"]
            expected = passed[:-1] if crest else passed
            assert abdominal or set(expected) <= set(lane), fascicle["name"]

    @pytest.mark.parametrize(
        ("group", "area"),
        [("rectus abdominis", 6.80), ("external oblique", 6.85), ("internal oblique", 5.68)],
    )
    def test_areas_of_the_abdomens_wall_are_those_of_their_source(self, group, area):
        found = [m.area_cm2 for m in base_model("M").muscles if m.group == group]
        assert sum(found) / 2 == pytest.approx(area)


def body_of(point: str | list) -> str:
    body = (point if isinstance(point, str) else point[0]).split(".")[0]
    return "pelvis" if body == "femur_right" else body


def test_a_missing_landmark_is_named():
    known = {body: dict(marks) for body, marks in landmarks("M").items()}
    del known["thorax"]["spinous_t12"]
    with pytest.raises(InputError, match=r"thorax\.spinous_t12"):
        base_muscles("M", known)


def test_another_sex_is_refused():
    with pytest.raises(OptionError, match="'X'"):
        reference_sections("X")


def test_a_womans_muscles_are_smaller():
    men, women = reference_sections("M"), reference_sections("F")
    for group in MEASURED_GROUPS:
        for joint, section in men[group].items():
            assert women[group][joint].area_cm2 < section.area_cm2
            closer = women[group][joint].right_mm / section.right_mm
            assert closer == pytest.approx(table()["female_size"])


def test_lanes_grow_with_the_vertebrae():
    known = landmarks("M")
    grown = {body: {name: 1.1 * at for name, at in marks.items()} for body, marks in known.items()}
    for muscle, larger in zip(base_muscles("M", known), base_muscles("M", grown), strict=True):
        assert larger.points_m == pytest.approx(1.1 * muscle.points_m)


def test_all_groups_are_there_on_both_sides(model):
    for side in SIDES:
        found = {muscle.group for muscle in model.muscles if muscle.side == side}
        assert found == {*MEASURED_GROUPS, *OTHER_GROUPS}


def test_the_left_side_mirrors_the_right(model):
    by_name = {muscle.name: muscle for muscle in model.muscles}
    rights = [muscle for muscle in model.muscles if muscle.side == "right"]
    assert len(rights) * 2 == len(model.muscles)
    for right in rights:
        left = by_name[right.name[:-2] + "_l"]
        assert left.side == "left"
        assert np.array_equal(left.points_m, right.points_m * [1, 1, -1])
        assert (left.area_cm2, left.optimal_fibre_m) == (right.area_cm2, right.optimal_fibre_m)
        assert not any(body.endswith("_right") for body in left.bodies)
        assert mirrored(left).bodies == right.bodies


def test_points_run_downward(model):
    poses = place(model, Posture())
    for muscle in model.muscles:
        assert np.all(np.diff(points(muscle, poses)[:, 1]) < 0), muscle.name


def test_fibres_and_tendons_fill_the_path_at_rest(model):
    poses = place(model, Posture())
    for muscle in model.muscles:
        fibres = muscle.optimal_fibre_m * np.cos(muscle.pennation_rad)
        assert fibres + muscle.tendon_slack_m == pytest.approx(path_length(muscle, poses))
        assert min(fibres, muscle.tendon_slack_m) > 0


def test_fibres_keep_their_share_in_another_posture(model):
    bent = with_fibres(model.muscles, place(model, BENT))
    for before, after in zip(model.muscles, bent, strict=True):
        share = before.optimal_fibre_m / before.tendon_slack_m
        assert after.optimal_fibre_m / after.tendon_slack_m == pytest.approx(share)


# Where the model may stray from people, as part of the area and in mm. Erector spinae: the
# aponeurosis carries thoracic fibres across L4-L5 behind the flesh that an image shows.
STRAY = {"erector spinae": (0.25, 10.0), "quadratus lumborum": (0.15, 9.0)}


@pytest.mark.parametrize("group", MEASURED_GROUPS)
@pytest.mark.parametrize("joint", ["L1_L2", "L2_L3", "L3_L4", "L4_L5"])
def test_muscles_lie_where_they_lie_in_people(model, group, joint):
    poses = place(model, Posture())
    found = crossing(model, poses, disc_planes(model, poses))
    at = GROUPS.index(group), SIDES.index("right"), LEVELS.index(LUMBAR_JOINTS[joint])
    section = reference_sections(model.sex)[group][joint]
    area, distance = STRAY.get(group, (0.15, 6.0))
    forward, _, right = 1000 * found.offset_m[at]
    assert found.area_cm2[at] == pytest.approx(section.area_cm2, rel=area)
    assert forward == pytest.approx(section.forward_mm, abs=distance)
    assert right == pytest.approx(section.right_mm, abs=distance)


@pytest.mark.parametrize("posture", [Posture(), BENT], ids=["upright", "bent"])
def test_no_muscle_passes_through_a_vertebral_body(model, posture):
    poses = place(model, posture)
    for muscle in model.muscles:
        path = points(muscle, poses)
        steps = np.linspace(0, 1, 41)[:, None]
        dense = np.concatenate([a + steps * (b - a) for a, b in itertools.pairwise(path)])
        for body, shape in model.shapes.items():
            local = (dense - poses[body][:3, 3]) @ poses[body][:3, :3]
            # Nine tenths of the body: the psoas begins on its surface.
            round_it = np.hypot(
                local[:, 0] / (0.45 * shape.depth_m), local[:, 2] / (0.45 * shape.width_m)
            )
            inside = (round_it < 1) & (np.abs(local[:, 1]) < shape.upper_m[1])
            assert not inside.any(), (muscle.name, body)


class TestArms:
    """Flexion arms, cm; the bounds are wide and ours."""

    @pytest.mark.parametrize(
        ("group", "low", "high"),
        [
            ("erector spinae", -7.0, -4.5),
            ("multifidus", -6.0, -4.0),
            ("psoas", -1.5, 1.5),
            ("quadratus lumborum", -4.0, -2.0),
            ("rectus abdominis", 8.0, 12.0),
        ],
    )
    def test_at_l4_l5(self, model, group, low, high):
        assert low < arms_cm(model, Posture(), group, "L4_L5") < high

    @pytest.mark.parametrize("joint", LUMBAR_JOINTS)
    @pytest.mark.parametrize("group", ["erector spinae", "multifidus"])
    def test_back_muscles_do_not_bowstring(self, model, group, joint):
        upright, bent = (arms_cm(model, posture, group, joint) for posture in (Posture(), BENT))
        assert bent == pytest.approx(upright, rel=0.15)


class TestSense:
    """What the right side's muscles do at L3-L4, standing."""

    @staticmethod
    def moments(model: Model, group: str) -> Array:
        """``[3, M]`` per newton: bending forward, to the right, turning to the left."""
        found = statics(model, Posture())
        k = found.joints.index("L3_L4")
        members = [
            found.muscles.index(muscle.name)
            for muscle in model.muscles
            if muscle.group == group and muscle.side == "right"
        ]
        anterior, up, right = found.axes[k] @ found.arms_m[k][:, members]
        return np.array([-right, anterior, up])[:, np.abs(right) > 0]

    @pytest.mark.parametrize("group", GROUPS)
    def test_all_bend_to_the_right(self, model, group):
        assert np.all(self.moments(model, group)[1] > 0)

    def test_external_obliques_turn_away_and_internal_towards(self, model):
        assert np.all(self.moments(model, "external oblique")[2] > 0)
        assert np.all(self.moments(model, "internal oblique")[2] < 0)

    def test_the_abdomens_wall_bends_forward_and_the_back_backward(self, model):
        for group in OTHER_GROUPS:
            assert self.moments(model, group)[0].mean() > 0
        for group in ("multifidus", "erector spinae", "quadratus lumborum"):
            assert np.all(self.moments(model, group)[0] < 0)


def test_the_page_has_the_tables_as_they_are():
    """Otherwise: python benchmarks/base_muscles.py --docs."""
    root = Path(__file__).parents[2]
    made = runpy.run_path(str(root / "benchmarks" / "base_muscles.py"))
    page = (root / "docs" / "reference" / "spinal-model.md").read_text("utf-8")
    assert filled(page, made["SECTIONS"]) == page
