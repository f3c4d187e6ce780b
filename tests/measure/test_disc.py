import numpy as np
import pytest

from openlumbar.measure.disc import Disc, read_disc, smallest_rectangle
from openlumbar.measure.outline import outline_of
from openlumbar.measure.view import Part

BACKWARD = np.array([0.0, 1.0])


def axis_of(degrees):
    return np.array([np.sin(np.radians(degrees)), np.cos(np.radians(degrees))])


def part_of(inside, pixel_mm=(0.6, 0.6), size_mm=60.0):
    """A disc drawn by a function of (down, along), mm, about the middle of a picture."""
    shape = [round(size_mm / step) for step in pixel_mm]
    y, x = ((np.arange(n) - (n - 1) / 2) * step for n, step in zip(shape, pixel_mm, strict=True))
    mask = inside(y[:, None], x[None, :])
    return Part(94, mask[None], (0, 0, 0), (1, *shape), (4.0, *pixel_mm), 1.0)


def tilted(inside, degrees):
    sin, cos = axis_of(degrees)
    return lambda y, x: inside(cos * y - sin * x, sin * y + cos * x)


def wedge(front_mm, back_mm, length_mm=34.0):
    def inside(down, along):
        part = along / length_mm + 0.5
        half = (front_mm + (back_mm - front_mm) * part) / 2
        return (np.abs(along) < length_mm / 2) & (np.abs(down) < half)

    return inside


def test_a_box_of_pixels():
    disc = read_disc(part_of(wedge(8.4, 8.4)), 0, BACKWARD)
    assert disc.height_mm == pytest.approx(14 * 0.6, abs=0.01)
    assert disc.bounding_height_mm == pytest.approx(14 * 0.6, abs=0.08)


@pytest.mark.parametrize("degrees", [-38, 0, 21])
def test_a_wedge_is_as_high_as_its_mean(degrees):
    part = part_of(tilted(wedge(13.0, 6.0), degrees))
    disc = read_disc(part, 0, axis_of(degrees - 8))
    assert disc.height_mm == pytest.approx(9.5, abs=0.12)
    assert np.degrees(np.arctan2(*disc.axis)) == pytest.approx(degrees, abs=0.5)
    # The rectangle holds the higher front: Hess's number is the larger.
    assert disc.bounding_height_mm > disc.height_mm + 2


def beside(gap_mm, upper):
    """The outline of a body whose edge leaves a gap of this height, half on either side."""

    def inside(down, along):
        away = -down if upper else down
        return (np.abs(along) < 20) & (away > gap_mm / 2) & (away < gap_mm / 2 + 9)

    part = part_of(inside)
    return outline_of(part.on(0), (0.6, 0.6), (part.origin[1], part.origin[2]))


@pytest.mark.parametrize(
    ("gap_mm", "expected"),
    [
        (8.4, 8.4),  # no strip
        (10.8, 9.6),  # 1.2 mm on either side: midway
        (18.0, 8.4),  # 4.8 mm: that is no endplate
    ],
)
def test_an_endplate_lies_midway_in_the_strip_that_masks_leave(gap_mm, expected):
    disc_mm = 8.4
    bodies = beside(gap_mm, upper=True), beside(gap_mm, upper=False)
    disc = read_disc(part_of(wedge(disc_mm, disc_mm)), 0, BACKWARD, bodies)
    assert disc.height_mm == pytest.approx(expected, abs=0.02)
    assert disc.bounding_height_mm == pytest.approx(disc_mm, abs=0.08)
    one_side = read_disc(part_of(wedge(disc_mm, disc_mm)), 0, BACKWARD, (bodies[0], None))
    assert one_side.height_mm == pytest.approx((expected + disc_mm) / 2, abs=0.02)


def test_height_leaves_out_the_tips():
    """A lens: the mean thickness over the central 80 % is 1.09 of that over all."""
    part = part_of(lambda y, x: np.abs(y) < 5 * (1 - (x / 18) ** 2))
    disc = read_disc(part, 0, BACKWARD)
    assert disc.height_mm == pytest.approx(10 * (1 - 0.64 / 3), abs=0.15)
    assert disc.bounding_height_mm == pytest.approx(10, abs=0.4)


def test_small_errors_over_turns_and_shifts():
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(40):
        degrees, (dy, dx) = rng.uniform(-40, 40), rng.uniform(-0.5, 0.5, 2)
        shape = tilted(wedge(11.0, 6.0), degrees)
        part = part_of(lambda y, x, s=shape, dy=dy, dx=dx: s(y - dy, x - dx))
        errors.append(read_disc(part, 0, axis_of(degrees)).height_mm - 8.5)
    assert np.abs(errors).mean() < 0.08
    assert np.abs(np.mean(errors)) < 0.05


def test_anisotropic_pixels():
    part = part_of(tilted(wedge(9.0, 9.0), 30), (0.5, 0.9))
    assert read_disc(part, 0, axis_of(30)).height_mm == pytest.approx(9.0, abs=0.12)


def test_rulers_are_thicknesses():
    disc = read_disc(part_of(wedge(12.0, 6.0)), 0, BACKWARD)
    lengths = np.linalg.norm(disc.rulers[:, 1] - disc.rulers[:, 0], axis=1)
    assert lengths == pytest.approx([11.4, 9.0, 6.6], abs=0.4)


@pytest.mark.parametrize(
    ("part", "flag"),
    [
        (part_of(lambda y, x: (y > 99) & (x > 99)), "not-measurable"),
        (part_of(lambda y, x: (np.abs(y) < 0.4) & (np.abs(x) < 0.4)), "not-measurable"),
        (part_of(lambda y, x: (np.abs(y) < 3) & (np.abs(x) < 4)), "not-measurable"),
        (part_of(lambda y, x: (np.abs(y) < 16) & (np.abs(x) < 17)), "irregular-outline"),
        (part_of(lambda y, x: (np.abs(y) < 18) & (np.abs(x) < 8)), "irregular-outline"),
        (part_of(lambda y, x: (np.abs(y) < 5) & (x > 0)), "partly-in-view"),
    ],
    ids=["empty", "one pixel", "scrap", "square", "upright", "cut by the border"],
)
def test_nonsense_gives_a_flag(part, flag):
    assert read_disc(part, 0, BACKWARD) == (flag,)


@pytest.mark.parametrize("degrees", [0, 33, 71])
def test_smallest_rectangle_by_hand(degrees):
    corners = np.array([(-4.0, -17.0), (-4.0, 17.0), (4.0, 17.0), (4.0, -17.0)])
    sin, cos = axis_of(degrees)
    hull = corners @ np.array([[cos, -sin], [sin, cos]])
    found, shorter = smallest_rectangle(hull)
    assert shorter == pytest.approx(8)
    for corner in hull:
        assert np.linalg.norm(found - corner, axis=1).min() < 1e-9


def test_the_rectangle_is_the_smallest():
    """Against a brute search over directions."""
    hull = np.array([(0.0, 0.0), (1.0, 18.0), (4.0, 30.0), (9.0, 33.0), (10.0, 12.0), (6.0, 1.0)])
    found, shorter = smallest_rectangle(hull)
    area = shorter * np.linalg.norm(found - np.roll(found, -1, 0), axis=1).max()
    turns = np.radians(np.arange(0, 90, 0.05))
    axes = np.stack([np.sin(turns), np.cos(turns)])
    squares = np.stack([axes[1], -axes[0]])
    brute = (np.ptp(hull @ axes, 0) * np.ptp(hull @ squares, 0)).min()
    assert area <= brute + 1e-9
    assert area == pytest.approx(brute, rel=1e-3)


def test_a_disc_has_a_lower_border():
    disc = read_disc(part_of(wedge(12.0, 6.0)), 0, BACKWARD)
    assert isinstance(disc, Disc)
    # Both borders slope by the arc tangent of 3 in 34; the lower one's front is lower.
    assert disc.lower_border.angle_deg == pytest.approx(-np.degrees(np.arctan(3 / 34)), abs=0.4)
