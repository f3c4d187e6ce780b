"""Resampling keeps what it must: constants, ramps, and the picture's centre."""

import numpy as np
import pytest

from openlumbar.imaging.resample import interpolation_matrix, resample_planes, resampled_shape


@pytest.mark.parametrize(("spacing_in", "spacing_out"), [(1.0, 0.4), (0.5, 1.3), (0.7, 0.7)])
def test_every_new_sample_is_a_weighted_mean(spacing_in, spacing_out):
    weights = interpolation_matrix(40, spacing_in, 25, spacing_out)
    assert np.allclose(weights.sum(1), 1)
    assert (weights >= 0).all()


@pytest.mark.parametrize("spacing_out", [0.4, 0.625, 1.5])
def test_a_ramp_keeps_its_slope_and_its_centre(spacing_out):
    spacing_in = 0.8
    columns = (np.arange(101) - 50) * spacing_in
    picture = np.tile(columns, (101, 1)).astype(np.float32)
    shape = resampled_shape((101, 101), (spacing_in, spacing_in), (spacing_out, spacing_out))
    result = resample_planes(picture, (spacing_in, spacing_in), shape, (spacing_out, spacing_out))
    expected = (np.arange(shape[1]) - (shape[1] - 1) / 2) * spacing_out
    inside = np.abs(expected) < 36
    assert np.allclose(
        result[:, inside], expected[inside], atol=0.05
    )  # a sampled triangle leans a little


def test_downsampling_does_not_fold_fine_stripes_back():
    stripes = np.tile(np.arange(200) % 2, (200, 1)).astype(np.float32)
    result = resample_planes(stripes, (0.4, 0.4), (50, 50), (1.6, 1.6))
    assert np.abs(result[5:-5, 5:-5] - 0.5).max() < 0.02


def test_the_same_grid_is_returned_unchanged():
    picture = np.random.default_rng(0).random((3, 7, 9)).astype(np.float32)
    assert np.array_equal(resample_planes(picture, (0.5, 0.5), (7, 9), (0.5, 0.5)), picture)
