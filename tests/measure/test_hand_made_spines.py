"""Numbers against truth by hand: polygons of known corners, drawn here, measured end to end.

Nothing of ``openlumbar.measure`` is used but its one public function: bodies are given by their
corners in the patient, drawn pixel by pixel by the share that lies within, and the numbers
follow from the corners.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest

from openlumbar.core import anatomy
from openlumbar.core.exam import Block, Series, Weighting
from openlumbar.core.masks import SeriesMasks
from openlumbar.core.plane import Plane
from openlumbar.core.volume import Volume
from openlumbar.measure import measure_sagittal

NAMES = ("L1", "L2", "L3", "L4", "L5", "S1")
#: Samples along each side of a pixel.
FINE = 6


@dataclass(frozen=True)
class Box:
    """A body: corners follow from its centre (back, up), turn, depth and the two heights."""

    centre: tuple[float, float]
    front_lower_deg: float = 0.0
    depth: float = 34.0
    front: float = 26.0
    back: float = 26.0

    def corner(self, place: float, side: float) -> np.ndarray:
        """``place`` -1 front … 1 back, ``side`` 1 top, -1 bottom → (back, up), mm."""
        height = (self.front * (1 - place) + self.back * (1 + place)) / 2
        local = np.array([place * self.depth / 2, side * height / 2])
        turn = np.radians(self.front_lower_deg)
        # The front lower: going back is going up.
        return np.array(self.centre) + local @ [
            [np.cos(turn), np.sin(turn)],
            [-np.sin(turn), np.cos(turn)],
        ]

    @property
    def outline(self) -> np.ndarray:
        return np.array([self.corner(*c) for c in ((-1, 1), (1, 1), (1, -1), (-1, -1))])


@dataclass(frozen=True)
class Grid:
    """A sagittal grid; ``swap`` stores columns first, ``flip`` turns slices, rows, columns."""

    pixel: tuple[float, float] = (0.6, 0.6)
    slice_mm: float = 4.0
    swap: bool = False
    flip: tuple[int, ...] = ()
    shift: tuple[float, float] = (0.13, 0.21)
    size: tuple[float, float] = (150.0, 250.0)
    slices: int = 9

    @property
    def near(self) -> float:
        """What a length may be off by: an edge along the rows, half a pixel; mm."""
        return 0.55 * max(self.pixel)

    def draw(self, polygons: dict[int, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """``[slice, row, column]`` of codes, and (i, j, k) → LPS of its voxels' centres."""
        height, width = self.pixel
        shape = round(self.size[1] / height), round(self.size[0] / width)
        offsets = (np.arange(FINE) + 0.5) / FINE - 0.5
        rows = (np.arange(shape[0])[:, None] + offsets).ravel() * height
        columns = (np.arange(shape[1])[:, None] + offsets).ravel() * width
        up = self.size[1] / 2 + self.shift[1] - rows[:, None]
        back = columns[None] - self.size[0] / 2 + self.shift[0]
        plane = np.zeros(shape, np.uint16)
        for code, corners in polygons.items():
            share = _inside(corners, back, up).reshape(shape[0], FINE, shape[1], FINE).mean((1, 3))
            plane[share >= 0.5] = code
        labels = np.zeros((self.slices, *shape), np.uint16)
        labels[1:-1] = plane
        canal = labels == anatomy.SPINAL_CANAL
        canal[3:-3] = False
        labels[canal] = 0
        affine = np.eye(4)
        affine[:3, 0], affine[:3, 1] = (0, width, 0), (0, 0, -height)
        affine[:3, 2] = self.slice_mm, 0, 0
        affine[:3, 3] = (
            -(self.slices - 1) / 2 * self.slice_mm,
            self.shift[0] - self.size[0] / 2,
            self.size[1] / 2 + self.shift[1],
        )
        return self._stored(labels, affine)

    def _stored(self, labels, affine):
        for axis in self.flip:
            column = 2 - axis
            affine[:3, 3] += affine[:3, column] * (labels.shape[axis] - 1)
            affine[:3, column] *= -1
            labels = np.flip(labels, axis)
        if self.swap:
            labels = labels.swapaxes(1, 2)
            affine[:, [0, 1]] = affine[:, [1, 0]]
        return np.ascontiguousarray(labels), affine


def _inside(corners, x, y):
    """Even-odd rule."""
    inside = np.zeros(np.broadcast_shapes(x.shape, y.shape), bool)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, 0), strict=True):
        if y0 == y1:
            continue
        passes = (y0 <= y) != (y1 <= y)
        inside ^= passes & (x < x0 + (y - y0) / (y1 - y0) * (x1 - x0))
    return inside


def polygons_of(boxes: dict[str, Box], canal: np.ndarray | None = None) -> dict[int, np.ndarray]:
    """Bodies, discs that fill the room between them, the canal."""
    found = {} if canal is None else {anatomy.SPINAL_CANAL: canal}
    for above, below in pairwise(boxes):
        upper, lower = boxes[above], boxes[below]
        corners = [upper.corner(-1, -1), upper.corner(1, -1), lower.corner(1, 1)]
        corners.append(lower.corner(-1, 1))
        found[anatomy.disc_code(f"{above}-{below}")] = np.array(corners)
    found |= {anatomy.vertebra_code(name): box.outline for name, box in boxes.items()}
    return found


def measured(polygons, grid=None):
    labels, affine = (grid or Grid()).draw(polygons)
    bodies = np.where(np.isin(labels, [anatomy.vertebra_code(n) for n in NAMES]), labels, 0)
    volumes = Volume(labels, affine), Volume(bodies.astype(np.uint16), affine)
    names = tuple(str(k) for k in range(len(labels)))
    series = Series("s", Plane.SAGITTAL, Weighting.T2, (Block(volumes[0], names),), "nifti")
    found = measure_sagittal(series, SeriesMasks("s", volumes[:1], volumes[1:]))
    return {(m.level, m.metric): m for m in found}


def curved(turns: tuple[float, ...], gap: float = 9.0) -> dict[str, Box]:
    """Boxes along a curve, each turned so that its front is lower by so much."""
    boxes, place = {}, np.zeros(2)
    for number, (name, turn) in enumerate(zip(NAMES, turns, strict=True)):
        if number:
            mean = np.radians((turn + turns[number - 1]) / 2)
            place = place + (26 + gap) * np.array([np.sin(mean), -np.cos(mean)])
        boxes[name] = Box((float(place[0]), float(place[1])), turn)
    middle = (np.array(boxes["L1"].centre) + boxes["S1"].centre) / 2
    return {
        name: Box(tuple(np.array(box.centre) - middle), box.front_lower_deg)
        for name, box in boxes.items()
    }


GRIDS = {
    "0.6 mm": Grid(),
    "0.4 x 1.1 mm": Grid(pixel=(0.4, 1.1)),
    "1.1 x 0.4 mm, slices 6 mm apart": Grid(pixel=(1.1, 0.4), slice_mm=6.0),
    "columns first": Grid(swap=True),
    "columns first, slices from the left, rows upward": Grid(swap=True, flip=(0, 1)),
    "columns from the back": Grid(flip=(2,)),
}


@pytest.fixture(params=GRIDS, scope="module")
def grid(request):
    return GRIDS[request.param]


def value(found, level, metric):
    assert found[level, metric].flags == ()
    return found[level, metric].value


def heights(found, level):
    return [value(found, level, f"{p}_height_mm") for p in ("anterior", "middle", "posterior")]


# -- one spine of odd bodies -------------------------------------------------------------

TURN = 11.0
#: Local (back, up). Shorter on top; a wedge; endplates like a trough, 4 mm deep.
ODD = {
    "L2": [(-13, 13.5), (12, 13.5), (17, -13.5), (-19, -13.5)],
    "L3": [(-17, 11), (17, 14), (17, -14), (-17, -11)],
    "L4": [(-17, 13), (-5, 9), (5, 9), (17, 13), (17, -13), (5, -9), (-5, -9), (-17, -13)],
}


@pytest.fixture(scope="module")
def odd(grid):
    boxes = curved((TURN,) * 6)
    sin, cos = np.sin(np.radians(TURN)), np.cos(np.radians(TURN))
    polygons = polygons_of(boxes)
    for name, corners in ODD.items():
        turned = np.array(corners) @ [[cos, sin], [-sin, cos]]
        polygons[anatomy.vertebra_code(name)] = turned + boxes[name].centre
    return measured(polygons, grid), boxes


def test_parallel_sides_are_equally_far_apart_everywhere(odd, grid):
    assert heights(odd[0], "L2") == pytest.approx([27.0] * 3, abs=grid.near)


def test_a_symmetrical_wedge_lies_in_the_box_of_its_back(odd, grid):
    """Its lines are a tenth of its depth in from the walls."""
    assert heights(odd[0], "L3") == pytest.approx([22.6, 25.0, 27.4], abs=grid.near)


def test_a_biconcave_body_is_lower_in_the_middle(odd, grid):
    """A tenth in from the walls, each trough is 4 · 3.4 / 12 mm deep."""
    assert heights(odd[0], "L4") == pytest.approx([23.73, 18.0, 23.73], abs=grid.near)


def test_ratios_are_of_the_heights(odd, grid):
    near = grid.near / 15
    found = odd[0]
    assert value(found, "L3", "wedge_ratio") == pytest.approx(22.6 / 27.4, abs=near)
    assert value(found, "L3", "biconcavity_ratio") == pytest.approx(25 / 27.4, abs=near)
    crush = 27.4 / ((27 + 23.73) / 2)
    assert value(found, "L3", "crush_ratio") == pytest.approx(crush, abs=near)


def test_turned_forward_is_positive(odd, grid):
    for name in NAMES[:5]:
        assert value(odd[0], name, "rotation_deg") == pytest.approx(TURN, abs=2.5 * grid.near)


def test_room_between_parallel_boxes(odd, grid):
    found = odd[0]
    for metric in ("height_mm", "bounding_height_mm", "anterior_distance_mm"):
        assert value(found, "L5-S1", metric) == pytest.approx(9.0, abs=grid.near), metric
    assert value(found, "L5-S1", "posterior_distance_mm") == pytest.approx(9.0, abs=grid.near)
    index = pytest.approx(9 / 26, abs=grid.near / 15)
    assert value(found, "L5-S1", "disc_height_index") == index


def test_centroids_lie_in_the_patient(odd, grid):
    found, boxes = odd
    for name in ("L1", "L4"):
        centre = [value(found, name, f"centroid_{axis}_mm") for axis in "xyz"]
        assert centre == pytest.approx([0.0, *boxes[name].centre], abs=0.2)


# -- angles -------------------------------------------------------------------------------


def test_a_lordotic_spine_is_positive(grid):
    """Fronts higher at L1, lower at S1; discs higher in front."""
    turns = (-14.0, -8.0, 0.0, 9.0, 20.0, 34.0)
    found = measured(polygons_of(curved(turns)), grid)
    near = 3 * grid.near
    assert value(found, "L1-S1", "lordosis_deg") == pytest.approx(48.0, abs=near)
    for number, (above, below) in enumerate(pairwise(NAMES)):
        opens = pytest.approx(turns[number + 1] - turns[number], abs=near)
        assert value(found, f"{above}-{below}", "segmental_angle_deg") == opens
        assert value(found, f"{above}-{below}", "disc_angle_deg") == opens
        assert value(found, above, "rotation_deg") == pytest.approx(turns[number], abs=near)


def test_a_kyphotic_spine_is_negative():
    found = measured(polygons_of(curved((12.0, 8.0, 4.0, 0.0, -4.0, -8.0))))
    assert value(found, "L1-S1", "lordosis_deg") == pytest.approx(-20.0, abs=1.0)


# -- slips --------------------------------------------------------------------------------


def slipped(slip, turn, grid=None):
    """All above L5 is shifted forward along L5's upper endplate."""
    boxes = curved((turn,) * 6)
    along = slip * np.array([np.cos(np.radians(turn)), np.sin(np.radians(turn))])
    for name in ("L1", "L2", "L3", "L4"):
        centre = np.array(boxes[name].centre) - along
        boxes[name] = Box((float(centre[0]), float(centre[1])), turn)
    return measured(polygons_of(boxes), grid)


def test_forward_is_positive(grid):
    found = slipped(7.0, 12.0, grid)
    assert value(found, "L4-L5", "listhesis_mm") == pytest.approx(7.0, abs=2 * grid.near)
    percent = pytest.approx(7 / 0.34, abs=2 * grid.near / 0.34)
    assert value(found, "L4-L5", "listhesis_percent") == percent
    assert value(found, "L4-L5", "meyerding_grade") == 1
    assert value(found, "L3-L4", "listhesis_mm") == pytest.approx(0, abs=grid.near)


@pytest.mark.parametrize(("slip", "grade"), [(-5.0, 0), (2.0, 0), (12.0, 2), (20.0, 3)])
def test_slips_of_all_degrees(slip, grade):
    found = slipped(slip, 20.0)
    assert value(found, "L4-L5", "listhesis_mm") == pytest.approx(slip, abs=0.6)
    assert value(found, "L4-L5", "meyerding_grade") == grade


def test_a_slip_off_a_domed_sacrum():
    """Behind it the spine's course turns so far that its square runs down the sacrum's front."""
    turn = np.radians(40.0)
    to_patient = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    last = Box((0.0, 0.0), 40.0)
    # In the sacrum's own directions, its middle 14 mm behind that of L5: a front cut slanting.
    sacrum = [(-3, -53), (-3, -44), (5, -22), (31, -22), (31, -53)]
    disc = [(5, -22), (-3, -44), (-10, -44)]
    polygons = polygons_of({"L4": Box((-8.0, 34.0), 25.0), "L5": last})
    polygons[anatomy.vertebra_code("S1")] = np.array(sacrum) @ to_patient
    ends = [last.corner(-1, -1), last.corner(1, -1), np.array((31, -22)) @ to_patient]
    polygons[anatomy.disc_code("L5-S1")] = np.array([*ends, *(np.array(disc) @ to_patient)])
    found = measured(polygons)
    assert value(found, "L5-S1", "listhesis_mm") == pytest.approx(14.0, abs=0.7)
    assert value(found, "L5-S1", "meyerding_grade") >= 2
    assert value(found, "L5-S1", "disc_angle_deg") == pytest.approx(0.0, abs=1.0)


def test_half_a_body_is_no_body():
    """A triangle fills its trapezoid well; what rests on it is not measured either."""
    polygons = polygons_of(curved((0.0,) * 6))
    whole = polygons[anatomy.vertebra_code("L3")]
    polygons[anatomy.vertebra_code("L3")] = whole - np.array([(-20, 0), (0, 0), (0, 0), (0, 0)])
    found = measured(polygons)
    assert found["L3", "anterior_height_mm"].flags == ("irregular-outline",)
    assert found["L3-L4", "disc_angle_deg"].flags == ("neighbour-missing",)
    assert found["L2-L3", "listhesis_mm"].value is None


# -- the canal ----------------------------------------------------------------------------


@pytest.mark.parametrize("tilt", [-20.0, 0.0, 25.0])
def test_a_tube_for_a_canal(tilt):
    """A straight tube, 14 mm from front to back square to its course."""
    down = np.array([np.sin(np.radians(tilt)), -np.cos(np.radians(tilt))])
    aside = np.array([-down[1], down[0]])
    ends = np.array([30.0, 0.0]) + np.array([-95.0, 95.0])[:, None] * down
    sides = [ends[0] - 7 * aside, ends[1] - 7 * aside, ends[1] + 7 * aside, ends[0] + 7 * aside]
    found = measured(polygons_of(curved((tilt,) * 6), np.array(sides)))
    for level in ("L2", "L2-L3", "L3", "L3-L4", "L4"):
        assert value(found, level, "ap_diameter_mm") == pytest.approx(14.0, abs=0.4)


def test_the_tip_of_a_canal_is_not_its_diameter():
    """A canal that leaves the slice tapers out: beside L2 it is half as deep."""
    boxes = curved((0.0,) * 6)
    tip = boxes["L2"].centre[1] + 3
    tube = np.array([(23, -80), (37, -80), (37, tip - 9), (30, tip), (23, tip - 9)])
    found = measured(polygons_of(boxes, tube))
    assert found["L2", "ap_diameter_mm"].flags == ("no-canal",)
    assert value(found, "L3", "ap_diameter_mm") == pytest.approx(14.0, abs=0.4)
