"""Folders, zips and DICOMDIR."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections import Counter

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.fileset import FileSet

from openlumbar.core.errors import UnreadableError
from openlumbar.exam import read_exam
from openlumbar.io.files import FileKind, Limits, find_files, kind_of
from support_dicom import save, stack


def zipped(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_kinds_are_told_by_content(tmp_path):
    (path,) = save(stack(1), tmp_path)
    path = path.rename(tmp_path / "IM0001")
    assert kind_of(path) is FileKind.DICOM
    text = tmp_path / "fake.dcm"
    text.write_text("x" * 500)
    assert kind_of(text) is FileKind.OTHER


def test_each_file_once_whatever_the_inputs_name(tmp_path):
    paths = save(stack(3), tmp_path / "a")
    (tmp_path / "a" / "again").symlink_to(tmp_path / "a")
    with find_files([tmp_path, tmp_path / "a", paths[0]]) as found:
        assert [file.path for file in found.files] == paths


def test_zips_are_unpacked_for_the_time_of_reading(tmp_path):
    paths = save(stack(3), tmp_path / "a")
    members = {f"x/y/{path.name}": path.read_bytes() for path in paths}
    archive = zipped(tmp_path / "exam.zip", members)
    with find_files([archive]) as found:
        inside = [file.path for file in found.files]
        assert all(path.exists() for path in inside)
    assert not any(path.exists() for path in inside)
    assert read_exam(archive).series[0].blocks[0].volume.shape[0] == 3


def test_a_zip_within_a_folder_and_within_a_zip(tmp_path):
    (path,) = save(stack(1), tmp_path / "a")
    inner = zipped(tmp_path / "inner.zip", {path.name: path.read_bytes()})
    (tmp_path / "in").mkdir()
    zipped(tmp_path / "in" / "outer.zip",
           {path.name: path.read_bytes(), "inner.zip": inner.read_bytes()})  # fmt: skip
    with find_files([tmp_path / "in"]) as found:
        assert sorted(file.kind for file in found.files) == [FileKind.DICOM, FileKind.ZIP]


@pytest.mark.parametrize("name", ["../evil.dcm", "/evil.dcm", "a/../../evil.dcm", "..\\evil.dcm"])
def test_members_cannot_leave_the_folder(tmp_path, name):
    archive = zipped(tmp_path / "in.zip", {name: b"x", "fine.txt": b"y"})
    with find_files([archive]) as found:
        assert [file.name for file in found.files] == ["fine.txt"]
        assert "outside" in found.left_out[0].reason
    assert not list(tmp_path.rglob("evil*"))


def test_limits_and_damage(tmp_path):
    archive = zipped(tmp_path / "in.zip", {"a": b"x" * 100, "b": b""})
    with pytest.raises(UnreadableError, match="2 files"), find_files([archive], Limits(files=1)):
        pass
    with pytest.raises(UnreadableError, match="GiB"), find_files([archive], Limits(bytes=99)):
        pass
    archive.write_bytes(archive.read_bytes()[:40])
    with pytest.raises(UnreadableError, match="cannot be read"), find_files([archive]):
        pass


def dicomdir(folder):
    slices = stack(3, StudyDate="20200101", StudyTime="120000", StudyID="1", AccessionNumber="")
    fileset = FileSet()
    for entry in slices:
        fileset.add(entry)
    fileset.write(folder)
    return folder / "DICOMDIR"


def test_dicomdir_names_its_files(tmp_path):
    path = dicomdir(tmp_path / "disc")
    save(stack(2, seed=50, SeriesInstanceUID="1.2.3.1.77", SeriesNumber=77), path.parent / "extra")
    exam = read_exam(path)
    assert [series.name for series in exam.series] == ["series-1_sagittal-T2w"]
    assert len(read_exam(path.parent).series) == 2  # the folder is walked as a whole


def test_dicomdir_with_missing_files_or_damage(tmp_path):
    path = dicomdir(tmp_path / "disc")
    files = sorted(entry for entry in path.parent.rglob("*") if entry.is_file())
    files[-1].unlink() if files[-1] != path else files[0].unlink()
    exam = read_exam(path)
    assert exam.left_out[0].reason == "the file is missing"
    path.write_bytes(b"damaged")
    exam = read_exam(path)
    assert "damaged" in exam.left_out[0].reason
    assert exam.series[0].blocks[0].volume.shape[0] == 2


def test_dicomdir_cannot_point_outside(tmp_path):
    save(stack(1), tmp_path)
    (tmp_path / "disc").mkdir()
    record = Dataset()
    record.DirectoryRecordType = "IMAGE"
    record.ReferencedFileID = ["..", "im0000.dcm"]
    directory = Dataset()
    directory.file_meta = FileMetaDataset()
    directory.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    directory.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    directory.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    directory.DirectoryRecordSequence = [record]
    directory.save_as(tmp_path / "disc" / "DICOMDIR", enforce_file_format=True)
    with find_files([tmp_path / "disc" / "DICOMDIR"]) as found:
        assert found.files == ()
        assert found.left_out[0].reason == "the file is missing"


def test_pipes_and_circular_links_are_no_files(tmp_path):
    save(stack(1), tmp_path)
    for name in ("a.nii", "b.zip", "DICOMDIR", "c"):
        os.mkfifo(tmp_path / name)
    (tmp_path / "d.nii").symlink_to("e.nii")
    (tmp_path / "e.nii").symlink_to("d.nii")
    (tmp_path / "self").symlink_to(".")
    (tmp_path / "f.zip").symlink_to("nowhere")
    with find_files([tmp_path]) as found:
        assert [file.name for file in found.files] == ["im0000.dcm"]
    reasons = Counter(entry.reason for entry in found.left_out)
    assert reasons.pop("not a regular file") == 4
    assert sum(reasons.values()) == 3
    assert all(reason.startswith("cannot be opened (") for reason in reasons)


@pytest.mark.parametrize("name", ["no-such", "a" * 5000, "im0000.dcm/inside"])
def test_an_input_that_cannot_be_is_refused(tmp_path, name):
    save(stack(1), tmp_path)
    with pytest.raises(UnreadableError, match=r"no such file|cannot be opened"):
        read_exam(tmp_path / name)


def test_unreadable_permissions(tmp_path):
    """In a process of its own, which has given up the right of root to read everything."""
    modes = {"folder": 0, "listable": 0o444, "im0000.dcm": 0, "z.zip": 0, "n.nii": 0}
    pairs, locked = [], []
    for name, mode in modes.items():
        folder = tmp_path / "DOE_JANE" / name.partition(".")[0]
        (image,) = save(stack(1), folder)
        zipped(folder / "z.zip", {"a": b"x"})
        (folder / "n.nii").write_bytes(b"x")
        locked.append(folder / name if "." in name else folder)
        pairs += [folder, image if locked[-1] == folder else locked[-1]]
        locked[-1].chmod(mode)
    code = (
        "import sys; from openlumbar.core.errors import UnreadableError\n"
        "from openlumbar.io.files import find_files\n"
        "for given in sys.argv[1:]:\n"
        "    try:\n"
        "        with find_files([given]) as found: print(found.left_out)\n"
        "    except UnreadableError as error: print(error)\n"
    )
    command = [*unprivileged(), sys.executable, "-c", code, *map(str, pairs)]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        for path in locked:
            path.chmod(0o700)
    assert (answer.returncode, answer.stderr) == (0, "")
    lines = answer.stdout.splitlines()
    assert len(lines) == 2 * len(modes)
    for line in lines:
        assert "cannot be opened (Permission denied)" in line
    assert not any("DOE_JANE" in line for line in lines[::2])  # these go to exam.json


def unprivileged():
    """A command prefix with which even root is refused what a file's mode forbids."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root may read everything, and there is no setpriv to prevent it")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


def test_an_earlier_output_in_the_folder_is_no_part_of_the_exam(tmp_path):
    save(stack(2), tmp_path)
    out = tmp_path / "out"
    for name in ("run.json", "exam.json", "analysis.json", "levels.csv", "images/a_T2w.nii.gz"):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text("{}")
    with find_files([tmp_path]) as found:
        assert len(found.files) == 2
        assert "output of OpenLumbar" in found.left_out[0].reason
    with find_files([out / "images"]) as found:  # but what is named is read
        assert len(found.files) == 1


def test_dicomdir_on_a_file_system_with_other_cases(tmp_path):
    path = dicomdir(tmp_path / "disc")
    for entry in sorted(path.parent.rglob("*"), reverse=True):
        if entry != path:
            entry.rename(entry.with_name(entry.name.lower()))
    assert read_exam(path).series[0].blocks[0].volume.shape[0] == 3
