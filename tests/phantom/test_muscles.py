from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from openlumbar.phantom.anatomy import AnatomyRanges, sample_anatomy
from openlumbar.phantom.canvas import Canvas
from openlumbar.phantom.geometry import place
from openlumbar.phantom.muscle_axis import disc_levels, muscle_axis
from openlumbar.phantom.muscle_specs import (
    FAT_LIMITS,
    MUSCLES,
    MuscleOwner,
    MuscleRanges,
    MuscleSpec,
    MusclesSpec,
    sample_muscles,
)
from openlumbar.phantom.muscles import Muscles
from openlumbar.phantom.scene import Scene
from openlumbar.phantom.texture import Texture
from openlumbar.phantom.tissue import Tissue

STEP_MM = 0.8
SHAPE = (200, 256)
#: Left code of each muscle; the right one's is one more.
MULTIFIDUS, ERECTOR, PSOAS, QUADRATUS = 5101, 5111, 5121, 5131


def plain_anatomy(seed=7, **changes):
    """A spine without accidents, of the reference person's muscles unless told otherwise."""
    ranges = AnatomyRanges(
        p_fracture=0, p_listhesis=0, p_stenosis=0, lumbar_count=5, transition="none"
    )
    anatomy = sample_anatomy(np.random.default_rng(seed), ranges)
    straight = {"scoliosis_deg": 0.0, "rotation_deg": 0.0, "muscles": MusclesSpec()}
    return replace(anatomy, **{**straight, **changes})


def muscles_of(anatomy):
    rng = np.random.default_rng(3)
    spine = place(anatomy)
    return spine, Muscles(spine, Texture(rng), rng)


def middle_of(spine, name):
    disc = next(disc for disc in spine.discs if disc.spec.name == name)
    return (disc.upper.centre + disc.lower.centre) / 2


def painted(spine, muscles, height):
    """A horizontal plane with nothing but muscles; columns to the left, rows backward."""
    axis = muscle_axis(spine)
    row = axis.rows(np.float32(height))
    origin = np.array([axis.x[row], axis.y[row] - 20.0, height])
    origin[:2] -= STEP_MM * (np.array(SHAPE[::-1]) - 1) / 2
    canvas = Canvas(origin, np.array([STEP_MM, 0, 0]), np.array([0, STEP_MM, 0]), SHAPE)
    muscles.paint(canvas, np.ones(SHAPE, bool))
    return canvas


def whole(scene, height, step=STEP_MM):
    """A horizontal plane with all that the phantom is made of."""
    axis = muscle_axis(scene.spine)
    row = axis.rows(np.float32(height))
    origin = np.array([axis.x[row] - 100, axis.y[row] - 90.0, height])
    shape = (round(SHAPE[0] * STEP_MM / step), round(SHAPE[1] * STEP_MM / step))
    canvas = Canvas(origin, np.array([step, 0, 0]), np.array([0, step, 0]), shape)
    scene.paint(canvas)
    return canvas


def at_disc(spine, muscles, name):
    return painted(spine, muscles, float(middle_of(spine, name)[2]))


def lateral_edge_mm(canvas, code):
    """Of the left muscle, from the middle of the picture."""
    columns = np.flatnonzero((canvas.code == code).any(axis=0))
    return (columns.max() - (SHAPE[1] - 1) / 2) * STEP_MM


def roundness(mask):
    short, long = np.linalg.eigvalsh(np.cov(np.argwhere(mask).T))
    return np.sqrt(short / long)


@pytest.fixture(scope="module")
def reference():
    return muscles_of(plain_anatomy())


@pytest.fixture(scope="module")
def planes(reference):
    return {
        name: at_disc(*reference, name) for name in ("L1-L2", "L2-L3", "L3-L4", "L4-L5", "L5-S1")
    }


@pytest.mark.parametrize("count", [4, 5, 6])
def test_levels_run_from_0_to_5_whatever_the_number_of_vertebrae(count):
    ranges = AnatomyRanges(lumbar_count=count)
    levels = disc_levels(place(sample_anatomy(np.random.default_rng(1), ranges)))
    assert levels["T12-L1"] == 0
    assert levels[f"L{count}-S1"] == pytest.approx(5)
    assert levels["S1-S2"] == pytest.approx(6)
    assert levels["T11-T12"] == -1
    assert (np.diff(list(levels.values())) > 0).all()


def test_odd_codes_lie_on_the_left_and_even_ones_on_the_right(planes):
    middle = (SHAPE[1] - 1) / 2
    for code in (MULTIFIDUS, ERECTOR, PSOAS, QUADRATUS):
        left, right = (np.argwhere(planes["L3-L4"].code == code + n)[:, 1] for n in (0, 1))
        assert left.min() > middle > right.max()


def test_the_quadratus_passes_the_erector_from_the_second_to_the_fourth_lumbar_disc(planes):
    """Cho et al. 2022, CAM evaluation: the template of muscle configuration."""
    beyond = {
        name: lateral_edge_mm(canvas, QUADRATUS) - lateral_edge_mm(canvas, ERECTOR)
        for name, canvas in planes.items()
        if name != "L5-S1"
    }
    assert beyond["L1-L2"] < -12
    assert -10 < beyond["L2-L3"] < 4
    assert 2 < beyond["L3-L4"] < 20
    assert beyond["L4-L5"] > 15


def test_the_psoas_grows_round_and_moves_outward_on_its_way_down(planes):
    """Cho et al. 2022: small and triangular at L1-2, large and round at L4-5."""
    names = ("L1-L2", "L2-L3", "L3-L4", "L4-L5")
    masks = [planes[name].code == PSOAS for name in names]
    areas = [mask.sum() * STEP_MM**2 / 100 for mask in masks]
    assert 1.0 < areas[0] < 4.5
    assert areas[3] > 10
    assert (np.diff(areas) > 0).all()
    rounder = [roundness(mask) for mask in masks]
    assert rounder[0] < 0.7
    assert rounder[3] > 0.82
    assert rounder[1] < rounder[2] < rounder[3]
    outward = [np.argwhere(mask)[:, 1].mean() for mask in masks]
    assert (np.diff(outward) > 0).all()


def test_there_is_no_quadratus_at_l5_s1_and_the_multifidus_outgrows_the_erector(planes):
    counts = {
        name: [(canvas.code == code).sum() for code in (MULTIFIDUS, ERECTOR)]
        for name, canvas in planes.items()
    }
    assert not np.isin(planes["L5-S1"].code, (QUADRATUS, QUADRATUS + 1)).any()
    assert counts["L1-L2"][1] > 4 * counts["L1-L2"][0]
    assert counts["L5-S1"][0] > 1.3 * counts["L5-S1"][1]


def test_outlines_change_without_a_jump_from_t12_to_s1(reference):
    spine, muscles = reference
    low, high = (float(spine.vertebra(name).centre[2]) for name in ("S1", "T12"))
    for height in np.linspace(low, high, 12):
        # About the axis of the canal, so that its own course does not count.
        lower, upper = (painted(spine, muscles, height + step).code for step in (0.0, 2.0))
        for code in (MULTIFIDUS, ERECTOR, PSOAS):
            both = [(lower == code).sum(), (upper == code).sum()]
            if min(both) * STEP_MM**2 > 200:
                overlap = 2 * ((lower == code) & (upper == code)).sum() / sum(both)
                assert overlap > 0.9, (code, height)


def test_a_muscle_is_one_piece_without_holes_before_bone_is_painted(planes):
    for code in (MULTIFIDUS, ERECTOR, PSOAS, QUADRATUS):
        mask = planes["L3-L4"].code == code
        pieces, _ = ndimage.label(mask)
        # A plane of uneven thickness may cut off a few points at a sharp corner.
        assert np.bincount(pieces.ravel())[1:].max() > 0.99 * mask.sum()
        assert (ndimage.binary_fill_holes(mask) == mask).all()


def test_fat_lies_between_multifidus_and_erector_and_fascia_behind_them(planes):
    canvas = planes["L3-L4"]
    row = int(np.argwhere(canvas.code == ERECTOR)[:, 0].mean())
    left = canvas.code[row, SHAPE[1] // 2 :]
    between = slice(
        SHAPE[1] // 2 + np.flatnonzero(left == MULTIFIDUS).max() + 1,
        SHAPE[1] // 2 + np.flatnonzero(left == ERECTOR).min(),
    )
    assert 1 <= between.stop - between.start <= 4
    assert (canvas.tissue[row, between] == Tissue.FAT).all()
    column = int(np.argwhere(canvas.code == ERECTOR)[:, 1].mean())
    behind = np.flatnonzero(canvas.code[:, column] == ERECTOR).max()
    assert (canvas.tissue[behind + 1 : behind + 4, column] == Tissue.LIGAMENT).any()


def test_muscles_follow_a_bent_spine():
    spine, muscles = muscles_of(plain_anatomy(scoliosis_deg=15.0, scoliosis_phase=0.3))
    third, straight = middle_of(spine, "L2-L3"), middle_of(place(plain_anatomy()), "L2-L3")
    assert abs(third[0] - straight[0]) > 3
    canvas = painted(spine, muscles, float(third[2]))
    x = np.broadcast_to(canvas.x, SHAPE)
    sides = [x[canvas.code == code].mean() for code in (PSOAS, PSOAS + 1)]
    assert np.mean(sides) == pytest.approx(third[0], abs=2.5)


def spec_with_fat(part, **changes):
    each = tuple(
        MuscleSpec(name, side, fat=(part, part), **changes)
        for name in MUSCLES
        for side in ("left", "right")
    )
    return MusclesSpec(each)


@pytest.mark.parametrize("wanted", [0.02, 0.1, 0.3, 0.65])
def test_the_fat_that_is_painted_is_the_fat_that_was_asked_for(wanted):
    # A large man and a small woman: bone hides a part of the fat, less of it in him.
    stack = []
    for seed in (7, 3):
        scene = Scene(plain_anatomy(seed, muscles=spec_with_fat(wanted)), np.random.default_rng(1))
        low, high = (float(middle_of(scene.spine, name)[2]) for name in ("L4-L5", "L2-L3"))
        stack += [whole(scene, float(height), 1.2) for height in np.linspace(low, high, 4)]
    for code in (MULTIFIDUS, ERECTOR, PSOAS):
        parts = [canvas.mix[canvas.code == code].mean() for canvas in stack]
        assert np.mean(parts) == pytest.approx(wanted, abs=0.03), code
        tissue = np.concatenate([canvas.tissue[canvas.code == code] for canvas in stack])
        other = np.concatenate([canvas.other[canvas.code == code] for canvas in stack])
        assert (tissue == Tissue.MUSCLE).all()
        assert (other == Tissue.FAT).all()


def test_fat_comes_in_clean_streaks_and_in_partial_voxels_and_mostly_deep():
    spine, muscles = muscles_of(plain_anatomy(muscles=spec_with_fat(0.25)))
    canvas = at_disc(spine, muscles, "L4-L5")
    mask = canvas.code == MULTIFIDUS
    parts = canvas.mix[mask]
    assert (parts > 0.8).mean() > 0.05
    assert ((parts > 0.2) & (parts < 0.8)).mean() > 0.1
    assert (parts < 0.1).mean() > 0.3
    depth = np.argwhere(mask)[:, 0]
    deep = depth < np.median(depth)
    assert parts[deep].mean() > 1.5 * parts[~deep].mean()


def test_a_wasted_muscle_is_smaller_within_its_compartment():
    areas = []
    for lost in (0.0, 0.2):
        spine, muscles = muscles_of(plain_anatomy(muscles=spec_with_fat(0.1, atrophy=lost)))
        canvas = at_disc(spine, muscles, "L3-L4")
        areas.append((canvas.code == ERECTOR).sum())
    # A fifth of the radius is 36 % of the area; fat planes lose nothing.
    assert 0.6 < areas[1] / areas[0] < 0.72


def test_bone_keeps_its_code_where_muscle_would_reach_it():
    anatomy = plain_anatomy()
    scene = Scene(anatomy, np.random.default_rng(1))
    canvas = whole(scene, float(scene.spine.vertebra("L3").centre[2]))
    muscle = canvas.code > 5000
    assert muscle.any()
    assert (canvas.tissue[muscle] == Tissue.MUSCLE).all()
    assert (canvas.code == 43).any()


def test_what_is_drawn_for_muscles_leaves_the_spine_of_a_seed_as_it_is():
    one, other = (
        sample_anatomy(np.random.default_rng(5), AnatomyRanges(muscles=ranges))
        for ranges in (MuscleRanges(), MuscleRanges(thickness=0.2, p_one_sided=1.0))
    )
    assert one.vertebrae == other.vertebrae
    assert one.discs == other.discs
    assert one.muscles != other.muscles


def test_fat_grows_with_age_and_lies_low_in_the_back_muscles():
    def drawn(wear, fat):
        owner = MuscleOwner("F", wear, 26.0, fat)
        return [sample_muscles(np.random.default_rng(seed), owner) for seed in range(60)]

    young, old = drawn(0.0, 0.08), drawn(1.0, 0.33)
    low = {
        age: np.array([spec.of("multifidus", "left").fat_at(5.0) for spec in specs])
        for age, specs in (("young", young), ("old", old))
    }
    assert np.median(low["young"]) < 0.2
    assert np.median(low["old"]) > 0.35
    assert low["old"].max() > 0.6
    for spec in young + old:
        assert spec.of("psoas", "left").fat_at(5.0) < spec.of("multifidus", "left").fat_at(5.0)
        for each in spec.each:
            assert FAT_LIMITS[0] <= each.fat_at(3.0) <= FAT_LIMITS[1]
    higher = [spec.of("multifidus", "left").fat_at(1.0) for spec in old]
    assert np.mean(higher) < np.mean(low["old"])


def test_sides_differ_a_little():
    owner = MuscleOwner("M", 0.5, 26.0, 0.2)
    ratios = [
        spec.of("psoas", "left").scale / spec.of("psoas", "right").scale
        for spec in (sample_muscles(np.random.default_rng(seed), owner) for seed in range(200))
    ]
    assert np.mean(ratios) == pytest.approx(1, abs=0.01)
    assert 0.02 < np.std(ratios) < 0.06
