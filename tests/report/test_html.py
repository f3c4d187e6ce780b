import subprocess
from dataclasses import replace

import numpy as np
import pytest
from report_pages import CHROMIUM, Page, pixels_of, points_of
from report_samples import (
    analysis_of,
    measurement,
    plain_analysis,
    sagittal_series,
    some_measurements,
)

from openlumbar.core.exam import Block, Exam, Weighting
from openlumbar.core.masks import Masks, SeriesMasks
from openlumbar.core.plane import Plane
from openlumbar.core.run import Failure
from openlumbar.core.volume import Volume
from openlumbar.report.content import report_of
from openlumbar.report.html import html_of, write_html
from openlumbar.report.viewer import viewers_of


def viewer_of(analysis):
    (viewer,) = viewers_of(analysis, report_of(analysis))
    return viewer


def turned(analysis, axes, flips):
    """The same patient, stored with other axes."""

    def turn(volume):
        array = volume.array.transpose(axes)
        matrix = volume.affine.copy()
        matrix[:, :3] = matrix[:, [2 - axes[2 - i] for i in range(3)]]
        for axis, flip in enumerate(flips):
            if flip:
                matrix[:, 3] += matrix[:, 2 - axis] * (array.shape[axis] - 1)
                matrix[:, 2 - axis] *= -1
                array = np.flip(array, axis)
        return Volume(np.ascontiguousarray(array), matrix)

    (series,), (masks,) = analysis.exam.series, analysis.masks.series
    blocks = tuple(Block(turn(block.volume), block.instances) for block in series.blocks)
    turned_masks = SeriesMasks(
        masks.series, tuple(map(turn, masks.labels)), tuple(map(turn, masks.bodies))
    )
    return replace(
        analysis,
        exam=Exam((replace(series, blocks=blocks),)),
        masks=Masks((turned_masks,)),
    )


def test_the_page_is_whole_and_every_ruler_belongs_to_a_number():
    page = Page(html_of(plain_analysis()))
    ids = page.attribute("id")
    assert len(ids) == len(set(ids))
    numbers = {
        attributes["data-cell"]
        for tag, attributes in page.elements
        if tag == "button"
        if "data-cell" in attributes
    }
    rulers = {
        attributes["data-cell"]
        for tag, attributes in page.elements
        if tag == "g"
        if "data-cell" in attributes
    }
    assert rulers == {"m0", "m1", "m3", "m4", "m6", "m7"}  # m2 and m5 have no lines
    assert numbers == {f"m{n}" for n in range(8)}


def test_the_page_asks_for_nothing_but_itself():
    text = html_of(plain_analysis())
    page = Page(text)
    assert "http" not in text
    assert "@import" not in text
    assert all(source.startswith("data:image/jpeg") for source in page.attribute("src"))
    assert all(target.startswith("#") for target in page.attribute("href"))
    inside = set(page.attribute("id"))
    assert {target[1:] for target in page.attribute("href")} <= inside


def test_names_from_outside_are_only_text():
    hostile = "</script><img src=x onerror=alert(1)>\"'--><style>"
    series = sagittal_series(hostile, Weighting.UNKNOWN)
    analysis = analysis_of(
        series,
        measurements=some_measurements(series),
        warnings=(hostile,),
        failures=(Failure("measure", hostile, "Error", hostile),),
    )
    page = Page(html_of(analysis))
    assert "onerror" not in {name for _, attributes in page.elements for name in attributes}
    assert [tag for tag, _ in page.elements].count("script") == 1
    assert hostile in page.text


def test_numbers_reasons_and_notices_are_there_in_words():
    text = Page(html_of(plain_analysis())).text
    for words in (
        "16.0",
        "± 0.3",
        "The structure is cut by the border of the picture",
        "The outline fits the shape that is measured on it badly",
        "Research use only",
        "supine",
        "the sacrum was found",
        "SHA-256 " + "34e31ac4" * 8,
        "female",
    ):
        assert words in text


def test_a_ruler_lies_where_it_was_laid():
    ruler = next(r for r in viewer_of(plain_analysis()).rulers if r.cell == "m0")
    assert ruler.slide == 2
    strokes = {s.role: points_of(s.path) for s in ruler.strokes if s.role != "anchor"}
    # y 27 mm is 17 mm behind the first column's centre, so 17.25 mm from the left border;
    # z 32.4 mm is 7.6 mm below the first row's centre, so 8 mm from the upper border.
    np.testing.assert_allclose(strokes["ruler"], [(17.25, 8.0), (17.25, 24.0)], atol=0.051)
    assert len(strokes["guide"]) == 3


@pytest.mark.parametrize("axes", [(0, 1, 2), (0, 2, 1), (2, 0, 1)])
@pytest.mark.parametrize("flips", [(False, False, False), (True, False, True), (False, True, True)])
def test_however_it_is_stored_the_picture_and_its_rulers_are_the_same(axes, flips):
    series = sagittal_series()
    analysis = analysis_of(series, measurements=(measurement(series, slice=1),))
    stored = turned(analysis, axes, flips)
    place = axes.index(0)
    number = 3 if flips[place] else 1  # of five slices
    stored = replace(stored, measurements=(replace(analysis.measurements[0], slice=number),))
    plain, shown = viewer_of(analysis), viewer_of(stored)
    assert shown.rulers == plain.rulers
    assert shown.slides[1].number == number
    assert [slide.outlines for slide in shown.slides] == [slide.outlines for slide in plain.slides]
    assert [slide.picture for slide in shown.slides] == [slide.picture for slide in plain.slides]


def test_pictures_run_from_right_to_left_and_are_bright_behind():
    pictures = [pixels_of(slide) for slide in viewer_of(plain_analysis()).slides]
    assert [picture.shape for picture in pictures] == [(80, 120)] * 5
    assert np.all(np.diff([picture.mean() for picture in pictures]) > 0)
    assert all(picture[:, -5:].mean() > picture[:, :5].mean() for picture in pictures)


def test_outlines_run_around_their_structure_on_its_slices_alone():
    viewer = viewer_of(plain_analysis())
    assert [bool(slide.outlines) for slide in viewer.slides] == [False, True, True, True, False]
    body = next(o for o in viewer.slides[1].outlines if o.name == "L4" and o.body)
    x, y = points_of(body.path).T
    # Columns 30 … 70 of 0.5 mm, rows 10 … 30 of 0.8 mm.
    assert (x.min(), x.max()) == pytest.approx((15.0, 35.0), abs=0.15)
    assert (y.min(), y.max()) == pytest.approx((8.0, 24.0), abs=0.15)
    assert set(viewer.slides[1].names.split()) == {"L4", "L4-L5", "L5"}
    assert set(viewer.slides[2].names.split()) == {"L4", "L4-L5", "L5", "spinal_canal"}


def test_it_opens_on_the_slice_where_the_canal_is_widest():
    viewer = viewer_of(plain_analysis())
    assert viewer.first == 2
    assert (viewer.whole.width, viewer.whole.height) == (600.0, 640.0)


def test_it_is_zoomed_to_the_anatomy_with_a_margin():
    analysis = analysis_of(sagittal_series())
    labels = np.zeros((5, 80, 120), np.uint16)
    labels[2, 60:70, 100:104] = 45
    volume = analysis.masks.series[0].labels[0].with_array(labels)
    masks = Masks((replace(analysis.masks.series[0], labels=(volume,), bodies=(volume,)),))
    box = viewer_of(replace(analysis, masks=masks)).zoomed
    # 34 mm are 68 columns in front, 16 mm reach beyond the right border; 10 mm are 12 rows.
    assert (box.x, box.x + box.width) == (32 * 5.0, 600.0)
    assert (box.y, box.y + box.height) == (48 * 8.0, 640.0)


def test_a_number_of_all_slices_is_drawn_where_its_lines_lie():
    series = sagittal_series()
    whole = measurement(series, slice=None)  # x 0 mm: slice 2
    assert viewer_of(analysis_of(series, measurements=(whole,))).rulers[0].slide == 2


def test_blocks_and_series_have_a_viewer_each_and_a_tab():
    analysis = analysis_of(
        sagittal_series("a_T1w", Weighting.T1, blocks=2), sagittal_series("b_T2w", Weighting.T2)
    )
    assert [viewer.title for viewer in viewers_of(analysis, report_of(analysis))] == [
        "T1w, block 1",
        "T1w, block 2",
        "T2w",
    ]
    assert Page(html_of(analysis)).attribute("role").count("tab") == 3


def test_a_series_without_masks_is_shown_bare():
    viewer = viewer_of(analysis_of(sagittal_series(), masks=False))
    assert (viewer.column, viewer.first, viewer.rulers) == ("", 2, ())
    assert viewer.zoomed == viewer.whole
    assert all(slide.picture and not slide.outlines for slide in viewer.slides)


def test_without_intensities_outlines_are_drawn_alone():
    series = sagittal_series()
    nothing = Volume(
        np.broadcast_to(np.float32(np.nan), (5, 80, 120)), series.blocks[0].volume.affine
    )
    bare = replace(series, blocks=(replace(series.blocks[0], volume=nothing),))
    analysis = replace(plain_analysis(), exam=Exam((bare,)))
    assert not viewer_of(analysis).has_pictures
    assert "The images are not kept" in Page(html_of(analysis)).text


def test_one_constant_picture_is_no_division_by_zero():
    series = sagittal_series()
    flat = Volume(np.full((5, 80, 120), 7, np.int16), series.blocks[0].volume.affine)
    same = replace(series, blocks=(replace(series.blocks[0], volume=flat),))
    Page(html_of(replace(plain_analysis(), exam=Exam((same,)))))


@pytest.mark.parametrize(
    "analysis",
    [
        analysis_of(),
        analysis_of(sagittal_series("ax", plane=Plane.AXIAL), masks=False),
    ],
)
def test_without_a_sagittal_series_the_page_says_so(analysis):
    assert "There is no sagittal series in this exam" in Page(html_of(analysis)).text


def test_large_pictures_are_made_smaller_and_the_page_stays_small(tmp_path):
    noise = np.random.default_rng(1).normal(100, 20, (20, 1024, 1024)).astype(np.float32)
    affine = np.array([[0, 0, 4.0, 0], [0.3, 0, 0, 0], [0, -0.3, 0, 0], [0, 0, 0, 1.0]])
    series = replace(sagittal_series(), blocks=(Block(Volume(noise, affine), ("",) * 20),))
    path = tmp_path / "report.html"
    write_html(analysis_of(series, masks=False), path)
    # Noise is the worst case: a real slice of this size takes a quarter.
    assert path.stat().st_size < 20 * 500_000


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_browser_runs_the_page_and_shows_the_number_it_was_asked_for(tmp_path):
    path = tmp_path / "report.html"
    series = sagittal_series()
    write_html(analysis_of(series, measurements=(measurement(series, slice=1),)), path)
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}",
        "--virtual-time-budget=2000", "--dump-dom", f"file://{path}#m0",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "CONSOLE" not in done.stderr
    page = Page(done.stdout)
    (ruler,) = (a for tag, a in page.elements if tag == "g" and "data-label" in a)
    assert {"on", "show", "hot"} <= set(ruler["class"].split())
    assert "L4 · Anterior height · 16.0 ± 0.3 mm" in page.text
    assert "slice 1 of 0–4" in page.text
