from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from load_samples import bodies, flexed, loads_of, muscles, some_loads, standing
from matplotlib import colormaps
from PIL import Image

from openlumbar.core.loads import BodyShape, Loads
from openlumbar.report.load_chart import loads_chart, span, ticks
from openlumbar.report.load_pictures import (
    RAMP,
    clipped,
    colour_of_activation,
    draw_loads,
    task_drawings,
)
from openlumbar.report.loads import task_colour

SVG = "{http://www.w3.org/2000/svg}"
BOX = (0.0, 0.0, 20.0, 10.0)


def elements(drawing, tag):
    return ElementTree.fromstring(drawing.bytes()).iter(f"{SVG}{tag}")


def words(drawing):
    return [element.text for element in elements(drawing, "text")]


def lightness(colour):
    """CIE 1976 L* of ``#rrggbb``."""
    parts = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    y = float(linear @ (0.2126, 0.7152, 0.0722))
    return 116 * np.cbrt(y) - 16


# The picture -------------------------------------------------------------------------


def test_each_task_has_a_picture_of_its_own(tmp_path):
    paths = draw_loads(some_loads(), tmp_path / "pictures")
    assert [path.name for path in paths] == ["loads_standing.png", "loads_hess2023.png"]
    picture = np.asarray(Image.open(paths[1]).convert("RGB")).astype(int)
    dark = (picture.max(axis=2) < 40).mean()
    colourful = (np.ptp(picture, axis=2) > 100).mean()
    assert dark > 0.5
    assert colourful > 0.01


def test_without_bodies_or_tasks_nothing_is_drawn_and_no_folder_made(tmp_path):
    bare = some_loads(tasks=(standing(bodies=()),))
    assert draw_loads(bare, tmp_path / "a") == draw_loads(Loads(missing="x"), tmp_path / "b") == ()
    assert list(tmp_path.iterdir()) == []


def test_the_compression_stands_beside_each_disc_from_head_to_foot():
    drawing = task_drawings(some_loads())["hess2023"]
    texts = [
        (float(element.get("y")), element.text)
        for element in elements(drawing, "text")
        if element.text[0].isdigit() and element.text.endswith(" N")
    ]
    assert [text for _, text in sorted(texts)] == [
        "1876 N", "2140 N", "2404 N", "2668 N", "2931 N", "2668 N",
    ]  # fmt: skip
    heights = sorted(height for height, _ in texts)
    assert min(b - a for a, b in pairwise(heights)) > 2.5  # taller than the words


def test_activation_is_the_colour_and_force_the_width_of_a_line():
    def drawn(activation, force):
        one = replace(muscles()[0], activation=activation, force_n=force)
        other = replace(muscles()[1], activation=0.0, force_n=200.0)
        drawing = task_drawings(some_loads(tasks=(standing(muscles=(one, other)),)))["standing"]
        colour = colour_of_activation(activation)
        return {
            float(path.get("stroke-width"))
            for path in elements(drawing, "path")
            if path.get("stroke") == colour and path.get("stroke-opacity") == "0.9"
        }

    (thin, weak), (_, strong) = sorted(drawn(0.62, 50.0)), sorted(drawn(0.62, 100.0))
    # The first is that of the sketch of the whole body, the same for all.
    assert thin < weak < strong
    per_newton = (strong - weak) / 50
    assert strong + 100 * per_newton == pytest.approx(2.6 * 25.4 / 72, abs=0.002)


def test_tasks_share_the_scale_of_widths():
    drawings = task_drawings(some_loads())
    assert words(drawings["standing"])[-3:] == words(drawings["hess2023"])[-3:]


def test_what_the_hands_carry_is_drawn_where_they_are():
    def weights(task):
        drawing = task_drawings(some_loads(tasks=(task,)))[task.task]
        return [c for c in elements(drawing, "circle") if float(c.get("r")) > 1.0]

    assert len(weights(flexed())) == 2
    assert weights(standing()) == []


def test_face_is_to_the_left_and_the_right_side_at_the_right():
    # One fascicle in front of the spine, on the right.
    front = replace(muscles()[0], activation=0.5, path_mm=((60.0, 150.0, 30.0), (60.0, 20.0, 30.0)))
    drawing = task_drawings(some_loads(tasks=(standing(muscles=(front,)),)))["standing"]
    colour = colour_of_activation(0.5)
    side, behind = (
        float(path.get("d")[1:].split()[0])
        for path in elements(drawing, "path")
        if path.get("stroke") == colour and path.get("stroke-width") != "0.106"
    )
    spine = sorted(
        np.mean([float(pair.split()[0]) for pair in path.get("d").strip("MZ").split("L")])
        for path in elements(drawing, "path")
        if path.get("fill-opacity") == "0.16"
    )
    assert side < spine[0]
    assert behind > spine[-1]


def test_a_strange_body_is_drawn_all_the_same():
    odd = (*bodies(), BodyShape("ribs", ()), BodyShape("dot", (((0.0, 0.0, 0.0),),)))
    assert task_drawings(some_loads(tasks=(standing(bodies=odd, muscles=(), loads=()),)))


@pytest.mark.parametrize(
    ("line", "pieces"),
    [
        ([(5, 5), (5, 15)], [[(5, 5), (5, 15)]]),
        ([(5, -5), (5, 25)], [[(5, 0), (5, 20)]]),
        ([(-5, 5), (-5, 15)], []),
        ([(5, 5), (15, 5), (15, 10), (5, 10)], [[(5, 5), (10, 5)], [(10, 10), (5, 10)]]),
        ([(2, 2), (3, 3), (3, 30), (3, 3)], [[(2, 2), (3, 3), (3, 20)], [(3, 20), (3, 3)]]),
        ([(5, 5)], []),
    ],
)
def test_lines_are_cut_at_the_border(line, pieces):
    found = clipped(np.array(line, float), BOX)
    assert [[tuple(point) for point in piece] for piece in found] == pieces


def test_colours_are_those_of_plasma_and_get_lighter_evenly():
    plasma = colormaps["plasma"]
    for place, colour in enumerate(RAMP):
        given = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        assert given == pytest.approx(plasma(0.2 + 0.08 * place)[:3], abs=0.01)
    steps = np.diff([lightness(colour_of_activation(n / 20)) for n in range(21)])
    assert steps.min() > 0.6 * steps.mean()
    assert steps.max() < 1.5 * steps.mean()


# The chart ---------------------------------------------------------------------------


def dots(drawing, number):
    """x of the dots of a task, without that of the legend."""
    found = [
        float(c.get("cx"))
        for c in elements(drawing, "circle")
        if c.get("fill") == task_colour(number)
    ]
    return np.array(found[1:])


def test_a_dot_stands_where_its_force_is_on_the_axis():
    drawing = loads_chart(some_loads(), "#000000")
    at = {t.text: float(t.get("x")) for t in elements(drawing, "text")}
    assert "−200" in at  # of shear, whose axis reaches below zero
    per_newton = (at["4000"] - at["3000"]) / 1000
    forces = np.array([load.compression_n for load in loads_of() if load.place == "joint"])
    np.testing.assert_allclose(
        dots(drawing, 1)[:6], at["3000"] + (forces - 3000) * per_newton, atol=0.01
    )


def test_every_interval_has_a_line_and_none_where_there_is_none():
    def lines(loads):
        drawing = loads_chart(loads, "#000000")
        return [p for p in elements(drawing, "path") if p.get("stroke") == task_colour(0)]

    bare = standing(loads=loads_of(interval=False))
    assert len(lines(some_loads())) == 12  # six discs, compression and shear
    assert lines(some_loads(tasks=(bare,))) == []


def test_without_joints_there_is_no_chart():
    assert loads_chart(some_loads(tasks=(standing(loads=()),)), "#000000") is None
    assert loads_chart(Loads(), "#000000") is None


@pytest.mark.parametrize("forces", [[0.0], [-3.0], [2931.4, -1.0], [12.0, 13.0], [-80.0, -20.0]])
def test_an_axis_holds_zero_and_all_forces_between_round_ends(forces):
    least, most = span(forces)
    assert least <= min(0, *forces) <= max(0, *forces) <= most
    assert ticks(least, most)[0] == least
    assert ticks(least, most)[-1] == pytest.approx(most)
    assert 2 <= len(ticks(least, most)) <= 7
