"""``openlumbar compare`` on saved output folders."""

import csv

import pytest

from openlumbar import cli
from support_comparison import analysis, areas, disc_heights


@pytest.fixture
def folders(tmp_path):
    for name, ours, theirs in (("p01", 8.0, 8.5), ("p02", 9.0, 9.0), ("p03", 10.0, 9.0)):
        for side, height in (("manual", ours), ("automatic", theirs)):
            numbers = [*disc_heights([height]), *areas([height + 2])]
            analysis(numbers).save(tmp_path / side / name)
    return tmp_path / "manual", tmp_path / "automatic"


def test_two_output_folders(folders, tmp_path, capsys):
    manual, automatic = folders
    out = tmp_path / "out"
    code = cli.main(["compare", str(manual / "p01"), str(automatic / "p01"), "-o", str(out)])
    assert code == cli.DONE
    told = capsys.readouterr().out
    assert "0.50" in told
    assert "One exam" in told
    assert (out / "comparison.html").exists()


def test_two_folders_of_output_folders(folders, tmp_path, capsys):
    manual, automatic = folders
    analysis(disc_heights([7.0])).save(manual / "p04")
    out = tmp_path / "out"
    arguments = ["--names", "manual", "automatic", "-o", str(out)]
    assert cli.main(["compare", str(manual), str(automatic), *arguments]) == cli.DONE
    told = " ".join(capsys.readouterr().out.split())
    assert "p04: only in" in told
    with (out / "comparison.csv").open(encoding="utf-8", newline="") as file:
        heights = [r for r in csv.DictReader(file) if r["quantity"] == "disc bounding_height_mm"]
    assert [(r["exam"], r["difference"]) for r in heights] == [
        ("p01", "0.500"), ("p02", "0.000"), ("p03", "-1.000"),
    ]  # fmt: skip
    assert "automatic against manual" in (out / "comparison.md").read_text("utf-8")


def test_without_a_folder_nothing_is_written(folders, tmp_path):
    manual, automatic = folders
    before = sorted(tmp_path.rglob("*"))
    assert cli.main(["compare", str(manual / "p01"), str(automatic / "p01")]) == cli.DONE
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ("manual/p01", "automatic", "is an output folder and"),
        ("manual/p01", "nowhere", "is not a folder"),
        ("manual", "empty", "no output folder is in both"),
    ],
)
def test_what_cannot_be_paired_is_refused(folders, tmp_path, capsys, first, second, told):
    (tmp_path / "empty").mkdir()
    assert cli.main(["compare", str(tmp_path / first), str(tmp_path / second)]) == cli.WRONG_INPUT
    assert told in capsys.readouterr().err
