from dataclasses import replace

import numpy as np
import pytest
from matplotlib.image import imread

from openlumbar.core.errors import StageError
from openlumbar.core.plane import Plane
from openlumbar.core.volume import Volume
from openlumbar.pipeline import AnalyzeOptions, analyze
from openlumbar.report.names import name_places
from openlumbar.report.pictures import cropped, draw_series
from openlumbar.report.view import Place, SliceView, sagittal_view

#: Sagittal: i to the back, j to the feet, k to the left.
USUAL = np.array([[0, 0, 4.0, 0], [0.5, 0, 0, 0], [0, -0.7, 0, 0], [0, 0, 0, 1.0]])


@pytest.fixture(scope="module")
def analysis(painted_exam, predictor):
    """Of the sagittal series alone; the axial one is there, without masks."""
    sagittal = replace(painted_exam, series=painted_exam.of_plane(Plane.SAGITTAL))
    return replace(analyze(sagittal, AnalyzeOptions(predictor=predictor)), exam=painted_exam)


def test_the_crop_keeps_the_anatomy_and_what_is_in_front_of_it():
    labels = np.zeros((1, 400, 400), np.uint16)
    labels[0, 200:220, 200:240] = 44
    volume = Volume(labels, USUAL)
    view = cropped(sagittal_view(volume, volume, None))
    assert (view.labels == 44).sum() == 20 * 40
    rows, columns = np.nonzero(view.labels)
    # 12 mm above at 0.7 mm a row, 42 mm in front at 0.5 mm a column.
    assert (rows.min(), columns.min()) == (17, 84)
    assert view.labels.shape[0] < 60


def test_the_picture_shows_the_slice_beside_its_named_anatomy(analysis, tmp_path):
    name = analysis.masks.series[0].series
    (path,) = draw_series(analysis, name, tmp_path / "pictures")
    assert path.name == f"{name}.png"
    picture = imread(path)[..., :3]
    half = picture.shape[1] // 2
    height = picture.shape[0]
    body = slice(height // 8, height * 7 // 8)  # without title and caption
    colourful = np.ptp(picture[body], axis=-1) > 0.15
    assert colourful[:, half:].mean() > 0.05
    # The plain half has no colour at all.
    assert colourful[:, : half - 10].mean() < 0.001


def test_a_series_without_masks_is_an_error(analysis, tmp_path):
    axial = next(series for series in analysis.exam.series if series.plane == "axial")
    for name in (axial.name, "no such series"):
        with pytest.raises(StageError, match="no masks"):
            draw_series(analysis, name, tmp_path)


@pytest.mark.parametrize("tilt_deg", [0, 30, 60])
def test_names_stand_clear_of_anatomy_however_the_column_tilts(tilt_deg):
    # Three boxes of 30 x 20 mm along a line; a name must never lie on a neighbour.
    rows, columns = np.mgrid[0:200, 0:200]
    tilt = np.radians(tilt_deg)
    labels = np.zeros((200, 200), np.uint16)
    for number, code in enumerate((43, 44, 45)):
        y, x = rows - 60 - 24 * number * np.cos(tilt), columns - 90 - 24 * number * np.sin(tilt)
        along, across = y * np.cos(tilt) + x * np.sin(tilt), x * np.cos(tilt) - y * np.sin(tilt)
        labels[(np.abs(along) < 10) & (np.abs(across) < 15)] = code
    view = SliceView(labels, labels, labels, (1.0, 1.0), 0, Place(np.zeros(3), np.eye(3)))
    places = name_places(view)
    assert set(places) == {43, 44, 45}
    for code, place in places.items():
        (y, x), middle = place.yx_mm, np.argwhere(labels == code).mean(axis=0)
        assert labels[round(y), round(x)] == 0
        assert x < middle[1]  # in front
        # On the body's own normal: 15 mm to its front, and the gap.
        assert np.hypot(*(np.array((y, x)) - middle)) == pytest.approx(18, abs=1.5)


def test_posterior_elements_alone_do_not_turn_the_names_of_the_others():
    labels = np.zeros((1, 120, 120), np.uint16)
    bodies = labels.copy()
    for code, top in ((43, 40), (44, 70)):
        bodies[0, top : top + 20, 30:60] = code
    labels[:] = bodies
    volume, solid = Volume(labels.copy(), USUAL), Volume(bodies, USUAL)
    before = name_places(sagittal_view(volume, volume, solid))
    labels[0, 2:6, 100:110] = 42
    after = name_places(sagittal_view(volume, Volume(labels, USUAL), solid))
    assert after == before
