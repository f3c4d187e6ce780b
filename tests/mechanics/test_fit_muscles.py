"""A model with measured muscles: identity, scaling, mirroring, gaps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from openlumbar.core.errors import OptionError
from openlumbar.core.loads import Origin, Provenance
from openlumbar.mechanics.base import base_model
from openlumbar.mechanics.fascicles import path_length
from openlumbar.mechanics.fit_muscles import (
    FACTORS,
    NOT_COMPARED,
    MuscleOptions,
    with_muscles,
)
from openlumbar.mechanics.kinematics import place
from openlumbar.mechanics.model import MEASURED_GROUPS, OTHER_GROUPS, Model, Posture
from openlumbar.mechanics.muscles import MeasuredMuscles, measured_muscles
from openlumbar.mechanics.sections import LEVELS, SIDES
from support_muscles import Cut, measured_slices, own_muscles, seen_spine, without

MEASURED = frozenset(MEASURED_GROUPS)


@pytest.fixture(scope="module", params=["M", "F"])
def model(request: pytest.FixtureRequest) -> Model:
    return base_model(request.param)


def _areas(model: Model) -> np.ndarray:
    return np.array([muscle.area_cm2 for muscle in model.muscles])


def _points(model: Model) -> np.ndarray:
    return np.concatenate([muscle.points_m for muscle in model.muscles])


def _fibres(model: Model) -> np.ndarray:
    return np.array([(m.optimal_fibre_m, m.tendon_slack_m) for m in model.muscles])


def _is(model: Model, *groups: str) -> np.ndarray:
    return np.array([muscle.group in groups for muscle in model.muscles])


def _shifted(muscles: MeasuredMuscles, forward: float, outward: float) -> MeasuredMuscles:
    by = np.array([[forward, 0.0, -outward], [forward, 0.0, outward]])[:, None]
    return replace(muscles, place_mm=muscles.place_mm + by)


# -- identity --------------------------------------------------------------------------


@pytest.mark.parametrize("tilt", [0.0, 15.0, -25.0])
def test_its_own_sections_leave_a_model_as_it_is(model: Model, tilt: float) -> None:
    fitted = with_muscles(model, own_muscles(model, tilt))
    np.testing.assert_allclose(_areas(fitted.model), _areas(model), rtol=1e-9)
    np.testing.assert_allclose(_points(fitted.model), _points(model), atol=1e-9)
    np.testing.assert_allclose(_fibres(fitted.model), _fibres(model), rtol=1e-9)
    assert fitted.flags == ()


def test_nothing_measured_leaves_a_model_as_it_is(model: Model) -> None:
    fitted = with_muscles(model, MeasuredMuscles())
    np.testing.assert_array_equal(_areas(fitted.model), _areas(model))
    np.testing.assert_array_equal(_points(fitted.model), _points(model))
    assert fitted.flags == ("muscles-generic",)
    assert {row.origin for row in fitted.provenance} == {Origin.GENERIC}


def test_a_model_without_muscles_is_left_alone(model: Model) -> None:
    fitted = with_muscles(replace(model, muscles=()), own_muscles(model))
    assert fitted.flags == ("muscles-generic",)


# -- forces ----------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [0.5, 2.0])
@pytest.mark.parametrize("tilt", [0.0, 20.0])
def test_areas_times_k_make_forces_times_k(model: Model, factor: float, tilt: float) -> None:
    own = own_muscles(model, tilt)
    fitted = with_muscles(model, replace(own, csa_cm2=factor * own.csa_cm2)).model
    ratio = _areas(fitted) / _areas(model)
    np.testing.assert_allclose(ratio[_is(model, *MEASURED_GROUPS)], factor, rtol=1e-9)
    np.testing.assert_array_equal(ratio[_is(model, *OTHER_GROUPS)], 1.0)
    np.testing.assert_allclose(_points(fitted), _points(model), atol=1e-9)


def test_one_muscle_larger_on_one_side(model: Model) -> None:
    own = own_muscles(model)
    area = own.csa_cm2.copy()
    area[MEASURED_GROUPS.index("psoas"), SIDES.index("left")] *= 1.5
    fitted = with_muscles(model, replace(own, csa_cm2=area)).model
    for before, after in zip(model.muscles, fitted.muscles, strict=True):
        larger = before.group == "psoas" and before.side == "left"
        assert after.max_force_n / before.max_force_n == pytest.approx(1.5 if larger else 1.0)


def test_a_fascicle_takes_the_mean_over_the_discs_it_crosses(model: Model) -> None:
    own = own_muscles(model)
    area = own.csa_cm2.copy()
    area[:, :, LEVELS.index("L5-S1")] *= 2.0
    fitted = with_muscles(model, replace(own, csa_cm2=area)).model
    ratio = dict(zip([m.name for m in model.muscles], _areas(fitted) / _areas(model), strict=True))
    # These end above L5-S1, and this one crosses nothing else.
    assert ratio["multifidus_l2_laminar_r"] == pytest.approx(1.0)
    assert ratio["psoas_l5_body_r"] == pytest.approx(2.0)
    assert 1.0 < ratio["psoas_t12_l1_r"] < 2.0
    # Of the erector spinae a slice at L5-S1 does not show the aponeurosis (NOT_COMPARED).
    assert ratio["longissimus_thoracis_t9_r"] == pytest.approx(1.0)


def test_lean_area(model: Model) -> None:
    own = own_muscles(model)  # half of it is lean
    fitted = with_muscles(model, own, MuscleOptions(area="lean")).model
    ratio = (_areas(fitted) / _areas(model))[_is(model, *MEASURED_GROUPS)]
    np.testing.assert_allclose(ratio, 0.5, rtol=1e-9)


def test_lean_area_that_was_not_measured_leaves_forces_generic(model: Model) -> None:
    own = own_muscles(model)
    own = replace(own, csa_cm2=2 * own.csa_cm2, lean_cm2=np.full_like(own.lean_cm2, np.nan))
    fitted = with_muscles(model, own, MuscleOptions(area="lean"))
    np.testing.assert_array_equal(_areas(fitted.model), _areas(model))
    assert fitted.flags == ("muscles-partly-generic",)
    assert any("Lean areas" in note for note in fitted.notes)


def test_an_area_that_cannot_be_is_not_used(model: Model) -> None:
    own = own_muscles(model)
    area = own.csa_cm2.copy()
    area[0, 0, 3] *= 2 * FACTORS[1]
    fitted = with_muscles(model, replace(own, csa_cm2=area))
    np.testing.assert_allclose(_areas(fitted.model), _areas(model), rtol=1e-9)
    assert any("cannot be" in note for note in fitted.notes)


def test_options_switch_parts_off(model: Model) -> None:
    measured = _shifted(own_muscles(model), 4.0, 0.0)
    measured = replace(measured, csa_cm2=2 * measured.csa_cm2)
    still = with_muscles(model, measured, MuscleOptions(move_paths=False)).model
    np.testing.assert_array_equal(_points(still), _points(model))
    weak = with_muscles(model, measured, MuscleOptions(scale_forces=False)).model
    np.testing.assert_array_equal(_areas(weak), _areas(model))
    with pytest.raises(OptionError, match="fat"):
        MuscleOptions(area="fat")  # type: ignore[arg-type]


# -- paths -----------------------------------------------------------------------------


def test_centroids_come_to_lie_where_they_were_measured(model: Model) -> None:
    target = _shifted(own_muscles(model), -5.0, 4.0)
    after = own_muscles(with_muscles(model, target).model)
    left = (after.place_mm - target.place_mm)[..., [0, 2]]
    for g, group in enumerate(MEASURED_GROUPS):
        for level in ("L2-L3", "L3-L4", "L4-L5"):  # beyond, bones that do not move hold the ends
            if (group, level) not in NOT_COMPARED:
                assert np.abs(left[g, :, LEVELS.index(level)]).max() < 0.5, (group, level)


def test_points_move_square_to_the_spine_and_far_bones_stay(model: Model) -> None:
    fitted = with_muscles(model, _shifted(own_muscles(model), -5.0, 0.0)).model
    for before, after in zip(model.muscles, fitted.muscles, strict=True):
        moved = 1000 * np.linalg.norm(after.points_m - before.points_m, axis=1)
        vertebral = np.array([body.startswith("lumbar") for body in before.bodies])
        if before.group in MEASURED:
            assert (moved[vertebral] > 2.0).all(), before.name
        else:
            assert (moved == 0).all()
        far = np.array([body.startswith("femur") for body in before.bodies])
        assert (moved[far] == 0).all()


def test_fibres_and_tendons_keep_their_proportion(model: Model) -> None:
    fitted = with_muscles(model, _shifted(own_muscles(model), -8.0, 5.0)).model
    poses = place(model, Posture())
    for before, after in zip(model.muscles, fitted.muscles, strict=True):
        longer = path_length(after, poses) / path_length(before, poses)
        assert after.optimal_fibre_m == pytest.approx(before.optimal_fibre_m * longer)
        assert after.tendon_slack_m == pytest.approx(before.tendon_slack_m * longer)


def test_mirrored_muscles_make_a_mirrored_model(model: Model) -> None:
    own = own_muscles(model)
    rng = np.random.default_rng(0)
    away = rng.normal(0, 4, own.place_mm.shape) * (1, 0, 1)
    one = replace(
        own,
        csa_cm2=own.csa_cm2 * rng.uniform(0.7, 1.4, own.csa_cm2.shape),
        place_mm=own.place_mm + away,
    )
    flip = np.array([1.0, 1.0, -1.0])
    other = replace(
        one,
        csa_cm2=one.csa_cm2[:, ::-1],
        place_mm=one.place_mm[:, ::-1] * flip,
        normal=one.normal[:, ::-1] * flip,
    )
    left = {m.name: m for m in with_muscles(model, one).model.muscles}
    for muscle in with_muscles(model, other).model.muscles:
        twin = left[muscle.name[:-2] + ("_l" if muscle.side == "right" else "_r")]
        assert muscle.area_cm2 == pytest.approx(twin.area_cm2, rel=1e-9)
        np.testing.assert_allclose(muscle.points_m, twin.points_m * flip, atol=1e-9)


# -- gaps ------------------------------------------------------------------------------


def _rows(rows: tuple[Provenance, ...], what: str, structure: str, side: str) -> dict[str, Origin]:
    return {
        row.level: row.origin
        for row in rows
        if (row.what, row.structure, row.side) == (what, structure, side)
    }


def test_one_muscle_cut_off_takes_the_other_side(model: Model) -> None:
    own = own_muscles(model)
    own = replace(own, csa_cm2=1.3 * own.csa_cm2)
    fitted = with_muscles(model, without(own, "quadratus lumborum", "right", LEVELS))
    ratio = (_areas(fitted.model) / _areas(model))[_is(model, *MEASURED_GROUPS)]
    np.testing.assert_allclose(ratio, 1.3, rtol=1e-9)
    np.testing.assert_allclose(_points(fitted.model), _points(model), atol=1e-9)
    assert fitted.flags == ("muscles-partly-generic",)
    assert any(note.startswith("quadratus lumborum, right") for note in fitted.notes)
    origins = _rows(fitted.provenance, "area", "quadratus lumborum", "right")
    assert set(origins.values()) == {Origin.INTERPOLATED}


def test_a_muscle_of_neither_side_stays_generic(model: Model) -> None:
    own = own_muscles(model)
    own = replace(own, csa_cm2=1.3 * own.csa_cm2)
    for side in SIDES:
        own = without(own, "psoas", side, LEVELS)
    fitted = with_muscles(model, own)
    ratio = _areas(fitted.model) / _areas(model)
    np.testing.assert_allclose(ratio[_is(model, "psoas")], 1.0)
    np.testing.assert_allclose(ratio[_is(model, "multifidus")], 1.3, rtol=1e-9)
    assert set(_rows(fitted.provenance, "area", "psoas", "left").values()) == {Origin.GENERIC}
    assert fitted.flags == ("muscles-partly-generic",)


def test_one_disc_missed_is_interpolated_without_a_flag(model: Model) -> None:
    own = own_muscles(model)
    area = own.csa_cm2.copy()
    area[:, :, 2], area[:, :, 4] = 1.2 * area[:, :, 2], 1.4 * area[:, :, 4]
    measured = without(replace(own, csa_cm2=area), "psoas", "left", ["L3-L4"])
    fitted = with_muscles(model, measured)
    (row,) = (
        row
        for row in fitted.provenance
        if (row.what, row.structure, row.side, row.level) == ("area", "psoas", "left", "L3-L4")
    )
    psoas = own.csa_cm2[MEASURED_GROUPS.index("psoas"), 0, 3]
    assert row.origin is Origin.INTERPOLATED
    assert row.uncertainty is None
    # The normal of the section lies within a few degrees of the fibres.
    assert row.value == pytest.approx(1.3 * psoas, rel=0.1)
    assert fitted.flags == ()


def test_only_the_middle_of_the_spine_seen(model: Model) -> None:
    own = own_muscles(model)
    own = replace(own, csa_cm2=1.3 * own.csa_cm2)
    for group in MEASURED_GROUPS:
        for side in SIDES:
            own = without(own, group, side, ["T12-L1", "L1-L2", "L5-S1"])
    fitted = with_muscles(model, own)
    ratio = (_areas(fitted.model) / _areas(model))[_is(model, *MEASURED_GROUPS)]
    np.testing.assert_allclose(ratio, 1.3, rtol=1e-9)
    assert fitted.flags == ("muscles-partly-generic",)
    origins = _rows(fitted.provenance, "area", "multifidus", "left")
    assert origins["L5-S1"] is Origin.INTERPOLATED
    assert origins["L3-L4"] is Origin.MEASURED


def test_provenance_tells_what_was_measured() -> None:
    model = base_model("M")
    fitted = with_muscles(model, own_muscles(model))
    rows = [r for r in fitted.provenance if (r.structure, r.side) == ("psoas", "left")]
    by_what = {row.what: row for row in rows if row.level == "L4-L5"}
    assert set(by_what) == {"area", "antero-posterior offset", "medio-lateral offset"}
    assert by_what["area"].unit == "cm2"
    assert by_what["area"].note.endswith("1.00 of the base model's")
    assert by_what["medio-lateral offset"].value < 0  # to the left
    assert by_what["medio-lateral offset"].uncertainty == 2.5
    assert {r.structure for r in fitted.provenance if r.origin is Origin.GENERIC} == {*OTHER_GROUPS}


def test_muscles_that_were_not_measured_vary_in_a_perturbed_model() -> None:
    model = base_model("M")
    area = np.linspace(0.7, 1.3, 7)
    shift = np.full((7, 2), 3.0)
    measured = replace(own_muscles(model), generic_area=area, generic_place_mm=shift)
    fitted = with_muscles(model, measured).model
    ratio = _areas(fitted) / _areas(model)
    np.testing.assert_allclose(ratio[_is(model, "rectus abdominis")], area[4])
    np.testing.assert_allclose(ratio[_is(model, "psoas")], 1.0)
    for before, after in zip(model.muscles, fitted.muscles, strict=True):
        if before.group == "rectus abdominis":
            moved = np.linalg.norm(after.points_m - before.points_m, axis=1)
            np.testing.assert_allclose(moved, 0.003 * np.sqrt(2), rtol=0.05)


# -- from slices to the model ------------------------------------------------------------


def test_slices_of_a_model_s_own_muscles_leave_it_as_it_is() -> None:
    model, level = base_model("M"), "L3-L4"
    own, k = own_muscles(model), LEVELS.index(level)
    truth = {
        (group, side): (own.place_mm[g, s, k], float(own.csa_cm2[g, s, k]))
        for g, group in enumerate(MEASURED_GROUPS)
        for s, side in enumerate(SIDES)
    }
    spine = seen_spine(model)
    cuts = [Cut(level, height) for height in (-4.0, 0.0, 4.0)]
    measured = measured_muscles(*measured_slices(spine, cuts, truth), spine)
    fitted = with_muscles(model, measured).model
    np.testing.assert_allclose(_areas(fitted), _areas(model), rtol=1e-9)
    np.testing.assert_allclose(_points(fitted), _points(model), atol=1e-9)
