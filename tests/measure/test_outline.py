import numpy as np
import pytest

from openlumbar.measure.outline import down_of, outline_of


def drawn(inside, pixel_mm, size_mm=60.0):
    """Pixels whose centre lies inside; the origin is in the middle of the picture."""
    shape = [round(size_mm / step) for step in pixel_mm]
    y, x = ((np.arange(n) - (n - 1) / 2) * step for n, step in zip(shape, pixel_mm, strict=True))
    mask = inside(y[:, None], x[None, :])
    origin = tuple(-(n - 1) / 2 for n in shape)
    return outline_of(mask, pixel_mm, origin)


def test_edges_lie_on_pixel_edges():
    mask = np.zeros((60, 60), bool)
    mask[10:40, 8:48] = True
    outline = outline_of(mask, (1.0, 1.0))
    upper, lower = outline.span((0.0, 1.0), np.array([11.5, 20.0, 27.5, 43.5]))
    np.testing.assert_allclose(upper[1:3], 9.5, atol=1e-6)
    np.testing.assert_allclose(lower[1:3] - upper[1:3], 30.0, atol=1e-6)
    # A tenth of its length from the corners the kernel feels them, by hundredths of a pixel.
    np.testing.assert_allclose(lower - upper, 30.0, atol=0.08)
    front, back = outline.crossings((25.0, 0.0), (0.0, 1.0))
    assert (front, back) == pytest.approx((7.5, 47.5))


def test_anisotropic_pixels_keep_their_size():
    mask = np.zeros((60, 60), bool)
    mask[10:40, 8:48] = True
    outline = outline_of(mask, (0.5, 0.9))
    height = np.ptp(outline.crossings((0.0, 20.0), (1.0, 0.0)))
    width = np.ptp(outline.crossings((12.0, 0.0), (0.0, 1.0)))
    assert (height, width) == pytest.approx((15.0, 36.0), abs=1e-3)


def test_place_in_the_picture():
    mask = np.ones((20, 30), bool)
    outline = outline_of(mask, (0.5, 2.0), origin=(100, 10))
    assert outline.centroid == pytest.approx(((100 + 9.5) * 0.5, (10 + 14.5) * 2.0))


@pytest.mark.parametrize("pixel_mm", [(0.6, 0.6), (0.5, 0.9), (0.9, 0.9)])
def test_ellipse(pixel_mm):
    outline = drawn(lambda y, x: (y / 13) ** 2 + (x / 18) ** 2 < 1, pixel_mm)
    assert outline.area_mm2 == pytest.approx(np.pi * 13 * 18, rel=0.012)
    across = np.ptp(outline.crossings((0.0, 0.0), (1.0, 0.0)))
    assert across == pytest.approx(26, abs=max(pixel_mm))


def test_round_edges_are_hardly_drawn_inward():
    """A plain Gaussian of 1.5 pixels would make this circle 0.1 mm smaller all round."""
    radii = []
    for shift in np.linspace(0, 0.6, 7):
        outline = drawn(
            lambda y, x, s=shift: (y - s) ** 2 + (x - s / 2) ** 2 < 16, (0.6, 0.6), 30.0
        )
        radii.append(np.sqrt(outline.area_mm2 / np.pi))
    assert np.mean(radii) == pytest.approx(4.0, abs=0.06)


def test_stairs_of_a_tilted_edge_are_smooth():
    turn = np.radians(17)
    outline = drawn(lambda y, x: np.abs(np.cos(turn) * y - np.sin(turn) * x) < 9, (0.6, 0.6))
    axis = np.array([np.sin(turn), np.cos(turn)])
    upper, lower = outline.span(axis, np.linspace(-15, 15, 200))
    # Jagged pixels have a standard deviation of about a third of a pixel, 0.2 mm.
    assert np.std(upper) < 0.06
    assert np.mean(lower - upper) == pytest.approx(18, abs=0.1)


def test_long_axis_points_backward():
    turn = np.radians(-35)

    def inside(y, x):
        along, down = y * np.sin(turn) + x * np.cos(turn), y * np.cos(turn) - x * np.sin(turn)
        return (np.abs(along) < 17) & (np.abs(down) < 6)

    assert drawn(inside, (0.6, 0.6)).axis == pytest.approx((np.sin(turn), np.cos(turn)), abs=0.01)
    assert down_of((0.0, 1.0)) == pytest.approx((1.0, 0.0))


def test_largest_piece_without_its_holes():
    mask = np.zeros((40, 40), bool)
    mask[5:25, 5:30] = True
    mask[12:14, 12:14] = False
    mask[30:34, 30:34] = True
    assert outline_of(mask, (1.0, 1.0)).area_mm2 == pytest.approx(20 * 25, rel=0.01)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_no_outline_of_next_to_nothing(count):
    mask = np.zeros((10, 10), bool)
    mask[5, :count] = True
    assert outline_of(mask, (0.6, 0.6)) is None


def test_a_line_beside_the_outline_crosses_nothing():
    outline = drawn(lambda y, x: y**2 + x**2 < 100, (0.6, 0.6))
    upper, lower = outline.span((0.0, 1.0), np.array([0.0, 20.0]))
    assert np.isnan(upper[1])
    assert np.isnan(lower[1])
    assert not np.isnan(upper[0])
    assert len(outline.crossings((20.0, 0.0), (0.0, 1.0))) == 0
