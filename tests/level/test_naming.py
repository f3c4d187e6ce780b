import itertools

import numpy as np
import pytest
from scipy import ndimage

from openlumbar.core.anatomy import disc_code, vertebra_code
from openlumbar.core.errors import StageError
from openlumbar.core.flags import join
from openlumbar.core.masks import Tissue
from openlumbar.level.naming import name_levels
from synthetic_spine import NAMES, PERMUTATIONS, Spine, make_spine, to_series

DOWNWARD = NAMES[::-1]
DISCS = [f"{a}-{b}" for a, b in itertools.pairwise(DOWNWARD[:-1])]


def named(spine, **options):
    series, masks = to_series(spine, **options)
    result = name_levels(series, masks)
    for row in result.rows:
        join(row.flags)  # every word is of the vocabulary
    join(result.numbering.flags)
    return result


def levels(result, structure="vertebra"):
    return [row.level for row in result.rows if row.structure == structure]


def row(result, level):
    return next(row for row in result.rows if row.level == level)


def assert_places(result, spine, names):
    """Names stand where their bodies were painted: within 2 mm of the centre."""
    for name in names:
        found = row(result, name)
        down, back = spine.centres[name]
        assert found.y_mm == pytest.approx(back, abs=2.0), name
        assert found.z_mm == pytest.approx(-down, abs=2.0), name


@pytest.mark.parametrize(
    ("slices", "spacing"),
    [(1, (4.0, 0.5, 0.5)), (1, (4.0, 1.5, 1.5)), (15, (4.4, 0.8, 0.8)), (20, (1.0, 1.2, 0.7))],
)
def test_normal_spine_is_named_whole_without_flags(slices, spacing):
    spine = make_spine(slices=slices, spacing=spacing)
    result = named(spine)
    assert levels(result) == list(DOWNWARD)
    assert levels(result, "disc") == DISCS
    assert_places(result, spine, DOWNWARD)
    assert result.numbering.flags == ()
    assert result.numbering.confidence > 0.9
    assert all(row.flags == () for row in result.rows)
    assert {row.source for row in result.rows} == {"sacrum"}


def test_rows_tell_slice_instance_and_code():
    result = named(make_spine(slices=7))
    l4 = row(result, "L4")
    assert (l4.slice, l4.instance, l4.block) == (3, "slice-3", 0)
    assert l4.label == vertebra_code("L4")
    assert l4.x_mm == pytest.approx(12.0)
    disc = row(result, "L5-S1")
    assert (disc.label, disc.disc_level) == (100, "L5-S1")


def test_label_maps_carry_the_codes():
    spine = make_spine(slices=3)
    result = named(spine)
    labels, bodies = result.masks.labels[0].array, result.masks.bodies[0].array
    tissue = spine.tissue
    for name in DOWNWARD[:-1]:
        code = vertebra_code(name)
        painted = np.broadcast_to(spine.body(name), tissue.shape)
        dice = 2 * (painted & (bodies == code)).sum() / (painted.sum() + (bodies == code).sum())
        assert dice > 0.98, name
    assert set(np.unique(labels)) == {
        0, 2, *(vertebra_code(n) for n in NAMES), *(disc_code(d) for d in DISCS)
    }  # fmt: skip
    assert not (bodies == 52).any()
    assert (labels[tissue == Tissue.CANAL] == 2).mean() > 0.98


@pytest.mark.parametrize("slices", [1, 9])
def test_spinous_processes_take_the_code_of_their_vertebra(slices):
    spine = make_spine(slices=slices)
    labels = named(spine).masks.labels[0].array
    parts, count = ndimage.label(spine.tissue == Tissue.POSTERIOR)
    order = sorted(range(1, count + 1), key=lambda n: np.argwhere(parts == n)[:, 1].mean())
    codes = [np.unique(labels[(parts == number) & (labels > 0)]).tolist() for number in order]
    assert codes == [[vertebra_code(name)] for name in DOWNWARD[:-2]]


@pytest.mark.parametrize("order", PERMUTATIONS)
@pytest.mark.parametrize("flip", [(False, False, False), (True, True, True), (False, True, False)])
def test_names_do_not_depend_on_the_order_and_direction_of_axes(order, flip):
    spine = make_spine(slices=3, spacing=(4.0, 1.2, 1.2))
    result = named(spine, order=order, flip=flip)
    assert levels(result) == list(DOWNWARD)
    assert_places(result, spine, DOWNWARD)
    plain = named(spine).masks.labels[0].array
    turned = plain.transpose(order)[tuple(slice(None, None, -1 if f else 1) for f in flip)]
    assert (result.masks.labels[0].array != turned).mean() < 1e-4


def test_touching_bodies_are_parted_and_their_lost_disc_is_said():
    spine = make_spine(slices=3)
    spine.tissue[
        np.broadcast_to(spine.rounded(*spine.gap("L3", "L4"), 6, 15), spine.tissue.shape)
    ] = 1
    result = named(spine)
    assert levels(result) == list(DOWNWARD)
    assert "L3-L4" not in levels(result, "disc")
    assert {"fused", "missing-disc"} & set(row(result, "L3").flags)
    for name in ("L3", "L4"):
        assert row(result, name).z_mm == pytest.approx(-spine.centres[name][0], abs=4.0)


def test_posterior_bridges_do_not_join_bodies():
    spine = make_spine(slices=3)
    for upper, lower in (("L2", "L3"), ("L3", "L4")):
        (down, back), tilt = spine.gap(upper, lower)
        bridge = spine.rounded((down, back + 15.0), tilt, 8.0, 1.4)
        spine.paint(bridge, Tissue.BODY, only_free=False)
    result = named(spine)
    assert levels(result) == list(DOWNWARD)
    assert_places(result, spine, ("L2", "L3", "L4"))


def test_column_grown_together_behind_is_parted_into_its_bodies():
    spine = make_spine()
    for upper, lower in (("T12", "L1"), ("L1", "L2"), ("L2", "L3"), ("L3", "L4")):
        (down, back), tilt = spine.gap(upper, lower)
        bar = spine.rounded((down, back + 13.0), tilt, 8.0, 3.5)
        spine.paint(bar, Tissue.BODY, only_free=False)
    result = named(spine)
    assert levels(result) == list(DOWNWARD)
    assert_places(result, spine, DOWNWARD)


def test_missing_disc_shifts_no_name():
    spine = make_spine()
    gap = spine.rounded(*spine.gap("L4", "L5"), 5, 18)
    spine.tissue[0][gap & (spine.tissue[0] == Tissue.DISC)] = 0
    result = named(spine)
    assert levels(result) == list(DOWNWARD)
    assert "missing-disc" in row(result, "L4").flags
    assert levels(result, "disc") == [d for d in DISCS if d != "L4-L5"]


def test_fractured_body_in_two_parts_is_one_vertebra():
    spine = make_spine(slices=3)
    crack = spine.rounded(spine.centres["L2"], spine.tilts["L2"], 1.6, 20)
    spine.tissue[:, crack & (spine.tissue[1] == Tissue.BODY)] = 0
    result = named(spine)
    assert levels(result) == list(DOWNWARD)
    assert_places(result, spine, ("L2",))


def test_missing_body_leaves_a_hole_and_shifts_no_name():
    spine = make_spine()
    spine.tissue[0][spine.body("L3")] = 0
    result = named(spine)
    assert levels(result) == [name for name in DOWNWARD if name != "L3"]
    assert_places(result, spine, ("L2", "L4", "T12"))
    assert "numbering-uncertain" in row(result, "L2").flags
    assert "numbering-uncertain" not in row(result, "L5").flags
    assert {"L2-L3", "L3-L4"} <= set(levels(result, "disc"))


def test_specks_are_dropped():
    spine = make_spine(slices=3)
    clean = named(spine).masks.labels[0].array
    random = np.random.default_rng(7)
    for value in (Tissue.BODY, Tissue.DISC, Tissue.S1, Tissue.CANAL):
        for _ in range(6):
            down, front = random.uniform(20, 400), random.uniform(10, 45)
            spine.paint(spine.rounded((down, front), 0, 3.5, 3.5), value)
    result = named(spine)
    assert levels(result) == list(DOWNWARD)
    assert (result.masks.labels[0].array != clean).mean() < 1e-3


def test_without_sacrum_the_names_are_a_guess_that_says_so():
    spine = make_spine(foot_mm=-60.0)  # S2 and S1 lie below the picture, L5 is just whole
    result = named(spine)
    assert "S1" not in levels(result)
    assert {"sacrum-out-of-view", "numbering-uncertain"} <= set(result.numbering.flags)
    assert result.numbering.confidence < 0.5
    assert all("numbering-uncertain" in row.flags for row in result.rows)
    assert {row.source for row in result.rows} == {"count"}


def test_cut_top_is_partly_in_view_and_named():
    whole = make_spine()
    cut = round(whole.centres["T11"][0] / whole.spacing[1])
    spine = Spine(whole.tissue[:, cut:].copy(), whole.spacing, whole.centres, whole.tilts)
    result = named(spine)
    assert levels(result) == list(DOWNWARD[2:])
    assert row(result, "T11").flags == ("partly-in-view",)
    assert "numbering-uncertain" not in result.numbering.flags


def test_half_of_the_first_sacral_segment_called_body_stays_one_segment():
    spine = make_spine()
    down, _ = spine.centres["S1"]
    rows = np.arange(spine.tissue.shape[1]) * spine.spacing[1]
    upper = (rows < down - 2.0)[None, :, None]
    spine.tissue[(spine.tissue == Tissue.S1) & upper] = Tissue.BODY
    result = named(spine)
    assert levels(result) == list(DOWNWARD)
    assert_places(result, spine, ("S1", "L5"))


def test_second_sacral_segment_called_first_is_still_second():
    spine = make_spine()
    spine.tissue[spine.tissue == Tissue.S2] = Tissue.S1
    result = named(spine)
    assert levels(result)[-2:] == ["S1", "S2"]
    assert_places(result, spine, ("S1", "S2", "L5"))


def test_sacrum_shifted_up_by_the_network_is_uncertain():
    spine = make_spine()
    spine.tissue[0][spine.body("S1")] = Tissue.S2
    spine.tissue[0][spine.body("L5")] = Tissue.S1
    result = named(spine)
    assert "possible-lumbarised-s1" in result.numbering.flags
    assert "numbering-uncertain" in result.numbering.flags
    assert all("numbering-uncertain" in row.flags for row in result.rows)


def test_sixth_body_above_the_sacrum_is_counted_on_not_called_l6():
    """Without ribs a sixth lumbar vertebra cannot be told: names count on, and evidence says so."""
    result = named(make_spine())
    assert levels(result)[-8] == "T12"
    assert any("Without ribs" in sentence for sentence in result.numbering.evidence)


def test_collapsed_body_is_flagged():
    spine = make_spine()
    whole = spine.body("L1")
    flat = spine.rounded(spine.centres["L1"], spine.tilts["L1"], 6.5, 17.0)
    spine.tissue[0][whole & ~flat] = 0
    result = named(spine)
    assert levels(result) == list(DOWNWARD)
    assert "collapsed" in row(result, "L1").flags


def test_canal_absent_from_the_picture_is_said_and_nothing_else():
    spine = make_spine()
    spine.tissue[spine.tissue == Tissue.CANAL] = 0
    result = named(spine)
    assert result.numbering.flags == ("no-canal",)
    assert levels(result) == list(DOWNWARD)


def test_canal_that_leaves_the_slice_is_said():
    spine = make_spine()
    low = round(spine.centres["L2"][0] / spine.spacing[1])
    part = spine.tissue[:, low:]
    part[part == Tissue.CANAL] = 0
    result = named(spine)
    assert "leaves-slices" in result.numbering.flags
    assert "no-canal" in row(result, "L4").flags


def test_unsure_network_lowers_confidence_and_flags():
    result = named(make_spine(), certainty=110)
    assert "low-certainty" in result.numbering.flags
    assert "numbering-uncertain" in result.numbering.flags


@pytest.mark.parametrize("slices", [1, 4])
def test_nothing_at_all_is_no_spine(slices):
    spine = make_spine(slices=slices)
    spine.tissue[:] = 0
    result = named(spine)
    assert result.rows == ()
    assert result.numbering.confidence == 0
    assert "not-a-lumbar-spine" in result.numbering.flags
    assert not result.masks.labels[0].array.any()


def test_one_body_only_is_of_unknown_level():
    spine = make_spine()
    body = spine.body("L3")
    spine.tissue[0][~body] = 0
    result = named(spine)
    assert levels(result) == ["unknown"]
    assert result.rows[0].label == 40
    assert "not-a-lumbar-spine" in result.numbering.flags


def test_further_blocks_take_names_from_the_block_that_shows_most():
    spine = make_spine(slices=3)
    series, masks = to_series(spine)
    part = make_spine()
    low = round(0.5 * (part.centres["L2"][0] + part.centres["L3"][0]) / part.spacing[1])
    part.tissue[:, low:] = 0  # no sacrum in this block: it cannot number itself
    other, (mask,) = to_series(part)
    both = type(series)(
        "sag", series.plane, series.weighting, (*other.blocks, *series.blocks), "dicom"
    )
    result = name_levels(both, (mask, *masks))
    assert [r.level for r in result.rows if r.block == 0 and r.structure == "vertebra"] == [
        name for name in DOWNWARD if NAMES.index(name) >= NAMES.index("L2")
    ]
    assert [r.level for r in result.rows if r.block == 1 and r.structure == "vertebra"] == list(
        DOWNWARD
    )


def test_masks_that_do_not_fit_are_refused():
    series, masks = to_series(make_spine())
    with pytest.raises(StageError, match="one mask for each block"):
        name_levels(series, ())
    other, _ = to_series(make_spine(slices=2))
    with pytest.raises(StageError, match="own grid"):
        name_levels(other, masks)
