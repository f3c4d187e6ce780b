import itertools

import numpy as np
import pytest

from openlumbar.core.volume import Volume
from openlumbar.imaging.frame import axial_frame_of, frame_of
from synthetic_spine import PERMUTATIONS, make_spine, to_series

FLIPS = tuple(itertools.product((False, True), repeat=3))


@pytest.mark.parametrize("order", PERMUTATIONS)
@pytest.mark.parametrize("flip", FLIPS)
def test_any_grid_turns_to_the_same_canonical_array_and_back(order, flip):
    spine = make_spine(slices=2, spacing=(4.0, 3.0, 2.5))
    series, (mask,) = to_series(spine, order=order, flip=flip)
    frame = frame_of(mask.tissue)
    np.testing.assert_array_equal(frame.canonical(mask.tissue.array), spine.tissue)
    np.testing.assert_array_equal(frame.original(spine.tissue), mask.tissue.array)
    assert frame.spacing_mm == pytest.approx(spine.spacing)
    kji = frame.to_original(np.array([1.0, 20.0, 30.0]), mask.tissue.shape)
    # Canonical (1, 20, 30): 4 mm to the left, 60 mm down, 75 mm back.
    np.testing.assert_allclose(series.blocks[0].volume.to_patient(kji), [4.0, 75.0, -60.0])


@pytest.mark.parametrize("order", PERMUTATIONS)
@pytest.mark.parametrize("flip", FLIPS[::5])
def test_an_axial_grid_turns_to_slices_upward_rows_backward_and_columns_leftward(order, flip):
    spine = make_spine(slices=2, spacing=(4.0, 3.0, 2.5))  # leftward, downward, backward
    _, (mask,) = to_series(spine, order=order, flip=flip)
    frame = axial_frame_of(mask.tissue)
    upward = spine.tissue[:, ::-1].transpose(1, 2, 0)
    np.testing.assert_array_equal(frame.canonical(mask.tissue.array), upward)
    np.testing.assert_array_equal(frame.original(upward), mask.tissue.array)
    assert frame.spacing_mm == pytest.approx((3.0, 2.5, 4.0))


@pytest.mark.parametrize("tilt_deg", [-55, -46, 0, 46, 55])
def test_steep_axial_slices_stay_slices(tilt_deg):
    a = np.radians(tilt_deg)
    affine = np.eye(4)
    affine[:3, 1] = [0, np.cos(a), -np.sin(a)]  # rows run backward, and downward when tilted
    affine[:3, 2] = [0, 4 * np.sin(a), 4 * np.cos(a)]
    frame = axial_frame_of(Volume(np.zeros((3, 4, 5)), affine))
    assert frame.order == (0, 1, 2)
    assert frame.flip == (False, False, False)
    assert frame.spacing_mm == pytest.approx((4.0, 1.0, 1.0))
