import numpy as np
import pytest

from openlumbar.core.errors import StageError
from openlumbar.core.plane import Plane
from openlumbar.core.volume import Volume
from openlumbar.report.view import Slab, middle_slice, sagittal_view, window_around

#: Sagittal: i to the back, j to the feet, k to the left.
USUAL = np.array([[0, 0, 4.0, 0], [0.5, 0, 0, 0], [0, -0.7, 0, 0], [0, 0, 0, 1.0]])


def test_the_middle_slice_is_where_the_canal_is_widest():
    labels = np.zeros((5, 20, 20), np.uint16)
    labels[:, 5:15, 2:8] = 44
    for k, width in enumerate((0, 2, 4, 1, 0)):
        labels[k, 5:15, 10 : 10 + width] = 2
    assert middle_slice(labels) == 2


def test_without_a_canal_it_is_where_most_is_named():
    labels = np.zeros((3, 20, 20), np.uint16)
    labels[1, 5:15, 2:8] = 44
    labels[2, 5:10, 2:8] = 44
    assert middle_slice(labels) == 1


def test_nothing_named_is_an_error():
    with pytest.raises(StageError, match="no anatomy"):
        middle_slice(np.zeros((3, 20, 20), np.uint16))


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("flip_rows", [False, True])
@pytest.mark.parametrize("flip_columns", [False, True])
def test_the_head_is_up_and_the_face_to_the_left(transpose, flip_rows, flip_columns):
    shown = np.arange(12).reshape(3, 4)  # rows to the feet, columns to the back
    stored, affine = shown, USUAL.copy()
    if flip_rows:
        stored, affine[:, 1] = stored[::-1], -affine[:, 1]
    if flip_columns:
        stored, affine[:, 0] = stored[:, ::-1], -affine[:, 0]
    if transpose:
        stored, affine = stored.T, affine[:, [1, 0, 2, 3]]
    volume = Volume(stored[None], affine)
    labels = Volume(np.ones_like(volume.array), affine)
    np.testing.assert_array_equal(sagittal_view(volume, labels, None).image, shown)


@pytest.mark.parametrize("transpose", [False, True])
def test_spacing_follows_the_turn(transpose):
    labels = np.full((1, 6, 8), 44, np.uint16)
    affine = USUAL[:, [1, 0, 2, 3]] if transpose else USUAL
    view = sagittal_view(Volume(labels, affine), Volume(labels, affine), None)
    assert view.spacing_mm == pytest.approx((0.7, 0.5))


@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, 1), (1, -1, -1), (-1, -1, 1)])
def test_a_point_of_the_patient_lands_on_its_pixel(flips):
    angle = np.radians(20)  # an oblique block, and axes stored either way
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    affine = USUAL.copy()
    affine[:3, :3] = turn @ USUAL[:3, :3] * np.array(flips)
    affine[:3, 3] = (7.0, -11.0, 13.0)
    labels = Volume(np.ones((4, 9, 11), np.uint16), affine)
    marked = labels.array.astype(float).copy()
    marked[2, 3, 5] = 9.0
    (point,) = labels.to_patient([(2, 3, 5)])
    shown = 2 if flips[2] == 1 else 1
    view = sagittal_view(Volume(marked, affine), labels, None, shown)
    out, y, x = view.place.project(point)
    row, column = np.unravel_index(view.image.argmax(), view.image.shape)
    assert (out, y, x) == pytest.approx((0.0, (row + 0.5) * 0.7, (column + 0.5) * 0.5))
    assert view.slice == 2


def test_a_point_of_the_next_slice_to_the_left_lies_out_of_the_picture():
    labels = Volume(np.ones((3, 4, 4), np.uint16), USUAL)
    view = sagittal_view(labels, labels, None, 0)
    out, y, x = view.place.project(labels.to_patient((1, 2, 3)))
    assert (out, y, x) == pytest.approx((4.0, 2.5 * 0.7, 3.5 * 0.5))


def test_a_crop_keeps_its_place():
    labels = Volume(np.ones((1, 20, 20), np.uint16), USUAL)
    view = sagittal_view(labels, labels, None)
    point = labels.to_patient((0, 10, 12))
    inside = view.crop((slice(8, 15), slice(9, 14)))
    assert inside.image.shape == (7, 5)
    assert inside.place.project(point) == pytest.approx((0.0, 2.5 * 0.7, 3.5 * 0.5))


def test_a_window_stops_at_the_border_of_the_picture():
    mask = np.zeros((30, 30), bool)
    mask[10:12, 2:4] = True
    rows, columns = window_around(mask, (1.0, 2.0), (3.0, 4.0, 50.0, 6.0))
    assert (rows, columns) == (slice(7, 16), slice(0, 7))


#: Axial: i to the left, j to the back, k to the head.
AXIAL = np.array([[0.5, 0, 0, 3.0], [0, 0.7, 0, -2.0], [0, 0, 4.0, 5.0], [0, 0, 0, 1.0]])


@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, 1), (1, -1, -1), (-1, -1, 1)])
def test_a_point_of_the_patient_lands_on_its_pixel_of_an_axial_slice(flips):
    affine = AXIAL.copy()
    affine[:3, :3] = AXIAL[:3, :3] * np.array(flips)
    labels = Volume(np.ones((4, 9, 11), np.uint16), affine)
    marked = labels.array.astype(float)
    marked[2, 3, 5] = 9.0
    (point,) = labels.to_patient([(2, 3, 5)])
    slab = Slab(Volume(marked, affine), labels, labels, plane=Plane.AXIAL)
    shown = 2 if flips[2] == 1 else 1  # counted from the feet
    view = slab.view(shown)
    out, y, x = view.place.project(point)
    row, column = np.unravel_index(view.image.argmax(), view.image.shape)
    assert (out, y, x) == pytest.approx((0.0, (row + 0.5) * 0.7, (column + 0.5) * 0.5))
    assert (view.slice, slab.number(shown)) == (2, 2)
    assert slab.slices_of([point]) == pytest.approx([shown])
    # Face up, the patient's right at the left.
    assert (row, column) == (3 if flips[1] == 1 else 5, 5)
