import csv
from dataclasses import replace

import pytest

from openlumbar.core.levels import LevelRow
from openlumbar.io.tables import LEVEL_HEADER, write_levels_csv

ROW = LevelRow(
    series="t2, sagittal",
    block=0,
    slice=7,
    instance="1.2.3",
    structure="vertebra",
    label=44,
    level="L4",
    disc_level="",
    level_confidence=0.98765,
    x_mm=-1.23456,
    y_mm=20.0,
    z_mm=-300.5,
    source="sacrum",
    flags=("collapsed", "low-certainty"),
)


def test_the_header_is_the_documented_one():
    # design.md, section 3: the contract, word for word.
    documented = (
        "series, block, slice, instance, structure, label, level, disc_level, "
        "level_confidence, x_mm, y_mm, z_mm, source, flag"
    )
    assert ", ".join(LEVEL_HEADER) == documented


def test_a_row_says_what_was_found(tmp_path):
    write_levels_csv([ROW], tmp_path / "levels.csv")
    with (tmp_path / "levels.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["series"] == "t2, sagittal"
    assert (row["slice"], row["label"], row["level"]) == ("7", "44", "L4")
    assert (row["level_confidence"], row["x_mm"], row["z_mm"]) == ("0.988", "-1.23", "-300.50")
    assert row["flag"] == "collapsed;low-certainty"


def test_blocks_are_numbered_as_in_the_file_names(tmp_path):
    write_levels_csv([ROW], tmp_path / "levels.csv")
    with (tmp_path / "levels.csv").open(newline="") as file:
        assert next(csv.DictReader(file))["block"] == "1"


def test_nothing_found_is_a_header_alone(tmp_path):
    write_levels_csv([], tmp_path / "levels.csv")
    assert (tmp_path / "levels.csv").read_text() == ",".join(LEVEL_HEADER) + "\n"


def test_a_flag_of_its_own_making_is_refused(tmp_path):
    with pytest.raises(KeyError):
        write_levels_csv([replace(ROW, flags=("odd",))], tmp_path / "levels.csv")
