from dataclasses import replace

import numpy as np
import pytest
from report_samples import (
    AXIAL_AFFINE,
    AXIAL_SHAPE,
    analysis_of,
    axial_affine,
    axial_analysis,
    axial_measurements,
    axial_series,
    of_slice,
    plain_analysis,
    sagittal_series,
    slice_row,
    some_measurements,
)

from openlumbar.core.exam import Block, Exam, Weighting
from openlumbar.core.masks import Masks, SeriesMasks
from openlumbar.core.metrics import METRICS
from openlumbar.core.volume import Volume
from openlumbar.report.axial import axial_sections, slice_places
from openlumbar.report.cells import group_of
from openlumbar.report.content import report_of
from openlumbar.report.parts import GROUPS

FAT = "fat_fraction_partial_volume_percent"


def section_of(analysis):
    (section,) = axial_sections(analysis)
    return section


def table_of(section, key):
    return next(table for table in section.tables if table.key == key)


def findings_of(section):
    return {finding.title: finding for finding in section.findings}


@pytest.mark.parametrize("key", METRICS)
def test_every_metric_has_a_place_in_the_report(key):
    assert group_of(*key) in GROUPS


def test_slices_run_from_head_to_foot_and_know_how_far_they_lie_below_the_first():
    section = section_of(axial_analysis(axial_series()))
    assert [one.slice for one in section.slices] == [3, 2, 1, 0]
    assert [one.position_mm for one in section.slices] == pytest.approx([0, 4, 8, 12])


def test_a_block_that_is_stored_downward_is_read_from_its_other_end():
    affine = AXIAL_AFFINE.copy()
    affine[2, 2] = -4.0
    section = section_of(axial_analysis(axial_series(affines=(affine,))))
    assert [one.slice for one in section.slices] == [0, 1, 2, 3]


def test_it_opens_near_the_middle_on_a_slice_that_lacks_no_number():
    series = axial_series()
    numbers = list(axial_measurements(series))
    assert section_of(axial_analysis(series, measurements=numbers)).first == 1
    few = [m for m in numbers if m.slice in (0, 3) or m.structure == "dural sac"]
    assert section_of(axial_analysis(series, measurements=few)).first == 0


def test_tilted_blocks_are_ordered_by_where_they_cut_the_sac():
    # The middle of the second block's pictures lies higher, but the sac lies far behind it,
    # where the block has come down.
    series = axial_series(affines=(axial_affine(0.0), axial_affine(30.0, tilt_deg=-40.0)))
    labels = np.zeros(AXIAL_SHAPE, np.uint16)
    labels[:, 50:58, 35:45] = 2
    masks = SeriesMasks(
        series.name, tuple(block.volume.with_array(labels) for block in series.blocks)
    )
    middle = [float(block.volume.to_patient((1.5, 29.5, 39.5))[2]) for block in series.blocks]
    assert middle[1] > middle[0]
    places = slice_places(series, masks)
    assert [place for place, _ in places[:4]] == [(0, 3), (0, 2), (0, 1), (0, 0)]
    assert all(block == 1 for (block, _), _ in places[4:])


def test_blocks_are_named_in_the_titles_of_their_slices_where_there_are_several():
    series = axial_series(affines=(axial_affine(0.0), axial_affine(40.0)))
    titles = [one.title for one in section_of(axial_analysis(series)).slices]
    assert titles[0] == "block 2, slice 3"
    assert titles[-1] == "block 1, slice 0"


def test_a_table_has_right_before_left_and_a_line_for_each_measured_slice():
    series = axial_series()
    numbers = axial_measurements(series, slices=(0, 2))
    table = table_of(section_of(axial_analysis(series, measurements=numbers)), "csa")
    assert [(head.title, head.side, head.unit) for head in table.heads] == [
        ("Multifidus", "R", "cm²"),
        ("Multifidus", "L", "cm²"),
    ]
    assert [(place, [cell.value for cell in cells]) for place, cells in table.lines] == [
        (1, ["8.0", "10.0"]),
        (3, ["6.0", "8.0"]),
    ]


def test_fat_is_called_what_it_is():
    section = section_of(axial_analysis(axial_series()))
    assert "not a proton-density fat fraction" in table_of(section, "fat").note


def test_a_withheld_number_is_a_dash_with_its_reason():
    series = axial_series()
    withheld = of_slice(series, 1, "csa_cm2", None, flags=("partly-in-view",))
    section = section_of(axial_analysis(series, measurements=(withheld,)))
    ((_, (cell,)),) = table_of(section, "csa").lines
    assert (cell.value, cell.withheld) == ("–", True)
    assert cell.reasons == ("The structure is cut by the border of the picture",)


def test_numbers_of_a_disc_stand_at_the_discs_and_are_counted_once():
    series = axial_series()
    rows = [
        slice_row(series, k, level, "L4-L5")
        for k, level in ((0, "L5"), (1, "L4-L5"), (2, "L4-L5"), (3, "L4"))
    ]
    of_level = of_slice(series, None, "csa_cm2", 9.5, level="L4-L5")
    numbers = (*axial_measurements(series), of_level)
    section = section_of(axial_analysis(series, measurements=numbers, rows=rows))
    (level,) = section.levels
    assert (level.name, section.slices[level.place].slice) == ("L4-L5", 1)
    (table,) = section.level_tables
    assert [cell.value for _, cells in table.lines for cell in cells] == ["9.5"]
    assert [one.level for one in section.slices] == ["L4", "L4-L5", "L4-L5", "L5"]
    assert findings_of(section)["Axial numbers"].value == "20 of 20"


def test_doubts_name_their_slices_in_few_words_gravest_first():
    series = axial_series()
    numbers = (
        *(of_slice(series, k, "csa_cm2", 8.0, flags=("dark-band",)) for k in (0, 1, 3)),
        of_slice(series, 0, FAT, None, flags=("dark-band",)),
    )
    rows = [slice_row(series, 2, flags=("not-an-axial-lumbar-slice",))]
    first, second = section_of(axial_analysis(series, measurements=numbers, rows=rows)).doubts
    assert (first.flag, first.levels) == ("not-an-axial-lumbar-slice", ("slice 2",))
    assert (second.flag, second.levels) == ("dark-band", ("slices 0–1, 3",))
    assert (second.numbers, second.withheld) == (4, 1)


def test_what_holds_everywhere_is_said_once():
    series = axial_series()
    numbers = tuple(of_slice(series, k, "csa_cm2", 8.0, flags=("motion",)) for k in range(4))
    (doubt,) = section_of(axial_analysis(series, measurements=numbers)).doubts
    assert doubt.levels == ("all slices",)


def test_flags_of_a_slice_are_told_with_it():
    series = axial_series()
    rows = [slice_row(series, 3, flags=("muscle-missing",))]
    top, *others = section_of(axial_analysis(series, rows=rows)).slices
    assert top.reasons == ("A muscle that its neighbours or its other side show was not found",)
    assert not any(one.reasons for one in others)


def test_findings_are_means_over_slices_where_both_sides_are_without_doubt():
    series = axial_series()
    numbers = list(axial_measurements(series))
    # Slice 3: the left side is doubtful, so neither side of it counts.
    place = next(n for n, m in enumerate(numbers) if m.slice == 3 and m.metric == "csa_cm2")
    numbers[place] = replace(numbers[place], flags=("dark-band",))
    found = findings_of(section_of(axial_analysis(series, measurements=numbers)))
    # Left 8, 9, 10 and right 6, 7, 8: 2 of 9 cm².
    uneven = found["Sides differ most: multifidus"]
    assert uneven.value == "22 %"
    assert uneven.detail == "right smaller · right 7.0, left 9.0 cm² · mean of 3 slices"
    # Fat 10, 11, 12, 13 on both sides.
    assert found["Most fat: multifidus"].value == "12 %"
    assert found["Smallest dural sac"].value == "150 ± 1 mm²"
    assert "levels not known" in found["Smallest dural sac"].detail
    assert found["Slices with muscles"].value == "4 of 4"


def test_a_mean_over_few_slices_is_not_compared_with_one_over_many():
    series = axial_series()
    # The psoas differs by half, but in one slice of four.
    psoas = [
        of_slice(series, 0, "csa_cm2", area, structure="psoas", side=side)
        for side, area in (("left", 10.0), ("right", 5.0))
    ]
    numbers = (*axial_measurements(series), *psoas)
    found = findings_of(section_of(axial_analysis(series, measurements=numbers)))
    assert "Sides differ most: multifidus" in found


def test_fat_is_a_mean_over_the_slices_that_have_it():
    series = axial_series()
    numbers = [
        replace(m, value=None, uncertainty=None, flags=("fat-not-separated",))
        if m.metric == FAT and m.slice in (2, 3)
        else m
        for m in axial_measurements(series)
    ]
    found = findings_of(section_of(axial_analysis(series, measurements=numbers)))
    assert found["Most fat: multifidus"].detail.endswith("mean of 2 slices")
    assert found["Sides differ most: multifidus"].detail.endswith("mean of 4 slices")


def test_without_a_number_free_of_doubt_nothing_is_found():
    series = axial_series()
    numbers = [replace(m, confidence=0.2) for m in axial_measurements(series)]
    titles = findings_of(section_of(axial_analysis(series, measurements=numbers))).keys()
    assert set(titles) == {"Slices with muscles", "Axial numbers"}


def test_the_smallest_sac_is_looked_for_among_lumbar_slices_where_levels_are_known():
    series = axial_series()
    rows = [slice_row(series, k, "", disc) for k, disc in enumerate(("S1-S2", "L5-S1"))]
    found = findings_of(section_of(axial_analysis(series, rows=rows)))
    # Slice 0 has the smallest, 150 mm², but lies in the sacrum.
    assert found["Smallest dural sac"].value == "151 ± 1 mm²"


def test_axial_numbers_leave_the_sagittal_part_as_it_is():
    alone, axial = plain_analysis(), axial_series()
    both = replace(
        alone,
        exam=replace(alone.exam, series=(axial, *alone.exam.series)),
        levels=replace(
            alone.levels, rows=(*alone.levels.rows, slice_row(axial, 0, flags=("motion",)))
        ),
        measurements=(*alone.measurements, *axial_measurements(axial)),
    )
    before, after = report_of(alone), report_of(both)
    for part in ("columns", "primary", "findings", "spine", "levels", "doubts"):
        assert getattr(after, part) == getattr(before, part), part
    assert [section.title for section in after.axial] == ["Axial T2w"]
    assert before.axial == ()


def test_series_of_one_weighting_are_told_apart_by_name():
    one, other = axial_series("upper"), axial_series("lower")
    t1 = axial_series("t1", Weighting.T1)
    sections = axial_sections(axial_analysis(one, other, t1))
    assert [section.title for section in sections] == ["upper", "lower", "Axial T1w"]
    assert [section.key for section in sections] == ["a0", "a1", "a2"]


def test_a_series_without_numbers_has_its_slices_all_the_same():
    section = section_of(axial_analysis(axial_series(), measurements=(), masks=False))
    assert (section.measured, len(section.slices), section.tables) == (False, 4, ())
    assert section.findings == section.doubts == ()


def test_definitions_that_muscles_share_are_given_once():
    series = axial_series()
    numbers = tuple(
        of_slice(series, 0, "csa_cm2", 8.0, structure=muscle) for muscle in ("psoas", "multifidus")
    )
    (definition,) = report_of(axial_analysis(series, measurements=numbers)).definitions
    assert definition.structure == "multifidus, psoas"


def test_single_slices_stored_in_any_order_of_axes_are_read():
    array = np.zeros((1, 60, 80), np.float32)
    block = Block(Volume(array, AXIAL_AFFINE), ("one",))
    series = replace(axial_series(), blocks=(block,))
    analysis = replace(
        axial_analysis(series, measurements=(), masks=False), exam=Exam((series,)), masks=Masks()
    )
    (only,) = section_of(analysis).slices
    assert (only.title, only.position_mm) == ("slice 0", 0.0)


def test_sagittal_numbers_alone_give_no_axial_section():
    series = sagittal_series()
    report = report_of(analysis_of(series, measurements=some_measurements(series)))
    assert report.axial == ()
