import re
import subprocess
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from report_pages import CHROMIUM, Page, pixels_of, points_of
from report_samples import (
    axial_affine,
    axial_analysis,
    axial_measurements,
    axial_series,
    of_slice,
    plain_analysis,
    sac_diameter,
    slice_row,
)

from openlumbar.core.exam import Block, Exam, Weighting
from openlumbar.core.masks import Masks, SeriesMasks
from openlumbar.core.plane import Plane
from openlumbar.core.volume import Volume
from openlumbar.report.axial_viewer import axial_viewers_of, window_of
from openlumbar.report.content import report_of
from openlumbar.report.html import html_of, write_html


def viewer_of(analysis):
    (viewer,) = axial_viewers_of(analysis, report_of(analysis))
    return viewer


def with_numbers():
    """All kinds of numbers, two flags of a slice, and a ruler on slice 1."""
    series = axial_series()
    rows = [slice_row(series, 3, flags=("muscle-missing", "motion"))]
    withheld = of_slice(series, 2, "csa_cm2", None, structure="psoas", flags=("partly-in-view",))
    numbers = (sac_diameter(series, 1), withheld, *axial_measurements(series))
    return axial_analysis(series, measurements=numbers, rows=rows)


def both_planes():
    """A sagittal and an axial series with their numbers."""
    sagittal, axial = plain_analysis(), with_numbers()
    return replace(
        sagittal,
        exam=Exam((*sagittal.exam.series, *axial.exam.series)),
        masks=Masks((*sagittal.masks.series, *axial.masks.series)),
        levels=replace(sagittal.levels, rows=(*sagittal.levels.rows, *axial.levels.rows)),
        measurements=(*sagittal.measurements, *axial.measurements),
    )


def turned(analysis, axes, flips):
    """The same patient, stored with rows and columns exchanged or reversed."""

    def turn(volume):
        array, matrix = volume.array.transpose(axes), volume.affine.copy()
        matrix[:, :3] = matrix[:, [2 - axes[2 - i] for i in range(3)]]
        for axis, flip in enumerate(flips):
            if flip:
                matrix[:, 3] += matrix[:, 2 - axis] * (array.shape[axis] - 1)
                matrix[:, 2 - axis] *= -1
                array = np.flip(array, axis)
        return Volume(np.ascontiguousarray(array), matrix)

    (series,), (masks,) = analysis.exam.series, analysis.masks.series
    blocks = tuple(Block(turn(block.volume), block.instances) for block in series.blocks)
    other = SeriesMasks(
        masks.series, tuple(map(turn, masks.labels)), tuple(map(turn, masks.bodies))
    )
    return replace(analysis, exam=Exam((replace(series, blocks=blocks),)), masks=Masks((other,)))


@pytest.mark.parametrize("axes", [(0, 1, 2), (0, 2, 1)])
@pytest.mark.parametrize("flips", list(product((False, True), repeat=3)))
def test_however_it_is_stored_right_is_left_front_is_up_and_the_head_comes_first(axes, flips):
    analysis = axial_analysis(axial_series(), measurements=())
    viewer = viewer_of(turned(analysis, axes, flips))
    assert viewer.plane is Plane.AXIAL
    assert [slide.number for slide in viewer.slides] == ([0, 1, 2, 3] if flips[0] else [3, 2, 1, 0])
    for slide in viewer.slides:
        picture = pixels_of(slide).astype(int)
        assert picture.shape == (60, 80)
        assert picture[:, -20:].mean() > picture[:, :20].mean()  # bright to the left
        assert picture[-20:].mean() > picture[:20].mean()  # and to the back
        middles = {o.name: points_of(o.path).mean(axis=0) for o in slide.outlines}
        assert middles["multifidus, left"][0] > middles["multifidus, right"][0]
        assert middles["spinal canal"][1] > middles["vertebra of unknown level"][1]


def test_an_outline_runs_around_its_muscle():
    slide = viewer_of(axial_analysis(axial_series())).slides[0]
    (outline,) = (o for o in slide.outlines if o.name == "multifidus, left")
    x, y = points_of(outline.path).T
    assert (outline.kind, outline.body) == ("multifidus", False)
    assert (x.min(), x.max()) == pytest.approx((45, 60), abs=0.3)
    assert (y.min(), y.max()) == pytest.approx((40, 55), abs=0.3)


def test_a_ruler_lies_on_its_slice_where_it_was_laid():
    (ruler,) = viewer_of(with_numbers()).rulers
    (stroke,) = ruler.strokes
    assert (ruler.slide, ruler.group, ruler.cell) == (2, "sac", "m0")  # slice 1, from the head
    # x -0.5 mm is 40 mm from the border of column 0; y -0.5 and 7.5 mm are rows 30 and 38.
    np.testing.assert_allclose(points_of(stroke.path), [(40, 30), (40, 38)], atol=0.051)
    assert ruler.label == "slice 1 · dural sac · Antero-posterior diameter · 8.0 ± 0.3 mm"


def test_blocks_of_one_series_share_a_sheet_and_the_smaller_lies_in_its_middle():
    series = axial_series(affines=(axial_affine(0.0), axial_affine(40.0)))
    small = Volume(series.blocks[1].volume.array[:, :30, :40], series.blocks[1].volume.affine)
    series = replace(series, blocks=(series.blocks[0], Block(small, ("",) * 4)))
    analysis = axial_analysis(series, measurements=(), masks=False)
    viewer = viewer_of(analysis)
    assert (viewer.whole.width, viewer.whole.height) == (800.0, 600.0)
    upper, lower = viewer.slides[0].box, viewer.slides[-1].box
    assert (upper.x, upper.y, upper.width, upper.height) == (200.0, 150.0, 400.0, 300.0)
    assert lower == viewer.whole
    page = html_of(analysis)
    assert "left:25.000%;top:25.000%;width:50.000%;height:50.000%" in page
    assert 'transform="translate(200.0 150.0)"' in page


def test_it_is_zoomed_to_what_is_labelled():
    box = viewer_of(axial_analysis(axial_series())).zoomed
    # Columns 20 … 60 with 12 mm on either side; rows 10 … 55, cut at both borders.
    assert (box.x, box.x + box.width) == (80.0, 720.0)
    assert (box.y, box.y + box.height) == (0.0, 600.0)


def test_fat_beside_the_coil_does_not_darken_the_muscles():
    rng = np.random.default_rng(2)
    picture = rng.normal(100, 10, (100, 100))
    anatomy = np.zeros((100, 100), bool)
    anatomy[20:60, 20:80] = True
    picture[80:] *= 20
    black, white = window_of(picture, anatomy)
    assert white == pytest.approx(100 + 2.33 * 10, abs=3)
    assert black < 100
    # Where nothing is labelled, everything counts.
    assert window_of(picture, np.zeros_like(anatomy))[1] > 1500


def test_without_intensities_outlines_are_drawn_alone():
    assert window_of(np.full((3, 3), np.nan), np.ones((3, 3), bool)) is None
    series = axial_series()
    volume = series.blocks[0].volume
    nothing = Volume(np.broadcast_to(np.float32(np.nan), volume.shape), volume.affine)
    bare = replace(series, blocks=(replace(series.blocks[0], volume=nothing),))
    analysis = replace(axial_analysis(series), exam=Exam((bare,)))
    viewer = viewer_of(analysis)
    assert not viewer.has_pictures
    assert all(slide.outlines for slide in viewer.slides)
    assert "The images are not kept" in Page(html_of(analysis)).text


@pytest.mark.parametrize("make", [with_numbers, both_planes])
def test_the_page_is_whole_and_asks_for_nothing_but_itself(make):
    text = html_of(make())
    page = Page(text)
    ids = page.attribute("id")
    assert len(ids) == len(set(ids))
    assert "http" not in text
    assert all(source.startswith("data:image/jpeg") for source in page.attribute("src"))
    cells = {a["data-cell"] for tag, a in page.elements if tag == "g" and "data-cell" in a}
    buttons = {a["data-cell"] for tag, a in page.elements if tag == "button" and "data-cell" in a}
    assert cells <= buttons


def test_numbers_reasons_and_notices_are_there_in_words():
    text = Page(html_of(with_numbers())).text
    for words in (
        "Axial slices: muscles, their fat, and the dural sac",
        "not a proton-density fat fraction",
        "the patient's right is at the left of the picture",
        "Ghosts of motion lie over the structure",
        "The structure is cut by the border of the picture",
        "There is no sagittal series in this exam",
        "Sides differ most: multifidus",
        "Along the spine",
        "Multifidus",
        "cm²",
    ):
        assert words in text


def test_each_slice_has_its_numbers_and_the_first_is_open():
    page = Page(html_of(with_numbers()))
    sections = [a for tag, a in page.elements if a.get("class", "").startswith("of-slide")]
    assert [a["data-slide"] for a in sections] == ["0", "1", "2", "3"]
    assert [a["class"] for a in sections].count("of-slide on") == 1
    labels = [a.get("aria-label", "") for tag, a in page.elements if tag == "button"]
    assert any(
        label.startswith("slice 2 · psoas, left · Cross-sectional area · not reported")
        for label in labels
    )


def test_each_series_has_a_tab_and_numbers_of_its_own():
    t1, t2 = axial_series("a_T1w", Weighting.T1), axial_series("b_T2w", Weighting.T2)
    page = Page(html_of(axial_analysis(t1, t2)))
    assert page.attribute("role").count("tab") == 2
    columns = [a["data-column"] for _, a in page.elements if "glance" in a.get("class", "")]
    assert columns == ["a0", "a1"]


def test_names_from_outside_are_only_text():
    hostile = "</script><img src=x onerror=alert(1)>\"'--><style>"
    page = Page(html_of(axial_analysis(axial_series(hostile, Weighting.UNKNOWN))))
    assert "onerror" not in {name for _, attributes in page.elements for name in attributes}
    assert [tag for tag, _ in page.elements].count("script") == 1
    assert hostile in page.text


def test_a_series_without_masks_or_numbers_is_shown_bare():
    page = Page(html_of(axial_analysis(axial_series(), measurements=(), masks=False)))
    assert "Nothing was measured in this series" in page.text
    assert len([tag for tag, _ in page.elements if tag == "img"]) == 4


def test_many_large_slices_make_no_large_page(tmp_path):
    series = axial_series()
    noise = np.random.default_rng(1).normal(100, 20, (24, 512, 512)).astype(np.float32)
    volume = Volume(noise, series.blocks[0].volume.affine)
    series = replace(series, blocks=(Block(volume, ("",) * 24),))
    path = tmp_path / "report.html"
    write_html(axial_analysis(series, measurements=(), masks=False), path)
    # Noise is the worst case: real slices take a third. More of them are made smaller.
    assert path.stat().st_size < 10e6


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_browser_turns_to_the_slice_of_the_number_it_was_asked_for(tmp_path):
    path = tmp_path / "report.html"
    analysis = both_planes()
    number = next(n for n, m in enumerate(analysis.measurements) if m.structure == "dural sac")
    write_html(analysis, path)
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}",
        "--virtual-time-budget=2000", "--dump-dom", f"file://{path}#m{number}",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "CONSOLE" not in done.stderr
    page = Page(done.stdout)
    shown = [a["data-slide"] for _, a in page.elements if a.get("class") == "of-slide on"]
    assert shown == ["2"]  # slice 1, from the head
    assert "slice 1 · dural sac · Antero-posterior diameter · 8.0 ± 0.3 mm" in page.text
    cursors = re.findall(r'class="cursor" style="top: ([\d.]+)%', done.stdout)
    assert len(cursors) == 2
    assert len(set(cursors)) == 1
    # The sagittal pictures stay where they were.
    assert "slice 2 of 0–4" in page.text
