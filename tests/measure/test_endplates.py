import numpy as np
import pytest

from openlumbar.measure.endplates import (
    Slip,
    angle_between,
    find_endplate,
    meyerding_grade,
    slip_of,
)
from openlumbar.measure.outline import Outline, outline_of

BACKWARD = np.array([0.0, 1.0])
BOX = np.array([(-14.0, -17.0), (-14.0, 17.0), (14.0, 17.0), (14.0, -17.0)])


def dense(corners):
    corners = np.asarray(corners, float)
    part = np.linspace(0, 1, 400, endpoint=False)[:, None]
    after = np.roll(corners, -1, 0)
    return Outline(
        np.concatenate([a + part * (b - a) for a, b in zip(corners, after, strict=True)])
    )


def turned(points, degrees, shift=(0.0, 0.0)):
    a = np.radians(degrees)
    return points @ np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]).T + shift


@pytest.mark.parametrize("degrees", [-45, -20, 0, 30])
def test_a_straight_endplate(degrees):
    plate = find_endplate(dense(turned(BOX, degrees)), turned(BACKWARD, degrees + 20), upper=True)
    assert plate.angle_deg == pytest.approx(-degrees, abs=0.02)
    assert plate.length_mm == pytest.approx(34, abs=0.8)
    assert np.linalg.norm(plate.front - turned(BOX[0], degrees)) < 0.5
    assert np.linalg.norm(plate.back - turned(BOX[1], degrees)) < 0.5


def test_rounded_ends_are_left_out_of_the_line():
    """Ends that fall off by 3 mm within the outer tenth do not turn the central 80 %."""
    x = np.linspace(-17, 17, 500)
    fall = 3 * np.clip((x - 14.2) / 2.8, 0, 1) ** 2
    outline = Outline(np.concatenate([np.stack([-14 + fall, x], 1), BOX[2:]]))
    plate = find_endplate(outline, BACKWARD, upper=True)
    assert plate.angle_deg == pytest.approx(0, abs=0.3)


def test_a_dish_does_not_tilt_its_plate():
    x = np.linspace(-17, 17, 500)
    dish = 3 * (1 - (x / 17) ** 2)
    outline = Outline(np.concatenate([np.stack([-14 + dish, x], 1), BOX[2:]]))
    plate = find_endplate(outline, turned(BACKWARD, 12), upper=True)
    assert plate.angle_deg == pytest.approx(0, abs=0.1)
    assert plate.inner(outline, 0.5, upper=True) == pytest.approx((-11, 0), abs=0.05)


def test_angles_open_to_the_front():
    """A lordotic pair: the upper plate's front is higher, the lower one's lower."""
    above = find_endplate(dense(turned(BOX, -15)), turned(BACKWARD, -15), upper=True)
    below = find_endplate(dense(turned(BOX, 38)), turned(BACKWARD, 38), upper=True)
    assert angle_between(above, below) == pytest.approx(53, abs=0.05)


def test_nothing_where_nothing_is():
    small = dense(BOX / 10)
    assert find_endplate(small, BACKWARD, upper=True) is None


@pytest.mark.parametrize("slip_mm", [-5.0, 0.0, 2.0, 9.0])
@pytest.mark.parametrize("degrees", [0, 35])
def test_slip_of_shifted_boxes(slip_mm, degrees):
    upper = dense(turned(BOX + np.array([-36.0, -slip_mm]), degrees))
    lower = dense(turned(BOX, degrees))
    axis = turned(BACKWARD, degrees)
    slip = slip_of(find_endplate(upper, axis, upper=False), find_endplate(lower, axis, upper=True))
    assert slip.mm == pytest.approx(slip_mm, abs=0.02)
    assert slip.percent == pytest.approx(100 * slip_mm / 34, rel=0.03, abs=0.1)
    assert np.linalg.norm(slip.ruler[1] - slip.ruler[0]) == pytest.approx(abs(slip_mm), abs=0.02)


def test_slip_on_pixels():
    rng = np.random.default_rng(2)
    grid = (np.arange(110) - 54.5) * 0.6
    y, x = np.meshgrid(grid, grid, indexing="ij")
    errors = []
    for _ in range(30):
        degrees, shift = rng.uniform(-35, 35), rng.uniform(-0.5, 0.5, 2)
        axis = turned(BACKWARD, degrees)
        local = turned(np.stack([y, x], -1) - shift, -degrees)
        plates = []
        # Boxes of 22 mm that fit the picture, 7 mm apart, the upper one 4 mm forward.
        for middle, slip, is_upper in ((-14.5, -4.0, False), (14.5, 0.0, True)):
            inside = (np.abs(local[..., 0] - middle) < 11) & (np.abs(local[..., 1] - slip) < 13)
            outline = outline_of(inside, (0.6, 0.6), (-54.5, -54.5))
            plates.append(find_endplate(outline, axis, upper=is_upper))
        errors.append(slip_of(*plates).mm - 4.0)
    assert np.abs(errors).mean() < 0.15
    assert np.abs(np.mean(errors)) < 0.05


@pytest.mark.parametrize(
    ("mm", "percent", "grade"),
    [
        (-9.0, -26.0, 0),
        (0.0, 0.0, 0),
        (2.99, 8.0, 0),
        (3.0, 8.0, 1),
        (8.5, 25.0, 1),
        (8.6, 25.1, 2),
        (20.0, 60.0, 3),
        (30.0, 88.0, 4),
        (37.0, 109.0, 5),
    ],
)
def test_meyerding_from_three_millimetres(mm, percent, grade):
    assert meyerding_grade(Slip(mm, percent, np.zeros((2, 2)))) == grade
