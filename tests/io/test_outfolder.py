import os

import pytest

from openlumbar.core.errors import OptionError
from openlumbar.io import outfolder
from openlumbar.io.outfolder import NEW_FOLDER, replacing


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def write_output(out, text="new"):
    with replacing(out) as folder:
        (folder / "run.json").write_text(text)


def fail_half_way(out, error):
    with replacing(out) as folder:
        (folder / "run.json").write_text("half")
        raise error


def write_while_another_does(out):
    with replacing(out) as folder:
        (folder / "run.json").write_text("new")
        out.mkdir()
        (out / "notes.txt").write_text("mine")


@pytest.mark.parametrize("prepared", ["absent", "empty", "previous"])
def test_out_is_whole_and_nothing_stays_beside_it(tmp_path, prepared):
    out = tmp_path / "out"
    if prepared != "absent":
        out.mkdir()
    if prepared == "previous":
        (out / "run.json").write_text("old")
        (out / "images").mkdir()
    write_output(out)
    assert names(out) == ["run.json"]
    assert (out / "run.json").read_text() == "new"
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_fails_leaves_the_previous_output_alone(tmp_path, error):
    out = tmp_path / "out"
    write_output(out, "old")
    with pytest.raises(error):
        fail_half_way(out, error)
    assert (out / "run.json").read_text() == "old"
    assert names(tmp_path) == ["out"]


def test_what_fails_leaves_no_new_folders(tmp_path):
    with pytest.raises(ValueError, match="no"), replacing(tmp_path / "a" / "b" / "out"):
        raise ValueError("no")
    assert names(tmp_path) == []


def test_a_folder_of_somebody_else_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(OptionError, match=r"thesis\.txt"), replacing(tmp_path):
        pytest.fail("the block must not run")
    assert names(tmp_path) == ["thesis.txt"]


def test_a_previous_output_with_something_more_in_it_is_refused(tmp_path):
    write_output(tmp_path / "out")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(OptionError, match=r"notes\.txt"):
        write_output(tmp_path / "out")


def test_something_put_there_meanwhile_is_not_lost(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(OptionError, match=r"notes\.txt"):
        write_while_another_does(out)
    assert names(out) == ["notes.txt"]


def test_a_file_is_refused(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(OptionError, match="is a file"):
        write_output(tmp_path / "out")


def test_a_folder_that_must_be_new_is_never_replaced(tmp_path):
    write_output(tmp_path / "out")
    with pytest.raises(OptionError, match="new or empty"), replacing(tmp_path / "out", NEW_FOLDER):
        pytest.fail("the block must not run")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_place_that_cannot_be_written_is_named(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OptionError, match="cannot be written"):
            write_output(tmp_path / "out")
    finally:
        tmp_path.chmod(0o700)


def test_a_mounted_folder_is_replaced_entry_by_entry(tmp_path, monkeypatch):
    out = tmp_path / "out"
    write_output(out, "old")
    (out / "images").mkdir()
    inode = out.stat().st_ino
    # A real mount needs privileges; what matters is that the folder itself stays.
    monkeypatch.setattr(outfolder.Path, "is_mount", lambda path: path == out)
    write_output(out)
    assert names(out) == ["run.json"]
    assert (out / "run.json").read_text() == "new"
    assert out.stat().st_ino == inode
