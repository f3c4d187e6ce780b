"""The fascicles of the base models: complete, mirrored, and where muscles lie in people."""

import tomllib
from importlib import resources

import numpy as np
import pytest

from openlumbar.core.errors import InputError
from openlumbar.mechanics.fascicles import base_muscles, reference_sections
from openlumbar.mechanics.model import MEASURED_GROUPS, OTHER_GROUPS

DATA = resources.files("openlumbar.mechanics") / "data"
BODIES = ("thorax", "lumbar1", "lumbar2", "lumbar3", "lumbar4", "lumbar5", "pelvis")


def table() -> dict:
    return tomllib.loads((DATA / "fascicles.toml").read_text("utf-8"))


class TestTable:
    def test_every_source_is_described(self):
        known = tomllib.loads((DATA / "muscle_sources.toml").read_text("utf-8"))
        content = table()
        used = {group["source"] for group in content["groups"].values()}
        for part in content["parts"].values():
            used |= {part["attachments"], part["areas"], part["fibres"]}
        assert used <= set(known)
        assert all(
            set(source) == {"citation", "url", "licence", "read"} for source in known.values()
        )

    def test_names_are_unique(self):
        names = [fascicle["name"] for fascicle in table()["fascicles"]]
        assert len(set(names)) == len(names)

    def test_every_lane_is_used(self):
        content = table()
        used = {fascicle.get("lane") for fascicle in content["fascicles"]}
        assert set(content["lanes"]) <= used


def test_a_missing_landmark_is_named():
    landmarks = {body: {"spinous_tip": np.array([-0.07, 0, 0])} for body in BODIES}
    for body in BODIES[1:6]:
        landmarks[body] |= {f"body_side_{end}": np.zeros(3) for end in ("upper", "lower")}
    with pytest.raises(InputError, match=r"thorax\.spinous_t11"):
        base_muscles("M", landmarks)


def test_a_womans_muscles_are_smaller():
    men, women = reference_sections("M"), reference_sections("F")
    for group in MEASURED_GROUPS:
        for joint, section in men[group].items():
            assert women[group][joint].area_cm2 < section.area_cm2
            assert women[group][joint].forward_mm == section.forward_mm


def test_all_groups_are_there():
    content = table()
    groups = {content["parts"][f["part"]]["group"] for f in content["fascicles"]}
    assert groups == {*MEASURED_GROUPS, *OTHER_GROUPS}
