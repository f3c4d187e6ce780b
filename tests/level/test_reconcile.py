import numpy as np
import pytest

from openlumbar.core.levels import LEVEL_CLASSES, Numbering
from openlumbar.core.masks import SeriesMasks
from openlumbar.level import SeriesLevels
from openlumbar.level.geometry import Placing, SlicePlace
from openlumbar.level.reconcile import reconcile
from openlumbar.level.scale import disc_at, level_at
from openlumbar.level.shift import SHIFTS, weigh_shifts
from openlumbar.level.stack import STACK_LAPSE, read_stack
from support_stacks import (
    Spine,
    angled,
    correlated,
    looks_at,
    masks_of,
    probabilities,
    true_positions,
    upright,
)

SPINE = Spine()


@pytest.fixture(scope="module")
def stack():
    """A series of 40 slices from S1 to L1, its masks and its true positions."""
    series = upright(5.3, 40, 4.0, SPINE)
    return series, masks_of(series, SPINE), true_positions(series, SPINE)


def placing_at(positions, confidence=0.95, flags=()):
    """As geometry places slices there; None where the position is NaN."""
    places = tuple(
        None
        if np.isnan(u)
        else SlicePlace(float(u), level_at(u), disc_at(u), 0.5, 0.0, 0.0, confidence)
        for u in positions
    )
    known = np.nan_to_num(np.abs(positions - np.round(positions)), nan=9.0)
    best = frozenset(
        int(np.argmin(known + 9 * (np.round(positions) != disc))) for disc in (1, 2, 3, 4, 5)
    )
    return Placing(places, best, flags=flags, evidence=("said by geometry",))


def reading_at(stack, positions, width=0.5, signs=None):
    series, masks, _ = stack
    return read_stack(
        series, masks, looks_at(series, probabilities(positions, width=width), signs=signs)
    )


def sagittal(*flags, confidence=0.95):
    return SeriesLevels(SeriesMasks("sag", ()), (), Numbering("sag", confidence, flags))


def test_geometry_alone_is_taken_as_it_is(stack):
    series, masks, truth = stack
    names = reconcile(series, masks, placing_at(truth, 0.9), None, ())
    assert [row.level for row in names.rows] == [level_at(u) for u in truth]
    assert {(row.source, row.level_confidence, row.flags) for row in names.rows} == {
        ("geometry", 0.9, ())
    }
    assert sum(row.best for row in names.rows) == 5
    assert {row.disc_level for row in names.rows if row.best} == {
        "L1-L2", "L2-L3", "L3-L4", "L4-L5", "L5-S1",
    }  # fmt: skip
    numbering = names.numbering
    assert (numbering.confidence, numbering.flags) == (0.9, ())
    assert numbering.evidence == ("said by geometry",)


def test_a_doubtful_count_without_looks_stays_the_best_guess_and_is_flagged(stack):
    series, masks, truth = stack
    names = reconcile(series, masks, placing_at(truth, 0.2), None, ())
    assert [row.level for row in names.rows] == [level_at(u) for u in truth]
    assert {(row.level_confidence, row.flags) for row in names.rows} == {
        (0.2, ("level-uncertain",))
    }
    assert names.numbering.flags == ("level-uncertain",)


def test_looks_alone_name_slices_and_choose_the_best_of_each_disc(stack):
    series, masks, truth = stack
    names = reconcile(series, masks, None, reading_at(stack, truth), ())
    off = np.abs(truth - np.round(truth))
    sure = (off < 0.1) | (off > 0.3)
    named = np.array([row.level for row in names.rows])
    assert list(named[sure]) == [level_at(u) for u in truth[sure]]
    assert {row.source for row in names.rows} == {"looks"}
    best = [row for row in names.rows if row.best]
    assert sorted(row.disc_level for row in best) == [
        "L1-L2", "L2-L3", "L3-L4", "L4-L5", "L5-S1",
    ]  # fmt: skip
    for row in best:
        place = truth[row.slice]
        assert disc_at(place) == row.disc_level
        # Slices are 0.11 of a level apart: the best shows the disc, which reaches 0.15.
        assert abs(place - round(place)) < 0.15
    assert names.numbering.confidence > 0.9


def test_agreement_raises_the_confidence_as_bayes_says(stack):
    series, masks, truth = stack
    reading = reading_at(stack, truth)
    names = reconcile(series, masks, placing_at(truth, 0.7), reading, (sagittal(),))
    # Looks that are all but sure leave the lapse alone: a fifth of it to each shift.
    for_it, against = 1 - STACK_LAPSE + STACK_LAPSE / 5, STACK_LAPSE / 5
    expected = 0.7 * for_it / (0.7 * for_it + 0.3 * against)
    assert names.numbering.confidence == pytest.approx(expected, abs=0.003)
    assert {row.source for row in names.rows} == {"both"}
    assert {row.flags for row in names.rows} == {()}
    assert "agree with the sagittal count" in " ".join(names.numbering.evidence)


def test_looks_that_say_nothing_change_nothing(stack):
    _, _, truth = stack
    flat = reading_at(stack, truth, width=30.0)
    belief = weigh_shifts(0.8, list(truth), flat)
    assert belief.best == 0
    assert belief.confidence == pytest.approx(0.8, abs=0.05)


@pytest.mark.parametrize("shift", [-1, 1])
def test_a_count_that_is_off_by_one_is_caught_and_both_readings_are_named(stack, shift):
    series, masks, truth = stack
    reading = reading_at(stack, truth)
    names = reconcile(series, masks, placing_at(truth - shift, 0.8), reading, (sagittal(),))
    assert [row.disc_level for row in names.rows] == [
        disc_at(np.round(u - shift) + shift) for u in truth
    ]
    assert {row.flags for row in names.rows} == {("level-conflict",)}
    assert {row.source for row in names.rows} == {"both"}
    assert {"level-conflict", "transitional"} <= set(names.numbering.flags)
    said = " ".join(names.numbering.evidence)
    lowest = min(float(np.max(truth - shift)), 5.0)
    assert f"counts {disc_at(lowest)} where the muscles look like {disc_at(lowest + shift)}" in said
    assert "follow the looks" in said
    assert ("sacralised L5" if shift < 0 else "lumbarised S1") in said


def test_a_sure_count_outweighs_poor_looks_but_the_conflict_is_told(stack):
    series, masks, truth = stack
    reading = reading_at(stack, truth + 1, width=1.0)
    names = reconcile(series, masks, placing_at(truth, 0.99), reading, (sagittal(),))
    numbering = names.numbering
    assert [row.level for row in names.rows] == [level_at(u) for u in truth]
    assert numbering.flags[0] == "level-conflict"
    assert numbering.confidence < 0.99
    assert "follow the sagittal count" in " ".join(numbering.evidence)


def test_a_guessed_count_that_is_put_right_is_no_transitional_vertebra(stack):
    series, masks, truth = stack
    reading = reading_at(stack, truth)
    spines = (sagittal("sacrum-out-of-view", confidence=0.4),)
    names = reconcile(series, masks, placing_at(truth - 1, 0.4), reading, spines)
    assert names.numbering.flags == ("level-conflict",)
    assert names.numbering.confidence > 0.9


def test_doubts_of_the_border_and_looks_together_are_a_transitional_vertebra(stack):
    series, masks, truth = stack
    signs = [{"ilium": float(u > 3.9), "kidney": float(u < 2.5)} for u in truth]
    reading = reading_at(stack, truth, signs=signs)
    spines = (sagittal("possible-lumbarised-s1", confidence=0.5),)
    names = reconcile(series, masks, placing_at(truth + 1, 0.5), reading, spines)
    assert "transitional" in names.numbering.flags
    said = " ".join(names.numbering.evidence)
    assert "well-formed disc below it" in said
    assert "shows the ilium lies at L5-S1 by the sagittal count, at L4-L5 by its looks" in said
    agreed = reconcile(series, masks, placing_at(truth, 0.5), reading, spines)
    assert agreed.numbering.flags == ()


def test_looks_go_on_where_geometry_does_not_reach(stack):
    series, masks, truth = stack
    known = np.where(truth > 1.5, truth, np.nan)
    # The looks sit 0.2 of a level low; geometry's places are continued, not theirs.
    names = reconcile(series, masks, placing_at(known), reading_at(stack, truth + 0.2), ())
    beyond = [row for row, u in zip(names.rows, truth, strict=True) if u <= 1.5]
    assert {row.source for row in beyond} == {"looks"}
    places = [u for u in truth if u <= 1.5]
    wrong = [r for r, u in zip(beyond, places, strict=True) if r.disc_level != disc_at(u)]
    assert len(wrong) <= 1
    assert not any(row.flags for row in beyond)


def test_neither_reading_is_said_so(stack):
    series, masks, truth = stack
    assert reconcile(series, masks, None, None).numbering is None
    other = np.tile(np.eye(len(LEVEL_CLASSES))[0], (len(truth), 1))
    reading = read_stack(series, masks, looks_at(series, other))
    nowhere = placing_at(np.full(len(truth), np.nan), flags=("patient-moved",))
    for placing in (None, nowhere):
        names = reconcile(series, masks, placing, reading)
        assert {(r.level, r.source, r.flags) for r in names.rows} == {
            ("", "none", ("level-uncertain",))
        }
        assert names.numbering.confidence == 0
        assert "level-uncertain" in names.numbering.flags
        assert "Neither" in names.numbering.evidence[-1]


def test_what_was_not_recognised_keeps_its_own_flag_alone(stack):
    series, _, truth = stack
    flags = [(("not-an-axial-lumbar-slice",),) * 2 + ((),) * 38]
    masks = masks_of(series, SPINE, flags=flags)
    names = reconcile(series, masks, None, reading_at((series, masks, truth), truth))
    assert [row.flags for row in names.rows[:2]] == list(flags[0][:2])
    assert names.rows[2].flags == ()


def exams(seed, count):
    """Counts that are wrong as often as they say, looks with errors of 0.4 of a level."""
    rng = np.random.default_rng(seed)
    for n in range(count):
        if n % 2:
            series = upright(rng.uniform(5.0, 5.8), 18, 8.0, SPINE)
        else:
            series = angled(rng.permutation([1, 2, 3, 4, 5]), 2, 5.0, SPINE)
        truth = true_positions(series, SPINE)
        confidence = rng.choice([0.95, 0.8, 0.5])
        miss = 0 if rng.random() < confidence else rng.choice([-1, 1])
        seen = truth + correlated(rng, truth * SPINE.pitch_mm, 0.4)
        masks = masks_of(series, SPINE, bodies=False)
        reading = read_stack(series, masks, looks_at(series, probabilities(seen, width=0.4)))
        placing = placing_at(truth - miss, confidence)
        yield truth, miss, placing, reconcile(series, masks, placing, reading, ())


def test_wrong_counts_are_put_right_and_few_right_levels_carry_a_flag():
    right, flagged, sure, missed, put_right = [], [], [], 0, 0
    for truth, miss, _, names in exams(5, 40):
        ok = [
            row.level == level_at(u) or row.disc_level == disc_at(u)
            for row, u in zip(names.rows, truth, strict=True)
        ]
        right += ok
        sure += [row.level_confidence for row in names.rows]
        if miss == 0:
            flagged += [bool(r.flags) for r, o in zip(names.rows, ok, strict=True) if o]
        else:
            missed += 1
            put_right += bool(np.mean(ok) > 0.9)
            # None of them goes by unnoticed.
            assert {"level-conflict", "level-uncertain"} & set(names.numbering.flags)
    assert np.mean(flagged) <= 0.05
    assert missed >= 5
    assert put_right > missed / 2
    assert np.mean(sure) == pytest.approx(np.mean(right), abs=0.05)


def test_shifts_are_weighed_over_all_of_them(stack):
    _, _, truth = stack
    belief = weigh_shifts(0.9, list(truth - 2), reading_at(stack, truth))
    assert belief.seen == 2
    assert belief.both.sum() == pytest.approx(1)
    assert len(belief.both) == len(SHIFTS)
