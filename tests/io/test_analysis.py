import csv
import gzip
import json
import re
from dataclasses import replace

import nibabel
import numpy as np
import pydicom
import pytest

from openlumbar.core import anatomy
from openlumbar.core.errors import UnreadableError
from openlumbar.core.exam import Exam
from openlumbar.core.plane import Plane
from openlumbar.exam import read_exam
from openlumbar.io.analysis import Analysis
from openlumbar.io.files import FileKind, find_files
from openlumbar.pipeline import AnalyzeOptions, analyze, analyze_files

#: What the header and the path of an input say of the patient.
MARKERS = ("ZZNAME", "ZZGIVEN", "ZZID", "ZZOTHER", "ZZCOMMENT", "ZZFOLDER", "19031217")


@pytest.fixture(scope="module")
def from_dicom(painted_dicom, predictor, axial_predictor, tmp_path_factory):
    out = tmp_path_factory.mktemp("dicom") / "out"
    return out, analyze_files(
        [painted_dicom], out, options=AnalyzeOptions(predictor, axial_predictor)
    )


@pytest.fixture(scope="module")
def from_nifti(painted_nifti, predictor, tmp_path_factory):
    out = tmp_path_factory.mktemp("nifti") / "out"
    return out, analyze_files([painted_nifti], out, options=AnalyzeOptions(predictor=predictor))


def assert_same_series(loaded, saved):
    assert replace(loaded, blocks=()).__dict__ == replace(saved, blocks=()).__dict__
    for one, other in zip(loaded.blocks, saved.blocks, strict=True):
        assert one.instances == other.instances
        np.testing.assert_array_equal(one.volume.affine, other.volume.affine)
        assert one.volume.shape == other.volume.shape


@pytest.mark.parametrize("kind", ["from_dicom", "from_nifti"])
def test_what_was_saved_is_loaded(kind, request):
    out, saved = request.getfixturevalue(kind)
    loaded = Analysis.load(out)
    assert (loaded.levels, loaded.run, loaded.failures) == (saved.levels, saved.run, saved.failures)
    assert loaded.exam.subject == saved.exam.subject
    assert loaded.exam.left_out == saved.exam.left_out
    for one, other in zip(loaded.exam.series, saved.exam.series, strict=True):
        assert_same_series(one, other)
    for one, other in zip(loaded.masks.series, saved.masks.series, strict=True):
        for mine, yours in ((one.labels, other.labels), (one.bodies, other.bodies)):
            for a, b in zip(mine, yours, strict=True):
                np.testing.assert_array_equal(a.array, b.array)
                np.testing.assert_array_equal(a.affine, b.affine)


def test_images_of_dicom_come_back(from_dicom):
    out, saved = from_dicom
    for loaded, original in zip(Analysis.load(out).exam.series, saved.exam.series, strict=True):
        for one, other in zip(loaded.blocks, original.blocks, strict=True):
            np.testing.assert_array_equal(one.volume.array, other.volume.array)


def test_images_of_nifti_are_not_copied_and_come_back_as_unknown(from_nifti):
    out, _ = from_nifti
    assert not (out / "images").exists()
    (series,) = Analysis.load(out).exam.series
    assert np.isnan(series.blocks[0].volume.array).all()


def test_a_second_save_writes_the_same(from_dicom, tmp_path):
    out, _ = from_dicom
    Analysis.load(out).save(tmp_path / "again")
    for name in ("analysis.json", "exam.json", "levels.csv", "run.json"):
        assert (tmp_path / "again" / name).read_bytes() == (out / name).read_bytes()


def test_label_maps_have_the_shape_and_affine_of_the_input(from_nifti, painted_nifti):
    out, _ = from_nifti
    image = nibabel.load(painted_nifti)
    for suffix in ("dseg", "desc-body_dseg"):
        labels = nibabel.load(out / "segmentations" / f"sub-01_T2w_{suffix}.nii.gz")
        assert labels.shape == image.shape
        np.testing.assert_allclose(labels.affine, image.affine, atol=1e-4)


def test_label_maps_match_the_images_voxel_by_voxel(from_dicom):
    out, _ = from_dicom
    maps = sorted((out / "segmentations").glob("*sagittal*_dseg.nii.gz"))
    assert maps
    for path in maps:
        name = re.sub(r"(_desc-body)?_dseg", "", path.name)
        image, labels = nibabel.load(out / "images" / name), nibabel.load(path)
        assert labels.shape == image.shape
        np.testing.assert_allclose(labels.affine, image.affine)
        # The painted image is the truth: a disc's voxels are where the disc was painted.
        codes, values = np.asanyarray(labels.dataobj), np.asanyarray(image.dataobj)
        if "desc-body" not in path.name:
            on_disc = values[codes == anatomy.disc_code("L4-L5")]
            assert (on_disc == 300).mean() > 0.9


def test_the_table_beside_a_map_lists_what_is_in_it(from_dicom):
    out, _ = from_dicom
    maps = list((out / "segmentations").glob("*.nii.gz"))
    assert maps
    for path in maps:
        table = json.loads(path.with_name(path.name[:-7] + ".json").read_text())
        present = set(np.unique(np.asanyarray(nibabel.load(path).dataobj))) - {0}
        assert {row["index"] for row in table["labels"]} == present
        assert (out / table["Sources"][0]).exists()


def test_blocks_have_a_file_each(from_dicom):
    out, saved = from_dicom
    (axial,) = saved.exam.of_plane(Plane.AXIAL)
    names = [f"{axial.name}_block-{n + 1}.nii.gz" for n in range(len(axial.blocks))]
    assert len(names) > 1
    assert all((out / "images" / name).exists() for name in names)


def test_rows_name_the_slice_that_exam_json_lists(from_dicom):
    out, _ = from_dicom
    exam = json.loads((out / "exam.json").read_text())
    blocks = {series["name"]: series["blocks"] for series in exam["series"]}
    with (out / "levels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows
    for row in rows:
        entry = blocks[row["series"]][int(row["block"]) - 1]["slices"][int(row["slice"])]
        assert (str(entry["slice"]), entry["instance"]) == (row["slice"], row["instance"])


def test_an_output_in_the_folder_is_not_read_as_part_of_the_exam(from_dicom, painted_dicom):
    out, _ = from_dicom
    with find_files([out.parent, painted_dicom]) as found:
        assert {file.kind for file in found.files} == {FileKind.DICOM}
        assert ["output of OpenLumbar" in entry.reason for entry in found.left_out] == [True]


def test_every_json_has_a_schema_version(from_dicom):
    out, _ = from_dicom
    files = list(out.rglob("*.json"))
    assert len(files) >= 5
    for path in files:
        assert json.loads(path.read_text())["schema_version"] == 1, path.name


def test_nothing_in_the_output_names_the_patient(
    painted_dicom, predictor, axial_predictor, tmp_path
):
    folder = tmp_path / "ZZFOLDER^ZZNAME"
    for path in painted_dicom.rglob("*.dcm"):
        dataset = pydicom.dcmread(path)
        dataset.PatientName, dataset.PatientID = "ZZNAME^ZZGIVEN", "ZZID-4711"
        dataset.PatientBirthDate, dataset.OtherPatientIDs = "19031217", "ZZOTHER"
        dataset.PatientComments = "ZZCOMMENT"
        place = folder / path.relative_to(painted_dicom)
        place.parent.mkdir(parents=True, exist_ok=True)
        dataset.save_as(place)
    out = tmp_path / "out"
    analyze_files([folder], out, options=AnalyzeOptions(predictor, axial_predictor))
    # DICOM results go back into the study of their patient, and nothing else does.
    files = [path for path in out.rglob("*") if path.is_file() and path.parent.name != "dicom"]
    assert len(files) > 8
    assert (out / "report.pdf") in files
    assert list((out / "dicom").iterdir())
    for path in files:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
        for marker in MARKERS:
            assert marker.encode() not in content.upper(), (path.name, marker)
            assert marker not in path.name.upper()


def test_what_is_doubted_of_a_series_comes_back(painted_exam, axial_predictor, tmp_path):
    (axial,) = painted_exam.of_plane(Plane.AXIAL)
    doubted = Exam((replace(axial, flags=("left-right-doubtful",)),))
    analyze(doubted, AnalyzeOptions(axial_predictor=axial_predictor)).save(tmp_path / "out")
    (series,) = Analysis.load(tmp_path / "out").exam.series
    assert series.flags == ("left-right-doubtful",)
    record = json.loads((tmp_path / "out" / "exam.json").read_text())
    assert record["series"][0]["flags"] == ["left-right-doubtful"]


def test_failures_come_back(painted_exam, tmp_path, monkeypatch):
    monkeypatch.setattr("openlumbar.models.session._WEIGHTS", tmp_path / "nowhere")
    saved = analyze(painted_exam)
    saved.save(tmp_path / "out")
    loaded = Analysis.load(tmp_path / "out")
    assert loaded.failures == saved.failures != ()


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("analysis.json", lambda text: text[: len(text) // 2], "cannot be read"),
        ("analysis.json", lambda text: text.replace('"series"', '"sires"'), "damaged"),
        ("run.json", lambda text: text.replace('": 1,', '": 99,', 1), "schema_version 99"),
    ],
)
def test_a_damaged_output_is_told_apart(from_nifti, tmp_path, name, change, message):
    _, saved = from_nifti
    saved.save(tmp_path / "out")
    path = tmp_path / "out" / name
    path.write_text(change(path.read_text()))
    with pytest.raises(UnreadableError, match=message):
        Analysis.load(tmp_path / "out")


def test_a_folder_that_is_no_output_is_named(tmp_path):
    with pytest.raises(UnreadableError, match="openlumbar analyze"):
        Analysis.load(tmp_path)


def test_the_exam_is_read_the_same_from_our_images(from_dicom):
    out, saved = from_dicom
    (sagittal,) = saved.exam.of_plane(Plane.SAGITTAL)
    again = read_exam([out / "images" / f"{sagittal.name}.nii.gz"]).series[0]
    assert again.plane is Plane.SAGITTAL
    np.testing.assert_allclose(
        again.blocks[0].volume.to_patient((0, 0, 0)),
        sagittal.blocks[0].volume.to_patient((0, 0, 0)),
        atol=1e-3,
    )
