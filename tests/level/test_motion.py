import numpy as np
import pytest

from openlumbar.core.anatomy import UNKNOWN_DISC, UNKNOWN_VERTEBRA
from openlumbar.core.masks import AxialMask
from openlumbar.level.geometry import place_slices
from openlumbar.level.motion import canal_of, estimate_motion, views_of
from openlumbar.level.spine_axis import axis_of
from support_levels import BentSpine, axial_grid, axial_series, sagittal_grid, sagittal_levels

SPINE = BentSpine(radius_mm=220.0)
DISCS = ("L1-L2", "L2-L3", "L3-L4", "L4-L5", "L5-S1")


@pytest.fixture(scope="module")
def levels():
    return sagittal_levels(SPINE, sagittal_grid(13, size=(180, 90), middle=(0.0, 15.0, 0.0)))


def blocks(shift=(0.0, 0.0, 0.0), slices=4):
    """Blocks along the discs as the technician lays them after the patient has moved."""
    grids = []
    for name in DISCS:
        point, down = SPINE.at(SPINE.middle(name))
        grids.append(axial_grid(point + np.array(shift), down, slices=slices, size=64))
    return axial_series(grids, SPINE.codes, shift)


def miscalled(found, part, seed=3):
    """Masks with disc and body confused on a part of the slices."""
    rng, result = np.random.default_rng(seed), []
    for mask in found:
        codes = mask.labels.array.copy()
        for k in range(len(codes)):
            column = np.isin(codes[k], (UNKNOWN_DISC, UNKNOWN_VERTEBRA))
            if rng.random() < part:
                codes[k][column] = rng.choice([UNKNOWN_DISC, UNKNOWN_VERTEBRA])
        bodies = np.where(codes == UNKNOWN_VERTEBRA, codes, 0)
        result.append(
            AxialMask(
                mask.labels.with_array(codes),
                mask.labels.with_array(bodies),
                mask.certainty,
                mask.flags,
            )
        )
    return result


@pytest.mark.parametrize("shift", [(0, 0, 0), (0, 0, 12), (6, -8, -15), (0, 9, 0)])
def test_the_shift_between_the_series_is_found(levels, shift):
    axis = axis_of(levels)
    _, found = blocks(shift)
    motion = estimate_motion(axis, canal_of(levels, axis), views_of(found))
    assert motion.shift_mm == pytest.approx(shift, abs=1.5)
    assert motion.is_significant == any(shift)
    assert motion.is_reliable


def test_wrong_calls_of_disc_and_body_cost_certainty_not_truth(levels):
    axis = axis_of(levels)
    _, found = blocks((0, 4, 14))
    canal = canal_of(levels, axis)
    clean = estimate_motion(axis, canal, views_of(found))
    doubtful = estimate_motion(axis, canal, views_of(miscalled(found, 0.4)))
    assert doubtful.shift_mm == pytest.approx((0, 4, 14), abs=2.5)
    assert doubtful.sd_mm[2] > clean.sd_mm[2]


def test_of_a_straight_spine_with_wrong_calls_the_shift_along_it_is_not_known():
    spine = BentSpine()
    levels = sagittal_levels(spine)
    points = [spine.at(spine.middle(name)) for name in DISCS]
    series, found = axial_series(
        [axial_grid(p + np.array([0, 12.0, 10.0]), d, slices=4) for p, d in points],
        spine.codes,
        (0, 12.0, 10.0),
    )
    blind = miscalled(found, 1.0)
    axis = axis_of(levels)
    motion = estimate_motion(axis, canal_of(levels, axis), views_of(blind))
    assert not motion.is_reliable
    assert motion.shift_mm[1] == pytest.approx(12, abs=1.5)
    placing = place_slices(series, blind, [levels])
    assert placing.flags == ("patient-moved",)
    assert placing.moved_mm == (0.0, 0.0, 0.0)
    assert all(place.confidence < 0.5 for place in placing.places if place)


def test_slices_are_placed_in_the_spine_that_has_moved(levels):
    series, found = blocks((3, -6, 18))
    placing = place_slices(series, found, [levels])
    assert placing.flags == ("patient-moved",)
    assert placing.moved_mm == pytest.approx((3, -6, 18), abs=1.5)
    assert "moved" in placing.evidence[0]
    # Of four slices about a disc's middle the two inner ones lie in it.
    inner = [placing.places[4 * n + k] for n in range(5) for k in (1, 2)]
    assert [place.level for place in inner] == [name for name in DISCS for _ in range(2)]
    assert len(placing.best) == 5


def test_a_patient_who_lay_still_is_not_said_to_have_moved(levels):
    series, found = blocks()
    placing = place_slices(series, found, [levels])
    assert placing.flags == ()
    assert placing.moved_mm == (0.0, 0.0, 0.0)


def test_without_masks_or_with_few_slices_nothing_is_said(levels):
    axis = axis_of(levels)
    canal = canal_of(levels, axis)
    series, empty = axial_series([axial_grid((0, 0, 0), (0, 0, 1), slices=6)])
    assert estimate_motion(axis, canal, views_of(empty)) is None
    assert estimate_motion(axis, canal, []) is None
    _, found = blocks(slices=1)
    assert estimate_motion(axis, canal, views_of(found[:2])) is None
    assert place_slices(series, empty, [levels]).flags == ()


def test_without_a_canal_the_column_alone_is_compared(levels):
    axis = axis_of(levels)
    _, found = blocks((0, 10, 0))
    motion = estimate_motion(axis, None, views_of(found))
    assert motion.shift_mm == pytest.approx((0, 10, 0), abs=1.5)


def test_a_shift_too_small_to_be_told_is_taken_off_all_the_same(levels):
    series, found = blocks((0, 0, 4.5))
    placing = place_slices(series, found, [levels])
    assert placing.flags == ()
    assert placing.moved_mm == pytest.approx((0, 0, 4.5), abs=1.5)
