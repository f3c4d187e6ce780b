from dataclasses import replace

import numpy as np
import pytest
from support_spines import HEIGHT_MM, PITCHES, course, lumbar_model, rows_of, to_ground, told

from openlumbar.core.loads import Origin
from openlumbar.mechanics.spine import generic_spine, measured_spine
from openlumbar.mechanics.spine_readings import ELEMENTS, VERTEBRAE
from openlumbar.mechanics.standing import RULE, StandingRule, standing_spine

STILL = replace(RULE, slope_change_deg=0.0, lordosis_change_deg=0.0)


@pytest.fixture(scope="module")
def spine():
    places = course(lean_deg=6)
    for place in places.values():
        place[:3, 3] += (4.0, -30.0, 150.0)
    return measured_spine(told(places), rows_of(places), lumbar_model())


def pitch(standing, name):
    axis = standing.places[name][:3, 0]
    return float(np.degrees(np.arctan2(-axis[1], axis[0])))


def test_without_a_change_the_spine_stands_as_it_lay(spine):
    standing = standing_spine(spine, STILL)
    expected = {name: to_ground(place) for name, place in course(lean_deg=6).items()}
    for name in ELEMENTS:
        np.testing.assert_allclose(standing.places[name], expected[name], atol=1e-12)


def test_head_is_up_front_is_forward_and_the_right_is_right(spine):
    standing = standing_spine(spine, STILL)
    assert standing.places["T12"][1, 3] > 0.15
    assert standing.places["L5"][0, 3] > 0.005  # in front of the sacrum
    assert standing.places["T12"][2, 3] > 0.01  # it leans to the right
    np.testing.assert_allclose(standing.places["S1"][:3, 3], 0, atol=1e-12)
    assert standing.sizes_m["L3"][0] == pytest.approx(HEIGHT_MM / 1000)


def test_a_changed_slope_turns_the_whole_spine_about_s1(spine):
    lying = standing_spine(spine, STILL)
    standing = standing_spine(spine, replace(STILL, slope_change_deg=-5.0))
    for name in ELEMENTS:
        assert pitch(standing, name) == pytest.approx(pitch(lying, name) - 5.0)
        far = [np.linalg.norm(one.places[name][:3, 3]) for one in (lying, standing)]
        assert far[0] == pytest.approx(far[1])
    assert standing.sacral_slope_deg == pytest.approx(PITCHES["S1"] - 5.0)
    assert standing.places["T12"][0, 3] < lying.places["T12"][0, 3]  # backward


def test_a_changed_lordosis_is_shared_by_five_discs(spine):
    lying = standing_spine(spine, STILL)
    standing = standing_spine(spine, replace(STILL, lordosis_change_deg=10.0))
    turned = {name: pitch(standing, name) - pitch(lying, name) for name in ELEMENTS}
    expected = dict(zip(VERTEBRAE, (-10, -10, -8, -6, -4, -2, 0), strict=True))
    for name, degrees in expected.items():
        assert turned[name] == pytest.approx(degrees, abs=0.1)
    assert turned["L5-S1"] == pytest.approx(-1, abs=0.1)
    lordosis = pitch(standing, "S1") - pitch(standing, "L1")
    assert lordosis == pytest.approx(PITCHES["S1"] - PITCHES["L1"] + 10, abs=0.1)
    # Bodies keep their distance from the disc below.
    for disc, body in (("L3-L4", "L3"), ("L5-S1", "L5")):
        apart = [
            np.linalg.norm(one.places[body][:3, 3] - one.places[disc][:3, 3])
            for one in (lying, standing)
        ]
        assert apart[0] == pytest.approx(apart[1])


def test_the_rule_is_the_sources_mean_weighted_by_their_numbers():
    # Chevillotte 15, Fan 64 and Benditz 63 people; standing less supine, from the abstracts.
    slope = (64 * -2.0 + 15 * (37.1 - 41.0)) / (64 + 15)
    assert pytest.approx(slope, abs=0.05) == RULE.slope_change_deg
    lordosis = (63 * (44.99 - 47.91) + 64 * 0.0 + 15 * (54.8 - 50.2)) / (63 + 64 + 15)
    assert abs(lordosis) < RULE.lordosis_sd_deg / 4  # signs differ: left as imaged
    assert RULE.lordosis_change_deg == 0
    # Bounds of the deviation: a median of 3 degrees, and what r = 0.61 leaves.
    least = 3 / 0.6745
    most = np.sqrt(10.754**2 + 9.17**2 - 2 * 0.61 * 10.754 * 9.17)
    assert least < RULE.lordosis_sd_deg < most


def test_a_generic_spine_stands_already():
    generic = generic_spine(lumbar_model())
    np.testing.assert_array_equal(
        standing_spine(generic).places["T12"], standing_spine(generic, STILL).places["T12"]
    )
    assert not any("lying" in note for note in standing_spine(generic).notes)


def test_a_rule_drawn_for_one_person_varies_as_said(spine):
    rng = np.random.default_rng(3)
    rules = [RULE.perturbed(rng) for _ in range(3000)]
    deviations = np.array([[r.lordosis_deviation_deg, r.slope_deviation_deg] for r in rules])
    expected = [RULE.lordosis_sd_deg, RULE.slope_sd_deg]
    np.testing.assert_allclose(deviations.std(axis=0), expected, rtol=0.06)
    np.testing.assert_allclose(deviations.mean(axis=0), 0, atol=0.4)
    one = standing_spine(spine, rules[0])
    changed = RULE.slope_change_deg + rules[0].slope_deviation_deg
    assert one.sacral_slope_deg == pytest.approx(PITCHES["S1"] + changed)


def test_the_notes_say_the_rule(spine):
    notes = " ".join(standing_spine(spine).notes)
    assert "lying down" in notes
    assert "−2.4°" in notes
    assert "thorax was not imaged" in notes
    more = StandingRule(lordosis_change_deg=4.5).sentences[0]
    assert "+4.5°" in more


def test_provenance_names_the_rule_and_what_was_not_imaged(spine):
    rows = standing_spine(spine).provenance
    slope = next(row for row in rows if row.what == "change of the sacral slope")
    assert (slope.value, slope.uncertainty) == (RULE.slope_change_deg, RULE.slope_sd_deg)
    assert "Benditz" in slope.note
    unseen = {row.structure for row in rows if row.what == "shape and posture"}
    assert unseen == {"thorax", "pelvis"}
    assert slope.origin is Origin.GENERIC
