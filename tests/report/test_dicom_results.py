from __future__ import annotations

import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom import config
from pydicom.dataelem import RawDataElement
from pydicom.fileset import FileSet
from pydicom.tag import Tag

from openlumbar.core.errors import StageError, UnreadableError
from openlumbar.core.levels import Levels, Numbering
from openlumbar.core.masks import Masks, SeriesMasks
from openlumbar.core.measurement import Measurement
from openlumbar.core.volume import Volume
from openlumbar.io.analysis import Analysis
from openlumbar.report.dicom import write_dicom_results
from support_dicom import save
from support_results import L4, RUN, analysis_of, complaints, pictures

PATIENT = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex")
STUDY = ("StudyInstanceUID", "StudyID", "StudyDate", "StudyTime", "AccessionNumber")


def results(folder: Path, inputs: list[Path] | None = None, pdf: Path | None = None):
    """What is written for ``folder/exam``, with one measurement a series."""
    analysis = measured(analysis_of(folder / "exam"))
    return write_dicom_results(analysis, inputs or [folder / "exam"], folder, pdf)


def measured(analysis: Analysis) -> Analysis:
    numbers = [
        Measurement(series.name, 0, "vertebra", "L4", "middle_height_mm", 27.5, 0.3, 0.9, slice=1)
        for series in analysis.exam.series
    ]
    return replace(analysis, measurements=tuple(numbers))


@pytest.fixture
def pdf(tmp_path):
    path = tmp_path / "report.pdf"
    path.write_bytes(b"%PDF-1.7\n%%EOF\n")
    return path


def test_each_object_is_in_the_patient_study_and_frame_of_reference_of_the_source(tmp_path, pdf):
    save(pictures(5), tmp_path / "exam")
    paths = results(tmp_path, pdf=pdf)
    stem = "series-1_sagittal-T2w"
    assert [path.name for path in paths] == [
        f"{stem}_seg.dcm",
        f"{stem}_seg-bodies.dcm",
        f"{stem}_sr.dcm",
        "report.dcm",
    ]
    source = pydicom.dcmread(next((tmp_path / "exam").iterdir()))
    found = [pydicom.dcmread(path) for path in paths]
    for dataset in found:
        for keyword in (*PATIENT, *STUDY):
            assert dataset[keyword].value == source[keyword].value, keyword
        assert dataset.SpecificCharacterSet == "ISO_IR 192"
        assert "research use" in dataset.SeriesDescription
        assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
    assert {dataset.FrameOfReferenceUID for dataset in found[:2]} == {source.FrameOfReferenceUID}
    assert [dataset.SeriesNumber for dataset in found] == [101, 102, 103, 9900]
    assert len({dataset.SeriesInstanceUID for dataset in [*found, source]}) == 5
    assert all(hd.UID(dataset.SOPInstanceUID).is_valid for dataset in found)
    assert [line for path in paths for line in complaints(path)] == []


def test_blocks_of_a_series_are_objects_of_one_series(tmp_path):
    stations = [*pictures(4), *pictures(4, origin=(8.0, -0.6, 20.4), seed=9)]
    save(stations, tmp_path / "exam")
    paths = results(tmp_path)
    segmentations = [pydicom.dcmread(path) for path in paths if path.stem.endswith("_seg")]
    assert [path.stem[-11:] for path in paths if path.stem.endswith("_seg")] == [
        "block-1_seg",
        "block-2_seg",
    ]
    assert len({dataset.SeriesInstanceUID for dataset in segmentations}) == 1
    assert [dataset.InstanceNumber for dataset in segmentations] == [1, 2]


def as_text(dataset, keyword, value, vr):
    """Set an element to what pydicom itself would not write."""
    tag = Tag(pydicom.datadict.tag_for_keyword(keyword))
    raw = value if isinstance(value, bytes) else value.encode()
    raw += b" " * (len(raw) % 2)
    dataset[tag] = RawDataElement(tag, vr, len(raw), raw, 0, False, True)


def without(*keywords):
    def spoil(dataset):
        for keyword in keywords:
            del dataset[keyword]

    return spoil


def without_class(dataset):
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    del dataset.SOPClassUID


def with_text(keyword, value, vr):
    return lambda dataset: as_text(dataset, keyword, value, vr)


#: What archives hold: what to do to each file, and the name that must come out.
HOSTILE = {
    "no frame of reference": (without("FrameOfReferenceUID"), "Test^Person"),
    "no study ID": (without("StudyID"), "Test^Person"),
    "no patient": (without(*PATIENT), ""),
    "no study facts": (without("StudyDate", "StudyTime", "AccessionNumber"), "Test^Person"),
    "no study UID": (without("StudyInstanceUID"), "Test^Person"),
    "no class": (without_class, "Test^Person"),
    "no series number": (without("SeriesNumber"), "Test^Person"),
    "long study ID": (with_text("StudyID", "S" * 40, "SH"), "Test^Person"),
    "long accession": (with_text("AccessionNumber", "A" * 40, "SH"), "Test^Person"),
    "long ID": (with_text("PatientID", "P" * 90, "LO"), "Test^Person"),
    "long name": (with_text("PatientName", "N" * 90, "PN"), "N" * 64),
    "wordy description": (with_text("StudyDescription", "w " * 60, "LO"), "Test^Person"),
    "two values": (with_text("PatientID", "P1\\P2", "LO"), "Test^Person"),
    "control characters": (with_text("PatientID", "P\x001\x1b$B", "LO"), "Test^Person"),
    "long decimal": (
        with_text("PixelSpacing", "0.80000000000000004\\0.50000000000000003", "DS"),
        "Test^Person",
    ),
    "odd sex": (with_text("PatientSex", "female", "CS"), "Test^Person"),
    "odd birth date": (with_text("PatientBirthDate", "02.01.1970", "DA"), "Test^Person"),
    "odd study date": (with_text("StudyDate", "20261399", "DA"), "Test^Person"),
    "odd study time": (with_text("StudyTime", "25:61", "TM"), "Test^Person"),
    "odd weight": (with_text("PatientWeight", "70 kg", "DS"), "Test^Person"),
    "odd age": (with_text("PatientAge", "47", "AS"), "Test^Person"),
    "odd series number": (with_text("SeriesNumber", "one", "IS"), "Test^Person"),
    "odd position": (with_text("PatientPosition", "lying", "CS"), "Test^Person"),
    "undeclared Latin-1": (
        with_text("PatientName", "Müller^Zoë".encode("latin-1"), "PN"),
        "Müller^Zoë",
    ),
    "undeclared UTF-8": (with_text("PatientName", "Müller^Zoë", "PN"), "Müller^Zoë"),
}


@pytest.mark.filterwarnings("ignore:Found unknown escape sequence")
@pytest.mark.parametrize("case", HOSTILE)
def test_an_odd_header_costs_no_result_and_gives_no_invalid_one(tmp_path, pdf, case):
    spoil, name = HOSTILE[case]
    datasets = pictures(4)
    with config.disable_value_validation():
        for dataset in datasets:
            dataset.PatientAge, dataset.PatientWeight = "056Y", "70"
            dataset.StudyDescription = "spine"
            spoil(dataset)
        save(datasets, tmp_path / "exam")
        paths = results(tmp_path, pdf=pdf)
    assert len(paths) == 4
    assert all(str(pydicom.dcmread(path).PatientName) == name for path in paths)
    assert [line for path in paths for line in complaints(path) if "Error" in line] == []


def test_lossy_images_give_results_that_say_so(tmp_path):
    lossy = {
        "LossyImageCompression": "01",
        "LossyImageCompressionRatio": "8.5",
        "LossyImageCompressionMethod": "ISO_10918_1",
    }
    save(pictures(4, **lossy), tmp_path / "exam")
    path = results(tmp_path)[0]
    assert pydicom.dcmread(path).LossyImageCompression == "01"
    assert complaints(path) == []


@pytest.mark.parametrize(
    ("declared", "name"),
    [
        ("ISO_IR 100", "Müller^Zoë"),
        ("ISO_IR 192", "Wang^XiaoDong=王^小东"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎"),
    ],
)
def test_names_survive_whatever_character_set_they_are_in(tmp_path, declared, name):
    save(pictures(4, SpecificCharacterSet=declared, PatientName=name), tmp_path / "exam")
    for path in results(tmp_path):
        assert str(pydicom.dcmread(path).PatientName) == name
        assert complaints(path) == []


def test_an_archive_knows_a_study_by_its_uid_even_if_it_is_invalid(tmp_path):
    with config.disable_value_validation():
        save(pictures(4, StudyInstanceUID="1.2.03.4"), tmp_path / "exam")
        paths = results(tmp_path)
        assert {pydicom.dcmread(path).StudyInstanceUID for path in paths} == {"1.2.03.4"}


def test_zips_and_discs_are_read_again(tmp_path):
    files = save(pictures(4), tmp_path / "exam")
    with zipfile.ZipFile(tmp_path / "exam.zip", "w") as archive:
        for path in files:
            archive.write(path, f"Test Person/{path.name}")
    disc = FileSet()
    for path in files:
        disc.add(path)
    disc.write(tmp_path / "disc")
    for given in (tmp_path / "exam.zip", tmp_path / "disc" / "DICOMDIR", tmp_path / "disc"):
        assert len(results(tmp_path, [given])) == 3
        shutil.rmtree(tmp_path / "dicom")


def test_no_identity_leaves_the_dicom_folder(tmp_path, pdf):
    save(pictures(4, PatientName="Unmistakable^Name", PatientID="QX-4711"), tmp_path / "exam")
    analysis = measured(analysis_of(tmp_path / "exam"))
    out = tmp_path / "out"
    analysis.save(out)
    paths = write_dicom_results(analysis, [tmp_path / "exam"], out, pdf)
    for path in (path for path in out.rglob("*") if path.is_file()):
        inside = b"Unmistakable" in path.read_bytes() or b"QX-4711" in path.read_bytes()
        assert inside == (path in paths), path.name


def test_series_that_are_not_dicom_have_no_dicom_results(tmp_path, painted_exam, pdf):
    series = replace(painted_exam.series[0], source="nifti")
    exam = replace(painted_exam, series=(series,))
    volume = series.blocks[0].volume
    labels = volume.with_array(np.full(volume.shape, L4, np.uint16))
    masks = Masks((SeriesMasks(series.name, (labels,)),))
    analysis = measured(Analysis(exam, masks, Levels(), RUN))
    assert write_dicom_results(analysis, [tmp_path], tmp_path, pdf) == ()
    assert not (tmp_path / "dicom").exists()


def test_an_exam_without_masks_gives_the_report_alone(tmp_path, pdf):
    save(pictures(4), tmp_path / "exam")
    analysis = analysis_of(tmp_path / "exam", lambda points: np.zeros(points.shape[:3], np.uint16))
    paths = write_dicom_results(analysis, [tmp_path / "exam"], tmp_path, pdf)
    assert [path.name for path in paths] == ["report.dcm"]


def test_names_known_to_be_wrong_go_to_no_archive(tmp_path, pdf):
    save(pictures(4), tmp_path / "exam")
    analysis = measured(analysis_of(tmp_path / "exam"))
    (series,) = analysis.exam.series
    turned = Levels(numbering=(Numbering(series.name, 0.0, ("upside-down",)),))
    found = write_dicom_results(
        replace(analysis, levels=turned), [tmp_path / "exam"], tmp_path, pdf
    )
    assert [path.name for path in found] == ["report.dcm"]


def test_a_series_that_fails_does_not_take_the_others_along(tmp_path, pdf):
    save(pictures(4), tmp_path / "exam", "one")
    as_t1 = {"SeriesInstanceUID": "1.2.3.1.2", "RepetitionTime": 500.0, "EchoTime": 10.0}
    second = pictures(4, SeriesNumber=2, seed=50, **as_t1)
    gone = save(second, tmp_path / "exam", "two")
    analysis = measured(analysis_of(tmp_path / "exam"))
    gone[1].unlink()
    with pytest.raises(StageError, match="series-2_sagittal-T1w: 1 of its 4 files"):
        write_dicom_results(analysis, [tmp_path / "exam"], tmp_path, pdf)
    names = {path.name for path in (tmp_path / "dicom").iterdir()}
    assert names == {
        "series-1_sagittal-T2w_seg.dcm",
        "series-1_sagittal-T2w_seg-bodies.dcm",
        "series-1_sagittal-T2w_sr.dcm",
        "report.dcm",
    }


def test_an_input_that_is_gone_is_one_clear_error(tmp_path):
    save(pictures(4), tmp_path / "exam")
    analysis = measured(analysis_of(tmp_path / "exam"))
    shutil.rmtree(tmp_path / "exam")
    with pytest.raises(UnreadableError, match="no such file"):
        write_dicom_results(analysis, [tmp_path / "exam"], tmp_path)


def test_a_phantom_passes_the_validator_and_so_do_its_results(
    tmp_path, painted_dicom, phantom, pdf
):
    images = sorted(painted_dicom.rglob("*.dcm"))
    assert [line for path in images[::5] for line in complaints(path)] == []
    shutil.copytree(painted_dicom, tmp_path / "exam")
    for path in results(tmp_path, pdf=pdf):
        assert complaints(path) == []


def test_masks_of_a_phantom_come_back_at_their_place(tmp_path, painted_dicom, phantom):
    """Truth in, file out, and the truth again, by place in the patient alone."""
    truth = next(entry for entry in phantom.truth.series if "sagittal" in entry.series)
    codes = truth.codes[0]
    analysis = analysis_of(painted_dicom, lambda points: at(codes, points))
    name = truth.series
    write_dicom_results(analysis, [painted_dicom], tmp_path)
    found = hd.seg.segread(tmp_path / "dicom" / f"{name}_seg.dcm")
    volume = found.get_volume(combine_segments=True)
    labels = {entry.SegmentNumber: entry.SegmentLabel for entry in found.SegmentSequence}
    (four,) = (number for number, label in labels.items() if label == "L4 vertebra")
    theirs = np.argwhere(volume.array == four) @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    assert (at(codes, theirs) == L4).all()
    assert len(np.unique(theirs, axis=0)) == np.count_nonzero(codes.array == L4) > 100


def at(codes: Volume, points):
    """Codes of a volume at places, nearest voxel; 0 outside."""
    inverse = np.linalg.inv(codes.affine)
    indices = np.rint(points @ inverse[:3, :3].T + inverse[:3, 3]).astype(int)[..., ::-1]
    inside = ((indices >= 0) & (indices < codes.shape)).all(axis=-1)
    found = np.zeros(points.shape[:-1], np.uint16)
    found[inside] = codes.array[tuple(indices[inside].T)]
    return found
