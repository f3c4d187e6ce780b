"""A known falloff is taken out; where there is nothing to learn, nothing is changed."""

from time import process_time

import numpy as np
import pytest
from scipy import ndimage

from openlumbar.imaging.bias import bias_field

SPACING = (4.0, 0.8, 0.8)


def body() -> np.ndarray:
    """A slice ``[1, 256, 288]`` of fat, muscles and bone in blobs all over, in air."""
    rng = np.random.default_rng(2)
    tissue = np.argmax(ndimage.gaussian_filter(rng.standard_normal((3, 256, 288)), (0, 4, 4)), 0)
    rows, columns = np.mgrid[:256, :288]
    inside = ((rows - 128) / 110) ** 2 + ((columns - 144) / 130) ** 2 < 1
    picture = np.array([900.0, 250.0, 500.0])[tissue] * inside
    return (picture + rng.normal(0, 8, picture.shape)).clip(0)[None].astype(np.float32)


def falloff() -> np.ndarray:
    """Sensitivity of a coil behind the back: a fifth of it left in front."""
    depth = np.linspace(1, 0, 256)[:, None]
    return np.broadcast_to(1 / (1 + 4 * depth**1.5), (1, 256, 288)).astype(np.float32)


def spread(field: np.ndarray, inside: np.ndarray) -> float:
    return float(np.log(field[inside]).std())


def test_most_of_a_strong_falloff_is_taken_out():
    picture, true = body(), falloff()
    inside = picture > 100
    found = bias_field(picture * true, SPACING)
    assert spread(found / true, inside) < 0.4 * spread(true, inside)


def test_an_even_coil_is_left_nearly_alone():
    picture = body()
    assert spread(bias_field(picture, SPACING), picture > 100) < 0.1


def test_the_mean_within_the_mask_is_one():
    picture = body() * falloff()
    mask = np.zeros(picture.shape, bool)
    mask[:, 120:, 40:250] = True
    field = bias_field(picture, SPACING, mask)
    assert field[mask].mean() == pytest.approx(1, abs=0.03)
    assert field.dtype == np.float32


def test_the_field_belongs_to_the_patient_and_not_to_the_pixels():
    picture = body() * falloff()
    coarse = picture[:, ::2, ::2]
    fine, half = bias_field(picture, SPACING), bias_field(coarse, (4.0, 1.6, 1.6))
    assert np.abs(np.log(fine[:, ::2, ::2] / half)).max() < 0.1


def test_the_same_picture_gives_the_same_field():
    picture = body() * falloff()
    assert np.array_equal(bias_field(picture, SPACING), bias_field(picture, SPACING))


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((1, 64, 64)),
        np.full((2, 64, 64), 7.0),
        np.ones((1, 3, 3)),
        np.full((1, 64, 64), -3.0),
    ],
    ids=["black", "even", "tiny", "negative"],
)
def test_a_picture_that_says_nothing_gives_ones(picture):
    assert np.array_equal(bias_field(picture, SPACING), np.ones(picture.shape, np.float32))


def test_a_slice_takes_a_small_part_of_a_tenth_of_a_second():
    stack = np.repeat(body() * falloff(), 4, 0)
    start = process_time()
    bias_field(stack, SPACING)
    assert (process_time() - start) / len(stack) < 0.1  # 0.03 on a quiet core
