"""NIfTI and MetaImage files as exams; exam.json and the table of `inspect`."""

from __future__ import annotations

import json

import nibabel
import numpy as np
import pytest

from openlumbar.core.errors import InputError, PatientError
from openlumbar.core.exam import LeftOut, Weighting
from openlumbar.exam import ReadOptions, describe, read_exam
from openlumbar.io.exam_json import exam_to_dict, write_exam_json
from support_dicom import save, stack, tilted_axial


def nifti(path, shape=(5, 8, 10), seed=0):
    array = np.random.default_rng(seed).integers(0, 99, shape).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(array, np.diag([4.0, 0.6, 0.8, 1])), path)
    return path


def test_names_weighting_and_instances(tmp_path):
    nifti(tmp_path / "sub-01_T2w.nii.gz")
    nifti(tmp_path / "sub-01_T1w.nii.gz", seed=1)
    nifti(tmp_path / "sub-01_T2w_dseg.nii.gz")
    (tmp_path / "sub-01_T2w.json").write_text("{}")
    exam = read_exam(tmp_path)
    assert [s.name for s in exam.series] == ["sub-01_T1w", "sub-01_T2w"]
    assert [s.weighting for s in exam.series] == [Weighting.T1, Weighting.T2]
    assert exam.series[1].blocks[0].instances == ("sub-01_T2w.nii.gz",) * 5
    assert [entry.reason for entry in exam.left_out] == ["a label map by its name, not an image"]
    stir = read_exam(tmp_path, ReadOptions(weighting=Weighting.STIR))
    assert {s.weighting for s in stir.series} == {Weighting.STIR}


def test_same_stem_twice(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        nifti(tmp_path / folder / "x_T2w.nii.gz", seed=ord(folder))
    assert [s.name for s in read_exam(tmp_path).series] == ["x_T2w", "x_T2w-2"]


def test_a_name_that_a_dicom_series_has_already(tmp_path):
    save(stack(5), tmp_path)
    nifti(tmp_path / "series-1_sagittal-T2w.nii.gz")
    names = [series.name for series in read_exam(tmp_path).series]
    assert names == ["series-1_sagittal-T2w", "series-1_sagittal-T2w-2"]


def test_the_same_volume_twice_is_used_once(tmp_path):
    nifti(tmp_path / "a_T2w.nii.gz")
    nifti(tmp_path / "b_T2w.nii.gz")
    exam = read_exam(tmp_path)
    assert [series.name for series in exam.series] == ["a_T2w"]
    assert exam.left_out == (LeftOut("b_T2w", "the same pictures as a_T2w"),)


def test_two_bids_subjects(tmp_path):
    nifti(tmp_path / "sub-01_T2w.nii.gz")
    nifti(tmp_path / "sub-02_T2w.nii.gz")
    with pytest.raises(PatientError, match="sub-01, sub-02"):
        read_exam(tmp_path)
    exam = read_exam(tmp_path, ReadOptions(patient="sub-02"))
    assert [s.name for s in exam.series] == ["sub-02_T2w"]


def test_bad_file_alone_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="4 dimensions"):
        read_exam(nifti(tmp_path / "a_T2w.nii.gz", (4, 8, 10, 2)))


def exam_of_everything(tmp_path):
    tmp_path.mkdir(exist_ok=True)
    save(stack(5, PatientBirthDate="19700101", StudyDate="20240101"), tmp_path / "sag")
    axial = [
        entry
        for n in range(2)
        for entry in stack(3, tilted_axial(20 * n), (0, 0, 40 * n), seed=10 * n, SeriesNumber=2,
                           SeriesInstanceUID="1.2.3.1.2")
    ]  # fmt: skip
    save(axial, tmp_path / "ax")
    save(stack(2, SeriesNumber=3, SeriesInstanceUID="1.2.3.1.3", ImageType=["LOCALIZER"]),
         tmp_path / "loc")  # fmt: skip
    nifti(tmp_path / "extra_T1w.nii.gz")
    return read_exam(tmp_path)


def test_exam_json_tells_all_but_who(tmp_path):
    exam = exam_of_everything(tmp_path / "in")
    write_exam_json(exam, tmp_path / "exam.json")
    text = (tmp_path / "exam.json").read_text()
    data = json.loads(text)
    assert data == exam_to_dict(exam)
    assert data["schema_version"] == 1
    assert [entry["name"] for entry in data["series"]] == [
        "series-1_sagittal-T2w",
        "series-2_axial-T2w",
        "extra_T1w",
    ]
    block = data["series"][1]["blocks"][1]
    assert block["shape"] == {"slices": 3, "rows": 16, "columns": 12}
    assert [entry["slice"] for entry in block["slices"]] == [0, 1, 2]
    volume = exam.series[1].blocks[1].volume
    np.testing.assert_allclose(block["affine"], volume.affine)
    assert data["series"][2]["blocks"][0]["file_axes"]["shape"] == [5, 8, 10]
    assert {"name": "series-3", "used": False, "reason": "a localizer", "files": 2} in data[
        "left_out"
    ]
    for secret in ("P1", "Test^Person", "Person", "19700101"):
        assert secret not in text
    assert data["subject"]["age_years"] == 54.0


def test_describe_lists_used_and_left_out(tmp_path):
    rows = describe(exam_of_everything(tmp_path))
    assert [(row.name, row.used) for row in rows] == [
        ("series-1_sagittal-T2w", True),
        ("series-2_axial-T2w", True),
        ("extra_T1w", True),
        ("series-3", False),
    ]
    assert rows[0].grid == "5 slices of 16 x 12, 4.00 x 0.80 x 0.50 mm"
    assert rows[1].grid == "6 slices in 2 blocks (3+3) of 16 x 12, 4.00 x 0.80 x 0.50 mm"
    assert rows[3].note == "a localizer"
