from dataclasses import replace

import pytest
from report_samples import (
    analysis_of,
    level_rows,
    measurement,
    of_disc,
    plain_analysis,
    sagittal_series,
    some_measurements,
)

from openlumbar.core.exam import Exam, LeftOut, Weighting
from openlumbar.core.flags import FLAGS
from openlumbar.core.levels import Numbering
from openlumbar.core.plane import Plane
from openlumbar.core.run import Failure
from openlumbar.report.content import report_of
from openlumbar.report.wording import (
    confidence_text,
    flag_text,
    number_text,
    rank,
    uncertainty_text,
    with_unit,
)


def cells_of(report):
    sections = (*report.spine, *report.levels)
    return {(section.name, row.metric): row.cells for section in sections for row in section.rows}


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (27.449, "mm", "27.4"),
        (-1.25, "mm", "−1.2"),
        (-0.01, "mm", "0.0"),
        (48.26, "deg", "48.3"),
        (0.8512, "1", "0.85"),
        (12.6, "%", "13"),
    ],
)
def test_numbers_are_printed_with_the_decimals_of_their_unit(value, unit, text):
    assert number_text(value, unit) == text


def test_an_uncertainty_never_reads_zero():
    assert uncertainty_text(0.01, "mm") == "0.1"
    assert uncertainty_text(0.26, "mm") == "0.3"


def test_degrees_stand_without_a_space_and_ratios_without_a_unit():
    assert [with_unit("1", unit) for unit in ("mm", "°", "")] == ["1 mm", "1°", "1"]


def test_every_flag_has_a_sentence():
    assert all(flag_text(flag).lower() == text.lower() for flag, text in FLAGS.items())


def test_levels_run_from_head_to_foot_whatever_the_order_they_come_in():
    report = report_of(plain_analysis())
    assert [section.name for section in report.levels] == ["L4", "L4-L5", "L5"]


def test_a_level_without_a_known_name_comes_last():
    assert rank("vertebra of unknown level") > rank("S2") > rank("S1-S2") > rank("S1") > rank("T13")


def test_a_number_is_printed_with_its_uncertainty():
    (cell,) = cells_of(report_of(plain_analysis()))["L4", "anterior_height_mm"]
    assert (cell.text, cell.withheld, cell.doubtful) == ("16.0 ± 0.3", False, False)


def test_a_withheld_number_is_a_dash_with_its_reason():
    (cell,) = cells_of(report_of(plain_analysis()))["L4", "posterior_height_mm"]
    assert (cell.text, cell.number, cell.withheld) == ("–", None, True)
    assert cell.reasons == ("The structure is cut by the border of the picture",)


def test_a_grade_is_a_roman_number_without_an_uncertainty():
    series = sagittal_series()
    graded = of_disc(series, "meyerding_grade", 2.0, uncertainty=0.0)
    (cell,) = cells_of(report_of(analysis_of(series, measurements=(graded,))))[
        "L4-L5", "meyerding_grade"
    ]
    assert cell.text == "II"


def test_low_confidence_is_doubtful_even_without_a_flag():
    series = sagittal_series()
    unsure = measurement(series, confidence=0.4)
    (cell,) = cells_of(report_of(analysis_of(series, measurements=(unsure,))))[
        "L4", "anterior_height_mm"
    ]
    assert cell.doubtful


def test_two_series_stand_side_by_side_and_an_absent_number_leaves_a_gap():
    t1, t2 = sagittal_series("a_T1w", Weighting.T1), sagittal_series("b_T2w", Weighting.T2)
    report = report_of(
        analysis_of(
            t1,
            t2,
            measurements=(
                measurement(t1, value=15.0),
                measurement(t2, value=16.0),
                measurement(t2, "middle_height_mm"),
            ),
        )
    )
    assert [column.title for column in report.columns] == ["T1w", "T2w"]
    cells = cells_of(report)
    assert [cell.value for cell in cells["L4", "anterior_height_mm"]] == ["15.0", "16.0"]
    assert [cell and cell.value for cell in cells["L4", "middle_height_mm"]] == [None, "16.0"]


def test_series_of_one_weighting_are_told_apart_by_name_and_blocks_by_number():
    report = report_of(analysis_of(sagittal_series("a", blocks=2), sagittal_series("b")))
    assert [column.title for column in report.columns] == ["a, block 1", "a, block 2", "b"]


def test_a_number_measured_twice_is_shown_twice():
    series = sagittal_series()
    twice = (measurement(series, value=15.0, slice=1), measurement(series, value=16.0))
    (section, *_) = report_of(analysis_of(series, measurements=twice)).levels
    assert [row.cells[0].value for row in section.rows] == ["15.0", "16.0"]


def test_t2_is_shown_first_unless_it_lacks_what_another_has():
    t1, t2 = sagittal_series("a_T1w", Weighting.T1), sagittal_series("b_T2w", Weighting.T2)
    both = analysis_of(t1, t2, measurements=(*some_measurements(t1), *some_measurements(t2)))
    assert report_of(both).primary == "c1"
    poor = analysis_of(t1, t2, measurements=(*some_measurements(t1), measurement(t2)))
    assert report_of(poor).primary == "c0"


def test_findings_say_what_is_read_first():
    findings = {finding.title: finding for finding in report_of(plain_analysis()).findings}
    assert findings["Lumbar lordosis"].value == "48.3 ± 1.2°"
    assert findings["Lowest disc"].value == "8.0 ± 0.1 mm"
    assert findings["Largest slip"].detail == "L4-L5 · backward"
    assert findings["Narrowest canal"].value == "12.3 ± 0.3 mm"
    assert findings["Most wedged body"].doubtful
    assert findings["Vertebrae"].detail == "L4 to L5 · confidence of names 0.93"
    assert (findings["Numbers"].value, findings["Numbers"].doubtful) == ("7 of 8", True)


def test_a_withheld_lordosis_is_a_finding_with_its_reason():
    series = sagittal_series()
    withheld = measurement(
        series, "lordosis_deg", None, structure="spine", level="L1-S1", flags=("partly-in-view",)
    )
    first = report_of(analysis_of(series, measurements=(withheld,))).findings[0]
    assert (first.value, first.doubtful) == ("not reported", True)
    assert first.detail == "The structure is cut by the border of the picture"


def test_the_gravest_doubt_comes_first_and_counts_its_numbers():
    analysis = plain_analysis()
    numbering = Numbering("spine_T2w", 0.4, ("numbering-uncertain",), ())
    levels = replace(analysis.levels, numbering=(numbering,))
    first, second, third = report_of(replace(analysis, levels=levels)).doubts
    assert (first.flag, first.levels, first.numbers) == ("numbering-uncertain", (), 0)
    assert (second.flag, second.levels) == ("partly-in-view", ("L4",))
    assert (second.numbers, second.withheld) == (1, 1)
    assert (third.flag, third.numbers, third.withheld) == ("irregular-outline", 1, 0)


def test_flags_of_a_name_are_notes_of_its_level():
    (section, *_) = report_of(plain_analysis()).levels
    assert section.notes[0].text == "The structure is cut by the border of the picture"
    assert section.notes[0].where == ("T2w",)


def test_definitions_are_given_of_what_was_measured_alone():
    series = sagittal_series()
    report = report_of(analysis_of(series, measurements=(measurement(series),)))
    assert [definition.title for definition in report.definitions] == ["Anterior height"]


def test_no_header_text_reaches_the_report():
    series = replace(sagittal_series(), facts={"description": "DOE^JANE", "field_strength_t": 1.5})
    report = report_of(analysis_of(series))
    assert "DOE" not in repr(report)
    assert report.series[0].acquisition == "1.5 T"


def test_the_grid_of_a_series_is_put_in_words():
    (facts,) = report_of(analysis_of(sagittal_series())).series
    assert facts.grid == "5 slices of 80 × 120 pixels of 0.80 × 0.50 mm, 4.0 mm apart"


def test_what_was_left_out_and_what_failed_is_told():
    analysis = analysis_of(
        sagittal_series(), failures=(Failure("measure", "spine_T2w", "StageError", "no luck"),)
    )
    exam = replace(analysis.exam, left_out=(LeftOut("scout", "a localiser", 3),))
    report = report_of(replace(analysis, exam=exam))
    assert (report.series[-1].use, report.series[-1].left_out) == ("left out", "a localiser")
    assert report.failures == ("The stage “measure” of spine_T2w failed: no luck",)


def test_provenance_names_weights_and_counts_each_stage_once():
    facts = {fact.name: fact.text for fact in report_of(plain_analysis()).provenance}
    assert facts["Weights"] == "sagittal 0.1.0, SHA-256 " + "34e31ac4" * 8
    assert facts["Time"] == "segment 1.2 s"


def test_a_header_that_contradicts_itself_is_told_before_any_number():
    mirrored = replace(sagittal_series(), warnings=("its header contradicts itself",))
    unused = replace(sagittal_series("other"), warnings=("too thick",))
    analysis = analysis_of(mirrored, warnings=("the exam is old",))
    report = report_of(replace(analysis, exam=Exam((mirrored, unused))))
    assert report.warnings == (
        "the exam is old",
        "spine_T2w: its header contradicts itself",
    )


def test_an_exam_of_nothing_still_has_a_report():
    analysis = analysis_of(warnings=("nothing was found",))
    report = report_of(replace(analysis, exam=Exam(())))
    assert (report.columns, report.levels, report.primary) == ((), (), "")
    assert report.warnings == ("nothing was found",)
    assert [finding.value for finding in report.findings] == ["none named", "none"]
    assert any("not for diagnosis" in notice for notice in report.notices)


def test_a_series_without_masks_has_no_column():
    report = report_of(
        analysis_of(sagittal_series(), sagittal_series("axial", plane=Plane.AXIAL), masks=False)
    )
    assert report.columns == ()
    assert [facts.use for facts in report.series] == ["kept as images", "kept as images"]


def test_names_without_numbers_have_sections_all_the_same():
    report = report_of(analysis_of(sagittal_series()))
    assert [section.rows for section in report.levels] == [(), (), ()]
    assert [confidence_text(section.confidence) for section in report.levels] == ["0.90"] * 3
    assert len(level_rows(sagittal_series())) == 3
