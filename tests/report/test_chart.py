import re
from xml.etree import ElementTree

import numpy as np
import pytest
from report_samples import (
    axial_affine,
    axial_analysis,
    axial_measurements,
    axial_series,
    of_slice,
    slice_row,
)

from openlumbar.report.axial import axial_sections
from openlumbar.report.chart import charts_of, explained

SVG = "{http://www.w3.org/2000/svg}"
FAT = "fat_fraction_partial_volume_percent"


def section_of(*args, **kwargs):
    (section,) = axial_sections(axial_analysis(*args, **kwargs))
    return section


def elements(chart, tag):
    return list(ElementTree.fromstring(chart.drawing.bytes()).iter(SVG + tag))


def words(chart):
    return [text.text for text in elements(chart, "text")]


def dots(chart, filled=None):
    """``[n, 2]`` of (x, y)."""
    found = [
        dot
        for dot in elements(chart, "circle")
        if filled is None or (float(dot.get("fill-opacity")) > 0) == filled
    ]
    return np.array([(float(dot.get("cx")), float(dot.get("cy"))) for dot in found])


def test_each_measured_structure_has_a_chart_with_its_sides():
    muscle, sac = charts_of(section_of(axial_series()), "#000000")
    assert (muscle.title, sac.title) == ("Multifidus", "Dural sac")
    assert {"right", "left", "area, cm²", "fat area fraction, %"} <= set(words(muscle))
    assert "right" not in words(sac)
    assert len(dots(muscle)) == 4 * 2 * 2  # slices, sides, area and fat
    assert len(dots(sac)) == 4


def test_the_head_is_at_the_top_and_more_lies_to_the_right():
    series = axial_series()
    numbers = [of_slice(series, k, "csa_cm2", 2.0 + k) for k in range(4)]  # most at the head
    (chart,) = charts_of(section_of(series, measurements=numbers), "#000000")
    x, y = dots(chart).T
    assert np.all(np.diff(y) > 0)
    assert np.all(np.diff(x) < 0)
    # Even steps stay even, and zero lies on the axis.
    assert np.ptp(np.diff(x)) < 0.01
    axis = x[0] - 5 * (x[0] - x[3]) / 3
    (zero,) = (
        float(t.get("x"))
        for t in elements(chart, "text")
        if t.text == "0" and float(t.get("y")) > y.max() and float(t.get("x")) < x.min()
    )
    assert zero == pytest.approx(axis, abs=0.01)


def test_the_height_of_each_slice_is_that_of_its_dots():
    chart, _ = charts_of(section_of(axial_series()), "#000000")
    assert sorted(set(dots(chart)[:, 1])) == pytest.approx(sorted(chart.heights_mm), abs=0.001)


def test_a_doubtful_number_is_a_ring_and_a_withheld_one_is_left_out():
    series = axial_series()
    numbers = [
        of_slice(series, 0, "csa_cm2", 8.0),
        of_slice(series, 1, "csa_cm2", 8.0, flags=("dark-band",)),
        of_slice(series, 2, "csa_cm2", None, flags=("partly-in-view",)),
        of_slice(series, 3, "csa_cm2", 8.0),
    ]
    (chart,) = charts_of(section_of(series, measurements=numbers), "#000000")
    assert (len(dots(chart, filled=True)), len(dots(chart, filled=False))) == (2, 1)


def test_two_places_make_no_curve():
    series = axial_series()
    numbers = axial_measurements(series, slices=(0, 1))
    assert charts_of(section_of(series, measurements=numbers), "#000000") == ()


def test_a_line_ends_with_its_block_and_a_faint_one_goes_on():
    series = axial_series(affines=(axial_affine(0.0), axial_affine(40.0)))
    numbers = [
        of_slice(series, k, "csa_cm2", 8.0, block=block) for block in (0, 1) for k in range(4)
    ]
    (chart,) = charts_of(section_of(series, measurements=numbers), "#000000")
    strong = [
        path.get("d").count("L") + 1
        for path in elements(chart, "path")
        if path.get("stroke") == "#2F86C9" and path.get("stroke-opacity") == "1"
    ]
    faint = [
        path.get("d").count("L") + 1
        for path in elements(chart, "path")
        if path.get("stroke") == "#2F86C9" and path.get("stroke-opacity") == "0.4"
    ]
    assert sorted(strong) == [2, 4, 4]  # of two is the legend's
    assert faint == [8]


def test_discs_are_named_where_they_are_known_and_millimetres_stand_elsewhere():
    series = axial_series()
    rows = [slice_row(series, k, "L4-L5", "L4-L5") for k in range(4)]
    of_level = of_slice(series, None, "csa_cm2", 9.5, level="L4-L5")
    numbers = (*axial_measurements(series), of_level)
    named = section_of(series, measurements=numbers, rows=rows)
    assert "L4-L5" in words(charts_of(named, "#000000")[0])
    assert "Discs are named" in explained(named)
    plain = section_of(series)
    assert {"mm", "0", "5", "10"} <= set(words(charts_of(plain, "#000000")[0]))
    assert "Millimetres below the first slice" in explained(plain)


@pytest.mark.parametrize(("most", "top"), [(0.0, "1"), (3.1, "4"), (11.2, "12"), (51.0, "60")])
def test_an_axis_ends_at_a_round_number_that_none_exceeds(most, top):
    series = axial_series()
    numbers = [of_slice(series, k, "csa_cm2", most) for k in range(4)]
    (chart,) = charts_of(section_of(series, measurements=numbers), "#000000")
    assert top in words(chart)
    assert dots(chart)[:, 0].max() <= chart.drawing.width_mm


def test_within_a_page_it_has_neither_a_size_nor_an_address():
    chart, *_ = charts_of(section_of(axial_series()), "currentColor")
    inline = chart.drawing.inline()
    assert "http" not in inline
    assert re.match(r'<svg viewBox="0 0 [\d.]+ [\d.]+" aria-hidden="true">', inline)
    assert inline.count("<circle") == len(dots(chart))
