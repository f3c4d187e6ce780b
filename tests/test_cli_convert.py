import json

import nibabel
import numpy as np
import pytest
import SimpleITK

from openlumbar import cli
from openlumbar.core.codes import SCHEMES
from openlumbar.io.label_map import read_label_map

CODES = [0, 2, 44, 45, 52, 95, 100]
#: RAS, oblique, and with the slice axis in the middle.
AFFINE = np.array([[0, 3.9, 0.2, -30], [0.69, 0.1, 0, 12], [0.1, -0.78, 0.6, -5], [0, 0, 0, 1]])


def upright(affine):
    """The nearest affine with perpendicular axes of the same spacing."""
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    left, _, right = np.linalg.svd(affine[:3, :3] / steps)
    whole = affine.copy()
    whole[:3, :3] = left @ right * steps
    return whole


@pytest.fixture
def array():
    return np.random.default_rng(1).choice(CODES, (12, 7, 9)).astype(np.uint16)


@pytest.fixture
def mask(array, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = tmp_path / "mask.nii.gz"
    nibabel.save(nibabel.Nifti1Image(array, upright(AFFINE)), path)
    return path


def run(capfd, *arguments):
    code = cli.main(["convert", *map(str, arguments)])
    out, err = capfd.readouterr()
    assert "Traceback" not in out + err
    return code, out, err


def refused(capfd, *arguments):
    code, out, err = run(capfd, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("openlumbar: ")
    return err


def test_a_mask_goes_there_and_back_on_its_own_grid(mask, array, tmp_path, capfd):
    there, back = tmp_path / "there.nii.gz", tmp_path / "back.nii"
    code, out, err = run(capfd, mask, "--from", "openlumbar", "--to", "nnunet", "-o", there)
    assert (code, err) == (0, "")
    assert "Note" not in out
    assert run(capfd, there, "--from", "nnunet", "--to", "openlumbar", "-o", back)[0] == 0
    for path in (there, back):
        image = nibabel.load(path)
        assert image.shape == array.shape
        assert np.allclose(image.affine, upright(AFFINE), atol=1e-5)
    assert np.array_equal(np.asarray(nibabel.load(back).dataobj), array)


def test_what_is_lost_is_told(mask, array, tmp_path, capfd):
    out = tmp_path / "spider.nii.gz"
    code, told, _ = run(capfd, mask, "--from", "openlumbar", "--to", "spider", "-o", out)
    assert code == 0
    assert "left out: 1 structure (S2): SPIDER has no code for it" in told
    written = np.asarray(nibabel.load(out).dataobj)
    for ours, theirs in ((2, 100), (44, 2), (45, 1), (52, 0), (95, 202), (100, 201), (0, 0)):
        assert (written[array == ours] == theirs).all()
    assert not out.with_name("spider.json").exists()


def test_metaimage_keeps_its_place(mask, array, tmp_path, capfd):
    mha, back = tmp_path / "there.mha", tmp_path / "back.nii.gz"
    assert run(capfd, mask, "--from", "openlumbar", "--to", "totalspineseg", "-o", mha)[0] == 0
    image = SimpleITK.ReadImage(str(mha))
    corner = image.TransformIndexToPhysicalPoint((11, 6, 8))
    expected = upright(AFFINE) @ (11, 6, 8, 1) * (-1, -1, 1, 1)  # MetaImage is LPS
    assert np.allclose(corner, expected[:3], atol=1e-4)
    assert run(capfd, mha, "--from", "totalspineseg", "--to", "openlumbar", "-o", back)[0] == 0
    whole = np.where(array == 52, 50, array)
    assert np.array_equal(np.asarray(nibabel.load(back).dataobj), whole)


def test_our_codes_come_with_their_table(mask, tmp_path, capfd):
    there, back = tmp_path / "there.nii.gz", tmp_path / "back.nii.gz"
    run(capfd, mask, "--from", "openlumbar", "--to", "nnunet", "-o", there)
    labels = json.loads((tmp_path / "there.json").read_text())["labels"]
    assert sorted(labels.values()) == list(range(len(labels)))  # as dataset.json asks for
    assert labels["background"] == 0
    assert {number: name for name, number in labels.items() if number} == dict(
        SCHEMES["nnunet"].names(())
    )
    run(capfd, there, "--from", "nnunet", "--to", "openlumbar", "-o", back)
    rows = json.loads((tmp_path / "back.json").read_text())["labels"]
    assert [row["index"] for row in rows] == CODES[1:]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            ["--from", "openlumbar", "--to", "openlumbar", "-o", "new.nii.gz"],
            "nothing to translate",
        ),
        (["--from", "spider", "--to", "openlumbar", "-o", "new.nii.gz"], "openlumbar"),
        (["--from", "openlumbar", "--to", "musclemap", "-o", "new.txt"], ".nii.gz"),
        (["--from", "openlumbar", "--to", "spider", "-o", "mask.nii.gz"], "exists already"),
        (["--from", "openlumbar", "--to", "nnunet", "-o", "taken.nii.gz"], "taken.json exists"),
        (["--from", "openlumbar", "--to", "spider", "-o", "nowhere/new.nii.gz"], "nowhere"),
        (["--from", "nobody", "--to", "spider", "-o", "new.nii.gz"], "nobody"),
        (["--from", "openlumbar", "-o", "new.nii.gz"], "--to"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_written(
    options, told, mask, tmp_path, capfd, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken.json").write_text("{}")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert told in refused(capfd, "mask.nii.gz", *options)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def image_of(array):
    return nibabel.Nifti1Image(array, upright(AFFINE))


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (np.full((12, 7, 9), 0.5, np.float32), "fractions"),
        (np.full((12, 7, 9, 2), 44, np.uint8), "4 dimensions"),
        (np.zeros((12, 7, 9), np.uint8), "empty"),
        (np.full((12, 7, 9), -3, np.int16), "-3"),
        (np.full((12, 7, 9), 70000, np.int32), "70000"),
        (np.full((12, 7, 9), 5101, np.uint16), "no code for any"),
    ],
)
def test_what_is_no_mask_is_refused(array, told, tmp_path, capfd):
    nibabel.save(image_of(array), tmp_path / "bad.nii.gz")
    out = tmp_path / "out.nii.gz"
    arguments = ("--from", "openlumbar", "--to", "spider", "-o", out)
    assert told in refused(capfd, tmp_path / "bad.nii.gz", *arguments)
    assert [path.name for path in tmp_path.glob("*nii*")] == ["bad.nii.gz"]


def test_what_is_no_file_is_refused(tmp_path, capfd):
    arguments = ("--from", "openlumbar", "--to", "spider", "-o", tmp_path / "out.nii.gz")
    (tmp_path / "notes.txt").write_text("no mask")
    assert "no such file" in refused(capfd, tmp_path / "absent.nii.gz", *arguments)
    assert "folder" in refused(capfd, tmp_path, *arguments)
    assert "NIfTI or MetaImage" in refused(capfd, tmp_path / "notes.txt", *arguments)


def test_whole_numbers_in_floats_are_labels(tmp_path, array):
    nibabel.save(image_of(array.astype(np.float64)), tmp_path / "floats.nii.gz")
    found = read_label_map(tmp_path / "floats.nii.gz")
    assert found.volume.array.dtype == np.uint16
    assert sorted(np.unique(found.volume.array)) == CODES


def test_the_choices_of_the_command_line_are_the_schemes():
    assert set(cli.CodesName.__args__) == set(SCHEMES)
