"""Slices on one scale of intensity."""

import numpy as np
import pytest

from openlumbar.imaging.intensity import INTENSITY_CEILING, normalise_slice
from support_axial_sections import Section


@pytest.fixture(scope="module")
def section() -> np.ndarray:
    """A cross-section with noise: 0 in air, about 100 … 900 in tissue."""
    noise = np.random.default_rng(0).normal(0, 5, (256, 288))
    return (Section().picture() + noise + 10).clip(0).astype(np.float32)


def test_scaling_and_offset_change_nothing(section):
    scaled = normalise_slice(7.5 * section + 40)
    np.testing.assert_allclose(scaled, normalise_slice(section), atol=1e-5)


def test_the_result_is_cut_off_and_of_single_precision(section):
    result = normalise_slice(section)
    assert result.dtype == np.float32
    assert result.min() >= 0
    assert result.max() <= np.float32(INTENSITY_CEILING)


def test_a_black_front_does_not_brighten_the_back(section):
    wide = np.pad(section, ((200, 0), (40, 40)))
    inside = normalise_slice(wide)[200:, 40:-40]
    np.testing.assert_allclose(inside, normalise_slice(section), atol=0.05)


def test_bright_fat_at_the_coil_does_not_darken_the_muscles(section):
    bright = section.copy()
    bright[-6:] *= 12  # 2 % of the picture
    rows = slice(0, 250)
    np.testing.assert_allclose(
        normalise_slice(bright)[rows], normalise_slice(section)[rows], atol=0.1
    )


@pytest.mark.parametrize("value", [0.0, 7.0, -3.0])
def test_an_even_picture_becomes_zero(value):
    assert not normalise_slice(np.full((40, 40), value)).any()
