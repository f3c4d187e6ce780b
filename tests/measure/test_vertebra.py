import numpy as np
import pytest

from openlumbar.measure.endplates import find_endplate
from openlumbar.measure.outline import Outline, outline_of
from openlumbar.measure.spikes import without_spikes
from openlumbar.measure.trapezoid import bounding_trapezoid
from openlumbar.measure.vertebra import Fit, anchor_points, fit_body, read_body
from openlumbar.measure.view import Part

BACKWARD = np.array([0.0, 1.0])


def polygon(*corners, step=0.05):
    """A dense closed polygon through (y, x) corners: the analytic contour."""
    ends = np.roll(np.array(corners, float), -1, 0)
    sides = [
        a
        + np.linspace(0, 1, max(2, int(np.linalg.norm(b - a) / step)), endpoint=False)[:, None]
        * (b - a)
        for a, b in zip(np.array(corners, float), ends, strict=True)
    ]
    return Outline(np.concatenate(sides))


def turned(points, degrees, shift=(0.0, 0.0)):
    """Front end down by ``degrees``: the sense of ``rotation_deg``."""
    a = np.radians(degrees)
    turn = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    return np.asarray(points) @ turn.T + shift


def raster(corners, pixel_mm, size_mm=64.0):
    """Mask of a convex polygon (clockwise or not), and the origin that puts 0 in its middle."""
    shape = [round(size_mm / step) for step in pixel_mm]
    y, x = np.meshgrid(
        *((np.arange(n) - (n - 1) / 2) * step for n, step in zip(shape, pixel_mm, strict=True)),
        indexing="ij",
    )
    sides = []
    for (ay, ax), (by, bx) in zip(corners, np.roll(corners, -1, 0), strict=True):
        sides.append((by - ay) * (x - ax) - (bx - ax) * (y - ay) > 0)
    mask = np.all(sides, 0) | ~np.any(sides, 0)
    return mask, tuple(-(n - 1) / 2 for n in shape)


#: Top front, top back, bottom back, bottom front: 36 and 32 wide, 28 high.
TRAPEZOID = np.array([(-14.0, -18.0), (-14.0, 18.0), (14.0, 17.0), (14.0, -15.0)])
#: Front 30, back 24 high; walls parallel.
WEDGE = np.array([(-15.0, -17.0), (-12.0, 17.0), (12.0, 17.0), (15.0, -17.0)])


def measured(outline, axis=BACKWARD):
    upper, lower = (find_endplate(outline, axis, upper=up) for up in (True, False))
    fit = fit_body(outline, upper, lower)
    assert isinstance(fit, Fit), fit
    return fit


@pytest.mark.parametrize("degrees", [-40, -12, 0, 7, 25])
def test_bounding_trapezoid_of_a_trapezoid_is_itself(degrees):
    corners = turned(TRAPEZOID, degrees, (50, 70))
    near = turned([BACKWARD], degrees + 4)[0]
    found = bounding_trapezoid(polygon(*corners), near)
    assert np.degrees(np.arctan2(*found.axis)) == pytest.approx(-degrees, abs=0.03)
    np.testing.assert_allclose(found.corners, corners, atol=0.05)
    assert found.area_mm2 == pytest.approx(28 * 34, rel=1e-3)
    assert (found.top_mm, found.bottom_mm) == pytest.approx((36, 32), abs=0.05)
    np.testing.assert_allclose(found.shared, corners[[3, 2]] @ found.axis, atol=0.05)


def test_no_trapezoid_around_an_ellipse_is_smaller():
    """For an ellipse every direction's trapezoid is a parallelogram of four times a·b."""
    t = np.linspace(0, 2 * np.pi, 2000, endpoint=False)
    outline = Outline(np.stack([13 * np.sin(t), 18 * np.cos(t)], 1))
    found = bounding_trapezoid(outline, BACKWARD)
    assert found.area_mm2 == pytest.approx(4 * 13 * 18, rel=1e-3)
    assert found.axis == pytest.approx(BACKWARD, abs=1e-3)
    heights = Fit(found, anchor_points(outline, found)).heights_mm
    at_tenth = 2 * 13 * np.sqrt(1 - 0.8**2)
    assert heights == pytest.approx([at_tenth, 26, at_tenth], abs=0.06)


def test_six_anchor_points_of_a_trapezoid_by_hand():
    fit = measured(polygon(*TRAPEZOID))
    # The shorter side is the bottom, from -15 to 17: lines at -11.8, 1 and 13.8.
    expected = [[(-14, x), (14, x)] for x in (-11.8, 1.0, 13.8)]
    np.testing.assert_allclose(fit.anchors, expected, atol=0.03)
    assert fit.heights_mm == pytest.approx([28, 28, 28], abs=0.02)


@pytest.mark.parametrize("degrees", [-30, 0, 18])
def test_heights_of_a_wedge(degrees):
    """Ambiguous by the rule alone; between its endplates the middle direction is taken."""
    outline = polygon(*turned(WEDGE, degrees, (40, 60)))
    fit = measured(outline, turned([BACKWARD], degrees)[0])
    assert np.degrees(np.arctan2(*fit.trapezoid.axis)) == pytest.approx(-degrees, abs=0.1)
    assert fit.heights_mm == pytest.approx([29.4, 27.0, 24.6], abs=0.05)


def test_lines_of_a_leaning_body_run_from_endplate_to_endplate():
    """A parallelogram, 28 high, that leans by 8 mm: by the letter the line in front leaves it."""
    leaning = TRAPEZOID * 0 + [(-14, -18), (-14, 18), (14, 10), (14, -26)]
    fit = measured(polygon(*leaning))
    assert fit.heights_mm == pytest.approx([28, 28, 28], abs=0.1)
    assert fit.anchors[:, 0, 1] == pytest.approx([-15.2, -4, 7.2], abs=0.3)


def test_concave_endplates_lower_the_middle_alone():
    x = np.linspace(-17, 17, 400)
    dish = 2.5 * (1 - (x / 17) ** 2)
    top = np.stack([-14 + dish, x], 1)
    bottom = np.stack([14 - dish, x], 1)[::-1]
    heights = measured(Outline(np.concatenate([top, bottom]))).heights_mm
    rim = 28 - 5 * (1 - 0.8**2)
    assert heights == pytest.approx([rim, 23.0, rim], abs=0.02)


@pytest.mark.parametrize("pixel_mm", [(0.6, 0.6), (0.5, 0.7)])
@pytest.mark.parametrize("corners", [TRAPEZOID, WEDGE], ids=["trapezoid", "wedge"])
def test_pixels_cost_little(corners, pixel_mm):
    """Random turns and shifts: mean error of heights ≤ 0.15 mm, of angles ≤ 0.5°."""
    rng = np.random.default_rng(5)
    heights, angles = [], []
    truth = measured(polygon(*corners)).heights_mm
    for _ in range(40):
        degrees, shift = rng.uniform(-35, 35), rng.uniform(-0.5, 0.5, 2)
        mask, origin = raster(turned(corners, degrees, shift), pixel_mm)
        fit = measured(outline_of(mask, pixel_mm, origin), turned([BACKWARD], degrees)[0])
        heights.append(fit.heights_mm - truth)
        angles.append(np.degrees(np.arctan2(*fit.trapezoid.axis)) + degrees)
    assert np.abs(heights).mean() < 0.15
    assert np.abs(np.mean(heights)) < 0.05
    assert np.abs(angles).mean() < 0.5


def part_of(mask, pixel_mm=(0.6, 0.6), room=5):
    """A part three slices thick in the middle of a picture with some room around it."""
    origin = (1, room, room)
    picture = (5, mask.shape[0] + 2 * room, mask.shape[1] + 2 * room)
    return Part(43, np.repeat(mask[None], 3, 0), origin, picture, (4.0, *pixel_mm), 1.0)


def rectangle(rows=40, columns=56):
    return np.pad(np.ones((rows, columns), bool), 4)


def test_a_rectangle_of_pixels_is_as_high_as_its_pixels():
    body = read_body(part_of(rectangle(), (0.5, 0.7)), 2, BACKWARD)
    assert body.flags == ()
    assert body.fit.heights_mm[1] == pytest.approx(20.0, abs=1e-6)
    assert body.fit.heights_mm == pytest.approx([20.0, 20.0, 20.0], abs=0.02)
    assert body.upper.length_mm == pytest.approx(56 * 0.7, abs=1.0)


def spiked(length_mm):
    mask = rectangle(48, 60)
    n = round(length_mm / 0.6)
    mask = np.pad(mask, n)
    mask[n + 48 : n + 52, 4 : n + 8] = True  # a beak of 2.4 mm at the lower front corner
    return mask


def test_an_osteophyte_does_not_drive_the_trapezoid():
    clean = read_body(part_of(rectangle(48, 60)), 2, BACKWARD).fit
    beaked = read_body(part_of(spiked(8.0)), 2, BACKWARD).fit
    assert beaked.heights_mm == pytest.approx(clean.heights_mm, abs=0.3)
    assert beaked.trapezoid.area_mm2 == pytest.approx(clean.trapezoid.area_mm2, rel=0.04)


def test_a_body_without_spikes_stays_as_it_is():
    mask, _ = raster(turned(WEDGE, 20), (0.6, 0.6))
    np.testing.assert_array_equal(without_spikes(mask, (0.6, 0.6)), mask)


def test_a_speck_is_left_aside():
    mask = np.pad(rectangle(), 20)
    clean = read_body(part_of(mask), 2, BACKWARD).fit.heights_mm
    mask[2:6, 2:6] = True
    assert read_body(part_of(mask), 2, BACKWARD).fit.heights_mm == pytest.approx(clean)


@pytest.mark.parametrize(
    ("mask", "flag"),
    [
        (np.zeros((30, 30), bool), "not-measurable"),
        (np.pad(np.ones((1, 1), bool), 9), "not-measurable"),
        (np.pad(np.ones((2, 50), bool), 9), "not-measurable"),
        (np.pad(np.ones((40, 5), bool), 9), "not-measurable"),
        (rectangle(90, 50), "irregular-outline"),
    ],
    ids=["empty", "one pixel", "sliver", "upright sliver", "two in one"],
)
def test_nonsense_gives_a_flag_and_no_number(mask, flag):
    body = read_body(part_of(mask), 2, BACKWARD)
    assert body.fit is None
    assert body.flags == (flag,)


def test_a_ragged_star_is_irregular():
    y, x = np.mgrid[-40:41, -50:51]
    arms = (np.abs(y - 0.7 * x) < 9) | (np.abs(y + 0.7 * x) < 9)
    body = read_body(part_of(arms & (np.abs(y) < 33)), 2, BACKWARD)
    assert body.fit is None
    assert body.flags


@pytest.mark.parametrize("side", ["up", "down", "front", "back"])
def test_a_body_that_the_border_cuts_has_no_height(side):
    mask = np.ones((45, 60), bool)
    origin = {"up": (0, 30), "down": (55, 30), "front": (30, 0), "back": (30, 40)}[side]
    part = Part(43, mask[None], (0, *origin), (1, 100, 100), (4.0, 0.6, 0.6), 1.0)
    body = read_body(part, 0, BACKWARD)
    assert body.fit is None
    assert body.flags == ("partly-in-view",)
    # An endplate away from the border still stands.
    assert (body.upper is None) == (side != "down")
    assert (body.lower is None) == (side != "up")


def test_s1_has_an_upper_endplate_and_no_height():
    mask, _ = raster(turned(WEDGE, 40), (0.6, 0.6))
    body = read_body(part_of(mask), 2, turned([BACKWARD], 32)[0], free=False)
    assert body.fit is None
    assert body.lower is None
    # The wedge's upper side slopes by 5.04° more.
    assert body.upper.angle_deg == pytest.approx(-40 + np.degrees(np.arctan(3 / 34)), abs=0.5)
