"""What real archives contain: each case works or is refused in one sentence."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom import config, dcmread
from pydicom.dataset import Dataset
from pydicom.uid import (
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from openlumbar.core.errors import InputError, PatientError, UnreadableError
from openlumbar.core.exam import Exam, Series, Subject, Weighting
from openlumbar.core.plane import Plane
from openlumbar.exam import ReadOptions, read_exam
from support_dicom import (
    AXIAL,
    CORONAL,
    ENHANCED_MR_STORAGE,
    SAGITTAL,
    as_lossless_jpeg,
    enhanced,
    mr_slice,
    picture,
    save,
    stack,
    tilted_axial,
)


def only(exam: Exam) -> Series:
    (series,) = exam.series
    return series


def reasons(exam: Exam) -> str:
    return " | ".join(f"{entry.name}: {entry.reason}" for entry in exam.left_out)


def good(number: int = 9, **elements) -> list[Dataset]:
    """A series that is always usable, so that the exam is one."""
    return stack(
        4,
        origin=(40.0, 0.0, 0.0),
        seed=900,
        SeriesNumber=number,
        SeriesInstanceUID=f"1.2.3.1.{number}",
        **elements,
    )


# --- geometry of an ordinary series


def test_a_sagittal_series_becomes_one_grid_with_every_pixel_in_its_place(tmp_path):
    slices = stack(5, origin=(10.0, -80.0, 90.0))
    save(slices[::-1], tmp_path / "deep" / "er")
    exam = read_exam(tmp_path)
    series = only(exam)
    assert series.name == "series-1_sagittal-T2w"
    assert series.plane is Plane.SAGITTAL
    assert series.warnings == ()
    (block,) = series.blocks
    assert block.volume.shape == (5, 16, 12)
    assert block.volume.spacing_mm == pytest.approx((4.0, 0.8, 0.5))
    by_uid = {entry.SOPInstanceUID: entry for entry in slices}
    for k, uid in enumerate(block.instances):
        truth = by_uid[uid]
        np.testing.assert_array_equal(block.volume.array[k], truth.pixel_array)
        place = block.volume.to_patient((k, 3, 7))
        expected = np.add(truth.ImagePositionPatient, (0, 7 * 0.5, -3 * 0.8))
        np.testing.assert_allclose(place, expected, atol=1e-6)


def test_order_comes_from_geometry_and_the_grid_is_right_handed(tmp_path):
    slices = stack(5, SAGITTAL)
    for number, entry in enumerate(reversed(slices)):
        entry.InstanceNumber = number
    save(slices, tmp_path)
    volume = only(read_exam(tmp_path)).blocks[0].volume
    assert np.linalg.det(volume.affine[:3, :3]) > 0


def test_slightly_irregular_steps_are_one_grid_and_larger_ones_are_not(tmp_path):
    def series_with_shift(folder: str, shift: float) -> Series:
        slices = stack(6)
        slices[2].ImagePositionPatient[0] += shift
        save(slices, tmp_path / folder)
        return only(read_exam(tmp_path / folder))

    assert len(series_with_shift("within", 0.3).blocks) == 1
    beyond = series_with_shift("beyond", 0.7)
    assert len(beyond.blocks) > 1
    assert "irregular" in beyond.warnings[0]


def test_a_missing_slice_splits_the_stack_and_is_named(tmp_path):
    slices = stack(7)
    del slices[3]
    save(slices, tmp_path)
    series = only(read_exam(tmp_path))
    assert [block.volume.shape[0] for block in series.blocks] == [3, 3]
    assert "1 slices are missing" in series.warnings[0]
    assert [block.volume.spacing_mm[0] for block in series.blocks] == pytest.approx([4.0, 4.0])


def test_angled_axial_blocks_of_varying_step_and_reversed_order(tmp_path):
    blocks = [
        stack(3, tilted_axial(-5), (0, 0, 40), 4.0, seed=0),
        stack(4, tilted_axial(10), (0, 0, 0), 3.5, seed=10)[::-1],
        stack(3, tilted_axial(32), (0, 0, -40), 5.0, seed=20),
    ]
    slices = [entry for block in blocks for entry in block]
    for number, entry in enumerate(slices):
        entry.InstanceNumber = number
    save(slices, tmp_path)
    series = only(read_exam(tmp_path))
    assert series.plane is Plane.AXIAL
    assert series.warnings == ()
    assert [block.volume.shape[0] for block in series.blocks] == [3, 4, 3]
    steps = [block.volume.spacing_mm[0] for block in series.blocks]
    assert steps == pytest.approx([5.0, 3.5, 4.0])  # ascending along the normal
    uids = [entry.SOPInstanceUID for entry in blocks[1][::-1]]
    assert list(series.blocks[1].instances) == uids


def test_parallel_axial_blocks_at_the_discs_are_blocks(tmp_path):
    slices = [
        entry
        for index, height in enumerate((0.0, 35.0, 68.0))
        for entry in stack(3, AXIAL, (0, 0, height), 4.0, seed=10 * index)
    ]
    save(slices, tmp_path)
    series = only(read_exam(tmp_path))
    assert [block.volume.shape[0] for block in series.blocks] == [3, 3, 3]
    assert series.warnings == ()


def test_one_axial_slice_a_disc_gives_single_planes(tmp_path):
    slices = [mr_slice((0, 0, 35 * n), tilted_axial(8 * n), picture(n)) for n in range(4)]
    save(slices, tmp_path)
    series = only(read_exam(tmp_path))
    assert [block.volume.shape[0] for block in series.blocks] == [1] * 4
    assert series.blocks[0].volume.spacing_mm[0] == pytest.approx(4.0)  # the thickness


def test_a_single_slice_file_is_a_series(tmp_path):
    (path,) = save([mr_slice((0, 0, 0))], tmp_path)
    assert only(read_exam(path)).blocks[0].volume.shape == (1, 16, 12)


def test_stations_of_a_long_sagittal_series_are_blocks(tmp_path):
    upper = stack(4, origin=(0, 0, 200), seed=0)
    lower = stack(4, origin=(0, 10, 0), seed=10)
    save([*upper, *lower], tmp_path)
    series = only(read_exam(tmp_path))
    assert [block.volume.shape[0] for block in series.blocks] == [4, 4]
    assert "2 stacks" in series.warnings[0]


# --- contradictions: never used silently


def _shift_in_plane(slices):
    slices[2].ImagePositionPatient[2] += 7.0


def _tilt(slices):
    slices[2].ImageOrientationPatient = [0.1, 0.995, 0, 0, 0, -1]


def _mirror(slices):
    slices[2].ImageOrientationPatient = [0, -1, 0, 0, 0, -1]


def _skew(slices):
    slices[2].ImageOrientationPatient = [0, 1, 0, 0, 0.5, -0.866]


def _not_unit(slices):
    slices[2].ImageOrientationPatient = [0, 2, 0, 0, 0, -1]


def _same_place(slices):
    slices[2].ImagePositionPatient = slices[1].ImagePositionPatient


def _moved_into_neighbour(slices):
    slices[2].ImagePositionPatient[0] += 2.0


def _far_away(slices):
    slices[2].ImagePositionPatient[0] = 5e6


def _no_spacing(slices):
    for entry in slices:
        del entry.PixelSpacing


def _zero_spacing(slices):
    slices[2].PixelSpacing = [0, 0.5]


def _shared_uid(slices):
    slices[2].SOPInstanceUID = slices[1].SOPInstanceUID


CONTRADICTIONS = {
    _shift_in_plane: "contradict",
    _tilt: "contradict",
    _mirror: "directions",
    _skew: "not perpendicular",
    _not_unit: "length 1",
    _same_place: "same place",
    _moved_into_neighbour: "mm apart",
    _far_away: "metres away",
    _no_spacing: "PixelSpacing absent",
    _zero_spacing: "pixel spacing",
    _shared_uid: "one SOP Instance UID",
}


@pytest.mark.parametrize("defect", CONTRADICTIONS, ids=lambda defect: defect.__name__.strip("_"))
def test_contradicting_geometry_leaves_the_series_out(tmp_path, defect):
    slices = stack(5)
    defect(slices)
    save(slices, tmp_path / "bad")
    save(good(), tmp_path / "good")
    exam = read_exam(tmp_path)
    assert only(exam).name == "series-9_sagittal-T2w"
    assert CONTRADICTIONS[defect] in reasons(exam)
    with pytest.raises(InputError, match=CONTRADICTIONS[defect]):
        read_exam(tmp_path / "bad")


def test_an_axial_slice_that_left_its_slot_is_a_contradiction(tmp_path):
    slices = stack(7, AXIAL)
    slices[3].ImageOrientationPatient = list(tilted_axial(6))
    save(slices, tmp_path)
    with pytest.raises(InputError, match="contradict"):
        read_exam(tmp_path)


# --- what headers lack or get wrong


def test_absent_modality_manufacturer_and_study_description(tmp_path):
    save(stack(4, Modality=None, ImageType=None, FrameOfReferenceUID=None), tmp_path)
    assert only(read_exam(tmp_path)).warnings == ()


def test_absent_uids_series_number_and_thickness(tmp_path):
    absent = dict.fromkeys(("SeriesInstanceUID", "SeriesNumber", "StudyInstanceUID"))
    save(stack(4, **absent, SliceThickness=None), tmp_path)
    assert only(read_exam(tmp_path)).name == "series-1_sagittal-T2w"


def test_file_meta_naming_enhanced_mr_over_single_frames(tmp_path):
    paths = save(stack(4), tmp_path)
    for path in paths:
        dataset = dcmread(path)
        dataset.file_meta.MediaStorageSOPClassUID = ENHANCED_MR_STORAGE
        dataset.save_as(path)
    assert dcmread(paths[0]).file_meta.MediaStorageSOPClassUID == ENHANCED_MR_STORAGE
    assert only(read_exam(tmp_path)).blocks[0].volume.shape[0] == 4


def test_enhanced_sop_class_over_single_frames(tmp_path):
    save(stack(4, SOPClassUID=ENHANCED_MR_STORAGE), tmp_path)
    assert only(read_exam(tmp_path)).blocks[0].volume.shape[0] == 4


def test_true_enhanced_multi_frame(tmp_path):
    slices = stack(5)
    shuffled = [slices[index] for index in (3, 0, 4, 1, 2)]
    whole = enhanced(shuffled)
    save([whole], tmp_path)
    series = only(read_exam(tmp_path))
    assert series.weighting is Weighting.T2
    (block,) = series.blocks
    uid = whole.SOPInstanceUID
    assert block.instances == tuple(f"{uid}#{frame}" for frame in (2, 4, 5, 1, 3))
    truth = np.stack([entry.pixel_array for entry in slices]) * 2.0 - 5.0
    np.testing.assert_allclose(block.volume.array, truth)


def test_enhanced_that_describes_fewer_frames_than_it_says(tmp_path):
    whole = enhanced(stack(5))
    whole.NumberOfFrames = 9
    save([whole], tmp_path)
    with pytest.raises(InputError, match="says 9 frames but describes 5"):
        read_exam(tmp_path)


def test_a_data_set_without_preamble_and_file_meta(tmp_path):
    for index, entry in enumerate(stack(3)):
        del entry.file_meta
        entry.save_as(tmp_path / f"{index}", implicit_vr=True, little_endian=True)
    assert only(read_exam(tmp_path)).blocks[0].volume.shape[0] == 3


def test_rescale_of_each_slice_monochrome1_and_signed_pixels(tmp_path):
    one = mr_slice((0, 0, 0), pixels=picture(1), RescaleSlope=2, RescaleIntercept=1)
    two = mr_slice((-4, 0, 0), pixels=picture(2), PhotometricInterpretation="MONOCHROME1",
                   BitsStored=12, HighBit=11)  # fmt: skip
    signed = (picture(3).astype(np.int32) - 500).astype(np.int16)
    three = mr_slice((-8, 0, 0), pixels=signed, PixelRepresentation=1)
    three.PixelData = signed.tobytes()
    save([one, two, three], tmp_path)
    (block,) = only(read_exam(tmp_path)).blocks
    np.testing.assert_allclose(block.volume.array[0], picture(1) * 2.0 + 1)
    np.testing.assert_allclose(block.volume.array[1], 4095.0 - picture(2))
    np.testing.assert_allclose(block.volume.array[2], signed)


# --- compressed pixels


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
def test_compressed_pixels(tmp_path, syntax):
    slices = stack(3, shape=(64, 48))
    truth = np.stack([entry.pixel_array for entry in slices])
    for entry in slices:
        entry.compress(syntax, generate_instance_uid=False)
    save(slices, tmp_path)
    np.testing.assert_array_equal(only(read_exam(tmp_path)).blocks[0].volume.array, truth)


def test_lossless_jpeg(tmp_path):
    slices = stack(3)
    truth = np.stack([entry.pixel_array for entry in slices])
    save([as_lossless_jpeg(entry) for entry in slices], tmp_path)
    np.testing.assert_array_equal(only(read_exam(tmp_path)).blocks[0].volume.array, truth)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_other_byte_orders(tmp_path, syntax):
    slices = stack(3)
    truth = np.stack([entry.pixel_array for entry in slices])
    little = syntax is ImplicitVRLittleEndian
    for index, entry in enumerate(slices):
        entry.file_meta.TransferSyntaxUID = syntax
        if not little:
            entry.PixelData = np.frombuffer(entry.PixelData, "<u2").astype(">u2").tobytes()
        entry.save_as(tmp_path / str(index), enforce_file_format=True)
    np.testing.assert_array_equal(only(read_exam(tmp_path)).blocks[0].volume.array, truth)


# --- duplicates


def test_the_same_instance_twice_is_used_once(tmp_path):
    slices = stack(4)
    save(slices, tmp_path / "a")
    save(slices[:2], tmp_path / "b")
    series = only(read_exam(tmp_path))
    assert series.blocks[0].volume.shape[0] == 4
    assert series.warnings == ("2 pictures are there more than once; each is used once",)


def test_a_whole_series_copied_under_another_uid(tmp_path):
    save(stack(4), tmp_path / "a")
    save(stack(4, SeriesInstanceUID="1.2.3.1.2", SeriesNumber=2), tmp_path / "b")
    exam = read_exam(tmp_path)
    assert only(exam).name == "series-1_sagittal-T2w"
    assert "the same pictures as series-1_sagittal-T2w" in reasons(exam)


def test_conflicting_pictures_under_one_uid(tmp_path):
    slices = stack(4)
    rival = stack(4, seed=50)
    rival[1].SOPInstanceUID = slices[1].SOPInstanceUID
    save(slices, tmp_path / "a")
    save([rival[1]], tmp_path / "b")
    with pytest.raises(InputError, match="two different pictures lie at the same place"):
        read_exam(tmp_path)


def test_a_repetition_of_all_slices_is_left_out(tmp_path):
    save(stack(4, AcquisitionNumber=1), tmp_path / "a")
    save(stack(4, seed=50, AcquisitionNumber=2), tmp_path / "b")
    exam = read_exam(tmp_path)
    assert [series.name for series in exam.series] == ["series-1_sagittal-T2w"]
    assert "repetition" in reasons(exam)


# --- series that hold several pictures of one place


def test_two_echoes_interleaved_become_two_series(tmp_path):
    first = stack(4, EchoTime=12.0, EchoNumbers=1)
    second = stack(4, seed=50, EchoTime=96.0, EchoNumbers=2)
    save([entry for pair in zip(first, second, strict=True) for entry in pair], tmp_path)
    exam = read_exam(tmp_path)
    assert {s.name for s in exam.series} == {"series-1_sagittal-PDw", "series-1_sagittal-T2w"}
    for series in exam.series:
        assert series.blocks[0].volume.shape[0] == 4
        assert "echo" in series.warnings[0]


def test_mixed_matrix_sizes_become_two_series(tmp_path):
    small = [mr_slice((-4.0 * n, 0, 0), pixels=picture(n, 8, 8)) for n in range(3)]
    save([*stack(5), *small], tmp_path)
    exam = read_exam(tmp_path)
    assert [s.blocks[0].volume.shape for s in exam.series] == [(5, 16, 12), (3, 8, 8)]
    assert [s.name for s in exam.series] == ["series-1_sagittal-T2w", "series-1_sagittal-T2w-2"]


def test_water_and_fat_parts(tmp_path):
    water = stack(4, ImageType=["DERIVED", "PRIMARY", "M", "W"])
    fat = stack(4, seed=50, ImageType=["DERIVED", "PRIMARY", "M", "F"])
    save([*water, *fat], tmp_path)
    exam = read_exam(tmp_path)
    assert only(exam).weighting is Weighting.T2_FAT_SAT
    assert "a fat image" in reasons(exam)


# --- what is left out


def test_localizers_reformats_and_oblique_series_are_left_out(tmp_path):
    def series(number: int, slices: list[Dataset]) -> None:
        for entry in slices:
            entry.SeriesInstanceUID, entry.SeriesNumber = f"1.2.3.1.{number}", number
        save(slices, tmp_path / str(number))

    series(2, stack(3, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]))
    planes = [*stack(2, SAGITTAL), *stack(2, CORONAL, seed=5), *stack(2, AXIAL, seed=9)]
    series(3, planes)
    series(4, stack(4, ImageType=["DERIVED", "SECONDARY", "MPR"]))
    third = 3**-0.5
    half = 2**-0.5
    across = np.cross([third] * 3, [half, -half, 0])
    series(5, stack(4, (half, -half, 0.0, *across)))
    series(6, [mr_slice((0, 0, 0), (np.cos(a), np.sin(a), 0, 0, 0, -1), picture(i))
               for i, a in enumerate(np.radians(range(0, 180, 15)))])  # fmt: skip
    save(good(), tmp_path / "good")
    exam = read_exam(tmp_path)
    assert only(exam).name == "series-9_sagittal-T2w"
    left = {entry.name: entry.reason for entry in exam.left_out}
    assert left["series-2"] == "a localizer"
    assert "3 directions" in left["series-3"]
    assert "MPR" in left["series-4"]
    assert "oblique" in left["series-5"]
    assert "radial" in left["series-6"]


def test_a_derived_series_goes_when_its_original_is_there_and_stays_when_not(tmp_path):
    derived = stack(4, seed=70, ImageType=["DERIVED", "SECONDARY"], SeriesNumber=2,
                    SeriesInstanceUID="1.2.3.1.2")  # fmt: skip
    save(derived, tmp_path / "d")
    alone = only(read_exam(tmp_path))
    assert "derived" in alone.warnings[0]
    save(good(), tmp_path / "o")
    exam = read_exam(tmp_path)
    assert only(exam).name == "series-9_sagittal-T2w"
    assert "derived" in reasons(exam)


OTHER_OBJECTS = {
    "1.2.840.10008.5.1.4.1.1.88.22": "SR",
    "1.2.840.10008.5.1.4.1.1.11.1": "PR",
    "1.2.840.10008.5.1.4.1.1.66.4": "SEG",
    "1.2.840.10008.5.1.4.1.1.2": "CT",
    "1.2.840.10008.5.1.4.1.1.104.1": "DOC",
}


def test_other_objects_are_left_out_with_their_kind(tmp_path):
    save(good(), tmp_path)
    for number, (storage, modality) in enumerate(OTHER_OBJECTS.items(), 20):
        other = mr_slice((0, 0, 0), SOPClassUID=storage, Modality=modality, SeriesNumber=number,
                         SeriesInstanceUID=f"1.2.3.1.{number}")  # fmt: skip
        save([other], tmp_path, modality)
    exam = read_exam(tmp_path)
    only(exam)
    assert len(exam.left_out) == len(OTHER_OBJECTS)
    assert all("not an MR image" in entry.reason for entry in exam.left_out)


def test_modality_ct_over_mr_storage(tmp_path):
    save(stack(3, Modality="CT"), tmp_path)
    with pytest.raises(InputError, match="modality CT"):
        read_exam(tmp_path)


def test_colour_is_refused(tmp_path):
    colour = mr_slice((0, 0, 0), SamplesPerPixel=3, PhotometricInterpretation="RGB",
                      PlanarConfiguration=0)  # fmt: skip
    save([colour], tmp_path)
    with pytest.raises(InputError, match="colour"):
        read_exam(tmp_path)


# --- several people, frames of reference, studies


def test_two_patients_are_an_error_that_names_them_unless_one_is_picked(tmp_path):
    save(stack(3), tmp_path / "a")
    save(good(PatientID="P2", PatientName="Other^One"), tmp_path / "b")
    with pytest.raises(PatientError, match=r"P1, P2.*--patient"):
        read_exam(tmp_path)
    exam = read_exam(tmp_path, ReadOptions(patient="P2"))
    assert only(exam).name == "series-9_sagittal-T2w"
    assert exam.left_out[0].files == 3
    assert "P1" not in reasons(exam)
    assert read_exam(tmp_path, ReadOptions(patient="Other^One")).series
    with pytest.raises(PatientError, match="P3"):
        read_exam(tmp_path, ReadOptions(patient="P3"))


def test_patients_without_id_are_told_apart_by_name(tmp_path):
    save(stack(3, PatientID=None), tmp_path / "a")
    save(good(PatientID="", PatientName="Other^One"), tmp_path / "b")
    with pytest.raises(PatientError, match=r"Other\^One, Test\^Person"):
        read_exam(tmp_path)


def test_a_nameless_file_belongs_to_the_only_patient(tmp_path):
    slices = stack(4)
    slices[1].PatientID = slices[1].PatientName = ""
    save(slices, tmp_path)
    assert only(read_exam(tmp_path)).blocks[0].volume.shape[0] == 4


def test_frames_of_reference_that_differ_are_a_warning(tmp_path):
    save(stack(4), tmp_path / "a")
    save(good(FrameOfReferenceUID="1.2.3.10"), tmp_path / "b")
    exam = read_exam(tmp_path)
    assert len(exam.series) == 2
    assert "2 frames of reference" in exam.warnings[0]


# --- the subject


def test_subject_from_headers_and_from_the_user(tmp_path):
    save(stack(3, PatientSex="F", PatientAge="054Y", PatientSize=1.68, PatientWeight=70), tmp_path)
    subject = read_exam(tmp_path).subject
    assert subject == Subject("F", 54.0, 1.68, 70.0)
    given = read_exam(tmp_path, ReadOptions(subject=Subject(mass_kg=81.0))).subject
    assert given == Subject("F", 54.0, 1.68, 81.0)


def test_age_from_dates_and_impossible_facts(tmp_path):
    save(stack(3, PatientBirthDate="19700616", StudyDate="20240615", PatientSize=168,
               PatientWeight=0), tmp_path)  # fmt: skip
    exam = read_exam(tmp_path)
    assert exam.subject == Subject(None, 53.0, None, None)
    assert exam.warnings == ("the patient's height in a header, 168, is impossible and ignored",)


# --- broken files


def test_junk_among_good_files_is_counted(tmp_path):
    paths = save(stack(5), tmp_path)
    raw = paths[-1].read_bytes()
    paths[-1].write_bytes(raw[: len(raw) - 100])  # in the pixels
    (tmp_path / "notes.txt").write_text("nothing to see")
    (tmp_path / "empty.dcm").touch()
    (tmp_path / "folder.dcm").mkdir()
    (tmp_path / "dangling.dcm").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "cut.dcm").write_bytes(raw[:200])
    exam = read_exam(tmp_path)
    series = only(exam)
    assert series.blocks[0].volume.shape[0] == 4
    assert "1 of 5 pictures cannot be decoded" in series.warnings[0]
    assert "not a DICOM" in reasons(exam)
    assert "cannot be opened (No such file or directory)" in reasons(exam)


def test_nothing_usable_is_one_clear_sentence(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no files"):
        read_exam(tmp_path / "empty")
    with pytest.raises(UnreadableError, match="no such file"):
        read_exam(tmp_path / "absent")
    with pytest.raises(InputError, match="no input"):
        read_exam([])
    text = tmp_path / "a.txt"
    text.write_text("hello")
    with pytest.raises(InputError, match="not a DICOM, NIfTI or MetaImage") as caught:
        read_exam(text)
    assert "\n" not in str(caught.value)


def test_an_empty_picture_is_left_out(tmp_path):
    save([mr_slice((0, 0, 0), pixels=np.full((16, 12), 7, np.uint16))], tmp_path)
    with pytest.raises(InputError, match="one value"):
        read_exam(tmp_path)


def test_pydicom_settings_are_left_as_they_were(tmp_path):
    before = config.settings.reading_validation_mode
    save(stack(3), tmp_path)
    read_exam(tmp_path)
    assert config.settings.reading_validation_mode == before


def test_weighting_option_overrides_headers(tmp_path):
    save(stack(3), tmp_path)
    assert only(read_exam(tmp_path, ReadOptions(weighting=Weighting.T1))).weighting is Weighting.T1


def test_description_that_holds_the_name_is_dropped(tmp_path):
    save(stack(3, SeriesDescription="T2 SAG person", SeriesInstanceUID=generate_uid()), tmp_path)
    assert only(read_exam(tmp_path)).facts["description"] == ""
