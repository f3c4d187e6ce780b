from dataclasses import replace

import numpy as np
import pytest
from report_pages import Page
from report_samples import AFFINE, axial_affine, axial_analysis, axial_series, plain_analysis

from openlumbar.core.exam import Exam
from openlumbar.core.masks import Masks
from openlumbar.report.content import report_of
from openlumbar.report.html import html_of
from openlumbar.report.locator import locator_of
from openlumbar.report.viewer import viewers_of

#: The sagittal sample reaches from y 10 to 70 mm and from z 40 down to -24 mm.
CORNER_Y, CORNER_Z = AFFINE[1, 3] - 0.25, AFFINE[2, 3] + 0.4


def both(affine, facts=None):
    """A sagittal series and an axial one of a place."""
    sagittal, series = plain_analysis(), axial_series(affines=(affine,))
    axial = axial_analysis(replace(series, facts=facts or {}))
    return replace(
        sagittal,
        exam=Exam((*sagittal.exam.series, *axial.exam.series)),
        masks=Masks((*sagittal.masks.series, *axial.masks.series)),
        measurements=(*sagittal.measurements, *axial.measurements),
    )


def located(analysis):
    report = report_of(analysis)
    return locator_of(analysis, report, viewers_of(analysis, report), report.axial[0])


def test_a_line_runs_where_its_slice_cuts_the_picture():
    lines = np.array(located(both(axial_affine(z_mm=0.0))).lines) / 10
    # From head to foot at z 12, 8, 4 and 0 mm; the axial picture reaches from y -30.5 to 29.5.
    heights = [CORNER_Z - z for z in (12, 8, 4, 0)]
    np.testing.assert_allclose(lines[:, 1], heights, atol=0.051)
    np.testing.assert_allclose(lines[:, 3], heights, atol=0.051)
    np.testing.assert_allclose(lines[:, 0], -30.5 - CORNER_Y, atol=0.051)
    np.testing.assert_allclose(lines[:, 2], 29.5 - CORNER_Y, atol=0.051)


def test_a_tilted_slice_has_a_tilted_line():
    x0, y0, x1, y1 = located(both(axial_affine(z_mm=-10.0, tilt_deg=20.0))).lines[-1]
    # The back lies higher than the front by the tangent of its tilt.
    assert (y0 - y1) / (x1 - x0) == pytest.approx(np.tan(np.radians(20)), abs=0.01)


def test_slices_of_another_place_are_not_laid_onto_it():
    assert located(both(axial_affine(z_mm=500.0))) is None


def test_another_frame_of_reference_is_no_place_at_all():
    assert located(both(axial_affine(), {"frame_of_reference_uid": "1.2.3"})) is None


def test_without_a_sagittal_series_there_is_nothing_to_lay_lines_on():
    assert located(axial_analysis(axial_series())) is None


def test_vertebrae_are_named_and_the_page_has_a_line_a_slice():
    analysis = both(axial_affine(z_mm=0.0))
    assert [name.text for name in located(analysis).names] == ["L4", "L5"]
    page = Page(html_of(analysis))
    lines = [a for tag, a in page.elements if tag == "line"]
    assert [a["data-slide"] for a in lines] == ["0", "1", "2", "3"]
    assert [a.get("class") for a in lines].count("on") == 1
