from dataclasses import replace

from report_samples import axial_analysis, axial_series
from rich.console import Console

from openlumbar.core.exam import Exam
from openlumbar.core.levels import LevelRow, Levels, Numbering
from openlumbar.core.masks import Masks
from openlumbar.core.run import Run
from openlumbar.io.analysis import Analysis
from openlumbar.report.summary import structure_table, summary


def row(level, label, z_mm, flags=()):
    return LevelRow(
        series="t2",
        block=0,
        slice=7,
        instance="1.2",
        structure="disc" if "-" in level else "vertebra",
        label=label,
        level=level,
        disc_level=level if "-" in level else "",
        level_confidence=0.934,
        x_mm=0.0,
        y_mm=0.0,
        z_mm=z_mm,
        source="sacrum",
        flags=flags,
    )


def text(renderable):
    console = Console(width=100)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


def analysis(rows, warnings=()):
    numbering = Numbering("t2", 0.88, ("possible-l6",))
    return Analysis(Exam(()), Masks(), Levels(rows, (numbering,)), Run("0", warnings=warnings))


def test_rows_go_from_the_head_downward_with_their_confidence_and_flags():
    rows = (row("L5", 45, -80.0), row("L4", 44, -40.0, ("collapsed",)), row("L4-L5", 95, -60.0))
    told = text(summary(analysis(rows)))
    lines = told.splitlines()
    table = [line.split() for line in lines if "0.93" in line]
    assert [line[1] for line in table] == ["L4", "L4-L5", "L5"]
    assert table[0] == ["vertebra", "L4", "0.93", "collapsed"]
    assert "confidence 0.88, possible-l6" in " ".join(told.split())


def test_warnings_are_told():
    assert "Note: no sagittal series" in text(summary(analysis((), ("no sagittal series",))))


def test_the_table_of_structures_has_the_sides_of_muscles():
    lines = text(structure_table()).splitlines()
    assert any(line.split() == ["5121", "psoas", "muscle", "left"] for line in lines)


def test_muscles_of_an_axial_series_are_told_by_their_means():
    told = text(summary(axial_analysis(axial_series())))
    line = next(line for line in told.splitlines() if "multifidus" in line)
    # Right 6 … 9 and left 8 … 11 cm²; fat 10 … 13 % on both sides.
    assert line.split() == ["multifidus", "7.5", "9.5", "12", "12", "4"]
    assert "not a proton-density fat fraction" in " ".join(told.split())


def test_slices_stand_in_no_table_of_vertebrae():
    rows = (row("L5", 45, -80.0), replace(row("", 0, -60.0), structure="slice"))
    lines = text(summary(analysis(rows))).splitlines()
    assert len([line for line in lines if "0.93" in line]) == 1


def test_muscles_without_a_number_free_of_doubt_get_no_table():
    assert "multifidus" not in text(summary(axial_analysis(axial_series(), measurements=())))
