from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.image import imread
from report_samples import (
    axial_affine,
    axial_analysis,
    axial_masks,
    axial_series,
    sagittal_series,
    slice_row,
)

from openlumbar.core.errors import StageError
from openlumbar.core.exam import Block
from openlumbar.core.masks import Masks, SeriesMasks
from openlumbar.core.palette import colour_of
from openlumbar.core.volume import Volume
from openlumbar.report.axial import axial_sections
from openlumbar.report.pictures import draw_series
from openlumbar.report.sheet import draw_slices, slice_sheet, spaced

SVG = "{http://www.w3.org/2000/svg}"


def sheet_of(analysis, places=None, room_mm=(180.0, 150.0)):
    (section,) = axial_sections(analysis)
    return slice_sheet(analysis, section, places or range(len(section.slices)), room_mm)


def elements(panel, tag):
    return list(ElementTree.fromstring(panel.drawing).iter(SVG + tag))


def words(panel):
    return [text.text for text in elements(panel, "text")]


def many_slices(count):
    """One long stack with its masks."""
    series = axial_series()
    volume = series.blocks[0].volume
    whole = Volume(np.repeat(volume.array[:1], count, axis=0), volume.affine)
    series = replace(series, blocks=(Block(whole, ("",) * count),))
    of_four = axial_masks(axial_series())

    def repeated(one):
        return Volume(np.repeat(one.array[:1], count, axis=0), one.affine)

    masks = SeriesMasks(series.name, (repeated(of_four.labels[0]),), (repeated(of_four.bodies[0]),))
    analysis = axial_analysis(series, measurements=(), masks=False)
    return replace(analysis, masks=Masks((masks,)))


def test_slices_stand_from_head_to_foot_each_with_its_name():
    series = axial_series()
    rows = [slice_row(series, 2, "L4", "L4-L5"), slice_row(series, 0, flags=("motion",))]
    found = words(sheet_of(axial_analysis(series, rows=rows)))
    assert [word for word in found if word.startswith("slice")] == [
        "slice 3",
        "slice 2 · L4",
        "slice 1",
        "slice 0 *",
    ]


def test_left_is_at_the_right_of_the_picture():
    panel = sheet_of(axial_analysis(axial_series()), places=[0])
    middle = {}
    for path in elements(panel, "path"):
        x = [float(pair.split()[0]) for pair in path.get("d").strip("MZ").split("L")]
        middle[path.get("stroke")] = np.mean(x)
    assert middle[colour_of(5101)] > middle[colour_of(5102)]
    letters = {t.text: float(t.get("x")) for t in elements(panel, "text") if t.text in "RL"}
    assert letters["L"] > letters["R"]


def test_the_sheet_fills_the_room_and_no_more():
    panel = sheet_of(axial_analysis(axial_series()), room_mm=(100.0, 90.0))
    assert panel.width_mm <= 100.01
    assert panel.height_mm <= 90.01
    assert max(panel.width_mm / 100, panel.height_mm / 90) > 0.9


def test_blocks_of_other_pixels_are_shown_at_one_scale():
    series = axial_series(affines=(axial_affine(0.0), axial_affine(40.0)))
    coarse = axial_affine(40.0) @ np.diag([2.0, 2.0, 1.0, 1.0])
    array = series.blocks[1].volume.array[:, ::2, ::2]
    blocks = (series.blocks[0], Block(Volume(array, coarse), ("",) * 4))
    masks = axial_masks(series)
    halved = tuple(
        Volume(part[1].array[:, ::2, ::2], coarse) for part in (masks.labels, masks.bodies)
    )
    masks = replace(masks, labels=(masks.labels[0], halved[0]), bodies=(masks.bodies[0], halved[1]))
    analysis = axial_analysis(replace(series, blocks=blocks), measurements=(), masks=False)
    panel = sheet_of(replace(analysis, masks=Masks((masks,))))
    widths = [
        np.ptp([float(pair.split()[0]) for pair in path.get("d").strip("MZ").split("L")])
        for path in elements(panel, "path")
        if path.get("stroke") == colour_of(5101)
    ]
    assert len(widths) == 8
    assert max(widths) == pytest.approx(min(widths), rel=0.1)


def test_places_are_spread_evenly():
    assert spaced([None] * 60, 20)[:3] == (0, 3, 6)
    assert spaced([None] * 60, 20)[-1] == 59
    assert spaced([None] * 4, 20) == (0, 1, 2, 3)


def test_a_series_is_drawn_by_name_and_many_slices_get_several_sheets(tmp_path):
    analysis = many_slices(23)
    name = analysis.exam.series[0].name
    paths = draw_series(analysis, name, tmp_path / "pictures")
    assert [path.name for path in paths] == [f"{name}_slices-1.png", f"{name}_slices-2.png"]
    picture = imread(paths[1])[..., :3]
    assert (np.ptp(picture, axis=-1) > 0.2).mean() > 0.001  # outlines are coloured
    assert picture[0, 0].tolist() == [1.0, 1.0, 1.0]


def test_a_sheet_of_some_slices_says_so():
    panel = sheet_of(many_slices(23), places=[0, 11, 22])
    assert panel.note.startswith("3 of 23 slices.")
    assert len([word for word in words(panel) if word.startswith("slice")]) == 3


def test_without_anatomy_nothing_is_drawn(tmp_path):
    series = axial_series()
    analysis = axial_analysis(series, masks=False)
    assert draw_slices(analysis, series.name, tmp_path / "pictures") == ()
    assert not (tmp_path / "pictures").exists()


def test_a_series_that_is_not_axial_is_an_error(tmp_path):
    analysis = axial_analysis(axial_series())
    for name in ("no such series", sagittal_series().name):
        with pytest.raises(StageError, match="has no axial series"):
            draw_slices(analysis, name, tmp_path)
