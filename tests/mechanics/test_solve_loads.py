"""From measurements to loads: what rises, what mirrors, what degrades, what is refused."""

import re
from dataclasses import replace

import numpy as np
import pytest
from support_spines import rows_of, told

from openlumbar.core.errors import InputError, OptionError, StageError
from openlumbar.core.exam import Subject
from openlumbar.core.flags import FLAGS
from openlumbar.core.loads import JOINT_LEVELS, VERTEBRA_LEVELS
from openlumbar.mechanics import LoadsOptions, load_task, loads, solve_loads
from openlumbar.mechanics.base import base_model
from openlumbar.mechanics.spine import generic_spine
from openlumbar.mechanics.spine_readings import ELEMENTS
from support_muscles import Cut, disc_truth, measured_slices, seen_spine

MAN = Subject("M", 40, 1.75, 78.0)
DISCS = ("L1-L2", "L2-L3", "L3-L4", "L4-L5", "L5-S1")
QUICK = LoadsOptions(samples=0)


def frames(mirrored=False):
    """The base model's spine in the patient, leaning to one side, or mirrored to the other."""
    spine = generic_spine(base_model("M"))
    places = {}
    for name in ELEMENTS:
        frame = spine.frames[name]
        places[name] = np.eye(4)
        places[name][:3, :3], places[name][:3, 3] = frame.axes, frame.middle_mm
        places[name][0, 3] += (-1 if mirrored else 1) * 0.04 * frame.middle_mm[2]
    return places


def sagittal(only=ELEMENTS, mirrored=False):
    seen = {name: place for name, place in frames(mirrored).items() if name in only}
    return told(seen), rows_of(seen)


def axial(truth=None, discs=DISCS):
    return measured_slices(seen_spine(), [Cut(disc) for disc in discs], truth or disc_truth())


def solved(*parts, who=MAN, options=QUICK):
    measurements = [one for part in parts for one in part[0]]
    rows = [one for part in parts for one in part[1]]
    return solve_loads(who, measurements, rows, options)


def compression(found, task, place="joint"):
    (task,) = [one for one in found.tasks if one.task == task]
    return np.array([load.compression_n for load in task.loads if load.place == place])


@pytest.fixture(scope="module")
def whole():
    return solved(sagittal(), axial())


# -- what comes out ----------------------------------------------------------------------


def test_each_joint_and_vertebra_has_a_load_in_each_task(whole):
    assert [task.task for task in whole.tasks] == ["standing", "hess2023"]
    for task in whole.tasks:
        assert [(one.level, one.place) for one in task.loads] == [
            *((level, "joint") for level in JOINT_LEVELS),
            *((level, "vertebra") for level in VERTEBRA_LEVELS),
        ]
        assert task.residual_nm < 1e-6
        assert task.criterion == "sum of squared activations"
        assert all(0 <= muscle.activation <= 1 for muscle in task.muscles)
        assert all(len(muscle.path_mm) >= 2 for muscle in task.muscles)
    assert "<OpenSimDocument" in whole.osim


def test_loads_rise_with_flexion_with_weights_and_downward(whole, tmp_path):
    own = tmp_path / "empty-handed.toml"
    own.write_text('title = "60°, empty hands"\n[trunk]\nflexion_deg = 60.0\n')
    empty = solved(sagittal(), axial(), options=replace(QUICK, tasks=(load_task(own),)))
    standing, lifting = compression(whole, "standing"), compression(whole, "hess2023")
    flexed = compression(empty, "empty-handed")
    assert (flexed > standing).all()
    assert (lifting > flexed).all()
    assert (np.diff(lifting) > 0).all()


def test_the_tilt_of_the_lowest_disc_turns_compression_into_shear(whole):
    loads = {one.level: one for one in whole.tasks[0].loads if one.place == "joint"}
    lowest, next_up = loads["L5-S1"], loads["L4-L5"]
    assert lowest.shear_n / lowest.compression_n > next_up.shear_n / next_up.compression_n
    assert lowest.shear_n > 0


def test_a_heavier_person_bears_more(whole):
    heavier = solved(sagittal(), axial(), who=replace(MAN, mass_kg=98.0))
    assert (
        compression(heavier, "standing") > compression(solved(sagittal(), axial()), "standing")
    ).all()


def test_bigger_muscles_are_stronger_by_as_much_and_less_active(whole):
    bigger = {key: (place, 1.5 * area) for key, (place, area) in disc_truth().items()}
    found = solved(sagittal(), axial(bigger))
    before = {m.name: m for m in whole.tasks[1].muscles}
    after = {m.name: m for m in found.tasks[1].muscles}
    names = [name for name, m in before.items() if m.group == "multifidus"]
    ratios = [after[name].max_force_n / before[name].max_force_n for name in names]
    np.testing.assert_allclose(ratios, 1.5, rtol=1e-3)  # forces are rounded to 0.01 N
    assert max(m.activation for m in after.values()) < max(m.activation for m in before.values())


def test_the_mirrored_person_has_the_mirrored_loads():
    one_sided = {
        (group, side): (place, area * (1.3 if side == "left" else 1.0))
        for (group, side), (place, area) in disc_truth().items()
    }
    other = {
        (group, {"left": "right", "right": "left"}[side]): (place * [1, 1, -1], area)
        for (group, side), (place, area) in one_sided.items()
    }
    left = solved(sagittal(), axial(one_sided))
    right = solved(sagittal(mirrored=True), axial(other))
    for one, two in zip(left.tasks, right.tasks, strict=True):
        for a, b in zip(one.loads, two.loads, strict=True):
            assert a.compression_n == pytest.approx(b.compression_n, rel=1e-4, abs=0.05)
            assert a.shear_n == pytest.approx(b.shear_n, rel=1e-3, abs=0.1)
            assert a.lateral_shear_n == pytest.approx(-b.lateral_shear_n, rel=1e-3, abs=0.1)
        forces = {m.name: m.force_n for m in two.muscles}
        swapped = {"_l": "_r", "_r": "_l"}
        for muscle in one.muscles:
            twin = muscle.name[:-2] + swapped[muscle.name[-2:]]
            assert muscle.force_n == pytest.approx(forces[twin], abs=0.1)


def test_cubes_spread_the_work(whole):
    cubes = solved(sagittal(), axial(), options=replace(QUICK, power=3))
    most = max(m.activation for m in whole.tasks[1].muscles)
    assert max(m.activation for m in cubes.tasks[1].muscles) < most
    assert cubes.tasks[1].criterion == "sum of cubed activations"


def test_a_floor_of_activation_adds_load(whole):
    toned = solved(sagittal(), axial(), options=replace(QUICK, floor=0.01))
    assert min(m.activation for m in toned.tasks[0].muscles) >= 0.01
    assert (compression(toned, "standing") > compression(whole, "standing")).all()
    assert "no muscle less active than 0.01" in toned.tasks[0].criterion


def test_lean_areas_make_weaker_muscles(whole):
    lean = solved(sagittal(), axial(), options=replace(QUICK, area="lean"))
    strength = {m.name: m.max_force_n for m in lean.tasks[0].muscles}
    for muscle in whole.tasks[0].muscles:
        if muscle.group == "multifidus":
            assert strength[muscle.name] == pytest.approx(0.8 * muscle.max_force_n, rel=1e-3)


# -- intervals ---------------------------------------------------------------------------


def test_intervals_hold_the_load_and_grow_with_what_is_not_known():
    options = replace(QUICK, samples=20, tasks=(load_task("standing"),))
    known = solved(sagittal(), axial(), options=options)
    vague = solved(sagittal(), axial(), who=Subject("M"), options=options)
    assert known.samples == 20
    assert "95 %" in known.interval

    def width(found):
        return np.array([one.high_n - one.low_n for one in found.tasks[0].loads])

    for one in known.tasks[0].loads:
        assert one.low_n < one.compression_n < one.high_n
        assert one.shear_low_n < one.shear_n < one.shear_high_n
    assert width(vague).mean() > 1.5 * width(known).mean()
    again = solved(sagittal(), axial(), options=options)
    assert again.tasks == known.tasks


def test_without_samples_there_is_no_interval(whole):
    assert (whole.samples, whole.interval) == (0, "")
    assert all(one.low_n is None for task in whole.tasks for one in task.loads)


# -- what is missing ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "who", "flags"),
    [
        (("sagittal", "axial"), MAN, set()),
        (("sagittal",), MAN, {"muscles-generic"}),
        (("axial",), MAN, {"curvature-generic"}),
        (("sagittal", "axial"), Subject("M", 40, 1.75, None), {"mass-unknown"}),
        (("sagittal", "axial"), Subject("F", 40, None, 70.0), {"height-unknown"}),
        (("sagittal", "axial"), Subject(None, 40, 1.75, 70.0), {"sex-unknown"}),
    ],
)
def test_missing_pieces_degrade_with_a_flag_each(parts, who, flags):
    given = {"sagittal": sagittal(), "axial": axial()}
    found = solved(*(given[part] for part in parts), who=who)
    assert set(found.flags) == flags
    assert set(found.flags) <= set(FLAGS)
    assert len(found.tasks) == 2
    for task in found.tasks:
        assert all(flags <= set(load.flags) for load in task.loads)


def test_only_l2_to_l5_seen_still_gives_loads(whole):
    seen = [
        name for name in ELEMENTS if name not in ("T12", "T12-L1", "L1", "L1-L2", "L5-S1", "S1")
    ]
    found = solved(sagittal(seen), axial(discs=("L2-L3", "L3-L4", "L4-L5")))
    assert {"curvature-partly-generic", "muscles-partly-generic"} <= set(found.flags)
    change = compression(found, "hess2023") / compression(whole, "hess2023") - 1
    assert np.abs(change).max() < 0.3


def test_one_muscle_cut_off_is_taken_from_the_other_side(whole):
    truth = {key: value for key, value in disc_truth().items() if key != ("psoas", "left")}
    found = solved(sagittal(), axial(truth))
    assert found.flags == ("muscles-partly-generic",)
    np.testing.assert_allclose(
        compression(found, "hess2023"), compression(whole, "hess2023"), rtol=0.02
    )


def test_nothing_measured_means_no_loads():
    found = solve_loads(MAN, [], [], QUICK)
    assert found.tasks == ()
    assert "no model of this person" in found.missing


def test_without_opensim_the_reason_is_told(monkeypatch):
    monkeypatch.setattr(loads.osim, "unavailable", lambda: "OpenSim has no wheel for this machine")
    assert solved(sagittal()).missing == "OpenSim has no wheel for this machine"


@pytest.mark.parametrize(
    ("who", "complaint"),
    [(replace(MAN, mass_kg=700.0), "700 kg"), (replace(MAN, height_m=17.0), "17 m")],
)
def test_impossible_people_are_refused(who, complaint):
    with pytest.raises(InputError, match=complaint):
        solved(sagittal(), who=who)


def test_a_task_beyond_the_muscles_is_named_and_the_others_come_out(tmp_path):
    own = tmp_path / "lorry.toml"
    own.write_text(
        'title = "Lifting a lorry"\n[trunk]\nflexion_deg = 60.0\n'
        "[carried_kg]\nhand_right = 200.0\nhand_left = 200.0\n"
    )
    lorry = load_task(own)
    found = solved(sagittal(), options=replace(QUICK, tasks=(load_task("standing"), lorry)))
    assert [task.task for task in found.tasks] == ["standing"]
    assert any(re.search("Lifting a lorry has no loads: .*L", note) for note in found.notes)
    with pytest.raises(StageError, match="Lifting a lorry"):
        solved(sagittal(), options=replace(QUICK, tasks=(lorry,)))


def test_two_tasks_of_one_name_are_refused(tmp_path):
    own = tmp_path / "standing.toml"
    own.write_text('title = "Standing my way"\n')
    with pytest.raises(OptionError, match="several tasks are named standing"):
        LoadsOptions(tasks=(load_task("standing"), load_task(own)))
