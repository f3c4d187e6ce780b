"""Masks of axial series that another tool, or a person, made: each muscle by its pixels."""

from __future__ import annotations

import csv
from dataclasses import replace

import nibabel
import numpy as np
import pytest

from openlumbar import Analysis, cli, read_exam
from openlumbar.core.anatomy import BY_CODE, SPINAL_CANAL, UNKNOWN_DISC, UNKNOWN_VERTEBRA
from openlumbar.core.codes import translate
from openlumbar.core.errors import GeometryError, InputError
from openlumbar.core.volume import Volume
from openlumbar.mechanics import LoadsOptions
from openlumbar.pipeline.masks import Given, MaskOptions, measure_given, read_given
from openlumbar.report.dicom import write_dicom_results
from support_axial import ORIGIN, axial_code_at, two_blocks
from support_dicom import save as save_dicom
from support_results import analysis_of, grid_points

_FLIP = np.diag([-1.0, -1, 1, 1])
IMAGE = "sub-01_acq-axial_T2w.nii.gz"


@pytest.fixture(scope="module")
def labels():
    """Four slices of 2 mm pixels, 12 mm apart; the upper ones show a disc."""
    affine = np.diag([2.0, 2, 12, 1])
    affine[:3, 3] = ORIGIN
    grid = Volume(np.zeros((4, 48, 48), np.uint16), affine)
    return grid.with_array(axial_code_at(grid_points(grid)))


@pytest.fixture(scope="module")
def desk(labels, tmp_path_factory):
    """The image, bright where there is no anatomy, and its masks in several codes."""
    folder = tmp_path_factory.mktemp("axial")
    noise = np.random.default_rng(0).normal(0, 5, labels.shape)
    picture = np.where(labels.array > 0, 90, 320) + noise
    write(labels.with_array(picture.astype(np.float32)), folder / IMAGE)
    write(labels, folder / "openlumbar.nii.gz")
    for name in ("musclemap", "nnunet"):
        found = translate(labels.array, "openlumbar", name).labels
        write(labels.with_array(found), folder / f"{name}.nii.gz")
    old = np.zeros(labels.shape, np.uint16)
    for number, code in enumerate((5102, 5101, 5112, 5111, 5122, 5121, 5132, 5131), 1):
        old[labels.array == code] = number  # odd on the right
    write(labels.with_array(old), folder / "older.nii.gz")
    return folder


def write(volume, path, order=(2, 1, 0)):
    affine = (_FLIP @ volume.affine)[:, [2, 1, 0, 3]][:, [*order, 3]]
    image = np.ascontiguousarray(volume.array.transpose(order))
    nibabel.save(nibabel.Nifti1Image(image, affine), path)


def measured(desk, mask, codes, image=IMAGE, **options):
    chosen = MaskOptions(codes, **options)
    return measure_given(read_exam(desk / image), [read_given(desk / mask, chosen)], chosen)


def areas(analysis):
    return {
        (m.structure, m.side, m.slice): m.value
        for m in analysis.measurements
        if m.metric == "csa_cm2" and m.slice is not None
    }


def expected(labels):
    """Pixels of each muscle in each slice, times the area of one."""
    return {
        (BY_CODE[code].name, BY_CODE[code].side, k): np.count_nonzero(labels.array[k] == code) / 25
        for code in np.unique(labels.array)
        if code and BY_CODE[code].kind == "muscle"
        for k in range(labels.shape[0])
    }


@pytest.mark.parametrize(
    ("mask", "codes"),
    [
        ("openlumbar", "openlumbar"),
        ("musclemap", "musclemap"),
        ("older", "musclemap"),
        ("nnunet", "nnunet"),
    ],
)
def test_the_area_of_a_muscle_is_that_of_its_pixels_in_whatever_codes(desk, labels, mask, codes):
    found = measured(desk, f"{mask}.nii.gz", codes)
    assert found.failures == ()
    assert areas(found) == {key: pytest.approx(area) for key, area in expected(labels).items()}
    assert len(areas(found)) == 8 * 4
    # Left is larger, as it was painted: sides were not exchanged on the way.
    assert areas(found)["psoas", "left", 0] > 1.3 * areas(found)["psoas", "right", 0]


def test_every_slice_has_a_row_and_no_level(desk, labels):
    found = measured(desk, "openlumbar.nii.gz", "openlumbar")
    rows = found.levels.rows
    assert [(row.structure, row.slice, row.level) for row in rows] == [
        ("slice", k, "") for k in range(4)
    ]
    assert found.levels.numbering == ()
    assert {m.level for m in found.measurements} == {""}
    (masks,) = found.masks.series
    assert np.array_equal(masks.labels[0].array, labels.array)
    assert masks.bodies == ()
    sac = [m for m in found.measurements if (m.structure, m.metric) == ("dural sac", "area_mm2")]
    pixels = [np.count_nonzero(labels.array[k] == SPINAL_CANAL) * 4 for k in range(4)]
    assert [m.value for m in sac] == pytest.approx(pixels)


def test_bodies_that_are_given_are_kept(desk, labels, tmp_path):
    bodies = labels.with_array(np.where(labels.array == UNKNOWN_VERTEBRA, 40, 0).astype(np.uint16))
    write(bodies, tmp_path / "bodies.nii.gz")
    found = measured(desk, "openlumbar.nii.gz", "openlumbar", bodies=tmp_path / "bodies.nii.gz")
    assert np.array_equal(found.masks.series[0].bodies[0].array, bodies.array)


def test_levels_that_the_mask_names_are_kept_beside_the_slices(desk, labels):
    named = labels.array.copy()
    named[named == UNKNOWN_VERTEBRA], named[named == UNKNOWN_DISC] = 44, 94
    given = Given("named.nii.gz", labels.with_array(named))
    found = measure_given(read_exam(desk / IMAGE), [given])
    assert [row.level for row in found.levels.rows if row.structure != "slice"] == ["L4", "L3-L4"]
    assert set(np.unique(found.masks.series[0].labels[0].array)) >= {44, 94}
    plain = measured(desk, "openlumbar.nii.gz", "openlumbar")
    assert areas(found) == areas(plain)
    disc = [m.value for m in found.measurements if (m.structure, m.metric) == ("disc", "area_mm2")]
    assert disc == [
        m.value for m in plain.measurements if (m.structure, m.metric) == ("disc", "area_mm2")
    ]
    assert len(disc) >= 1


def test_a_header_that_contradicts_itself_casts_doubt_on_numbers_with_a_side_alone(desk, labels):
    exam = read_exam(desk / IMAGE)
    (series,) = exam.series
    doubted = replace(series, flags=("left-right-doubtful",))
    given = Given("mask.nii.gz", labels)
    found = measure_given(replace(exam, series=(doubted,)), [given])
    for number in found.measurements:
        assert ("left-right-doubtful" in number.flags) == bool(number.side), number
    assert {bool(m.side) for m in found.measurements} == {True, False}


def test_a_mask_of_one_angled_block_stays_in_it(tmp_path):
    save_dicom(two_blocks(), tmp_path / "exam")
    exam = read_exam(tmp_path / "exam")
    (series,) = exam.series
    volume = series.blocks[0].volume
    given = Given("mask.nii.gz", volume.with_array(axial_code_at(grid_points(volume))))
    found = measure_given(exam, [given])
    first, second = found.masks.series[0].labels
    assert np.array_equal(first.array, given.labels.array)
    assert not second.array.any()
    assert not any("interpolated" in warning for warning in found.run.warnings)
    assert {m.block for m in found.measurements} == {0}


def test_what_came_out_as_dicom_can_be_corrected_and_measured_again(tmp_path):
    save_dicom(two_blocks(), tmp_path / "exam")
    analysis = analysis_of(tmp_path / "exam", axial_code_at)
    write_dicom_results(analysis, [tmp_path / "exam"], tmp_path)
    path = tmp_path / "dicom" / "series-1_axial-T2w_block-2_seg.dcm"
    found = measure_given(analysis.exam, [read_given(path, MaskOptions("openlumbar"))])
    first, second = found.masks.series[0].labels
    assert not first.array.any()
    assert np.array_equal(second.array, analysis.masks.series[0].labels[1].array)
    whole = {key: area for key, area in areas(found).items() if area is not None}
    assert len(whole) > 15
    for (muscle, side, k), area in whole.items():
        code = next(c for c, s in BY_CODE.items() if (s.name, s.side) == (muscle, side))
        assert area == pytest.approx(np.count_nonzero(second.array[k] == code) / 25)


def test_of_two_planes_a_mask_of_muscles_is_of_the_axial_one(phantom, labels):
    axial = next(series for series in phantom.exam.series if series.plane == "axial")
    codes = next(t for t in phantom.truth.series if t.series == axial.name).codes[0]
    muscles = np.where(codes.array > 5000, codes.array, 0).astype(np.uint16)
    assert muscles.any()
    found = measure_given(phantom.exam, [Given("mask.nii.gz", codes.with_array(muscles))])
    assert [series.name for series in found.exam.series] == [axial.name]
    sagittal = [series for series in phantom.exam.series if series.plane == "sagittal"]
    with pytest.raises(InputError, match="muscles are measured on those alone"):
        measure_given(
            replace(phantom.exam, series=tuple(sagittal)),
            [Given("mask.nii.gz", codes.with_array(muscles))],
        )


def test_masks_of_both_planes_give_named_slices_and_loads(phantom):
    sagittal, axial = phantom.truth.series
    masks = [Given("sagittal.nii.gz", sagittal.codes[0])]
    masks += [Given(f"axial-{n}.nii.gz", codes) for n, codes in enumerate(axial.codes)]
    found = measure_given(phantom.exam, masks, MaskOptions(loads=LoadsOptions(samples=0)))
    assert found.failures == ()
    assert {one.series for one in found.masks.series} == {sagittal.series, axial.series}
    slices = [row for row in found.levels.rows if row.structure == "slice"]
    assert {row.disc_level for row in slices} >= {"L5-S1"}
    assert {row.source for row in slices} == {"geometry"}
    # Muscles were seen at two discs; the curvature was seen whole.
    assert "muscles-generic" not in found.loads.flags
    assert not any("curvature" in flag for flag in found.loads.flags)
    assert len(found.loads.tasks) == 2


def test_two_masks_of_one_place_are_refused(phantom):
    (truth, _) = phantom.truth.series
    twice = [Given(name, truth.codes[0]) for name in ("a.nii.gz", "b.nii.gz")]
    with pytest.raises(InputError, match=r"a\.nii\.gz and b\.nii\.gz both have labels"):
        measure_given(phantom.exam, twice)


def test_a_mask_in_another_place_is_refused(desk, labels):
    away = labels.affine.copy()
    away[2, 3] += 400
    with pytest.raises(GeometryError, match="lie within the image"):
        measure_given(read_exam(desk / IMAGE), [Given("away.nii.gz", Volume(labels.array, away))])


def test_muscles_without_a_measurable_neighbour_are_told_from_nothing(desk, labels, tmp_path):
    sacrum = labels.with_array(np.where(labels.array > 0, 50, 0).astype(np.uint16))
    write(sacrum, tmp_path / "sacrum.nii.gz")
    with pytest.raises(InputError, match="holds sacrum only"):
        read_given(tmp_path / "sacrum.nii.gz", MaskOptions("openlumbar"))


def test_the_command_leaves_an_output_folder(desk, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    out = tmp_path / "out"
    arguments = [desk / IMAGE, desk / "musclemap.nii.gz", "--codes", "musclemap", "-o", out]
    assert cli.main(["measure", *map(str, arguments)]) == 0, capfd.readouterr().err
    with (out / "measurements.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    csa = [row for row in rows if row["metric"] == "csa_cm2"]
    assert len(csa) == 8 * 4
    assert {row["level"] for row in rows} == {""}
    assert {row["unit"] for row in csa} == {"cm2"}
    with (out / "levels.csv").open(newline="") as file:
        slices = list(csv.DictReader(file))
    assert [(row["structure"], row["slice"], row["level"]) for row in slices] == [
        ("slice", str(k), "") for k in range(4)
    ]
    name = IMAGE.removesuffix(".nii.gz")
    written = nibabel.load(out / "segmentations" / f"{name}_dseg.nii.gz")
    given = nibabel.load(desk / "musclemap.nii.gz")
    assert np.array_equal(np.asarray(written.dataobj), np.asarray(given.dataobj))
    loaded = Analysis.load(out)
    assert len(loaded.measurements) == len(rows)
    assert [row.structure for row in loaded.levels.rows] == ["slice"] * 4
