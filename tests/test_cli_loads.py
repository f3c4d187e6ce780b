"""``openlumbar loads`` on an output folder, and the options of loads elsewhere."""

import csv
import json
import shutil

import pytest

from openlumbar import cli
from openlumbar.io.analysis import Analysis
from openlumbar.mechanics import LoadsOptions

PERSON = ["--sex", "M", "--height-m", "1.75", "--mass-kg", "78"]


@pytest.fixture(scope="module")
def made(painted_dicom, networks, tmp_path_factory):
    out = tmp_path_factory.mktemp("loads") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("openlumbar.pipeline.images.load_model", networks)
        arguments = [str(painted_dicom), "-o", str(out), *PERSON, "--load-samples", "10"]
        assert cli.main(["analyze", *arguments]) == cli.DONE
    return out


@pytest.fixture
def out(made, tmp_path):
    return shutil.copytree(made, tmp_path / "out")


def rows(out):
    with (out / "loads.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_analyze_writes_loads_the_model_and_pictures(made):
    found = rows(made)
    assert {row["task"] for row in found} == {"standing", "hess2023"}
    assert all(float(row["low_n"]) < float(row["compression_n"]) for row in found)
    assert {row["flag"] for row in found} == {"muscles-generic"}
    assert (made / "model.osim").read_text().startswith("<?xml")
    assert (made / "pictures" / "loads_hess2023.png").exists()
    loads = Analysis.load(made).loads
    assert len(loads.tasks) == 2
    assert loads.osim == (made / "model.osim").read_text()
    run = json.loads((made / "run.json").read_text())
    assert "loads" in {timing["stage"] for timing in run["timings"]}


def test_solving_again_changes_the_loads_and_nothing_else(out, tmp_path, capsys):
    task = tmp_path / "lift.toml"
    task.write_text('title = "Lift"\n[trunk]\nflexion_deg = 40.0\n[carried_kg]\nhand_left = 8.0\n')
    kept = {
        path.relative_to(out): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file()
        and (path.name in ("levels.csv", "measurements.csv") or "segmentations" in path.parts)
    }
    pictures = {path.name for path in (out / "pictures").iterdir() if "loads" not in path.name}
    before = rows(out)
    options = ["--task", "standing", "--task", str(task), "--mass-kg", "95", "--load-samples", "0"]
    assert cli.main(["loads", str(out), *options]) == cli.DONE
    after = rows(out)
    assert {row["task"] for row in after} == {"standing", "lift"}
    assert after[0]["low_n"] == ""
    assert float(after[0]["compression_n"]) > float(before[0]["compression_n"])
    for path, content in kept.items():
        assert (out / path).read_bytes() == content, path
    assert (out / "dicom").is_dir()
    names = {path.name for path in (out / "pictures").iterdir()}
    assert names == pictures | {"loads_standing.png", "loads_lift.png"}
    run = json.loads((out / "run.json").read_text())
    assert run["options"]["task"] == "standing lift.toml"  # the file's name, never its place
    assert "Lift" in (out / "report.html").read_text()
    assert "Lift" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--task", "juggling"], "juggling"),
        (["--mass-kg", "380"], "380 kg"),
        (["--height-m", "0.5"], "0.5 m"),
        (["--mass-kg", "700"], "700"),
        (["--base-model", "nowhere.osim"], "nowhere.osim"),
        (["--criterion", "fourths"], "fourths"),
    ],
)
def test_what_cannot_be_is_refused_and_the_folder_stays(out, options, complaint, capsys):
    before = (out / "analysis.json").read_bytes()
    assert cli.main(["loads", str(out), *options]) == cli.WRONG_INPUT
    assert complaint in capsys.readouterr().err
    assert (out / "analysis.json").read_bytes() == before


def test_a_folder_of_something_else_is_refused(tmp_path, capsys):
    assert cli.main(["loads", str(tmp_path)]) == cli.WRONG_INPUT
    assert "analysis.json" in capsys.readouterr().err


def test_analyze_without_loads_has_none(painted_dicom, networks, tmp_path, monkeypatch):
    out = tmp_path / "out"
    monkeypatch.setattr("openlumbar.pipeline.images.load_model", networks)
    assert cli.main(["analyze", str(painted_dicom), "-o", str(out), "--no-loads"]) == cli.DONE
    assert Analysis.load(out).loads is None
    assert not (out / "loads.csv").exists()


def test_the_defaults_of_the_command_line_are_those_of_the_library():
    assert cli.LoadFlags().options(cli.PersonFlags()) == LoadsOptions()


def test_a_base_model_needs_no_sex(out):
    again = ["loads", str(out), "--base-model", str(out / "model.osim"), "--sex", "O"]
    assert cli.main([*again, "--task", "standing", "--load-samples", "0"]) == cli.DONE
    assert {row["flag"] for row in rows(out)} == {"sex-unknown;muscles-generic"}
