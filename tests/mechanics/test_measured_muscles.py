"""Measurements of axial slices → muscles at the discs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from openlumbar.core.measurement import Measurement
from openlumbar.mechanics.base import base_model
from openlumbar.mechanics.model import MEASURED_GROUPS
from openlumbar.mechanics.muscles import (
    FAR_MM,
    GENERIC_AREA_SD,
    LINE_SD_MM,
    MeasuredMuscles,
    measured_muscles,
    perturbed,
)
from openlumbar.mechanics.sections import LEVELS, SIDES
from openlumbar.mechanics.spine import generic_spine
from support_muscles import Cut, disc_truth, measured_slices, own_muscles, seen_spine

SEEN = LEVELS[1:]
PSOAS = MEASURED_GROUPS.index("psoas")


def _at(group: str, side: str, level: str) -> tuple[int, int, int]:
    return MEASURED_GROUPS.index(group), SIDES.index(side), LEVELS.index(level)


def _measured(cuts: list[Cut], moved: tuple[float, float, float] = (0, 0, 0)) -> MeasuredMuscles:
    spine = seen_spine()
    return measured_muscles(*measured_slices(spine, cuts, disc_truth(), moved), spine)


@pytest.mark.parametrize("tilt", [0.0, 12.0, -20.0])
def test_place_area_and_plane_of_one_slice_a_disc(tilt: float) -> None:
    found = _measured([Cut(level, tilt_deg=tilt) for level in SEEN])
    slope = np.tan(np.radians(tilt))
    for (group, side), (local, area) in disc_truth().items():
        at = _at(group, side, "L3-L4")
        expected = local - [0, slope * local[0], 0]
        np.testing.assert_allclose(found.place_mm[at], expected, atol=1e-9)
        # Projected normal to the muscle, the oblique area is the muscle's own.
        assert found.csa_cm2[at] * found.normal[at][1] == pytest.approx(area, rel=1e-9)
        assert found.lean_cm2[at] == pytest.approx(0.8 * found.csa_cm2[at])
    assert np.isnan(found.csa_cm2[:, :, 0]).all()  # T12-L1 was not imaged
    assert found.measured


def test_slices_on_both_sides_are_interpolated_to_the_disc() -> None:
    spine, truth = seen_spine(), disc_truth()
    cuts = [Cut("L4-L5", height) for height in (-7.0, -2.0, 3.0, 8.0)]
    measurements, rows = measured_slices(spine, cuts, truth)
    heights = {number: cut.height_mm for number, cut in enumerate(cuts)}
    growing = [
        replace(m, value=m.value * (1 + 0.02 * heights[m.slice])) if m.metric == "csa_cm2" else m
        for m in measurements
    ]
    found = measured_muscles(growing, rows, spine)
    at = _at("psoas", "left", "L4-L5")
    assert found.csa_cm2[at] == pytest.approx(12.0, rel=1e-9)
    assert found.slices[at] == 4
    np.testing.assert_allclose(found.place_mm[at], truth["psoas", "left"][0], atol=1e-9)


def test_slices_beside_the_disc_make_the_area_less_sure() -> None:
    at = _at("psoas", "left", "L4-L5")
    there = _measured([Cut("L4-L5")]).csa_sd_cm2[at]
    beside = _measured([Cut("L4-L5", 10.0)]).csa_sd_cm2[at]
    assert beside > 2 * there


def test_a_slice_far_from_every_disc_does_not_count() -> None:
    assert not _measured([Cut("L4-L5", FAR_MM + 1.0)]).measured


def test_the_slice_that_disagrees_is_left_out() -> None:
    spine = seen_spine()
    cuts = [Cut("L3-L4", height) for height in (-8.0, -4.0, 0.0, 4.0, 8.0)]
    measurements, rows = measured_slices(spine, cuts, disc_truth())
    wrong = [
        replace(m, value=40.0) if (m.metric, m.slice) == ("csa_cm2", 3) else m for m in measurements
    ]
    found = measured_muscles(wrong, rows, spine)
    assert found.csa_cm2[_at("psoas", "left", "L3-L4")] == pytest.approx(12.0)


@pytest.mark.parametrize("flag", ["low-certainty", "dark-band", "left-right-doubtful"])
def test_doubtful_numbers_have_no_part(flag: str) -> None:
    spine = seen_spine()
    cuts = [Cut("L3-L4", -2.0), Cut("L3-L4", 2.0)]
    measurements, rows = measured_slices(spine, cuts, disc_truth())

    def doubted(m: Measurement) -> Measurement:
        if (m.structure, m.side, m.slice) != ("psoas", "left", 0):
            return m
        return replace(m, value=30.0 if m.metric == "csa_cm2" else m.value, flags=(flag,))

    found = measured_muscles([doubted(m) for m in measurements], rows, spine)
    at = _at("psoas", "left", "L3-L4")
    assert found.csa_cm2[at] == pytest.approx(12.0)
    assert found.slices[at] == 1
    assert found.slices[_at("psoas", "right", "L3-L4")] == 2


def test_withheld_numbers_leave_gaps() -> None:
    spine = seen_spine()
    measurements, rows = measured_slices(spine, [Cut("L4-L5")], disc_truth())
    cut = [
        replace(m, value=None, uncertainty=None, flags=("partly-in-view",))
        if m.structure == "quadratus lumborum" and m.side == "right"
        else m
        for m in measurements
    ]
    found = measured_muscles(cut, rows, spine)
    assert np.isnan(found.csa_cm2[_at("quadratus lumborum", "right", "L4-L5")])
    assert np.isfinite(found.csa_cm2[_at("quadratus lumborum", "left", "L4-L5")])


def test_series_are_put_together() -> None:
    found = _measured([Cut("L3-L4", series="t1"), Cut("L3-L4", series="t2")])
    assert found.slices[_at("multifidus", "left", "L3-L4")] == 2


@pytest.mark.parametrize("moved", [(3.0, -9.0, 0.0), (0.0, 0.0, 8.0)])
def test_a_patient_who_moved_is_moved_back(moved: tuple[float, float, float]) -> None:
    still = _measured([Cut(level) for level in SEEN])
    found = _measured([Cut(level) for level in SEEN], moved)
    # Of a shift a little is left, as it may be chance.
    np.testing.assert_allclose(found.place_mm[:, :, 1:], still.place_mm[:, :, 1:], atol=1.2)
    assert any("moved back" in note for note in found.notes)


def test_without_a_sagittal_series_places_are_counted_from_the_slices() -> None:
    model = base_model("M")
    generic = generic_spine(model)
    cuts = [Cut(level) for level in SEEN]
    measurements, rows = measured_slices(generic, cuts, disc_truth(), (30.0, -80.0, 200.0))
    found = measured_muscles(measurements, rows, generic)
    for (group, side), (local, _) in disc_truth().items():
        np.testing.assert_allclose(found.place_mm[_at(group, side, "L2-L3")], local, atol=1e-9)
    assert "No sagittal series" in found.notes[0]


def test_without_disc_or_sac_there_are_areas_alone() -> None:
    generic = generic_spine(base_model("M"))
    measurements, rows = measured_slices(generic, [Cut("L3-L4")], disc_truth())
    found = measured_muscles([m for m in measurements if m.structure != "disc"], rows, generic)
    assert np.isfinite(found.csa_cm2).sum() == len(disc_truth())
    assert np.isnan(found.place_mm).all()


def test_no_axial_series() -> None:
    found = measured_muscles([], [], seen_spine())
    assert not found.measured
    assert "no axial slices" in found.notes[0]


# -- uncertainty -----------------------------------------------------------------------


def test_perturbed_spreads_as_it_says() -> None:
    own = own_muscles(base_model("M"))
    rng = np.random.default_rng(1)
    drawn = [perturbed(own, rng) for _ in range(600)]
    at = _at("psoas", "right", "L4-L5")
    areas = np.array([one.csa_cm2[at] for one in drawn])
    assert areas.mean() == pytest.approx(own.csa_cm2[at], rel=0.01)
    assert areas.std() == pytest.approx(own.csa_sd_cm2[at], rel=0.1)
    places = np.array([one.place_mm[at] for one in drawn])
    assert places[:, [0, 2]].std(0) == pytest.approx(own.place_sd_mm[at], rel=0.1)
    assert places[:, 1].std() == 0
    generic = np.array([one.generic_area[-1] for one in drawn])
    assert generic.mean() == pytest.approx(1.0, abs=0.05)
    assert np.log(generic).std() == pytest.approx(GENERIC_AREA_SD, rel=0.1)


def test_perturbed_lines_of_action_move_as_a_whole_half_of_it_on_both_sides() -> None:
    own = own_muscles(base_model("M"))  # of which nothing but the line of action is unsure
    rng = np.random.default_rng(2)
    away = np.array([perturbed(own, rng).place_mm - own.place_mm for _ in range(800)])
    np.testing.assert_allclose(away[:, PSOAS, :, 4], away[:, PSOAS, :, 5], atol=1e-9)
    forward, right = (np.corrcoef(away[:, PSOAS, :, 4, axis].T)[0, 1] for axis in (0, 2))
    assert forward == pytest.approx(0.5, abs=0.1)
    assert right == pytest.approx(-0.5, abs=0.1)


def test_perturbed_discs_vary_by_what_was_measured() -> None:
    own = own_muscles(base_model("M"))
    own = replace(own, place_sd_mm=np.hypot(own.place_sd_mm, 1.0))
    rng = np.random.default_rng(4)
    away = np.array([perturbed(own, rng).place_mm - own.place_mm for _ in range(800)])
    between = away[:, PSOAS, 0, 4, 0] - away[:, PSOAS, 0, 3, 0]
    assert between.std() == pytest.approx(np.sqrt(2), rel=0.1)


def test_perturbed_is_repeatable_and_leaves_gaps() -> None:
    own = _measured([Cut("L3-L4")])
    one, other = (perturbed(own, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(one.place_mm, other.place_mm)
    assert np.isnan(one.csa_cm2[:, :, 0]).all()
    assert (own.place_sd_mm[_at("psoas", "left", "L3-L4")] > LINE_SD_MM).all()
