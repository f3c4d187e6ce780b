import numpy as np
import pytest

from openlumbar.core.errors import StageError
from openlumbar.core.levels import LEVEL_CLASSES
from openlumbar.level.along import along_spine
from openlumbar.level.scale import level_at, to_mm, to_position
from openlumbar.level.stack import read_stack
from support_stacks import (
    DISCS,
    Spine,
    angled,
    correlated,
    looks_at,
    masks_of,
    probabilities,
    series_of,
    true_positions,
    upright,
)

STRAIGHT, CURVED = Spine(), Spine(35, 180.0)


def read(series, spine, seen=None, classes=LEVEL_CLASSES, **masks):
    """The reading of a stack that a classifier sees at ``seen``, or where it is."""
    seen = true_positions(series, spine) if seen is None else seen
    looks = looks_at(series, probabilities(seen, classes), classes)
    return read_stack(series, masks_of(series, spine, **masks), looks)


@pytest.mark.parametrize("bodies", [True, False])
@pytest.mark.parametrize(
    ("series", "spine", "off_mm"),
    [
        (upright(5.4, 40, 4.0, STRAIGHT), STRAIGHT, 0.1),
        (angled((1, 2, 3, 4, 5), 5, 4.0, CURVED), CURVED, 1.0),
        (angled((4, 1, 5, 3, 2), 5, 4.0, CURVED), CURVED, 1.0),
    ],
)
def test_slices_lie_along_the_spine_where_their_planes_cut_it(series, spine, off_mm, bodies):
    # Without bodies of their own only the sac is left, 27 mm behind.
    along = along_spine(series, masks_of(series, spine, bodies=bodies))
    truth = true_positions(series, spine) * spine.pitch_mm
    assert along - along.mean() == pytest.approx(truth - truth.mean(), abs=off_mm)


def test_blocks_that_cross_behind_the_spine_are_ordered_in_front():
    series = angled((4, 5), 5, 5.0, Spine(30, 70.0))
    # The upper block's lowest slice lies below the lower block's uppermost one at the back …
    rear = [b.volume.to_patient((k, 39, 20))[2] for b, k in zip(series.blocks, (0, 4), strict=True)]
    assert rear[0] < rear[1]
    along = along_spine(series, masks_of(series, Spine(30, 70.0)))
    # … and above it along the spine.
    assert along[:5].max() < along[5:].min()


def test_the_scale_and_its_inverse():
    positions = np.array([-1.5, 0, 2.2, 5.5, 6.3])
    assert to_position(to_mm(positions)) == pytest.approx(positions)
    assert [level_at(u) for u in (-0.5, 0, 0.5, 3.16, 3.18, 5.5, 6.1)] == [
        "T12", "T12-L1", "L1", "L3-L4", "L4", "S1", "S1-S2",
    ]  # fmt: skip


@pytest.mark.parametrize("pitch_mm", [31.0, 35.0, 39.0])
@pytest.mark.parametrize("classes", [LEVEL_CLASSES, DISCS, ("other", *DISCS)])
def test_a_stack_is_read_at_its_place_whatever_the_classes_and_the_person(classes, pitch_mm):
    spine = Spine(pitch_mm)
    series = upright(5.2, 36, 4.0, spine)
    reading = read(series, spine, classes=classes)
    assert reading.positions == pytest.approx(true_positions(series, spine), abs=0.25)
    assert min(reading.confidence) > 0.8
    assert reading.rival < 0.1
    assert reading.flags == ()


@pytest.mark.parametrize("order", [(1, 2, 3, 4, 5), (5, 4, 3, 2, 1), (3, 5, 1, 4)])
def test_angled_blocks_in_any_order_share_one_spine(order):
    series = angled(order, 4, 4.0, CURVED)
    # One block is seen half a level too low.
    seen = true_positions(series, CURVED) + np.repeat([0, 0, 0.5, 0, 0][: len(order)], 4)
    reading = read(series, CURVED, seen)
    assert reading.positions == pytest.approx(true_positions(series, CURVED), abs=0.3)
    assert [round(u) for u in reading.positions[::4]] == list(order)


def test_the_stack_outvotes_single_slices_but_not_without_doubt():
    series = upright(5.2, 36, 4.0, STRAIGHT)
    truth = true_positions(series, STRAIGHT)
    wrong = truth.copy()
    wrong[[3, 11, 12, 30]] += [2, -2, -1.5, 2]
    reading = read(series, STRAIGHT, wrong)
    assert reading.positions == pytest.approx(truth, abs=0.3)
    assert reading.sure <= read(series, STRAIGHT).sure


def test_repeats_of_one_look_are_no_more_evidence_than_one():
    def sure(step_mm, count):
        series = upright(3.05, count, step_mm, STRAIGHT)
        places = true_positions(series, STRAIGHT)
        looks = looks_at(series, probabilities(places, width=1.2))
        return read_stack(series, masks_of(series, STRAIGHT, bodies=False), looks).sure

    one, crowd, apart = sure(0.1, 1), sure(0.1, 10), sure(18.0, 8)
    assert crowd == pytest.approx(one, abs=0.02)
    assert apart > one + 0.15


def test_a_slice_of_another_kind_has_no_place_unless_it_lies_between_others():
    series = upright(5.2, 36, 4.0, STRAIGHT)
    seen = probabilities(true_positions(series, STRAIGHT))
    seen[[0, 1, 17]] = np.eye(len(LEVEL_CLASSES))[0]
    reading = read_stack(series, masks_of(series, STRAIGHT), looks_at(series, seen))
    assert [n for n, u in enumerate(reading.positions) if u is None] == [0, 1]
    assert reading.confidence[:2] == (0.0, 0.0)
    assert reading.positions[17] == pytest.approx(true_positions(series, STRAIGHT)[17], abs=0.2)
    assert "2 slices look like no lumbar level" in " ".join(reading.evidence)


def test_looks_of_what_was_not_recognised_mean_nothing():
    series = upright(5.2, 36, 4.0, STRAIGHT)
    seen = true_positions(series, STRAIGHT)
    seen[30:] = 5.0
    flags = [((),) * 30 + (("not-an-axial-lumbar-slice",),) * 6]
    reading = read(series, STRAIGHT, seen, flags=flags)
    assert reading.positions[:30] == pytest.approx(seen[:30], abs=0.25)
    assert set(reading.positions[30:]) == {None}


def test_nothing_but_other_is_no_reading():
    series = upright(5.2, 6, 4.0, STRAIGHT)
    looks = looks_at(series, np.tile(np.eye(len(LEVEL_CLASSES))[0], (6, 1)))
    reading = read_stack(series, masks_of(series, STRAIGHT), looks)
    assert reading.positions == (None,) * 6
    assert (reading.sure, reading.rival, reading.flags) == (0.0, None, ("level-uncertain",))
    assert reading.fit([1.0, 2, 3, 4, 5, 6]) == 0


def test_looks_that_say_all_levels_alike_are_uncertain():
    series = upright(5.2, 6, 4.0, STRAIGHT)
    even = np.full((6, len(DISCS)), 1 / len(DISCS))
    reading = read_stack(series, masks_of(series, STRAIGHT), looks_at(series, even, DISCS))
    assert max(reading.confidence) < 0.4
    assert "level-uncertain" in reading.flags


def test_looks_of_slices_that_are_not_there_are_refused():
    series = upright(5.2, 6, 4.0, STRAIGHT)
    masks = masks_of(series, STRAIGHT)
    looks = looks_at(series, probabilities(np.arange(6.0)))
    with pytest.raises(StageError, match="two looks of slice 0"):
        read_stack(series, masks, (*looks, looks[0]))
    other = series_of(*upright(5.2, 7, 4.0, STRAIGHT).blocks)
    with pytest.raises(StageError, match=r"slices \(block, slice\) \[\(0, 6\)\]"):
        read_stack(series, masks, looks_at(other, probabilities(np.arange(7.0))))


def simulated(seed, count):
    """Readings of people of all lengths by a classifier with errors of 0.6 of a level."""
    rng = np.random.default_rng(seed)
    for n in range(count):
        spine = Spine(35 * np.exp(rng.normal(0, 0.07)))
        if n % 2:
            series = upright(rng.uniform(3.5, 5.8), int(rng.integers(6, 20)), 7.0, spine)
        else:
            series = angled(rng.permutation([1, 2, 3, 4, 5])[: rng.integers(2, 6)], 2, 5.0, spine)
        truth = true_positions(series, spine)
        seen = truth + correlated(rng, truth * spine.pitch_mm, 0.6)
        looks = looks_at(series, probabilities(seen, width=0.6))
        masks = masks_of(series, spine, bodies=False)
        yield truth, read_stack(series, masks, looks), seen


def test_confidences_hold_for_errors_that_neighbours_share():
    right, confidence, alone = [], [], []
    for truth, reading, seen in simulated(3, 50):
        off = np.abs(np.array(reading.positions, float) - truth)
        right.append((off < 0.5).mean())
        confidence.append(np.mean(reading.confidence))
        alone.append((np.abs(seen - truth) < 0.5).mean())
    assert np.mean(right) > np.mean(alone) + 0.1
    # The lapses make them cautious: nothing but errors of measurement is simulated here.
    assert np.mean(right) - 0.1 < np.mean(confidence) < np.mean(right)
