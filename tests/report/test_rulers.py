import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.image import imread
from report_samples import (
    analysis_of,
    measurement,
    of_disc,
    plain_analysis,
    sagittal_series,
    some_measurements,
)

from openlumbar.core.errors import StageError
from openlumbar.core.measurement import RULER, Line
from openlumbar.report.content import report_of
from openlumbar.report.panel import spread
from openlumbar.report.rulers import draw_rulers, ruler_panels

SVG = "{http://www.w3.org/2000/svg}"
ROOMS = dict.fromkeys(("heights", "angles", "canal"), (120.0, 100.0))
MM_PER_POINT = 25.4 / 72


def panels_of(analysis, rooms=ROOMS):
    report = report_of(analysis)
    panels = ruler_panels(analysis, report, report.columns[0], rooms)
    return {panel.key: panel for panel in panels}


def texts(panel):
    return list(ElementTree.fromstring(panel.drawing).iter(f"{SVG}text"))


def words(panel):
    return [text.text for text in texts(panel)]


def strokes(panel, colour, least_pt=0.0):
    """``[n, 2]`` of (x, y) of each path of a colour, and whether it is dashed."""
    for path in ElementTree.fromstring(panel.drawing).iter(f"{SVG}path"):
        broad = float(path.get("stroke-width")) >= least_pt * MM_PER_POINT - 1e-3
        if path.get("stroke") == colour and broad:
            numbers = [float(number) for number in re.findall(r"-?[\d.]+", path.get("d"))]
            yield np.reshape(numbers, (-1, 2)), path.get("stroke-dasharray") is not None


def rulers(panel, colour="#FFFFFF"):
    """As :func:`strokes`, without the guides."""
    return strokes(panel, colour, least_pt=0.8)


def shifted(line, left_mm):
    return replace(line, points_mm=tuple((x + left_mm, y, z) for x, y, z in line.points_mm))


def on_slice(measurement_, steps):
    """The same, measured on a slice so many further to the left (4 mm apart)."""
    return replace(
        measurement_, lines=tuple(shifted(line, 4.0 * steps) for line in measurement_.lines)
    )


def test_each_question_that_has_numbers_gets_a_panel():
    assert list(panels_of(plain_analysis())) == ["heights", "angles", "canal"]


def test_numbers_stand_beside_the_picture_as_they_are_printed_elsewhere():
    panels = panels_of(plain_analysis())
    assert {"L4", "16.0", "L4-L5", "8.0"} <= set(words(panels["heights"]))
    assert {"L4-L5", "−1.2", "48.3 ± 1.2°"} <= set(words(panels["angles"]))
    assert {"L4-L5", "12.3"} <= set(words(panels["canal"]))


def test_a_withheld_number_is_a_dash_with_a_star():
    found = words(panels_of(plain_analysis())["heights"])
    assert found[found.index("–") + 1] == "*"
    assert found.count("*") == 1


def test_a_ruler_is_as_long_on_paper_as_in_the_patient():
    panel = panels_of(plain_analysis())["heights"]
    ((ruler, dashed),) = rulers(panel)
    scale = panel.image_mm[3] / picture_height_mm()
    assert np.linalg.norm(np.diff(ruler, axis=0)) == pytest.approx(16.0 * scale, abs=0.01)
    assert not dashed


def picture_height_mm():
    """Bodies and disc are 50 rows of 0.8 mm; 8 mm of margin above and below, in whole rows."""
    return (50 + 10 + 10) * 0.8


def test_a_ruler_lies_on_its_structure():
    panel = panels_of(plain_analysis())["heights"]
    ((ruler, _),) = rulers(panel)
    left, top, _, height = panel.image_mm
    scale = height / picture_height_mm()
    # Row 9.5 is the ruler's upper end (LPS z 32.4), row 0 of the picture is row 0 of the
    # image; column 34 is 34.5 pixels of 0.5 mm from the image's left border, of which the
    # 10 mm margin in front of column 30 leaves 29 pixels.
    assert ruler[0] == pytest.approx(
        (left + (34.5 - 10) * 0.5 * scale, top + 10.0 * 0.8 * scale), abs=0.02
    )


def test_what_was_measured_on_another_slice_is_dashed_and_named():
    series = sagittal_series()
    numbers = (
        measurement(series),
        measurement(series, "middle_height_mm", 15.0),
        on_slice(measurement(series, level="L5"), 1),
    )
    # L5's ruler must not coincide with that of L4 once it is laid over the slice.
    moved = replace(numbers[2].lines[0], points_mm=((4.0, 30.0, 8.0), (4.0, 30.0, -8.0)))
    numbers = (*numbers[:2], replace(numbers[2], lines=(moved,)))
    panel = panels_of(analysis_of(series, measurements=numbers))["heights"]
    assert sorted(dashed for _, dashed in rulers(panel)) == [False, True]
    assert panel.note == (
        "Slice 2 of 5 (from 0). Dashed: measured on another slice and laid over this one: "
        "L5 from slice 3"
    )


def test_the_slice_shown_is_the_nearest_to_what_was_measured():
    series = sagittal_series()
    lines = (Line(RULER, ((0.0, 27.0, 32.4), (0.0, 27.0, 16.4))),)
    numbers = [
        on_slice(measurement(series, level=level, lines=lines), steps)
        for level, steps in (("L3", -1), ("L4", 0), ("L5", 1))
    ]
    note = panels_of(analysis_of(series, measurements=tuple(numbers)))["heights"].note
    assert note.startswith("Slice 2 of 5")


def test_no_text_is_smaller_than_six_and_a_half_points_nor_leaves_the_paper():
    for panel in panels_of(plain_analysis()).values():
        for text in texts(panel):
            assert float(text.get("font-size")) >= 6.5 * MM_PER_POINT - 1e-3
            assert 0 <= float(text.get("x")) <= panel.width_mm
            assert 0 <= float(text.get("y")) <= panel.height_mm


def test_lines_of_text_do_not_overlap():
    # Three levels whose canals were measured at almost the same height.
    series = sagittal_series()
    numbers = tuple(
        measurement(
            series,
            "ap_diameter_mm",
            12.0,
            structure="canal",
            level=level,
            lines=(Line(RULER, ((0.0, 48.0, z), (0.0, 54.0, z))),),
        )
        for level, z in (("L4", 12.3), ("L4-L5", 12.2), ("L5", 12.1))
    )
    panel = panels_of(analysis_of(series, measurements=numbers))["canal"]
    heights = sorted(float(t.get("y")) for t in texts(panel) if t.text == "12.0")
    assert len(heights) == 3
    assert min(np.diff(heights)) >= 7.5 * MM_PER_POINT


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ([5.0, 20.0], [5.0, 20.0]),
        ([10.0, 10.0, 30.0], [8.0, 12.0, 30.0]),
        ([0.0, 0.0], [0.0, 4.0]),
        ([40.0, 40.0], [36.0, 40.0]),
    ],
)
def test_places_move_apart_as_little_as_can_be(wanted, expected):
    assert spread(np.array(wanted), 4.0, (0.0, 40.0)) == pytest.approx(expected)


def test_too_many_places_share_what_room_there_is():
    assert spread(np.full(5, 3.0), 4.0, (0.0, 8.0)) == pytest.approx([0, 2, 4, 6, 8])


def test_a_panel_keeps_to_its_room():
    for room in ((80.0, 100.0), (120.0, 60.0)):
        panel = panels_of(plain_analysis(), {"heights": room})["heights"]
        assert panel.width_mm <= room[0] + 1e-6
        assert panel.height_mm <= room[1] + 1e-6
        _, _, width, height = panel.image_mm
        # The pixels stay square: 86 columns of 0.5 mm on 70 rows of 0.8 mm.
        assert width / height == pytest.approx(panel_columns() * 0.5 / picture_height_mm())


def panel_columns():
    """20 columns in front of the 40 of the bodies, and 50 behind them, where the image ends."""
    return 20 + 40 + 50


def test_an_angle_is_drawn_at_its_endplates_and_bracketed():
    series = sagittal_series()
    endplates = (
        Line(RULER, ((0.0, 25.0, 32.0), (0.0, 45.0, 32.0))),
        Line(RULER, ((0.0, 25.0, 0.0), (0.0, 45.0, -5.0))),
    )
    lordosis = measurement(
        series, "lordosis_deg", 14.0, structure="spine", level="L1-S1", slice=None, lines=endplates
    )
    panel = panels_of(analysis_of(series, measurements=(lordosis,)))["angles"]
    assert len(list(rulers(panel, "#FFB000"))) == 2
    assert "Lordosis L1-S1" in words(panel)
    left = min(line[:, 0].min() for line, _ in strokes(panel, "#E08A00"))
    assert left < panel.image_mm[0]


def test_when_every_number_is_withheld_the_anatomy_is_still_shown():
    series = sagittal_series()
    numbers = tuple(
        replace(m, value=None, uncertainty=None, confidence=0.0, flags=("low-certainty",), lines=())
        for m in some_measurements(series)
    )
    panels = panels_of(analysis_of(series, measurements=numbers))
    assert list(panels) == ["heights", "angles", "canal"]
    assert "–" in words(panels["heights"])


def test_without_numbers_the_anatomy_is_named():
    panels = panels_of(analysis_of(sagittal_series()))
    assert list(panels) == ["anatomy"]
    assert {"L4", "L4-L5", "L5"} <= set(words(panels["anatomy"]))


def test_numbers_without_masks_give_no_picture():
    series = sagittal_series()
    assert panels_of(analysis_of(series, measurements=(measurement(series),), masks=False)) == {}


def test_a_level_without_a_place_on_the_picture_is_left_to_the_tables():
    series = sagittal_series()
    missing = of_disc(series, "height_mm", None, flags=("missing-disc",), lines=())
    missing = replace(missing, level="L3-L4")
    panel = panels_of(analysis_of(series, measurements=(measurement(series), missing)))["heights"]
    assert "L3-L4" not in words(panel)


def test_the_panels_of_a_series_are_written_side_by_side(tmp_path):
    (path,) = draw_rulers(plain_analysis(), "spine_T2w", tmp_path / "pictures")
    assert path.name == "spine_T2w_rulers.png"
    picture = imread(path)
    assert picture.shape[1] > picture.shape[0] > 500


def test_each_block_gets_a_picture_of_its_own(tmp_path):
    series = sagittal_series(blocks=2)
    numbers = (measurement(series), measurement(series, block=1))
    paths = draw_rulers(analysis_of(series, measurements=numbers), series.name, tmp_path)
    assert [path.name for path in paths] == [
        "spine_T2w_block-1_rulers.png",
        "spine_T2w_block-2_rulers.png",
    ]


def test_an_unknown_series_is_an_error(tmp_path):
    with pytest.raises(StageError, match="no series T9; it has spine_T2w"):
        draw_rulers(plain_analysis(), "T9", tmp_path)
