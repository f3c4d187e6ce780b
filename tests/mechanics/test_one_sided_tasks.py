"""Which side works when a task or a spine is not the same on both: anatomy says, not the code."""

from dataclasses import replace

import numpy as np
import pytest

from openlumbar.mechanics.base import base_model
from openlumbar.mechanics.reshape import with_spine
from openlumbar.mechanics.solve import solve
from openlumbar.mechanics.spine import axes_of, generic_spine
from openlumbar.mechanics.standing import standing_spine
from openlumbar.mechanics.statics import statics
from openlumbar.mechanics.tables import rhythm
from openlumbar.mechanics.tasks import Task, load_task, posture_of

BACK = ("multifidus", "erector spinae")
OBLIQUES = ("external oblique", "internal oblique")


def worked(model, task):
    """Force by group and side, and of the back by side at each disc, from above."""
    balance = statics(model, posture_of(model, task, rhythm()))
    forces = solve(balance).activation * balance.strength_n
    total, crossing = {}, {"left": 0.0, "right": 0.0}
    for muscle, force, line in zip(model.muscles, forces, balance.lines.T, strict=True):
        key = (muscle.group, muscle.side)
        total[key] = total.get(key, 0.0) + float(force)
        if muscle.group in BACK:
            crossing[muscle.side] += force * (np.linalg.norm(line, axis=0) > 0)
    return total, crossing


def of(total, groups, side):
    return sum(total[group, side] for group in groups)


def task(**facts):
    return Task(name="t", title="t", **facts)


@pytest.mark.parametrize("sex", ["M", "F"])
@pytest.mark.parametrize(("hand", "working"), [("right", "left"), ("left", "right")])
def test_what_one_hand_carries_the_erector_and_flank_of_the_other_side_hold(sex, hand, working):
    total, _ = worked(base_model(sex), task(carried_kg={f"hand_{hand}": 10.0}))
    # Not multifidus: it holds against the twist of the obliques, on both sides.
    assert total["erector spinae", working] > 1.3 * total["erector spinae", hand]
    assert of(total, OBLIQUES, working) > 5 * of(total, OBLIQUES, hand)


@pytest.mark.parametrize(
    ("bend", "working", "idle"), [(20, "left", "right"), (-20, "right", "left")]
)
def test_who_leans_to_a_side_is_held_by_the_other_flank(bend, working, idle):
    total, _ = worked(base_model("M"), task(trunk={"lateral_bending_deg": bend}))
    assert of(total, OBLIQUES, working) > 2 * of(total, OBLIQUES, idle)


@pytest.mark.parametrize(
    ("turn", "towards", "away"), [(10, "left", "right"), (-10, "right", "left")]
)
def test_the_trunk_is_turned_by_the_inner_oblique_there_and_the_outer_opposite(turn, towards, away):
    total, _ = worked(base_model("M"), task(trunk={"axial_rotation_deg": turn}))
    assert total["internal oblique", towards] > 5 * total["internal oblique", away]
    assert total["external oblique", away] > 5 * total["external oblique", towards]


def test_a_push_on_the_chest_is_met_by_the_abdomen():
    pushed, _ = worked(base_model("M"), task(pushed_n={"thorax": (-100.0, 0.0, 0.0)}))
    still, _ = worked(base_model("M"), load_task("standing"))
    abdomen = ("rectus abdominis", *OBLIQUES)
    for side in ("left", "right"):
        assert of(pushed, abdomen, side) > of(still, abdomen, side) + 50


def curved(model, aside_mm):
    """The model with its lumbar spine in an arch to the right, T12 above S1."""
    spine = generic_spine(model)
    heights = spine.middles_mm[:, 2]
    length = heights[0] - heights[-1]
    frames = {}
    for (name, frame), height in zip(spine.frames.items(), heights, strict=True):
        part = np.pi * (height - heights[-1]) / length
        lean = np.degrees(np.arctan(aside_mm * np.pi / length * np.cos(part)))
        middle = frame.middle_mm - [aside_mm * np.sin(part), 0, 0]  # LPS: x points left
        frames[name] = replace(frame, middle_mm=middle, axes=axes_of(frame.pitch_deg, lean))
    return with_spine(model, standing_spine(replace(spine, frames=frames)))


@pytest.mark.parametrize(
    ("aside_mm", "outer", "inner"), [(15, "right", "left"), (-15, "left", "right")]
)
def test_at_the_apex_of_a_scoliosis_the_convex_side_works(aside_mm, outer, inner):
    _, crossing = worked(curved(base_model("M"), aside_mm), load_task("standing"))
    apex = 2  # L2-L3
    assert crossing[outer][apex] > 1.3 * crossing[inner][apex]
