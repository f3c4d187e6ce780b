from dataclasses import replace

import numpy as np
import pytest
from support_spines import DEPTH_MM, HEIGHT_MM, PITCHES, course, lumbar_model, rows_of, told

from openlumbar.core.exam import Block, Series, Weighting
from openlumbar.core.flags import FLAGS
from openlumbar.core.loads import Origin
from openlumbar.core.masks import SeriesMasks
from openlumbar.core.plane import Plane
from openlumbar.measure import measure_sagittal
from openlumbar.mechanics.spine import axes_of, generic_spine, measured_spine, perturbed
from openlumbar.mechanics.spine_readings import DISCS, ELEMENTS, VERTEBRAE
from openlumbar.phantom.grids import SagittalFrame, sagittal_grid
from support_measure import painted_masks, spine_of

HERE_MM = np.array([3.0, -40.0, 120.0])


@pytest.fixture(scope="module")
def model():
    return lumbar_model()


def moved(places, by_mm=HERE_MM):
    return {name: place + _shift(by_mm) for name, place in places.items()}


def _shift(by_mm):
    shift = np.zeros((4, 4))
    shift[:3, 3] = by_mm
    return shift


def found_of(places, model, **kept):
    """The spine that flawless measurements of frames give; only some of them if named."""
    kept = kept.get("only", ELEMENTS)
    seen = {name: places[name] for name in kept}
    return measured_spine(told(seen), rows_of(seen), model)


def errors_mm(spine, places):
    return {
        name: float(np.linalg.norm(spine.frames[name].middle_mm - places[name][:3, 3]))
        for name in ELEMENTS
    }


# -- recovered frames --------------------------------------------------------------------


@pytest.mark.parametrize("lean_deg", [0.0, 9.0, -14.0])
@pytest.mark.parametrize("flat", [1.0, 0.3])
def test_frames_are_recovered_exactly(model, lean_deg, flat):
    pitches = {name: flat * pitch + 4 for name, pitch in PITCHES.items()}
    places = moved(course(pitches, lean_deg))
    spine = found_of(places, model)
    for name, place in places.items():
        frame = spine.frames[name]
        np.testing.assert_allclose(frame.middle_mm, place[:3, 3], atol=1e-9)
        np.testing.assert_allclose(frame.axes, place[:3, :3], atol=1e-9)
        assert frame.place is frame.turn is Origin.MEASURED
    assert spine.flags == spine.notes == ()
    assert spine.measured
    assert spine.sacral_slope_deg == pytest.approx(pitches["S1"])


def test_axes_are_right_handed_anterior_up_right(model):
    spine = found_of(moved(course(lean_deg=8)), model)
    for axes in spine.axes:
        np.testing.assert_allclose(np.cross(axes[:, 0], axes[:, 1]), axes[:, 2], atol=1e-12)
    front, up, right = spine.frames["L3"].axes.T
    assert front[1] < -0.9  # LPS: backward is positive
    assert up[2] > 0.9
    assert right[0] < -0.9
    assert up @ [-1, 0, 0] > 0  # it leans to the right


def test_sizes_of_bodies_are_measured(model):
    spine = found_of(course(), model)
    for name in VERTEBRAE[1:-1]:
        assert spine.frames[name].height_mm == pytest.approx(HEIGHT_MM)
        assert spine.frames[name].depth_mm == pytest.approx(DEPTH_MM)
        assert spine.frames[name].size is Origin.MEASURED


def test_a_scoliosis_leans_with_its_course(model):
    places = course()
    for place in places.values():
        place[0, 3] = 12 * np.sin(place[2, 3] / 90)
    spine = found_of(places, model)
    for name in VERTEBRAE[:-1]:
        height, pitch = places[name][2, 3], np.radians(PITCHES[name])
        slope = 12 / 90 * np.cos(height / 90) * np.cos(pitch)  # leftward per mm of the course
        up = spine.frames[name].axes[:, 1]
        assert up[0] / np.hypot(up[1], up[2]) == pytest.approx(slope, abs=np.radians(1.5))


def test_the_centre_of_a_disc_thicker_on_one_side_does_not_move_the_joint(model):
    places = course(lean_deg=5)
    thick = dict(places)
    thick["L3-L4"] = places["L3-L4"] + _shift([3.0, 0, 0])
    # What moves is the polynomial through all centres, a little.
    assert errors_mm(found_of(thick, model), places)["L3-L4"] < 0.1


def test_a_vertebra_that_slipped_sideward_stays_where_it_is(model):
    places = course()
    places["L3"] = places["L3"] + _shift([4.0, 0, 0])
    assert errors_mm(found_of(places, model), places)["L3"] < 1e-9


def test_the_mirrored_spine_gives_the_mirrored_frames(model):
    places, mirror = course(lean_deg=7), np.diag([-1.0, 1.0, 1.0, 1.0])
    other = {name: mirror @ place for name, place in places.items()}
    one, two = found_of(places, model), found_of(other, model)
    np.testing.assert_allclose(two.middles_mm, one.middles_mm * [-1, 1, 1], atol=1e-9)
    np.testing.assert_allclose(two.axes[:, :, 1], one.axes[:, :, 1] * [-1, 1, 1], atol=1e-9)


# -- what is missing ---------------------------------------------------------------------


def test_only_l2_to_l5_still_make_a_whole_spine(model):
    # The model's own course: what is carried on must then be right.
    places = moved(course())
    spine = found_of(places, model, only=ELEMENTS[4:11])
    assert max(errors_mm(spine, places).values()) < 1.0
    assert spine.flags == ("curvature-partly-generic",)
    assert {spine.frames[name].place for name in ELEMENTS[4:11]} == {Origin.MEASURED}
    for name in ("T12", "L1", "S1", "L5-S1"):
        assert spine.frames[name].place is Origin.GENERIC
    assert any("T12, L1, S1" in note for note in spine.notes)
    assert all(flag in FLAGS for flag in spine.flags)


def test_what_is_carried_on_follows_the_persons_size_and_turn(model):
    small = {name: place.copy() for name, place in course().items()}
    turn = np.eye(4)
    turn[:3, :3] = axes_of(15, 0) @ axes_of(0, 0).T
    for name, place in small.items():
        place[:3, 3] *= 0.85
        small[name] = turn @ place
    spine = found_of(small, model, only=ELEMENTS[4:11])
    assert max(errors_mm(spine, small).values()) < 1.0
    assert spine.frames["T12"].pitch_deg == pytest.approx(PITCHES["T12"] + 15, abs=1.0)


def test_a_vertebra_between_others_lies_between_them(model):
    places = course({name: 0.5 * pitch for name, pitch in PITCHES.items()})
    spine = found_of(places, model, only=[name for name in ELEMENTS if name != "L3"])
    assert errors_mm(spine, places)["L3"] < 1.0
    assert spine.frames["L3"].place is spine.frames["L3"].turn is Origin.INTERPOLATED
    assert spine.frames["L3"].height_mm == pytest.approx(HEIGHT_MM)
    assert spine.frames["L3"].size is Origin.INTERPOLATED
    assert spine.flags == ("curvature-partly-generic",)


def test_unmeasured_frames_are_less_sure_and_less_so_further_out(model):
    spine = found_of(course(), model, only=ELEMENTS[4:11])
    sd = [spine.frames[name].place_sd_mm for name in ("L2", "L1", "T12")]
    assert sd == sorted(sd)
    assert sd[0] < sd[1] < sd[2]


def test_one_vertebra_alone_carries_the_model_s_spine(model):
    places = moved(course())
    spine = found_of(places, model, only=["L3"])
    assert max(errors_mm(spine, places).values()) < 1.0


def test_without_any_vertebra_the_spine_is_the_model_s(model):
    spine = measured_spine([], [], model)
    assert spine.flags == ("curvature-generic",)
    assert not spine.measured
    np.testing.assert_allclose(spine.middles_mm, generic_spine(model).middles_mm)
    assert {frame.place for frame in spine.vertebrae.values()} == {Origin.GENERIC}


def test_withheld_and_doubtful_values_are_not_used(model):
    places = course()
    measurements = [
        replace(one, value=None, flags=("irregular-outline",)) if one.level == "L1" else one
        for one in told(places)
    ]
    spine = measured_spine(measurements, rows_of(places), model)
    assert spine.frames["L1"].place is Origin.INTERPOLATED


def test_names_that_are_too_doubtful_leave_the_model_s_spine_and_are_told(model):
    places = course()
    rows = rows_of(places, flags=("numbering-uncertain",))
    doubted = measured_spine(told(places, confidence=0.1), rows, model)
    assert not doubted.measured
    assert doubted.flags == ("curvature-generic", "numbering-uncertain")
    assert any("confidence" in note for note in doubted.notes)


def test_axial_series_are_passed_over(model):
    places = course()
    far = told(moved(places, [0, 200, 0]), series="axial")
    spine = measured_spine(told(places) + far, rows_of(places), model)
    assert max(errors_mm(spine, places).values()) < 1e-9


def test_x_of_what_leaves_the_slices_is_not_believed(model):
    places = course(lean_deg=10)
    measurements = [
        replace(one, value=0.0, flags=("off-midline",))
        if one.level == "T12" and one.metric == "centroid_x_mm"
        else one
        for one in told(places)
    ]
    spine = measured_spine(measurements, rows_of(places), model)
    assert errors_mm(spine, places)["T12"] < 1e-6
    assert abs(places["T12"][0, 3]) > 10


# -- what cannot be ----------------------------------------------------------------------


@pytest.mark.parametrize("by_mm", [(0, 0, 30), (0, 0, -60), (0, 70, 0)])
def test_a_vertebra_where_none_can_be_is_not_used(model, by_mm):
    places = course()
    wrong = dict(places)
    wrong["L3"] = places["L3"] + _shift(by_mm)
    spine = found_of(wrong, model)
    assert spine.frames["L3"].place is Origin.INTERPOLATED
    assert errors_mm(spine, places)["L3"] < 1.0
    assert any("contradict" in note and "L3" in note for note in spine.notes)
    assert {spine.frames[name].place for name in VERTEBRAE if name != "L3"} == {Origin.MEASURED}


def test_a_disc_outside_its_vertebrae_is_not_used(model):
    places = course()
    wrong = dict(places)
    wrong["L2-L3"] = places["L2-L3"] + _shift([0, 35, 0])
    spine = found_of(wrong, model)
    assert errors_mm(spine, places)["L2-L3"] < 1.5
    assert spine.frames["L2-L3"].place is Origin.INTERPOLATED


def test_whatever_is_missing_or_wrong_a_whole_spine_in_order_comes_out(model):
    places = course()
    rng = np.random.default_rng(5)
    for _ in range(40):
        kept = [name for name in ELEMENTS if rng.random() < rng.choice([0.2, 0.6, 0.9])]
        wrong = {
            name: places[name] + _shift(rng.normal(0, 60, 3) if rng.random() < 0.1 else 0.0)
            for name in kept
        }
        spine = measured_spine(told(wrong), rows_of(wrong), model)
        assert np.isfinite(spine.axes).all()
        assert (np.diff(spine.middles_mm[:, 2]) < 0).all()
        whole = all(frame.place is Origin.MEASURED for frame in spine.vertebrae.values())
        assert whole == (spine.flags == ())


# -- several series ----------------------------------------------------------------------


def test_series_are_averaged(model):
    places = course()
    both = told(places, "a", (0, 1.0, 0)) + told(places, "b", (0, -1.0, 0))
    spine = measured_spine(both, rows_of(places, "a") + rows_of(places, "b"), model)
    assert max(errors_mm(spine, places).values()) < 1e-9
    assert spine.frames["L3"].place_sd_mm == pytest.approx(np.hypot(0.4, 1.0))


def test_one_series_completes_another(model):
    places = course()
    upper = {name: places[name] for name in ELEMENTS[:7]}
    lower = {name: places[name] for name in ELEMENTS[4:]}
    rows = rows_of(upper, "a") + rows_of(lower, "b")
    spine = measured_spine(told(upper, "a") + told(lower, "b"), rows, model)
    assert max(errors_mm(spine, places).values()) < 1e-9
    assert spine.flags == ()


def test_a_series_whose_names_are_off_by_one_is_left_out(model):
    places = course()
    shifted = dict(zip(VERTEBRAE[:-1], ("T11", *VERTEBRAE[:-2]), strict=True))
    shifted |= dict(zip(DISCS, ("T11-T12", *DISCS[:-1]), strict=True))
    rows = rows_of(places, "a") + rows_of(places, "b") + rows_of(places, "odd", shifted)
    three = told(places, "odd", names=shifted) + told(places, "a") + told(places, "b")
    spine = measured_spine(three, rows, model)
    assert max(errors_mm(spine, places).values()) < 1e-9
    assert spine.flags == ("numbering-uncertain",)
    assert any("odd" in note for note in spine.notes)


def test_doubts_of_the_names_go_along(model):
    places = course()
    rows = rows_of(places, flags=("possible-l6", "low-certainty"))
    assert measured_spine(told(places), rows, model).flags == ("possible-l6",)


@pytest.mark.parametrize(
    ("chain", "last"),
    [(("L1", "L2", "L3", "L4", "L5", "L6"), "L6-S1"), (("T11", "T12", "L1", "L2", "L3", "L4"), "")],
    ids=["six", "four"],
)
def test_of_six_or_four_lumbar_vertebrae_the_lowest_five_are_the_model_s(model, chain, last):
    places = course()
    called = dict(zip(VERTEBRAE, (*chain, "S1"), strict=True))
    called |= {disc: "-".join(called[end] for end in disc.split("-")) for disc in DISCS}
    rows = rows_of(places, names=called)
    spine = measured_spine(told(places, names=called), rows, model)
    assert max(errors_mm(spine, places).values()) < 1e-9
    assert spine.names["L5"] == chain[-1]
    assert spine.names["L5-S1"] == (last or "L4-S1")
    assert any("the model has five" in note for note in spine.notes)


# -- uncertainty -------------------------------------------------------------------------


def test_perturbed_spines_have_the_deviations_said(model):
    spine = found_of(course(), model)
    rng = np.random.default_rng(1)
    drawn = [perturbed(spine, rng) for _ in range(1500)]
    places = np.stack([one.middles_mm for one in drawn]) - spine.middles_mm
    sd = np.array([frame.place_sd_mm for frame in spine.frames.values()])
    np.testing.assert_allclose(places.std(axis=0), np.tile(sd[:, None], 3), rtol=0.1)
    # Half of the variance is one draw for all.
    together = np.corrcoef(places[:, 4, 1], places[:, 8, 1])[0, 1]
    assert together == pytest.approx(0.5, abs=0.08)
    pitches = np.array([one.frames["L3"].pitch_deg for one in drawn])
    assert pitches.std() == pytest.approx(spine.frames["L3"].pitch_sd_deg, rel=0.1)
    assert pitches.mean() == pytest.approx(PITCHES["L3"], abs=0.15)
    heights = np.array([one.frames["L3"].height_mm for one in drawn])
    assert heights.std() == pytest.approx(spine.frames["L3"].size_sd_mm, rel=0.1)


def test_perturbed_frames_stay_rotations(model):
    one = perturbed(found_of(course(lean_deg=5), model), np.random.default_rng(2))
    for axes in one.axes:
        np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-12)
        assert np.linalg.det(axes) > 0


def test_every_part_says_where_it_comes_from(model):
    spine = found_of(course(), model, only=ELEMENTS[4:])
    rows = spine.provenance
    assert {row.structure for row in rows} == set(ELEMENTS)
    origins = {row.structure: row.origin for row in rows if row.what == "place"}
    assert origins["L3"] is Origin.MEASURED
    assert origins["T12"] is Origin.GENERIC
    depth = next(row for row in rows if row.what == "depth" and row.structure == "L4")
    assert depth.value == pytest.approx(DEPTH_MM)


# -- phantoms ----------------------------------------------------------------------------

FRAME = SagittalFrame(pixel_mm=0.9, slice_mm=4.4, slices=15, height_mm=280, width_mm=150)


@pytest.mark.parametrize("seed", [1, 2, 3, 8])
def test_joint_centres_of_phantoms_are_found_within_two_millimetres(model, seed):
    truth = spine_of(seed)
    labels, bodies = painted_masks(truth, sagittal_grid(truth, FRAME))
    block = Block(labels, tuple(str(k) for k in range(labels.shape[0])))
    series = Series("s", Plane.SAGITTAL, Weighting.T2, (block,), "nifti")
    measurements = measure_sagittal(series, SeriesMasks("s", (labels,), (bodies,)), ())
    known = {placed.spec.name: placed.centre for placed in truth.vertebrae}
    known["S1"] = np.zeros(3)  # the phantom's origin is the middle of S1's upper endplate
    discs = {disc.spec.name: disc.middle for disc in truth.discs}
    spine = measured_spine(measurements, rows_of({**known, **discs}), model)
    assert spine.flags == ()
    for name, place in discs.items():
        if name in DISCS:
            assert np.linalg.norm(spine.frames[name].middle_mm - place) < 1.2
    for name in VERTEBRAE:
        limit = 2.0 if name == "S1" else 1.2
        assert np.linalg.norm(spine.frames[name].middle_mm - known[name]) < limit
    for placed in truth.vertebrae:
        if placed.spec.name in VERTEBRAE[1:-1]:
            up = spine.frames[placed.spec.name].axes[:, 1] @ placed.rotation[:, 2]
            assert np.degrees(np.arccos(min(up, 1.0))) < 2.5
