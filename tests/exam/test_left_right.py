"""A header that contradicts itself about directions is warned of, and still used."""

from __future__ import annotations

import itertools
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK

from openlumbar.exam import read_exam
from openlumbar.io.directions import agrees, is_direction, letters_contradict
from support_dicom import AXIAL, CORONAL, SAGITTAL, enhanced, save, stack, tilted_axial

DATA = Path(__file__).parents[3] / "shared" / "data"
LEFT_RIGHT = "contradicts itself about left and right"


def warnings_of(datasets, folder) -> tuple[str, ...]:
    save(datasets, folder)
    (series,) = read_exam(folder).series
    return series.warnings


# --- Patient Orientation (PS3.3 C.7.6.1.1.1)


@pytest.mark.parametrize(
    ("orientation", "letters"),
    [
        (SAGITTAL, ["P", "F"]),
        (AXIAL, ["L", "P"]),
        (CORONAL, ["L", "F"]),
        (tilted_axial(30), ["L", "PH"]),
        (tilted_axial(-30), ["L", "PF"]),
        (tilted_axial(2), ["L", "P"]),
        (tilted_axial(2), ["L", "PF"]),  # a small part of the wrong sign is rounding
        (SAGITTAL, ["", ""]),
        (SAGITTAL, ["LE", "D"]),  # a quadruped's letters without saying so: unknown
        (SAGITTAL, ["LR", "F"]),
    ],
)
def test_letters_that_go_with_the_numbers_are_silent(tmp_path, orientation, letters):
    datasets = stack(5, orientation, PatientOrientation=letters)
    assert warnings_of(datasets, tmp_path) == ()


def test_mirrored_rows_are_warned_of_and_the_numbers_are_used(tmp_path):
    datasets = stack(5, AXIAL, PatientOrientation=["R", "P"])
    save(datasets, tmp_path)
    (series,) = read_exam(tmp_path).series
    assert series.warnings == (
        "its header contradicts itself about left and right: by Patient Orientation its rows run "
        "to the right, by Image Orientation (Patient), which is used, to the left",
    )
    np.testing.assert_allclose(series.blocks[0].volume.affine[:3, 0], (0.5, 0, 0))
    assert series.flags == ("left-right-doubtful",)


def test_a_contradiction_about_other_directions_casts_no_doubt_on_the_sides(tmp_path):
    save(stack(5, SAGITTAL, PatientOrientation=["P", "H"]), tmp_path)
    (series,) = read_exam(tmp_path).series
    assert "contradicts itself about directions" in series.warnings[0]
    assert series.flags == ()


@pytest.mark.parametrize(
    ("orientation", "letters", "about"),
    [
        (SAGITTAL, ["P", "H"], "directions: by Patient Orientation its columns run to the head"),
        (SAGITTAL, ["A", "F"], "directions: by Patient Orientation its rows run to the front"),
        (SAGITTAL, ["L", "P"], "left and right: by Patient Orientation its rows run to the left"),
        (CORONAL, ["R", "F"], "left and right: by Patient Orientation its rows run to the right"),
        (
            tilted_axial(30),
            ["L", "PF"],
            "directions: by Patient Orientation its columns run to the",
        ),
    ],
)
def test_other_contradictions_of_letters(tmp_path, orientation, letters, about):
    (warning,) = warnings_of(stack(5, orientation, PatientOrientation=letters), tmp_path)
    assert about in warning


def test_a_single_turned_picture_among_many_is_enough(tmp_path):
    datasets = stack(5, AXIAL, PatientOrientation=["L", "P"])
    datasets[3].PatientOrientation = ["R", "P"]
    (warning,) = warnings_of(datasets, tmp_path)
    assert LEFT_RIGHT in warning


def test_letters_of_an_enhanced_object(tmp_path):
    whole = enhanced(stack(5, SAGITTAL))
    whole.PatientOrientation = ["P", "F"]
    assert warnings_of([whole], tmp_path / "right") == ()
    whole.PatientOrientation = ["R", "F"]
    (warning,) = warnings_of([whole], tmp_path / "wrong")
    assert LEFT_RIGHT in warning


# --- other elements


def test_two_lateralities(tmp_path):
    same = stack(5, Laterality="L", ImageLaterality="L")
    assert warnings_of(same, tmp_path / "same") == ()
    assert warnings_of(stack(5, ImageLaterality="U"), tmp_path / "unpaired") == ()
    (warning,) = warnings_of(stack(5, Laterality="L", ImageLaterality="R"), tmp_path / "both")
    assert LEFT_RIGHT in warning


def located(*locations):
    datasets = stack(len(locations))
    for dataset, location in zip(datasets, locations, strict=True):
        dataset.SliceLocation = location
    return datasets


@pytest.mark.parametrize(
    "locations",
    [
        (0, 4, 8, 12, 16),
        (60, 56, 52, 48, 44),  # another sign and origin: each vendor has its own
        (1, 3, 5, 2, 4),  # running numbers in the order of acquisition
        (0, 0, 0, 0, 0),
    ],
)
def test_slice_locations_that_can_be_right(tmp_path, locations):
    assert warnings_of(located(*locations), tmp_path) == ()


def test_slice_locations_in_another_order(tmp_path):
    (warning,) = warnings_of(located(16, 12, 0, 4, 8), tmp_path)
    assert "Slice Location puts its slices in another order" in warning


def test_a_quadruped(tmp_path):
    datasets = stack(5, AnatomicalOrientationType="QUADRUPED", PatientOrientation=["V", "CD"])
    (warning,) = warnings_of(datasets, tmp_path)
    assert "quadruped" in warning
    biped = stack(5, AnatomicalOrientationType="BIPED")
    assert warnings_of(biped, tmp_path / "biped") == ()


# --- series against each other


def exam_warnings(folder, sagittal_x, axial_x, frame="1.2.3.9"):
    save(stack(5, SAGITTAL, origin=(sagittal_x, -3, 5)), folder, "sag")
    axial = stack(
        5,
        AXIAL,
        origin=(axial_x, 0, 0),
        seed=50,
        shape=(40, 60),  # 30 mm wide
        SeriesNumber=2,
        SeriesInstanceUID="1.2.3.1.2",
        FrameOfReferenceUID=frame,
    )
    save(axial, folder, "ax")
    exam = read_exam(folder)
    told = [text for text in exam.warnings if "lie apart" in text]
    # Nobody knows which of the two is wrong: both carry the doubt, or neither.
    flags = [series.flags for series in exam.series]
    assert flags == [("left-right-doubtful",) * bool(told)] * 2
    return told


def test_slabs_that_lie_apart(tmp_path):
    # The sagittal slices run 16 mm to the right of their first one.
    assert exam_warnings(tmp_path / "inside", 35.0, 20.0) == []
    assert exam_warnings(tmp_path / "edge", 60.0, 20.0) != []
    assert exam_warnings(tmp_path / "mirrored", 35.0, -50.0) != []
    assert exam_warnings(tmp_path / "other frame", 35.0, -50.0, "1.2.3.10") == []


# --- NIfTI


def nifti(path, sform, qform, codes=(1, 1)):
    image = nibabel.Nifti1Image(np.arange(400, dtype=np.int16).reshape(5, 8, 10), None)
    image.set_sform(sform, code=codes[0])
    image.set_qform(qform, code=codes[1])
    nibabel.save(image, path)
    (series,) = read_exam([path]).series
    return series


RAS = np.diag([4.0, 0.6, 0.8, 1.0])
LAS = np.diag([-4.0, 0.6, 0.8, 1.0])
LPS = np.diag([-4.0, -0.6, 0.8, 1.0])


def test_sform_and_qform_of_one_mind(tmp_path):
    for name, form in (("a_T2w.nii", RAS), ("b_T2w.nii", LAS), ("c_T2w.nii", LPS)):
        found = nifti(tmp_path / name, form, form)
        assert (found.warnings, found.flags) == ((), ())
    turned = np.eye(4)
    turned[:2, :2] = [[0.98, -0.199], [0.199, 0.98]]
    assert nifti(tmp_path / "d_T2w.nii", RAS, turned @ RAS).warnings == (
        "sform and qform disagree; the sform is used",
    )


@pytest.mark.parametrize("other", [LAS, LPS])
def test_sform_and_qform_with_sides_exchanged(tmp_path, other):
    series = nifti(tmp_path / "a_T2w.nii", RAS, other)
    (warning,) = series.warnings
    assert LEFT_RIGHT in warning
    assert series.flags == ("left-right-doubtful",)
    # The sform, in LPS: the file's first axis runs to the right.
    assert series.blocks[0].volume.affine[0, 2] == -4.0


@pytest.mark.parametrize("codes", [(1, 0), (0, 1)])
def test_a_form_that_is_not_in_force_is_not_compared(tmp_path, codes):
    assert nifti(tmp_path / "a_T2w.nii", RAS, LAS, codes).warnings == ()


# --- MetaImage


def mha(path, code=None, direction=None):
    image = SimpleITK.GetImageFromArray(np.arange(400, dtype=np.int16).reshape(10, 8, 5))
    image.SetSpacing((4.0, 0.6, 0.8))
    if direction is not None:
        image.SetDirection(direction.ravel().tolist())
    SimpleITK.WriteImage(image, str(path))
    if code is not None:
        head, found, rest = path.read_bytes().partition(b"AnatomicalOrientation = ")
        assert found
        path.write_bytes(head + found + code.encode() + rest[3:])
    (series,) = read_exam([path]).series
    return series.warnings


@pytest.mark.parametrize("code", [None, "RAI", "LPS", "???"])
def test_letters_of_a_metaimage_that_can_be_right(tmp_path, code):
    assert mha(tmp_path / "a_T2w.mha", code) == ()


@pytest.mark.parametrize("code", ["LAI", "RPI", "RIA", "ASL"])
def test_letters_of_a_metaimage_that_contradict_it(tmp_path, code):
    (warning,) = mha(tmp_path / "a_T2w.mha", code)
    assert f"AnatomicalOrientation {code} does not go with its TransformMatrix" in warning


def test_itk_never_contradicts_itself(tmp_path):
    for number, axes in enumerate(itertools.permutations(range(3))):
        for signs in itertools.product((1, -1), repeat=3):
            direction = np.zeros((3, 3))
            direction[list(axes), range(3)] = signs
            turn = SimpleITK.Euler3DTransform((0, 0, 0), 0.3, 0.2, 0.25)
            oblique = np.array(turn.GetMatrix()).reshape(3, 3) @ direction
            assert mha(tmp_path / f"{number}_T2w.mha", None, oblique) == ()


# --- letters


def test_which_letters_are_a_direction():
    assert all(map(is_direction, ("L", "PH", "RAF", "S")))
    assert not any(map(is_direction, ("", "LR", "LE", "D", "HS")))


def test_agreement_of_letters_and_numbers():
    third = np.ones(3) / np.sqrt(3)
    assert agrees("L", third)
    assert agrees("HPL", third)
    assert not agrees("HPR", third)
    assert not agrees("L", (0.0, 1.0, 0.0))
    assert not letters_contradict("", np.eye(3))


# --- no false alarms


@pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is not here")
def test_no_real_file_is_accused():
    files = [*DATA.glob("spider_space/sub-00*_T2w.nii.gz"), *DATA.glob("sct_lumbar/*.nii.gz")]
    files.append(DATA / "musclemap" / "sub-01_axial.nii.gz")
    for path in files:
        exam = read_exam([path])
        said = [*exam.warnings, *exam.series[0].warnings]
        assert not any("contradicts itself" in text or "lie apart" in text for text in said), path
