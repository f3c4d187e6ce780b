import numpy as np
import pytest

from openlumbar.imaging.masks import (
    best_slice_area,
    drop_small,
    fill_holes,
    in_plane_distance,
    largest_component,
    main_components,
    smooth_edges,
)


def box(shape=(3, 40, 40), rows=(10, 30), columns=(10, 30), slices=(0, 3)):
    mask = np.zeros(shape, bool)
    mask[slice(*slices), slice(*rows), slice(*columns)] = True
    return mask


def test_largest_component_drops_the_rest():
    mask = box()
    expected = mask.copy()
    mask[0, 0:3, 0:3] = True
    mask[0, 9, 9] = True  # touches by a corner only
    np.testing.assert_array_equal(largest_component(mask), expected)


def test_largest_component_of_nothing_is_nothing():
    assert not largest_component(np.zeros((2, 4, 4), bool)).any()


def test_main_components_keep_both_halves_of_a_fracture_but_no_specks():
    mask = box()
    mask[:, 19:21] = False
    expected = mask.copy()
    mask[0, 35, 35] = True
    np.testing.assert_array_equal(main_components(mask, 0.1), expected)


def test_holes_are_filled_in_plane_even_where_open_to_the_next_slice():
    mask = box()
    mask[2, 15:20, 15:20] = False  # the end slice: in 3-D this is a dent, no hole
    np.testing.assert_array_equal(fill_holes(mask), box())


def test_a_bay_open_to_the_outside_stays():
    mask = box()
    mask[1, 20, 25:30] = False
    np.testing.assert_array_equal(fill_holes(mask), mask)


def test_a_structure_at_the_border_encloses_only_what_it_encloses():
    mask = np.zeros((1, 10, 10), bool)
    mask[0, :5, 2] = mask[0, :5, 7] = mask[0, 5, 2:8] = True  # a cup open to the upper border
    np.testing.assert_array_equal(fill_holes(mask), mask)


def test_in_plane_distance_is_in_millimetres_and_ignores_other_slices():
    mask = box()
    mask[1] = False
    mask[1, 10:30, 10:30] = True
    distance = in_plane_distance(mask, (4.0, 0.5, 2.0))
    assert distance[0, 10, 20] == pytest.approx(0.5)
    assert distance[0, 20, 10] == pytest.approx(2.0)
    assert distance[0, 20, 20] == pytest.approx(10 * 0.5)  # rows 10 … 29, ten steps to row 30
    assert distance[0, 0, 0] == 0


def test_in_plane_distance_does_not_see_the_border_of_the_picture_as_background():
    mask = box(rows=(0, 30))
    assert in_plane_distance(mask, (4.0, 1.0, 1.0))[0, 0, 20] == pytest.approx(10.0)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (4.0, 0.5, 1.2)])
def test_smoothing_moves_no_straight_edge(spacing):
    mask = box(rows=(0, 20), columns=(0, 40))
    np.testing.assert_array_equal(smooth_edges(mask, spacing, 1.5), mask)


def test_smoothing_removes_a_spike_and_keeps_the_area():
    mask = box(slices=(0, 1), shape=(1, 40, 40))
    spiked = mask.copy()
    spiked[0, 20, 30:34] = True
    smooth = smooth_edges(spiked, (4.0, 0.7, 0.7), 0.8)
    assert not smooth[0, 20, 31:].any()
    assert abs(int(smooth.sum()) - int(mask.sum())) <= 6


def test_thick_slices_are_not_smoothed_into_each_other():
    mask = np.zeros((3, 40, 40), bool)
    mask[1, 10:30, 10:30] = True
    assert smooth_edges(mask, (4.0, 0.7, 0.7), 3.0)[1].any()
    assert not smooth_edges(mask, (4.0, 0.7, 0.7), 3.0)[[0, 2]].any()
    assert not smooth_edges(mask, (1.0, 0.7, 0.7), 3.0).any()  # a thin sheet melts away


def test_best_slice_area_and_small_things():
    mask = box()
    mask[1, 25:30] = False
    assert best_slice_area(mask, (4.0, 0.5, 0.8)) == pytest.approx(400 * 0.4)
    mask[0, 0:5, 0:5] = True  # 25 pixels of 0.4 mm² = 10 mm²
    kept = drop_small(mask, (4.0, 0.5, 0.8), 10.5)
    assert not kept[0, :5, :5].any()
    assert drop_small(mask, (4.0, 0.5, 0.8), 9.5)[0, :5, :5].all()
