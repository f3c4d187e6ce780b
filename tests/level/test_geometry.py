import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from openlumbar.core.errors import StageError
from openlumbar.core.levels import POSITIONS
from openlumbar.level.geometry import place_slices
from support_levels import (
    DISC_MM,
    BentSpine,
    axial_grid,
    axial_series,
    sagittal_grid,
    sagittal_levels,
)

SPINES = {
    "straight": BentSpine(),
    "lordotic": BentSpine(radius_mm=220.0),
    "scoliotic": BentSpine(radius_mm=400.0, toward=(1.0, 0.0, 0.0)),
}
DISCS = ("L1-L2", "L2-L3", "L3-L4", "L4-L5", "L5-S1")


def wide_grid(**kwargs):
    return sagittal_grid(**{"slices": 15, "size": (180, 90), "middle": (5.0, 15.0, 0.0), **kwargs})


def cut_at(spine, along, tilt=0.0, **kwargs):
    """A slice through the axis, square to it but for a tilt in the sagittal plane."""
    point, down = spine.at(along)
    normal = Rotation.from_euler("x", tilt, degrees=True).apply(down)
    return axial_grid(point, normal, **kwargs)


def disc_blocks(spine, slices=3, **kwargs):
    return [cut_at(spine, spine.middle(name), slices=slices, **kwargs) for name in DISCS]


@pytest.fixture(scope="module", params=SPINES)
def bent(request):
    """A spine, and its sagittal series."""
    spine = SPINES[request.param]
    return spine, sagittal_levels(spine, wide_grid())


@pytest.mark.parametrize("tilt", [0.0, 20.0])
def test_a_slice_lies_where_its_plane_cuts_the_axis(bent, tilt):
    spine, levels = bent
    cuts = [
        (name, part, start + part * (end - start))
        for name, start, end in spine.structures
        for part in (0.15, 0.5, 0.85)
    ]
    series, found = axial_series([cut_at(spine, along, tilt) for *_, along in cuts])
    placing = place_slices(series, found, [levels])
    assert placing.flags == ()
    for place, (name, part, along) in zip(placing.places, cuts, strict=True):
        assert place.level == name
        assert place.within == pytest.approx(part, abs=0.08)
        assert place.confidence == pytest.approx(0.95)
        if name not in ("L1", "S1") and (part != 0.5 or "-" in name):
            nearest = min(DISCS, key=lambda disc: abs(spine.middle(disc) - along))
            assert place.disc_level == nearest
        if part == 0.5:
            expected = POSITIONS.get(name, POSITIONS["S1 and below"])
            assert place.position == pytest.approx(expected, abs=0.02)
            if "-" in name:
                assert place.distance_mm == pytest.approx(0, abs=0.7)
                assert place.tilt_deg == pytest.approx(tilt, abs=3.0)


def test_distance_is_that_of_the_disc_from_the_plane():
    spine = SPINES["straight"]
    series, found = axial_series([cut_at(spine, spine.middle("L4-L5") - 7.0)])
    (place,) = place_slices(series, found, [sagittal_levels(spine)]).places
    assert (place.level, place.disc_level) == ("L4", "L4-L5")
    assert place.distance_mm == pytest.approx(7.0, abs=0.5)


def test_blocks_that_cross_behind_the_spine_in_any_order_keep_their_discs():
    spine = BentSpine(radius_mm=130.0)
    grids = disc_blocks(spine, size=90, back_mm=60.0)
    # The pictures' centres lie where the planes have crossed: their order along z is not the
    # order along the spine.
    heights = [grid.to_patient((1, 89, 45))[2] for grid in grids]
    assert heights == sorted(heights)
    order = [3, 0, 4, 2, 1]
    series, found = axial_series([grids[n] for n in order])
    placing = place_slices(series, found, [sagittal_levels(spine, wide_grid(size=(180, 120)))])
    middles = [placing.places[3 * n + 1].level for n in range(5)]
    assert middles == [DISCS[n] for n in order]
    assert placing.best == {3 * n + 1 for n in range(5)}


def test_reversed_slices_lie_where_they_did():
    spine = SPINES["lordotic"]
    grids = disc_blocks(spine)
    reversed_grids = []
    for grid in grids:
        turned = grid.affine.copy()
        turned[:3, 2] *= -1
        turned[:3, 3] = grid.affine[:3, 3] + 2 * grid.affine[:3, 2]
        reversed_grids.append(type(grid)(grid.array, turned))
    levels = sagittal_levels(spine, wide_grid())
    plain = place_slices(*axial_series(grids), [levels]).places
    turned = place_slices(*axial_series(reversed_grids), [levels]).places
    for n in range(5):
        for k in range(3):
            a, b = plain[3 * n + k], turned[3 * n + 2 - k]
            assert (a.level, a.disc_level) == (b.level, b.disc_level)
            assert a.position == pytest.approx(b.position, abs=1e-6)


def test_the_best_slice_of_a_disc_lies_in_its_plane():
    spine = SPINES["straight"]
    middle = spine.middle("L3-L4")
    grids = [
        cut_at(spine, middle, 25.0),
        cut_at(spine, middle + 1.0),
        cut_at(spine, middle + 9.0),
        cut_at(spine, middle - 3.0),
    ]
    placing = place_slices(*axial_series(grids), [sagittal_levels(spine)])
    assert placing.best == {1}


def test_a_slice_that_misses_the_disc_is_not_its_best():
    spine = SPINES["straight"]
    grids = [cut_at(spine, spine.middle("L3-L4") + DISC_MM / 2 + 3.0)]
    placing = place_slices(*axial_series(grids), [sagittal_levels(spine)])
    assert placing.places[0].disc_level == "L3-L4"
    assert placing.best == frozenset()


def test_a_slice_that_shows_nothing_is_best_only_without_another():
    spine = SPINES["straight"]
    middle = spine.middle("L3-L4")
    grids = [cut_at(spine, middle), cut_at(spine, middle + 2.0)]
    blank = (("not-an-axial-lumbar-slice",),)
    levels = [sagittal_levels(spine)]
    assert place_slices(*axial_series(grids, flags=[blank, ((),)]), levels).best == {1}
    assert place_slices(*axial_series(grids, flags=[blank, blank]), levels).best == {0}


@pytest.mark.parametrize(
    ("vertebrae", "expected"),
    [
        (("L3", "L4", "L5", "L6", "S1"), {"L5-L6": 5.0, "L6-S1": 6.0, "L6": 5.5, "S1": 6.5}),
        (("L2", "L3", "L4", "S1"), {"L3-L4": 3.0, "L4-S1": 4.0, "L4": 3.5, "S1": 4.5}),
        (("T11", "T12", "L1", "L2"), {"T11-T12": -1.0, "T12-L1": 0.0, "T12": -0.5, "L1": 0.5}),
    ],
)
def test_positions_follow_the_names(vertebrae, expected):
    spine = BentSpine(vertebrae)
    grids = [cut_at(spine, spine.middle(name)) for name in expected]
    placing = place_slices(*axial_series(grids), [sagittal_levels(spine)])
    assert [place.level for place in placing.places] == list(expected)
    places = [place.position for place in placing.places]
    assert places == pytest.approx(list(expected.values()), abs=0.03)


def test_one_sagittal_slice_beside_the_middle_is_enough():
    spine = SPINES["lordotic"]
    levels = sagittal_levels(spine, wide_grid(slices=1, middle=(6.0, 15.0, 0.0)))
    placing = place_slices(*axial_series(disc_blocks(spine)), [levels])
    assert [placing.places[3 * n + 1].level for n in range(5)] == list(DISCS)
    assert placing.best == {3 * n + 1 for n in range(5)}
    assert all(placing.places[n].tilt_deg < 4 for n in placing.best)


def test_coarse_masks_are_enough():
    spine = SPINES["lordotic"]
    grid = wide_grid(slices=5, step=8.0, pixel=3.0, size=(90, 50))
    placing = place_slices(*axial_series(disc_blocks(spine)), [sagittal_levels(spine, grid)])
    assert placing.best == {3 * n + 1 for n in range(5)}


def test_a_disc_that_was_not_found_is_named_by_its_neighbours_and_less_sure():
    spine = BentSpine(without=("L3-L4",))
    grids = [cut_at(spine, spine.middle(name)) for name in ("L3-L4", "L4-L5")]
    placing = place_slices(*axial_series(grids), [sagittal_levels(spine)])
    lost, seen = placing.places
    assert (lost.level, lost.disc_level, lost.within) == ("L3-L4", "L3-L4", None)
    assert lost.position == pytest.approx(3.0, abs=0.02)
    assert lost.confidence < seen.confidence
    assert placing.best == {1}


def test_beyond_what_is_shown_names_reach_half_a_level():
    spine = BentSpine(("L2", "L3", "L4"))
    grids = [cut_at(spine, along) for along in (-40.0, -8.0, 8.0)]
    placing = place_slices(*axial_series(grids), [sagittal_levels(spine)])
    far, near, inside = placing.places
    assert far is None
    assert (near.level, near.disc_level, near.within) == ("L1-L2", "L1-L2", None)
    assert near.flags == ("outside-the-spine",)
    assert (inside.level, inside.flags) == ("L2", ())
    assert near.confidence < inside.confidence
    assert any("1 of 3 slices" in sentence for sentence in placing.evidence)


def test_a_vertebra_cut_by_the_picture_keeps_its_full_length():
    spine = BentSpine()
    # The picture begins 14 mm below the upper endplate of L1.
    top = spine.at(14.0)[0][2]
    grid = sagittal_grid(size=(140, 70), middle=(0.0, 5.0, top - 70 * 1.5))
    series, found = axial_series([cut_at(spine, along) for along in (13.0, 20.0)])
    placing = place_slices(series, found, [sagittal_levels(spine, grid)])
    assert [place.level for place in placing.places] == ["L1", "L1"]
    assert placing.places[0].position == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("flag", ["upside-down", "not-a-lumbar-spine"])
def test_series_that_say_nothing_of_the_patient_are_not_used(flag):
    spine = BentSpine()
    series, found = axial_series(disc_blocks(spine))
    placing = place_slices(series, found, [sagittal_levels(spine, flags=(flag,))])
    assert placing.places == (None,) * 15
    assert placing.best == frozenset()
    assert "sagittal" in placing.evidence[0]


def test_without_a_spine_no_slice_has_a_place():
    series, found = axial_series(disc_blocks(BentSpine()))
    assert place_slices(series, found, []).places == (None,) * 15


def test_two_series_that_agree_say_no_more_than_one():
    spine = BentSpine()
    series, found = axial_series(disc_blocks(spine))
    one, two = (sagittal_levels(spine, series=name) for name in ("t1", "t2"))
    assert place_slices(series, found, [one, two]) == place_slices(series, found, [one])


def test_series_that_name_the_spine_differently_are_named_and_doubted():
    spine = BentSpine()
    names = [name for name, *_ in spine.structures]
    shifted = dict(zip(names[2:], names[:-2], strict=True))
    sure = sagittal_levels(spine, series="t2")
    wrong = sagittal_levels(spine, names=shifted, series="t1", confidence=0.6)
    series, found = axial_series(disc_blocks(spine, slices=1))
    alone = place_slices(series, found, [sure])
    placing = place_slices(series, found, [wrong, sure])
    assert [place.level for place in placing.places] == list(DISCS)
    for doubted, trusted in zip(placing.places[1:], alone.places[1:], strict=True):
        assert doubted.confidence < 0.6 * trusted.confidence
        assert doubted.flags == ("level-uncertain",)
    assert placing.flags == ("level-uncertain",)
    (sentence,) = placing.evidence
    assert "t1" in sentence
    assert "t2" in sentence


def test_another_series_stands_in_where_the_first_shows_nothing():
    spine = BentSpine(("T11", "T12", "L1", "L2", "L3", "L4", "L5", "S1"))
    upper = sagittal_levels(
        spine, sagittal_grid(size=(60, 70), middle=(0, 5, 90.0)), series="upper"
    )
    lower = sagittal_levels(
        spine, sagittal_grid(size=(120, 70), middle=(0, 5, -55.0)), series="lower"
    )
    wanted = ("T12-L1", "L2-L3", "L4-L5", "L5-S1")
    series, found = axial_series([cut_at(spine, spine.middle(name)) for name in wanted])
    placing = place_slices(series, found, [upper, lower])
    assert tuple(place.level for place in placing.places) == wanted
    assert placing.best == {0, 1, 2, 3}


def test_a_plane_that_runs_along_the_spine_is_not_placed():
    spine = BentSpine()
    point, _ = spine.at(spine.middle("L3-L4"))
    series, found = axial_series([axial_grid(point, (0.0, 1.0, 0.02))])
    assert place_slices(series, found, [sagittal_levels(spine)]).places == (None,)


def test_a_picture_beside_the_spine_is_not_placed():
    spine = BentSpine()
    point, down = spine.at(spine.middle("L3-L4"))
    beside = axial_grid(point + np.array([150.0, 0, 0]), down)
    placing = place_slices(*axial_series([beside]), [sagittal_levels(spine)])
    assert placing.places == (None,)


def test_masks_of_another_series_are_refused():
    spine = BentSpine()
    series, found = axial_series(disc_blocks(spine))
    with pytest.raises(StageError, match="one mask a block"):
        place_slices(series, found[:1], [sagittal_levels(spine)])
