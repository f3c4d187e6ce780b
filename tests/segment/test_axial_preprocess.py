"""What the axial network sees: oriented, corrected, and scaled slice by slice."""

import itertools

import numpy as np
import pytest

from openlumbar.core.volume import Volume
from openlumbar.imaging.bias import bias_field
from openlumbar.imaging.intensity import normalise_slice
from openlumbar.segment.axial_preprocess import (
    LEAST_SOURCE_MM,
    overview,
    prepare_axial,
    source_picture,
)
from support_axial_sections import Section

LAYOUTS = list(itertools.product([False, True], repeat=4))


def slice_of(seed: int = 0) -> np.ndarray:
    """A cross-section with noise: 0 in air, about 100 … 900 in tissue."""
    rng = np.random.default_rng(seed)
    return (Section().picture() + rng.normal(0, 5, (256, 288)) + 10).clip(0).astype(np.float32)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_network_sees_front_up_and_the_patients_left_at_the_right(layout):
    transpose, *flips = layout
    pictures = np.stack([slice_of(seed)[::2, ::2] for seed in range(2)])
    axes = [np.array([0, 0, 4.0]), np.array([0, 1.6, 0.0]), np.array([1.6, 0, 0])]
    array = pictures
    for axis, flip in enumerate(flips):
        if flip:
            array, axes[axis] = np.flip(array, axis), -axes[axis]
    if transpose:
        array, axes[1:] = array.swapaxes(1, 2), axes[:0:-1]
    affine = np.eye(4)
    affine[:3, :3] = np.stack(axes[::-1], 1)
    volume = Volume(np.ascontiguousarray(array), affine)
    stack, frame = prepare_axial(volume, (1.6, 1.6), bias=False)
    np.testing.assert_allclose(stack, np.stack([normalise_slice(p) for p in pictures]), atol=1e-6)
    assert frame.spacing_mm == pytest.approx((4.0, 1.6, 1.6))


def test_a_coil_behind_the_back_is_corrected():
    picture = slice_of() * np.linspace(0.15, 1, 256, dtype=np.float32)[:, None]
    field = bias_field(picture[None], (4.0, 0.8, 0.8))[0]
    np.testing.assert_allclose(source_picture(picture, (0.8, 0.8), True).values, picture / field)
    np.testing.assert_array_equal(source_picture(picture, (0.8, 0.8), False).values, picture)


def test_a_picture_stored_with_an_offset_below_zero_is_corrected_too():
    values = source_picture(slice_of() - 500, (0.8, 0.8), bias=True).values
    assert np.isfinite(values).all()
    assert values.min() >= 0


def test_fine_pixels_are_made_coarser_and_coarse_ones_stay():
    fine = source_picture(np.ones((500, 600)), (0.4, 0.4), bias=False)
    assert fine.grid.spacing_mm == (LEAST_SOURCE_MM, LEAST_SOURCE_MM)
    assert fine.values.shape == (333, 400)
    assert source_picture(np.ones((50, 60)), (1.2, 1.0), bias=False).values.shape == (50, 60)


def test_the_overview_leaves_out_the_air_and_knows_where_it_lies():
    picture = np.pad(slice_of(), ((60, 0), (0, 100)))
    source = source_picture(picture, (0.8, 0.8), bias=False)
    seen = overview(source, 0.8)
    assert seen.values.size < source.values.size
    assert seen.grid.spacing_mm == pytest.approx((0.8, 0.8), abs=0.02)
    brightest = np.unravel_index(source.values.argmax(), picture.shape)
    place = source.grid.place_mm(np.array(brightest))
    index = (place - seen.grid.origin_mm) / np.array(seen.grid.spacing_mm)
    assert (index >= 0).all()
    row, column = np.rint(index).astype(int)
    assert seen.values[row, column] == pytest.approx(source.values.max(), rel=0.1)


def test_the_overview_of_a_large_field_of_view_is_coarser():
    large = source_picture(np.kron(slice_of(), np.ones((2, 2))), (0.8, 0.8), bias=False)
    assert overview(large, 0.8).grid.spacing_mm == pytest.approx((1.0, 1.0))


def test_the_overview_of_a_black_picture_is_the_whole_of_it():
    black = source_picture(np.zeros((64, 80)), (0.8, 0.8), bias=False)
    assert overview(black, 0.8).values.shape == (64, 80)
