import io
from dataclasses import replace

import pytest
from level_samples import conflict, looks, named_analysis, named_rows
from report_samples import axial_analysis, axial_series, plain_analysis, slice_row
from rich.console import Console

from openlumbar.core.exam import Exam
from openlumbar.core.levels import Levels, Numbering
from openlumbar.core.run import Run, Weights
from openlumbar.report.axial import axial_sections
from openlumbar.report.axial_levels import (
    classifier_facts,
    disc_lines,
    lumbar_count,
    place_of,
    short_class,
)
from openlumbar.report.content import report_of
from openlumbar.report.summary import summary


def section_of(analysis):
    (section,) = axial_sections(analysis)
    return section


@pytest.mark.parametrize(
    ("level", "lumbar", "place"),
    [
        ("L1-L2", 5, 1.0),
        ("L5-S1", 5, 5.0),
        ("L4", 5, 3.5),
        ("T12", 5, -0.5),
        ("T11-T12", 5, -1.0),
        ("S1", 5, 5.5),
        ("S1-S2", 5, 6.0),
        ("L5-L6", 6, 5.0),
        ("L6-S1", 6, 6.0),
        ("S1", 6, 6.5),
        ("L4-S1", 4, 4.0),
        ("above L1", 5, 0.0),
        ("S1 and below", 5, 5.5),
        ("other", 5, None),
        ("", 5, None),
    ],
)
def test_levels_have_places_on_the_agreed_scale(level, lumbar, place):
    assert place_of(level, lumbar=lumbar) == place


def test_a_slice_within_its_level_stands_between_the_neighbours():
    ends = [
        place_of("L4", 1.0),
        place_of("L4-L5", 0.0),
        place_of("L4-L5", 1.0),
        place_of("L5", 0.0),
    ]
    # The foot of L4 is the head of the disc, whose foot is the head of L5.
    assert ends == pytest.approx([3.875, 3.875, 4.125, 4.125])


def test_a_sixth_vertebra_is_counted_by_its_name():
    assert lumbar_count(["L5", "L6", "S1"]) == 6
    assert lumbar_count(["L4", "L4-S1"]) == 4
    assert lumbar_count([]) == 5


def test_every_slice_is_named_with_its_confidence_and_how():
    slices = section_of(named_analysis()).slices
    assert [one.level for one in slices] == ["L4-L5", "L5", "L5-S1", "S1"]
    assert [one.disc_level for one in slices] == ["L4-L5", "L4-L5", "L5-S1", "L5-S1"]
    assert [one.name.best for one in slices] == ["L4-L5", "", "L5-S1", ""]
    assert {one.name.confidence for one in slices} == {0.9}
    assert {one.name.how for one in slices} == {
        "where it cuts the sagittal discs, and by its looks"
    }
    assert all(one.name.measured for one in slices)
    assert not any(one.name.measured for one in section_of(named_analysis(source="looks")).slices)


def test_flags_of_a_name_are_told_in_words():
    series = axial_series()
    rows = [slice_row(series, 0, "S1", "L5-S1", ("outside-the-spine", "level-uncertain"))]
    last = section_of(axial_analysis(series, rows=rows)).slices[-1]
    assert last.reasons == (
        "The slice lies beyond the discs that the sagittal series shows",
        "The level of the slice is not sure",
    )


def test_a_line_a_disc_leads_to_its_best_slice():
    upper, lower = disc_lines(section_of(named_analysis()))
    assert (upper.name, upper.place, upper.title, upper.slices) == ("L4-L5", 0, "slice 3", 1)
    assert (lower.name, lower.place, lower.looks) == ("L5-S1", 2, "L5-S1 0.80")
    assert not upper.doubtful
    series = axial_series()
    rows = [replace(row, level_confidence=0.3) for row in named_rows(series)]
    assert all(line.doubtful for line in disc_lines(section_of(axial_analysis(series, rows=rows))))


def test_a_conflict_comes_first_with_both_readings():
    analysis = conflict()
    naming = section_of(analysis).naming
    assert naming.grave
    assert naming.title == "Two readings of the levels differ"
    assert naming.reasons == ("Sagittal names and the looks of the axial slices differ by a level",)
    assert len(naming.evidence) == 2
    assert any("two readings of the levels differ" in text for text in report_of(analysis).warnings)
    assert not section_of(named_analysis()).naming.grave
    assert report_of(named_analysis()).warnings == ()


def test_without_names_or_looks_there_is_no_naming():
    series = axial_series()
    rows = [slice_row(series, k, flags=("motion",)) for k in range(4)]
    section = section_of(axial_analysis(series, rows=rows))
    assert section.naming is None
    assert all(one.name is None for one in section.slices)
    assert section.levels == disc_lines(section) == ()


def test_a_low_confidence_alone_is_a_doubt():
    naming = section_of(named_analysis(numbering=Numbering("spine_axial_T2w", 0.4))).naming
    assert naming.grave


def test_names_of_axial_series_leave_the_sagittal_part_as_it_is():
    alone, axial = plain_analysis(), conflict()
    both = replace(
        alone,
        exam=Exam((*alone.exam.series, *axial.exam.series), subject=alone.exam.subject),
        levels=Levels(
            (*alone.levels.rows, *axial.levels.rows),
            (*alone.levels.numbering, *axial.levels.numbering),
            axial.levels.looks,
        ),
    )
    before, after = report_of(alone), report_of(both)
    for part in ("columns", "findings", "spine", "levels", "doubts", "numbering"):
        assert getattr(after, part) == getattr(before, part), part


def test_what_the_classifier_learnt_from_is_said_of_the_one_that_ships_alone():
    (words,) = classifier_facts(Run("0", weights=(Weights("mine", "1", "ab" * 32),)))
    assert "not the one that ships" in words
    assert words.endswith("Research use only.")
    assert section_of(named_analysis()).naming.classifier == (words,)
    series = axial_series()
    geometry = axial_analysis(series, rows=named_rows(series, "geometry"))
    assert section_of(geometry).naming.classifier == ()


def test_classes_have_short_names():
    assert [short_class(name) for name in ("L1-L2", "L5", "other")] == ["1-2", "L5", "none"]


def test_slices_of_another_classifier_are_read_as_well():
    series = axial_series()
    seen = replace(
        looks(series, 3, "L4-L5"), classes=("L3-L4", "L4-L5"), probability=(0.3, 0.7), signs={}
    )
    analysis = replace(axial_analysis(series), levels=Levels(looks=(seen,)))
    section = section_of(analysis)
    assert section.naming.title == "No slice could be named"
    assert section.slices[0].looks == seen


def test_the_terminal_shows_the_best_slices():
    console = Console(width=120, file=io.StringIO())
    console.print(summary(conflict()))
    words = console.file.getvalue()
    assert "best slice" in words
    assert "L4-L5" in words
    assert "two readings of the levels differ" in words
