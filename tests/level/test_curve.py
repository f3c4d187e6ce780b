import numpy as np
import pytest

from openlumbar.level.curve import curve_through


def test_straight_curve_measures_rows_and_columns():
    curve = curve_through([[10.0, 50.0], [110.0, 50.0]])
    along, offset = curve.project([[10.0, 50.0], [60.0, 62.0], [130.0, 40.0]])
    np.testing.assert_allclose(along, [0.0, 50.0, 120.0], atol=1e-6)
    np.testing.assert_allclose(offset, [0.0, 12.0, -10.0], atol=1e-6)


def test_arc_length_on_a_circle_is_angle_times_radius():
    angle = np.linspace(-0.7, 0.7, 9)
    nodes = np.stack([150 * np.sin(angle), 150 - 150 * np.cos(angle)], 1)
    curve = curve_through(nodes)
    along, offset = curve.project([[150 * np.sin(0.3), 150 - 150 * np.cos(0.3)]])
    assert along[0] == pytest.approx(150 * 1.0, abs=0.8)
    assert offset[0] == pytest.approx(0.0, abs=0.2)


def test_maps_agree_with_projection_at_pixel_centres():
    curve = curve_through([[10.0, 40.0], [50.0, 45.0], [90.0, 40.0]])
    along, offset = curve.maps((60, 50), (1.7, 1.9))
    expected = curve.project([[33 * 1.7, 20 * 1.9]])
    assert along[33, 20] == pytest.approx(expected[0][0], abs=0.3)
    assert offset[33, 20] == pytest.approx(expected[1][0], abs=0.3)


def test_one_node_gives_a_vertical_line():
    along, offset = curve_through([[30.0, 20.0]]).project([[40.0, 25.0]])
    assert offset[0] == pytest.approx(5.0)
    assert along[0] == pytest.approx(20.0)  # ten below a node that is ten below the first
