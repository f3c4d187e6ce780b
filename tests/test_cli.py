import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import pydicom
import pytest

from openlumbar import cli
from openlumbar.models import session as session_module
from openlumbar.phantom import PhantomOptions
from openlumbar.phantom.grids import AxialFrame


@pytest.fixture(autouse=True)
def logs(tmp_path_factory, monkeypatch):
    """The log goes to the user's state folder: here, to one that can be looked at."""
    folder = tmp_path_factory.mktemp("state")
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    return folder / "openlumbar"


@pytest.fixture
def shipped(monkeypatch, networks):
    """The painted predictor in the place of the shipped weights."""
    monkeypatch.setattr("openlumbar.pipeline.images.load_model", networks)


def run(capfd, *arguments):
    code = cli.main([str(argument) for argument in arguments])
    out, err = capfd.readouterr()
    assert "Traceback" not in out + err
    return code, out, err


def test_analyze_writes_and_tells(shipped, painted_dicom, tmp_path, capfd):
    code, out, err = run(capfd, "analyze", painted_dicom, "-o", tmp_path / "out")
    assert (code, err) == (0, "")
    assert "L4-L5" in out
    assert "not for diagnosis" in out
    assert str(tmp_path / "out") in out.replace("\n", "")
    assert (tmp_path / "out" / "levels.csv").exists()


def test_facts_of_the_person_and_the_weighting_can_be_given(
    shipped, painted_nifti, tmp_path, capfd
):
    out = tmp_path / "out"
    facts = ("--sex", "F", "--age", 54, "--height-m", 1.68, "--mass-kg", 70)
    code, _, _ = run(capfd, "analyze", painted_nifti, "-o", out, "--weighting", "T1w", *facts)
    assert code == 0
    exam = json.loads((out / "exam.json").read_text())
    assert exam["subject"] == {"sex": "F", "age_years": 54, "height_m": 1.68, "mass_kg": 70}
    assert exam["series"][0]["weighting"] == "T1w"
    options = json.loads((out / "run.json").read_text())["options"]
    assert options["weighting"] == "T1w"


def test_the_patient_that_was_asked_for_is_not_written_down(
    shipped, painted_dicom, tmp_path, capfd
):
    out = tmp_path / "out"
    code, _, _ = run(capfd, "analyze", painted_dicom, "-o", out, "--patient", "PHANTOM-3")
    assert code == 0
    assert json.loads((out / "run.json").read_text())["options"] == {"patient": "(given)"}
    assert "PHANTOM-3" not in "".join(path.read_text() for path in out.glob("*.json"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["analyze"],
        ["analyze", "exam"],
        ["analyze", "exam", "-o", "out", "--no-such-option", "1"],
        ["analyze", "exam", "-o", "out", "--weighting", "T7w"],
        ["analyze", "exam", "-o", "out", "--age", "old"],
        ["analyze", "exam", "-o", "out", "--height-m", "168"],
        ["phantom", "-o", "out", "--count", "0"],
        ["phantom", "-o", "out", "--plane", "coronal"],
        ["phantom", "-o", "out", "--axial-contrast", "T7w"],
        ["phantom", "-o", "out", "--plane", "sagittal", "--dixon"],
        ["analyze", "no-such-exam", "-o", "out"],
        ["inspect", "no-such-exam"],
        ["analyze", "notes", "-o", "out"],
        ["analyze", "notes", "-o", "notes/notes.txt"],
        ["analyze", "exam", "-o", "notes"],
        ["analyze", "exam", "-o", "out", "--model", "no-such.onnx"],
        ["analyze", "exam", "-o", "out", "--axial-model", "no-such.onnx"],
        ["train", "no-such-recipe", "--data", "exam", "-o", "out"],
        ["train", "sagittal", "--data", "no-such-folder", "-o", "out"],
    ],
    ids=" ".join,
)
def test_what_is_wrong_is_said_in_a_sentence(arguments, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "notes.txt").write_text("not an image")
    (tmp_path / "exam").mkdir()
    code, out, err = run(capfd, *arguments)
    assert code == 2
    assert out == ""
    assert err.startswith("openlumbar: ")
    assert err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["exam", "notes"]


def test_a_failed_stage_is_exit_code_3_and_the_rest_is_there(
    monkeypatch, painted_dicom, tmp_path, capfd, logs
):
    monkeypatch.setattr(session_module, "_WEIGHTS", tmp_path / "nowhere")
    out = tmp_path / "out"
    code, _, err = run(capfd, "analyze", painted_dicom, "-o", out)
    assert code == 3
    assert "segment failed" in err
    (log,) = logs.iterdir()
    assert str(log) in err
    assert "Traceback" in log.read_text()
    assert (out / "exam.json").exists()
    failures = json.loads((out / "run.json").read_text())["failures"]
    assert [failure["stage"] for failure in failures] == ["segment"] * 2  # of either plane


def test_a_bug_is_exit_code_1_one_line_and_a_log(monkeypatch, painted_dicom, tmp_path, capfd, logs):
    def broken(*arguments):
        raise ZeroDivisionError("a bug of ours")

    monkeypatch.setattr("openlumbar.pipeline.images.analyze", broken)
    code, out, err = run(capfd, "analyze", painted_dicom, "-o", tmp_path / "out")
    (log,) = logs.iterdir()
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert str(log) in err
    assert "a bug of ours" in log.read_text()
    assert not (tmp_path / "out").exists()


def test_ctrl_c_leaves_nothing(monkeypatch, painted_dicom, tmp_path, capfd):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("openlumbar.pipeline.results.write_facts", interrupted)
    monkeypatch.setattr("openlumbar.pipeline.images.load_model", interrupted)
    code, _, err = run(capfd, "analyze", painted_dicom, "-o", tmp_path / "out")
    assert (code, err) == (130, "openlumbar: interrupted; nothing was written\n")
    assert list(tmp_path.iterdir()) == []


def test_two_patients_are_refused_by_their_names_unless_one_is_picked(
    shipped, painted_dicom, tmp_path, capfd
):
    (source,) = sorted(painted_dicom.rglob("*.dcm"))[:1]
    other = pydicom.dcmread(source)
    other.PatientID = "SOMEBODY"
    (tmp_path / "exam").mkdir()
    shutil.copytree(painted_dicom, tmp_path / "exam" / "one")
    other.save_as(tmp_path / "exam" / "other.dcm")
    out = tmp_path / "out"
    code, _, err = run(capfd, "analyze", tmp_path / "exam", "-o", out)
    assert (code, err.count("\n")) == (2, 1)
    assert "PHANTOM-3, SOMEBODY" in err
    assert "--patient" in err
    assert not out.exists()
    code, _, _ = run(capfd, "analyze", tmp_path / "exam", "-o", out, "--patient", "PHANTOM-3")
    assert code == 0
    assert "another patient" in (out / "exam.json").read_text()


def test_inspect_shows_what_would_be_used(painted_dicom, capfd, logs):
    code, out, err = run(capfd, "inspect", painted_dicom)
    assert (code, err) == (0, "")
    assert "sagittal" in out
    assert "axial" in out
    assert list(logs.iterdir()) == []  # no log when there is nothing to say


def test_inspect_gives_the_reason_for_what_is_left_out(painted_nifti, tmp_path, capfd):
    (tmp_path / "notes.nii.gz").write_bytes(b"not an image at all")
    code, out, _ = run(capfd, "inspect", painted_nifti, tmp_path / "notes.nii.gz")
    assert code == 0
    assert any(line.split()[:2] == ["sub-01_T2w", "sagittal"] for line in out.splitlines())
    assert re.search(r"^Left out: (notes\S*|other files): .*not", out, re.M)


def test_labels_shows_every_code(capfd):
    code, out, _ = run(capfd, "labels")
    assert code == 0
    assert "L5-S1" in out
    assert "5132" in out


@pytest.fixture
def quick_phantom(monkeypatch, painted_phantom):
    monkeypatch.setattr(
        "openlumbar.phantom.make_phantom", lambda seed, options=None: painted_phantom
    )


def test_demo_ends_in_a_whole_output(shipped, quick_phantom, tmp_path, capfd):
    out = tmp_path / "out"
    for _ in range(2):  # the second replaces the first
        code, told, _ = run(capfd, "demo", "-o", out)
        assert code == 0
        assert str(out) in told.replace("\n", "")
    assert (out / "run.json").exists()
    assert list((out / "phantom" / "dicom").rglob("*.dcm"))
    assert (out / "phantom" / "truth").is_dir()


def test_phantom_makes_as_many_as_asked_for(quick_phantom, tmp_path, capfd):
    code, _, _ = run(capfd, "phantom", "-o", tmp_path / "out", "--seed", 7, "--count", 2)
    assert code == 0
    made = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert made == ["phantom-7", "phantom-8"]
    code, _, err = run(capfd, "phantom", "-o", tmp_path / "out")
    assert code == 2
    assert "new or empty" in err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], {}),
        (["--plane", "axial"], {"contrasts": ()}),
        (
            ["--plane", "sagittal", "--contrast", "STIR"],
            {"contrasts": ("STIR",), "axial_contrasts": ()},
        ),
        (
            ["--axial-contrast", "T1w", "--axial-contrast", "T2w"],
            {"axial_contrasts": ("T1w", "T2w")},
        ),
        (["--stack"], {"axial": AxialFrame(stack=True)}),
        (["--dixon"], {"axial_chemical": ("water", "fat")}),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_the_series_of_a_phantom_can_be_chosen(
    arguments, expected, painted_phantom, monkeypatch, tmp_path, capfd
):
    asked = []

    def make(seed, options):
        asked.append(options)
        return painted_phantom

    monkeypatch.setattr("openlumbar.phantom.make_phantom", make)
    code, _, _ = run(capfd, "phantom", "-o", tmp_path / "out", *arguments)
    assert code == 0
    assert asked == [replace(PhantomOptions(), **expected)]


def test_training_without_torch_says_what_to_install(tmp_path):
    # None in sys.modules is what an absent library looks like to an import.
    code = (
        "import sys; sys.modules['torch'] = None; from openlumbar import cli; "
        f"sys.exit(cli.main(['train', 'sagittal', '--data', {str(tmp_path)!r}, '-o', 'out']))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 2
    assert "pip install 'openlumbar[train]'" in answer.stderr


def test_python_dash_m_is_the_same_command():
    command = [sys.executable, "-m", "openlumbar", "analyze", "nothing-here"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 2
    assert answer.stderr.startswith("openlumbar: ")


def test_a_reader_that_has_gone_is_no_bug():
    code = (
        "import sys; from openlumbar import cli\n"
        "class Gone:\n"
        "    def __call__(self, *arguments, **options): raise BrokenPipeError\n"
        "cli.app = Gone(); sys.exit(cli.main(['labels']))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert (answer.returncode, answer.stderr) == (0, "")
