import csv
from dataclasses import replace

import pytest

from openlumbar.core.levels import LevelRow
from openlumbar.core.measurement import Measurement
from openlumbar.io.tables import (
    LEVEL_HEADER,
    MEASUREMENT_HEADER,
    write_levels_csv,
    write_measurements_csv,
)

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


NUMBER = Measurement(
    series="t2",
    block=0,
    structure="disc",
    level="L4-L5",
    metric="height_mm",
    value=9.87654,
    uncertainty=0.4,
    confidence=0.9,
    slice=7,
)


def measurement_rows(tmp_path, *numbers):
    write_measurements_csv(numbers, tmp_path / "measurements.csv")
    with (tmp_path / "measurements.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_header_of_the_measurements_is_the_documented_one():
    documented = (
        "series, structure, level, side, slice, metric, value, unit, uncertainty, confidence, flag"
    )
    assert ", ".join(MEASUREMENT_HEADER) == documented


def test_a_number_has_its_unit_and_its_trust(tmp_path):
    (row,) = measurement_rows(tmp_path, NUMBER)
    assert (row["metric"], row["value"], row["unit"]) == ("height_mm", "9.877", "mm")
    assert (row["uncertainty"], row["confidence"], row["flag"]) == ("0.400", "0.900", "")


def test_a_withheld_number_is_an_empty_cell_and_a_flag(tmp_path):
    withheld = replace(NUMBER, value=None, uncertainty=None, flags=("partly-in-view",))
    (row,) = measurement_rows(tmp_path, withheld)
    assert (row["value"], row["uncertainty"], row["flag"]) == ("", "", "partly-in-view")


def test_a_number_of_all_slices_has_none(tmp_path):
    (row,) = measurement_rows(tmp_path, replace(NUMBER, slice=None))
    assert row["slice"] == ""
