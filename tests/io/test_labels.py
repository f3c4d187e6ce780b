import json

import numpy as np
import pytest

from openlumbar.core.palette import colour_of
from openlumbar.io.labels import write_label_table


def test_the_table_lists_what_is_in_the_map(tmp_path):
    labels = np.zeros((2, 3, 4), np.uint16)
    labels[0, 0, 0], labels[1, 2, 3], labels[1, 1, 1] = 45, 2, 100
    write_label_table(labels, tmp_path / "x_dseg.json", "images/x.nii.gz")
    table = json.loads((tmp_path / "x_dseg.json").read_text())
    assert table["schema_version"] == 1
    assert table["Sources"] == ["images/x.nii.gz"]
    assert [(row["index"], row["name"], row["kind"]) for row in table["labels"]] == [
        (2, "spinal canal", "canal"),
        (45, "L5", "vertebra"),
        (100, "L5-S1", "disc"),
    ]
    assert table["labels"][1]["color"] == colour_of(45)


def test_sides_are_told_where_there_are_any(tmp_path):
    write_label_table(np.array([5121, 5122]), tmp_path / "m.json", "m")
    rows = json.loads((tmp_path / "m.json").read_text())["labels"]
    assert [row["side"] for row in rows] == ["left", "right"]


def test_a_code_outside_the_table_is_an_error(tmp_path):
    with pytest.raises(KeyError):
        write_label_table(np.array([9999]), tmp_path / "m.json", "m")
