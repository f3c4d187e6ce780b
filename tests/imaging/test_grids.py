from itertools import permutations, product

import numpy as np
import pytest

from openlumbar.core.volume import Volume
from openlumbar.imaging.grids import place_labels

AFFINE = np.array([[0, 0, 4.0, -10], [0.7, 0, 0, 20], [0, -0.7, 0, 30], [0, 0, 0, 1]])


@pytest.fixture
def labels():
    """Unlike in every direction."""
    array = np.zeros((5, 20, 16), np.uint16)
    array[1:4, 3:9, 2:12] = 41
    array[1:3, 9:12, 2:12] = 92
    array[2:5, 12:18, 4:14] = 42
    return Volume(array, AFFINE)


def stored(volume, order, flips):
    """The same volume with its axes in another order and direction."""
    array = volume.array.transpose(order)
    kji = volume.affine[:, [2, 1, 0, 3]][:, [*order, 3]].copy()
    for axis, flip in enumerate(flips):
        if flip:
            array = np.flip(array, axis)
            kji[:, 3] += kji[:, axis] * (array.shape[axis] - 1)
            kji[:, axis] *= -1
    return Volume(np.ascontiguousarray(array), kji[:, [2, 1, 0, 3]])


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("flips", list(product((False, True), repeat=3)))
def test_axes_in_any_order_are_the_same_grid(labels, order, flips):
    other = stored(labels, order, flips)
    placed = place_labels(other, labels)
    assert placed.same_grid
    assert placed.inside == 1
    assert np.array_equal(placed.labels.array, labels.array)
    assert np.array_equal(placed.labels.affine, labels.affine)


def test_a_part_of_the_grid_is_the_same_grid(labels):
    affine = labels.affine.copy()
    affine[:3, 3] = labels.to_patient((1, 3, 0))
    part = Volume(labels.array[1:, 3:18], affine)
    for order, flips in (((0, 1, 2), (False,) * 3), ((2, 0, 1), (True, False, True))):
        placed = place_labels(stored(part, order, flips), labels)
        assert placed.same_grid
        assert np.array_equal(placed.labels.array, labels.array)  # nothing was outside
    whole = place_labels(labels, part)
    assert whole.same_grid
    assert np.array_equal(whole.labels.array, part.array)


def test_a_shift_of_a_tenth_of_a_voxel_is_another_grid(labels):
    affine = labels.affine.copy()
    affine[:3, 3] += (0, 0.07, 0)
    assert not place_labels(Volume(labels.array, affine), labels).same_grid
    affine = labels.affine.copy()
    affine[:3, 3] += (0, 0.01, 0)
    assert place_labels(Volume(labels.array, affine), labels).same_grid


def test_a_rectangle_keeps_its_edges_on_a_finer_grid():
    # 1 mm voxels; the box covers 3 … 9 mm and 2 … 12 mm from the corner of the grid.
    coarse = Volume(np.zeros((5, 20, 16), np.uint16), np.diag([1.0, 1, 1, 1]))
    coarse.array[:, 3:9, 2:12] = 43
    fine = np.diag([0.25, 0.25, 1, 1])
    fine[:2, 3] = -0.375  # same corner
    placed = place_labels(coarse, Volume(np.zeros((5, 80, 64), np.uint8), fine))
    assert not placed.same_grid
    rows, columns = np.nonzero(placed.labels.array[2] == 43)
    assert (rows.min(), rows.max() + 1) == (12, 36)
    assert (columns.min(), columns.max() + 1) == (8, 48)


def test_labels_that_touch_leave_no_gap_between_them():
    array = np.zeros((1, 20, 10), np.uint16)
    array[0, 2:10], array[0, 10:18] = 41, 92
    coarse = Volume(array, np.diag([1.0, 1, 4, 1]))
    fine = np.diag([0.3, 0.3, 4, 1])
    placed = place_labels(coarse, Volume(np.zeros((1, 60, 30), np.uint8), fine)).labels.array
    column = placed[0, :, 15]
    held = np.flatnonzero(column)
    assert (np.diff(held) == 1).all()
    assert list(dict.fromkeys(column[held])) == [41, 92]


def test_what_the_border_of_the_mask_cuts_reaches_its_border():
    coarse = Volume(np.full((3, 10, 10), 44, np.uint16), np.diag([1.0, 1, 4, 1]))
    fine = np.diag([0.5, 0.5, 4, 1])
    fine[:2, 3] = -2.25
    placed = place_labels(coarse, Volume(np.zeros((3, 30, 30), np.uint8), fine)).labels.array
    rows = np.flatnonzero(placed[1, :, 15])
    # The mask covers −0.5 … 9.5 mm; the grid begins at −2.5 mm.
    assert (rows.min(), rows.max() + 1) == (4, 24)


def test_how_much_lies_inside_is_told(labels):
    half = Volume(labels.array[:, :9], labels.affine)
    assert place_labels(labels, half).inside == pytest.approx(
        (labels.array[:, :9] > 0).sum() / (labels.array > 0).sum()
    )
    elsewhere = labels.affine.copy()
    elsewhere[:3, 3] += 500
    placed = place_labels(Volume(labels.array, elsewhere), labels)
    assert placed.inside == 0
    assert not placed.labels.array.any()
    empty = labels.with_array(np.zeros_like(labels.array))
    assert place_labels(empty, labels).inside == 1
