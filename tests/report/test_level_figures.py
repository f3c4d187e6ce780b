"""The chart of the stack, activation maps, the chart of the discs, and the page with them."""

import base64
import io
import re
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from level_samples import MAP_BOX, class_of, conflict, looks, named_analysis
from PIL import Image
from pypdf import PdfReader
from report_pages import CHROMIUM, Page
from report_samples import axial_analysis, axial_series, of_slice, plain_analysis

from openlumbar.core.exam import Exam
from openlumbar.core.levels import LEVEL_CLASSES, Levels
from openlumbar.core.masks import Masks
from openlumbar.report.activation import overlay_of, turned
from openlumbar.report.axial import axial_sections
from openlumbar.report.content import report_of
from openlumbar.report.disc_chart import disc_chart
from openlumbar.report.html import html_of, write_html
from openlumbar.report.level_maps import level_maps
from openlumbar.report.locator import places_panel, printed_locator
from openlumbar.report.pdf import pdf_bytes
from openlumbar.report.stack import stack_chart
from openlumbar.report.view import Slab
from openlumbar.report.viewer import slab_of


def section_of(analysis):
    (section,) = axial_sections(analysis)
    return section


def chart_of(analysis):
    return stack_chart(section_of(analysis), "#000000")


def dots_of(chart):
    """Centres of what is drawn in the plot, (x, y) in mm, from left to right."""
    found = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', chart.drawing.inline())
    places = [(float(x), float(y)) for x, y in found]
    return sorted(place for place in places if place[0] >= min(chart.lefts_mm) and place[1] > 10)


def field_of(chart):
    """Middle height, mm, of the darkest cell at each slice of the chart."""
    cells = []
    for data, shade in re.findall(
        r'<path d="([^"]+)" stroke="#2F86C9"[^>]*fill-opacity="([\d.]+)"', chart.drawing.inline()
    ):
        for piece in data.split("Z")[:-1]:
            numbers = np.array(re.findall(r"[\d.]+", piece), float).reshape(-1, 2)
            x, y = numbers.mean(axis=0)
            cells.append((float(shade), x, y))
    middles = []
    for left in chart.lefts_mm:
        here = [cell for cell in cells if abs(cell[1] - left) < 0.1 and 10 < cell[2] < 62]
        middles.append(max(here)[2] if here else None)
    return middles


def slab(analysis):
    (series,) = analysis.exam.series
    return slab_of(analysis, series, 0)


# The stack ---------------------------------------------------------------------------


def test_dots_stand_where_their_levels_are_and_slices_run_from_head_to_foot():
    chart = chart_of(named_analysis())
    assert list(chart.lefts_mm) == sorted(chart.lefts_mm)
    # The ring of the legend is not among them: four slices, four dots.
    dots = dots_of(chart)
    assert [x for x, _ in dots] == pytest.approx(chart.lefts_mm, abs=0.01)
    heights = np.array([y for _, y in dots])
    # L4-L5 4.0, L5 4.5, L5-S1 5.0, S1 5.5: half a step each.
    np.testing.assert_allclose(np.diff(heights), 7.6 / 2, atol=0.01)


def test_where_the_readings_agree_dots_lie_in_the_field_and_else_a_step_above_it():
    same, other = chart_of(named_analysis()), chart_of(conflict())
    for (_, dot), cell in zip(dots_of(same), field_of(same), strict=True):
        assert dot == pytest.approx(cell, abs=0.05)
    # By their looks L5-S1 and below, by the sagittal names L4-L5 and below: one step of 7.6 mm.
    dots, cells = dots_of(other), field_of(other)
    assert cells[0] - dots[0][1] == pytest.approx(7.6, abs=0.05)


def test_best_slices_signs_and_flags_stand_in_words():
    words = chart_of(conflict()).drawing.inline()
    for text in ("L4-L5", "L5-S1", "kidney", "ilium", "by the sagittal discs"):
        assert f">{text}<" in words
    assert ">flagged<" not in words


def test_blocks_are_told_apart():
    analysis = named_analysis()
    chart = chart_of(analysis)
    assert ">slice 3<" in chart.drawing.inline()
    series = axial_series(affines=(axial_series().blocks[0].volume.affine,) * 2)
    seen = tuple(looks(series, k, "L5", block=block) for block in (0, 1) for k in range(4))
    two = replace(axial_analysis(series), levels=Levels(looks=seen))
    chart = stack_chart(section_of(two), "#000000")
    gaps = np.diff(chart.lefts_mm)
    assert gaps.argmax() == 3
    assert ">block 2<" in chart.drawing.inline()


def test_without_names_or_looks_there_is_no_chart():
    assert chart_of(axial_analysis(axial_series())) is None


# Maps --------------------------------------------------------------------------------


@pytest.mark.parametrize("flips", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("swapped", [False, True])
def test_a_map_is_turned_as_its_picture_is(flips, swapped):
    analysis = named_analysis()
    canonical = slab(analysis)
    seen = analysis.levels.looks[0]
    (series,) = analysis.exam.series
    box = np.array(MAP_BOX).reshape(2, 2)
    values = np.array(seen.activation)
    volume = series.blocks[0].volume
    array, affine = np.array(volume.array), np.array(volume.affine)
    for axis, flip in enumerate(flips):  # rows, columns
        if flip:
            count = array.shape[axis + 1]
            affine[:3, 3] += affine[:3, 1 - axis] * (count - 1)
            affine[:3, 1 - axis] *= -1
            array, values = np.flip(array, axis + 1), np.flip(values, axis)
            box[:, axis] = count - box[::-1, axis]
    if swapped:
        affine[:, :2] = affine[:, [1, 0]]
        array, values, box = array.transpose(0, 2, 1), values.T, box[:, ::-1]
    stored = type(volume)(np.ascontiguousarray(array), affine)
    nothing = stored.with_array(np.zeros(stored.shape, np.uint16))
    other = Slab(stored, nothing, nothing, plane=canonical.plane)
    moved = replace(
        seen, activation=tuple(map(tuple, values.tolist())), box=tuple(box.ravel().tolist())
    )
    expected, place = turned(seen, canonical)
    found, there = turned(moved, other)
    np.testing.assert_array_equal(found, expected)
    assert there == place


def test_a_map_is_a_small_translucent_picture_on_its_box():
    analysis = named_analysis()
    overlay = overlay_of(analysis.levels.looks[0], slab(analysis))
    data = base64.b64decode(overlay.picture.removeprefix("data:image/png;base64,"))
    picture = np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))
    assert picture.shape == (8, 12, 4)
    assert (picture[:4, :6, 3] > 150).all()
    assert (picture[4:, :, 3] == 0).all()
    top, left, bottom, right = MAP_BOX
    box = overlay.box
    assert (box.x, box.y) == (10.0 * left, 10.0 * top)
    assert (box.width, box.height) == (10.0 * (right - left), 10.0 * (bottom - top))


def test_sixty_maps_of_any_content_add_little_to_a_page():
    analysis = named_analysis()
    noise = np.random.default_rng(3).integers(0, 101, (32, 48))
    seen = looks(analysis.exam.series[0], 0, "L5", activation=noise)
    # Noise is the worst case.
    assert 60 * len(overlay_of(seen, slab(analysis)).picture) < 150e3


def test_the_mean_map_of_a_disc_is_bright_where_its_maps_are():
    maps = level_maps(named_analysis(), section_of(named_analysis()))
    assert [(one.disc, one.count) for one in maps] == [("L4-L5", 1), ("L5-S1", 1)]
    assert maps[0].words == "one slice"
    # The sac's centre, x 0 and y 0, lies at 40.5 and 30.5 mm of the sample; the map's bright
    # quarter reaches from 10 to 40 and from 6 to 26 mm, and all else is grey.
    picture = maps[0].picture.astype(int)
    colour = picture.max(axis=2) - picture.min(axis=2)
    rows, columns = np.nonzero(colour > 40)
    per_mm, front_mm, side_mm = 1.6, 75.0, 130.0
    assert rows.mean() / per_mm - front_mm == pytest.approx(16 - 30.5, abs=1.5)
    assert columns.mean() / per_mm - side_mm == pytest.approx(25 - 40.5, abs=1.5)


def test_without_looks_there_are_no_maps():
    analysis = axial_analysis(axial_series())
    assert level_maps(analysis, section_of(analysis)) == ()


# Places and discs --------------------------------------------------------------------


def both_planes(axial):
    sagittal = plain_analysis()
    return replace(
        sagittal,
        exam=Exam((*sagittal.exam.series, *axial.exam.series)),
        masks=Masks((*sagittal.masks.series, *axial.masks.series)),
        levels=Levels(
            (*sagittal.levels.rows, *axial.levels.rows),
            (*sagittal.levels.numbering, *axial.levels.numbering),
            axial.levels.looks,
        ),
        measurements=(*sagittal.measurements, *axial.measurements),
    )


def located(axial):
    analysis = both_planes(axial)
    report = report_of(analysis)
    return printed_locator(analysis, report, report.axial[0])


def test_slices_across_the_sagittal_picture_have_the_colour_of_their_level():
    found = located(named_analysis())
    assert found.best == ("L4-L5", "", "L5-S1", "")
    # L4-L5 as L4, L5 and L5-S1 as L5.
    assert len(set(found.colours)) == 3
    assert found.colours[1] == found.colours[2]
    panel = places_panel(found, (70.0, 90.0))
    assert panel.width_mm <= 70.0
    assert b"L4-L5" in panel.drawing


def in_another_frame(analysis):
    (series,) = analysis.exam.series
    return replace(
        analysis, exam=Exam((replace(series, facts={"frame_of_reference_uid": "1.2.3"}),))
    )


def test_slices_placed_among_the_discs_need_no_common_frame_of_reference():
    assert located(in_another_frame(named_analysis())) is not None
    assert located(in_another_frame(named_analysis(source="looks"))) is None


def of_discs(analysis):
    numbers = [
        of_slice(analysis.exam.series[0], None, "csa_cm2", area, side=side, level=level)
        for level, areas in (("L4-L5", (8.0, 6.0)), ("L5-S1", (9.0, 9.5)))
        for side, area in zip(("right", "left"), areas, strict=True)
    ]
    return replace(analysis, measurements=(*analysis.measurements, *numbers))


def test_both_sides_of_a_disc_stand_on_one_line():
    drawing = disc_chart(section_of(of_discs(named_analysis())), "#000000").inline()
    dots = [(float(x), float(y)) for x, y in re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', drawing)]
    assert len(dots) == 4
    (right, left), (below_right, below_left) = dots[:2], dots[2:]
    assert right[1] == left[1]
    assert right[0] > left[0]
    assert below_right[0] < below_left[0]
    assert below_right[1] > right[1]
    assert disc_chart(section_of(named_analysis()), "#000000") is None


# The page ----------------------------------------------------------------------------


def test_the_page_tells_the_level_of_every_slice_and_what_speaks_for_it():
    analysis = conflict()
    text = html_of(analysis)
    page = Page(text)
    for words in (
        "Two readings of the levels differ",
        "by the sagittal names the slices show L4-L5 to S1",
        "by their looks they show L5-S1 and below",
        "best slice of L4-L5",
        "confidence 0.90",
        "ilium in view 0.90",
        "The classifier is not the one that ships with OpenLumbar",
        "Where the classifier looked",
    ):
        assert words in page.text
    images = [a for tag, a in page.elements if tag == "image"]
    assert len(images) == 4
    assert all(a["href"].startswith("data:image/png") for a in images)
    assert "http" not in text
    ids = page.attribute("id")
    assert len(ids) == len(set(ids))


def test_names_stand_even_where_nothing_was_measured():
    analysis = replace(named_analysis(), measurements=())
    text = Page(html_of(analysis)).text
    assert "Nothing was measured in this series" not in text
    assert "best slice of L5-S1" in text


def test_the_print_has_the_same():
    pages = PdfReader(io.BytesIO(pdf_bytes(both_planes(of_discs(conflict()))))).pages
    words = " ".join(" ".join(page.extract_text() for page in pages).split())
    for text in (
        "Levels of the slices",
        "Two readings of the levels differ",
        "by their looks they show L5-S1 and below",
        "Where the slices lie",
        "Where the classifier looked",
        "L5-S1 slice 1 1 0.90",
        "At the discs",
    ):
        assert text in words


def test_without_levels_nothing_of_them_is_said():
    analysis = axial_analysis(axial_series())
    text = Page(html_of(analysis)).text
    assert "Levels of the slices" not in text
    assert "classifier" not in text
    pages = PdfReader(io.BytesIO(pdf_bytes(analysis))).pages
    assert "Levels of the slices" not in " ".join(page.extract_text() for page in pages)


def test_all_classes_of_the_samples_are_known():
    assert {class_of(level) for level in ("S1", "L5-S1", "L5")} <= set(LEVEL_CLASSES)


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_browser_shows_the_map_and_the_cursor_of_the_slice(tmp_path):
    path = tmp_path / "report.html"
    write_html(named_analysis(), path)
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}",
        "--virtual-time-budget=2000", "--dump-dom", f"file://{path}",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True)
    assert "CONSOLE" not in done.stderr
    page = Page(done.stdout)
    shown = [a["data-slide"] for _, a in page.elements if a.get("class") == "of-slide on"]
    chart = next(a for _, a in page.elements if a.get("class") == "stack-chart")
    lefts = [float(left) for left in chart["data-lefts"].split()]
    (left,) = re.findall(r'class="cursor" style="left: ([\d.]+)%', done.stdout)
    assert float(left) == pytest.approx(lefts[int(shown[0])], abs=0.01)
    maps = [a for tag, a in page.elements if tag == "g" and a.get("class") == "slide on"]
    assert {a["data-slide"] for a in maps} == set(shown)
